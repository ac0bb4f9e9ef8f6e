"""Old names of frequencies and units: ``6H``, ``30T``, ``M``, wherever pandas takes one.

No name means one thing in old pandas and another in today's, so that only what today's refuses is looked at.
"""

import functools
import re
import sys
from collections.abc import Callable, Mapping
from typing import Any

import pandas as pd

from .notes import note
from .spelling import Spelling

_TICKS = {"H": "h", "T": "min", "S": "s", "L": "ms", "MS": "ms", "U": "us", "N": "ns"}
_OFFSETS = {
    **_TICKS, "MS": "MS", "BH": "bh", "CBH": "cbh", "M": "ME", "BM": "BME", "CBM": "CBME", "SM": "SME", "Q": "QE",
    "BQ": "BQE", "A": "YE", "Y": "YE", "BA": "BYE", "BY": "BYE", "AS": "YS", "BAS": "BYS", "BMS": "BMS", "SMS": "SMS",
    "CBMS": "CBMS", "QS": "QS", "BQS": "BQS", "YS": "YS", "BYS": "BYS",
}  # fmt: skip
_PERIODS = {**_TICKS, "A": "Y", "Y": "Y", "M": "M", "Q": "Q"}
#: A month is no length of time; as one, M was a minute. A year was one of the Gregorian calendar's mean length.
_UNITS = {**_TICKS, "M": "min", "Y": "31556952s"}
_TOKEN = re.compile(r"([A-Za-z]+)((?:-[A-Za-z0-9]+)*)")
_TODAY = {"h", "s", "ms", "bh", "cbh", *_OFFSETS.values()}
_OLD = sorted({*_OFFSETS, *map(str.lower, _OFFSETS)} - _TODAY)
_MENTIONED = re.compile(rf"(?:(?<![A-Za-z])|(?<=%[dis]))(?:{'|'.join(_OLD)})(?![A-Za-z])")
_STATIC = ("__new__", "_maybe_convert_freq")
_BY_NAME = ("to_offset", "get_unit_for_round")

Names = Mapping[str, str]


def install(spelling: Spelling) -> None:
    """Have pandas take old names, if the script may use one."""
    if not any(_MENTIONED.search(text) for text in spelling.texts):
        return
    for module in [module for name, module in sys.modules.items() if name.startswith("pandas.")]:
        for name in _BY_NAME:
            if callable(function := vars(module).get(name)):
                setattr(module, name, _retried(function, 0, "freq"))
    for owner in (pd.Timestamp, pd.Timedelta):
        for name in ("floor", "ceil", "round"):
            _replace(owner, name, 1, "freq", _OFFSETS)
    _replace(pd.Timestamp, "to_period", 1, "freq", _PERIODS)
    _replace(pd.Period, "asfreq", 1, "freq", _PERIODS)
    _replace(pd.Period, "to_timestamp", 1, "freq", _PERIODS)
    _replace(pd.Period, "__new__", 2, "freq", _PERIODS)
    _replace(pd.Period, "_maybe_convert_freq", 0, "freq", _PERIODS)
    _replace(pd.Timedelta, "__new__", 1, "value", _UNITS)
    _replace(pd.Timedelta, "__new__", 2, "unit", _UNITS)
    # A Series asks a period's type for its frequency in text.
    _replace(sys.modules["pandas.core.dtypes.dtypes"].PeriodDtype, "__new__", 1, "freq", _PERIODS)
    for module in (pd, sys.modules["pandas.core.tools.timedeltas"]):
        _replace(module, "to_timedelta", 0, "arg", _UNITS)
        _replace(module, "to_timedelta", 1, "unit", _UNITS)


def _replace(owner: Any, name: str, position: int, keyword: str, names: Names) -> None:
    made = _retried(getattr(owner, name), position, keyword, names)
    setattr(owner, name, staticmethod(made) if name in _STATIC else made)


def _retried(
    function: Callable[..., Any], position: int, keyword: str, names: Names | None = None
) -> Callable[..., Any]:
    """Return the function, which tries once more with today's name where an argument has an old one."""

    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        try:
            return function(*args, **kwargs)
        except (ValueError, TypeError):
            known = names or (_PERIODS if kwargs.get("is_period") else _OFFSETS)
            given = args[position] if position < len(args) else kwargs.get(keyword)
            found: dict[str, str] = {}
            now = _translated(given, known, found)
            if not found:
                raise
        if position < len(args):
            args = (*args[:position], now, *args[position + 1 :])
        else:
            kwargs[keyword] = now
        result = function(*args, **kwargs)
        for old, new in found.items():
            note(old, new)
        return result

    return call


def _translated(given: Any, names: Names, found: dict[str, str]) -> Any:
    if isinstance(given, str):
        now = _TOKEN.sub(lambda match: _name(match[1], match[2], names), given)
        if now != given:
            if names is _UNITS:
                now = re.sub(r"(\d*\.?\d*)\s*31556952s", lambda match: f"{float(match[1] or 1) * 31556952:.0f}s", now)
            found[given] = now
        return now
    if isinstance(given, pd.Series):
        return given.map(lambda each: _translated(each, names, found))
    if isinstance(given, list | tuple | pd.Index) and len(given):
        return [_translated(each, names, found) for each in given]
    return given


def _name(name: str, anchor: str, names: Names) -> str:
    return names.get(name, names.get(name.upper(), name)) + anchor.upper()
