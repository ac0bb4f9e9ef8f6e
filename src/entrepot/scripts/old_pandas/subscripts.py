"""Subscripts that pandas took for something else: rows by their number, rows of a day by its text."""

import functools
import re
from collections.abc import Callable
from typing import Any

import pandas as pd

from .notes import note
from .spelling import Spelling

_DAY = re.compile(r"\d{4}(-\d{1,2}(-\d{1,2}([ T]\d{1,2}(:\d\d){0,2})?)?)?")


def install(spelling: Spelling) -> None:
    """Have old subscripts taken where the script may have one."""
    if spelling.numbered:
        pd.Series.__getitem__ = _by_number(pd.Series.__getitem__)  # type: ignore[method-assign]
    if spelling.numbered_store:
        pd.Series.__setitem__ = _set_by_number(pd.Series.__setitem__)  # type: ignore[method-assign]
    if any(_DAY.fullmatch(text) for text in spelling.keys):
        pd.DataFrame.__getitem__ = _by_day(pd.DataFrame.__getitem__)  # type: ignore[method-assign]


def _by_number(get: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(get)
    def getitem(series: pd.Series, key: Any) -> Any:
        try:
            return get(series, key)
        except KeyError:
            if not _is_position(series.index, key):
                raise
        note("x[number]", "x.iloc[number]")
        return series.iloc[key]

    return getitem


def _set_by_number(put: Callable[..., None]) -> Callable[..., None]:
    @functools.wraps(put)
    def setitem(series: pd.Series, key: Any, value: Any) -> None:
        if _is_position(series.index, key) and key not in series.index and -len(series) <= key < len(series):
            note("x[number] = value", "x.iloc[number] = value")
            series.iloc[key] = value
        else:
            put(series, key, value)

    return setitem


def _is_position(index: pd.Index, key: Any) -> bool:
    if not pd.api.types.is_integer(key) or pd.api.types.is_numeric_dtype(index.dtype):
        return False
    return pd.api.types.infer_dtype(index) not in ("integer", "mixed-integer", "mixed-integer-float", "floating")


def _by_day(get: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(get)
    def getitem(frame: pd.DataFrame, key: Any) -> Any:
        try:
            return get(frame, key)
        except KeyError:
            if not isinstance(key, str) or not isinstance(frame.index, pd.DatetimeIndex | pd.PeriodIndex):
                raise
            rows = frame.loc[key]
            if not isinstance(rows, pd.DataFrame):
                raise
        note("x['day']", "x.loc['day']")
        return rows

    return getitem
