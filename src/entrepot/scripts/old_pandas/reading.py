"""``read_csv`` and its like with what they took before pandas 2."""

import collections
import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd

from . import dates
from .notes import note

#: What brings a reader here. Stamps of several columns are told from `parse_dates` itself.
WORDS = (
    "date_parser", "infer_datetime_format", "parse_dates", "squeeze", "error_bad_lines", "warn_bad_lines", "prefix",
    "mangle_dupe_cols", "keep_date_col", "delim_whitespace", "verbose", "convert_float", "line_terminator",
)  # fmt: skip
_IN_PARTS = ("chunksize", "iterator")


def read(function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Call a reader of today for what an old one was asked for."""
    named = dict(kwargs)
    parser = named.pop("date_parser", None)
    infer = _take(named, "infer_datetime_format", False, "nothing: formats are inferred")
    squeeze = _take(named, "squeeze", False, 'squeeze("columns")')
    prefix = _take(named, "prefix", None, "names=")
    keep = _take(named, "keep_date_col", False, "pd.to_datetime() after reading")
    _modernise(named)
    wanted = named.get("parse_dates")
    if parser is not None:
        note("date_parser", "date_format=, or pd.to_datetime() after reading")
    combined = isinstance(wanted, dict) or (
        isinstance(wanted, list) and any(isinstance(each, list | tuple) for each in wanted)
    )
    if combined:
        note("parse_dates of several columns", "pd.to_datetime() after reading")
    if not (combined or (wanted and (parser is not None or infer))):
        frame = function(*args, **named)
    else:
        if any(named.get(part) for part in _IN_PARTS):
            raise TypeError("date_parser and stamps of several columns are not taken with chunksize")
        reader = _Stamps(named, parser, infer=infer, keep=keep)
        frame = reader.finish(function(*args, **reader.arguments))
    if prefix is not None and named.get("header", "infer") is None and isinstance(frame, pd.DataFrame):
        frame.columns = [f"{prefix}{label}" for label in frame.columns]
    if squeeze and isinstance(frame, pd.DataFrame) and frame.shape[1] == 1:
        return frame.iloc[:, 0].copy()
    return frame


def _take(named: dict[str, Any], old: str, default: Any, now: str) -> Any:
    if old not in named:
        return default
    note(old, now)
    return named.pop(old)


def _modernise(named: dict[str, Any]) -> None:
    for gone in ("mangle_dupe_cols", "verbose", "convert_float"):
        _take(named, gone, None, "nothing: it is so anyway")
    if named.get("delimiter", "") is None:
        del named["delimiter"]
    if _take(named, "delim_whitespace", False, 'sep=r"\\s+"'):
        named["sep"] = r"\s+"
    if "line_terminator" in named:
        named["lineterminator"] = _take(named, "line_terminator", None, "lineterminator")
    errors = _take(named, "error_bad_lines", None, "on_bad_lines=")
    warnings = _take(named, "warn_bad_lines", None, "on_bad_lines=")
    if errors is not None or warnings is not None:
        named["on_bad_lines"] = "error" if errors in (None, True) else "skip" if warnings is False else "warn"


class _Stamps:
    """Columns that are read as text and made stamps afterwards.

    Parameters
    ----------
    named
        What the reader was called with.
    parser
        The script's ``date_parser``.
    """

    def __init__(self, named: dict[str, Any], parser: Callable[..., Any] | None, *, infer: bool, keep: bool) -> None:
        self._parser, self._infer, self._keep = parser, infer, keep
        self._dayfirst = bool(named.get("dayfirst", False))
        self._index = named.get("index_col")
        wanted = named["parse_dates"]
        self._index_too = wanted is True
        if wanted is True:
            wanted = [] if self._index is None or self._index is False else _listed(self._index)
        #: New name (None: made of the old ones) and the columns of each.
        self._groups: list[tuple[Any, list[Any]]] = (
            [(name, _listed(columns)) for name, columns in wanted.items()]
            if isinstance(wanted, dict)
            else [(None, list(each)) for each in wanted if isinstance(each, list | tuple)]
        )
        self._single = (
            [] if isinstance(wanted, dict) else [each for each in wanted if not isinstance(each, list | tuple)]
        )
        self.arguments = {**named, "parse_dates": False}
        if self._index is not False:
            self.arguments.pop("index_col", None)
        columns = [*self._single, *(column for _, group in self._groups for column in group)]
        self.arguments["dtype"] = _with_text(named.get("dtype"), columns)

    def finish(self, frame: pd.DataFrame) -> pd.DataFrame:
        """Return what was read with its stamps and its index."""
        made = {}
        names = list(frame.columns)
        gone: list[Any] = []
        for label in (self._label(names, each) for each in self._single):
            frame[label] = self._stamps(frame, [label])
        for name, group in self._groups:
            labels = [self._label(names, each) for each in group]
            made["_".join(map(str, labels)) if name is None else name] = self._stamps(frame, labels)
            gone += labels
        if self._index_too and self._index is None and not isinstance(frame.index, pd.RangeIndex):
            text = frame.index.to_numpy(object)
            stamps = dates.parsed(self._parser, [text], dayfirst=self._dayfirst, infer=self._infer)
            frame.index = pd.Index(stamps, name=frame.index.name)
        kept = frame if self._keep else frame.drop(columns=gone)
        if made:
            kept = pd.concat([pd.DataFrame(made, index=kept.index), kept], axis=1)
        if self._index is None or self._index is False:
            return kept
        labels = [self._label(list(kept.columns), each) for each in _listed(self._index)]
        kept = kept.set_index(labels)
        kept.index.names = [
            None if isinstance(name, str) and re.fullmatch(r"Unnamed: \d+", name) else name for name in kept.index.names
        ]
        return kept

    @staticmethod
    def _label(names: list[Any], column: Any) -> Any:
        return names[column] if isinstance(column, int) and column not in names else column

    def _stamps(self, frame: pd.DataFrame, labels: list[Any]) -> Any:
        columns = [frame[label].to_numpy(object) for label in labels]
        stamps = dates.parsed(self._parser, columns, dayfirst=self._dayfirst, infer=self._infer)
        return stamps if isinstance(stamps, np.ndarray) else np.asarray(pd.Index(stamps))


def _listed(columns: Any) -> list[Any]:
    return list(columns) if isinstance(columns, list | tuple) else [columns]


def _with_text(dtype: Any, columns: list[Any]) -> Any:
    text = dict.fromkeys(columns, object)
    if dtype is None:
        return text
    if isinstance(dtype, dict):
        return {**dtype, **text}
    return collections.defaultdict(lambda: dtype, text)
