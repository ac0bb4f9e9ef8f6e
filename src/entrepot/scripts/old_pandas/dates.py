"""Stamps in text as pandas 1.5 read them: each for itself, in whatever form it has."""

import datetime as dt
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pandas as pd

#: pandas' own, whatever a script has in its place.
_to_datetime = pd.to_datetime


def converter(call: Callable[..., Any], *, infer: bool) -> Callable[..., Any]:
    """Return ``to_datetime``, which takes stamps of several forms; the first decides on all if they have its form."""

    def to_datetime(*args: Any, **kwargs: Any) -> Any:
        if infer:
            try:
                return call(*args, **kwargs)
            except ValueError:
                if kwargs.get("errors") == "coerce":
                    raise
        return call(*args, **{**kwargs, "format": "mixed"})

    to_datetime.__name__ = "to_datetime"
    return to_datetime


def lenient(values: Any, *, dayfirst: bool = False, infer: bool = False) -> Any:
    """Return the stamps; the values as they are if one is none."""
    if isinstance(values, dt.datetime):
        return values
    for form in [None, "mixed"] if infer else ["mixed"]:
        try:
            return _to_datetime(values, dayfirst=dayfirst, format=form)
        except (ValueError, TypeError, OverflowError):
            continue
    return values


def parsed(
    parser: Callable[..., Any] | None, columns: Sequence[np.ndarray[Any, Any]], *, dayfirst: bool, infer: bool
) -> Any:
    """Return what a ``date_parser`` makes of columns of text: at once if it can, else row by row."""
    rows = _joined(columns)
    if parser is None:
        return lenient(rows, dayfirst=dayfirst, infer=infer)
    try:
        made = lenient(parser(*columns))
        if isinstance(made, dt.datetime):
            raise TypeError("one stamp for all rows")
    except Exception:  # noqa: BLE001 - the parser is the user's
        try:
            return lenient([np.nan if row == "" else parser(row) for row in rows])
        except Exception:  # noqa: BLE001
            return lenient([parser(*row) for row in zip(*columns, strict=True)])
    return made


def _joined(columns: Sequence[np.ndarray[Any, Any]]) -> np.ndarray[Any, Any]:
    if len(columns) == 1:
        return columns[0]
    rows = [" ".join(str(cell) for cell in row) for row in zip(*columns, strict=True)]
    return np.array(rows, dtype=object)
