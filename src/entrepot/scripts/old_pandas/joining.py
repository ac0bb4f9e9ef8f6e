"""``append`` of frames and series, as pandas 1.5 had it."""

from collections.abc import Iterable
from typing import Any

import pandas as pd


def append(
    first: Any,
    other: Any = None,
    ignore_index: bool = False,
    verify_integrity: bool = False,
    sort: bool = False,
    *,
    to_append: Any = None,
) -> Any:
    """Return the rows of both."""
    other = to_append if other is None else other
    if isinstance(first, pd.Series):
        parts = [first, *other] if isinstance(other, list | tuple) else [first, other]
        if any(isinstance(part, pd.DataFrame) for part in parts[1:]):
            raise TypeError("to_append should be a Series or list/tuple of Series, got DataFrame")
        if kept := [part for part in parts if len(part)]:
            # An empty one had no say in what the values are.
            parts = kept if len(kept) > 1 else [*kept, kept[0].iloc[:0]]
        joined = pd.concat(parts, ignore_index=ignore_index, verify_integrity=verify_integrity)
        return joined.rename(first.name if _one_name([first, *_listed(other)]) else None)
    if isinstance(other, dict):
        if not ignore_index:
            raise TypeError("Can only append a dict if ignore_index=True")
        other = pd.Series(other)
    if isinstance(other, pd.Series):
        other = _row(first, other, ignore_index=ignore_index)
    elif isinstance(other, list) and other and not isinstance(other[0], pd.DataFrame):
        other = pd.DataFrame(other)
        if first.index.name is not None and not ignore_index:
            other.index.name = first.index.name
    parts = _alike([first, *_listed(other)])
    return pd.concat(parts, ignore_index=ignore_index, verify_integrity=verify_integrity, sort=sort)


def _listed(other: Any) -> list[Any]:
    return list(other) if isinstance(other, list | tuple) else [other]


def _one_name(parts: Iterable[Any]) -> bool:
    return len({part.name for part in parts}) == 1


def _row(frame: pd.DataFrame, row: pd.Series, *, ignore_index: bool) -> pd.DataFrame:
    if row.name is None and not ignore_index:
        raise TypeError("Can only append a Series if ignore_index=True or if the Series has a name")
    made = row.to_frame().T.infer_objects()
    return made.rename_axis(frame.index.names)


def _alike(parts: list[pd.DataFrame]) -> list[pd.DataFrame]:
    """Have columns that are empty, or hold nothing, be of the type that they have elsewhere: they had no say in it."""
    if any(not part.columns.is_unique for part in parts):
        return parts
    kinds: dict[Any, set[Any]] = {}
    for part in parts:
        for label in part.columns:
            if len(part) and not part[label].isna().all():
                kinds.setdefault(label, set()).add(part[label].dtype)
    made = []
    for part in parts:
        change = {
            label: next(iter(kinds[label]))
            for label in part.columns
            if len(kinds.get(label, ())) == 1 and part[label].isna().all() and part[label].dtype not in kinds[label]
            and not (len(part) and next(iter(kinds[label])).kind in "iub")
        }  # fmt: skip
        made.append(part.astype(change) if change else part)
    return made
