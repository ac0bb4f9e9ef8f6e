"""What a script made of its input, described without being taken: for those who try a script before it counts."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd

from . import frames, mistakes
from .sketch import sketch

_FIRST_ROWS, _MOST_COLUMNS, _LONGEST = 10, 1000, 80
#: Columns of which it is told what they look like, and the points or extremes that are told of each.
_MOST_SKETCHED, _SKETCHED_POINTS = 40, 240


def describe(result: Any, name: str, content: bytes | None = None) -> dict[str, Any]:
    """Return the first rows of a result, what each of its columns holds, and what of it would be refused, and why."""
    if isinstance(result, pd.Series):
        result = result.to_frame()
    told: dict[str, Any] = {"rows": 0, "columns": [], "first_rows": [], "refused": [], "passed_over": result is None}
    if result is None:
        return told
    if not isinstance(result, pd.DataFrame):
        told["refused"] = [_reason(lambda: frames.result_to_ipc(result, name, content))]
        return told
    told["rows"] = len(result)
    told["first_rows"] = [
        [mistakes.stamp(at), *(_cell(value) for value in row)]
        for at, row in zip(result.index[:_FIRST_ROWS], result.iloc[:_FIRST_ROWS].itertuples(index=False), strict=True)
    ]
    told["columns"] = [_column(result, at, name, content) for at in range(min(result.shape[1], _MOST_COLUMNS))]
    for at, column in enumerate(told["columns"][:_MOST_SKETCHED]):
        column["sketch"] = None if column["min"] is None else _sketch(result, at)
    told |= _stamps(result)
    # The whole is refused for more than its columns.
    if len(result) and (reason := _reason(lambda: frames.check_shape(result, name, content))):
        told["refused"] = [reason]
    return told


def _column(frame: pd.DataFrame, at: int, name: str, content: bytes | None) -> dict[str, Any]:
    column, label = frame.iloc[:, at], str(frame.columns[at])
    present = column.notna().to_numpy()
    told: dict[str, Any] = {
        "name": label,
        "type": _type(column),
        "count": int(present.sum()),
        "empty": int((~present).sum()),
        **_ends(frame.index[present]),
        "min": None,
        "max": None,
        "refused": None,
    }
    try:
        values = frames.numbers_of(column, label, name, content)
    except frames.BadResult as error:
        told["refused"] = str(error)
    else:
        if present.any():
            told["min"], told["max"] = float(np.nanmin(values)), float(np.nanmax(values))
    return told


def _sketch(frame: pd.DataFrame, at: int) -> dict[str, list[Any]] | None:
    """Return a column as a small plot shows it: stamps in microseconds, and the lowest and highest value at each."""
    if not isinstance(frame.index, pd.DatetimeIndex):
        return None
    values = pd.to_numeric(frame.iloc[:, at], errors="coerce").to_numpy(np.float64, na_value=np.nan)
    known = frame.index.notna()
    return sketch(frame.index.as_unit("us").asi8[known], values[known], _SKETCHED_POINTS)


def _stamps(frame: pd.DataFrame) -> dict[str, Any]:
    """Return first and last stamps, how many are repeated, the usual step, and the gaps between them."""
    index = frame.index
    told: dict[str, Any] = {"zone": None, **_ends(index), "duplicates": 0, "step_seconds": None, "gaps": 0}
    if not isinstance(index, pd.DatetimeIndex) or not len(index):
        return told
    told["zone"] = None if index.tz is None else str(index.tz)
    told["duplicates"] = int(index.duplicated().sum())
    steps = np.diff(np.unique(index.dropna().as_unit("us").asi8)).astype(np.float64) / 1e6
    if steps.size:
        step = float(np.median(steps))
        told["step_seconds"], told["gaps"] = step, int((steps > 1.5 * step).sum())
    return told


def _ends(index: pd.Index) -> dict[str, str | None]:
    if not len(index):
        return {"first": None, "last": None}
    if not isinstance(index, pd.DatetimeIndex):
        return {"first": _cell(index[0]), "last": _cell(index[-1])}
    stamps = index.dropna()
    return {"first": stamps.min().isoformat(), "last": stamps.max().isoformat()} if len(stamps) else _ends(stamps)


def _type(column: pd.Series) -> str:
    kind = column.dtype
    if pd.api.types.is_bool_dtype(kind):
        return "boolean"
    if pd.api.types.is_integer_dtype(kind):
        return "integer"
    if pd.api.types.is_float_dtype(kind):
        return "float"
    return "time" if pd.api.types.is_datetime64_any_dtype(kind) else "text"


def _cell(value: Any) -> str:
    return str(value)[:_LONGEST]


def _reason(check: Callable[[], Any]) -> str:
    try:
        check()
    except frames.BadResult as error:
        return str(error)
    return ""
