"""Arguments that pandas no longer takes: by names that it gave up, without names, or with values of another kind."""

import functools
import inspect
from collections.abc import Callable, Mapping
from typing import Any

import pandas as pd
from pandas.core.resample import TimeGrouper
from pandas.core.strings.accessor import StringMethods

from . import dates, reading
from .notes import note
from .spelling import Spelling

Call = Callable[..., Any]
#: Calls what is wrapped as today's pandas has it, or something else in its place.
Adapt = Callable[[Call, tuple[Any, ...], dict[str, Any]], Any]

_FILLS = {"pad": "ffill", "ffill": "ffill", "backfill": "bfill", "bfill": "bfill"}
_INCLUSIVE = {(True, True): "both", (True, False): "left", (False, True): "right", (False, False): "neither"}
_TOTALS = ("sum", "mean", "min", "max", "median", "std", "var", "prod", "count", "any", "all", "sem", "skew")


def _filled(data: Any, method: str, old: str, given: Mapping[str, Any]) -> Any:
    name = _FILLS.get(method)
    if name is None:
        raise ValueError(f"Invalid fill method. Expecting pad (ffill) or backfill (bfill). Got {method}")
    note(old, f"{name}()")
    known = {key: value for key, value in given.items() if key in ("axis", "inplace", "limit") and value is not None}
    return getattr(data, name)(**known)


def _fillna(call: Call, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    method = kwargs.pop("method", None)
    if method is None:
        if kwargs.pop("downcast", None) is not None:
            raise TypeError("fillna() got an unexpected keyword argument 'downcast'")
        return call(*args, **kwargs)
    if (len(args) > 1 and args[1] is not None) or kwargs.pop("value", None) is not None:
        raise ValueError("Cannot specify both 'value' and 'method'.")
    return _filled(args[0], method, "fillna(method=)", kwargs)


def _interpolate(call: Call, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    method = args[1] if len(args) > 1 else kwargs.get("method", "linear")
    if method not in _FILLS:
        return call(*args, **kwargs)
    return _filled(args[0], method, f"interpolate(method={method!r})", kwargs)


def _pct_change(call: Call, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    method, limit = kwargs.pop("fill_method", None), kwargs.pop("limit", None)
    if method is None and limit is None:
        return call(*args, fill_method=None, **kwargs)
    return call(_filled(args[0], method or "pad", "pct_change(fill_method=)", {"limit": limit}), *args[1:], **kwargs)


def _lenient(call: Call, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Serve ``errors="ignore"``: what cannot be converted is given back as it was."""
    if kwargs.get("errors") != "ignore":
        return call(*args, **kwargs)
    note(f'{call.__name__}(errors="ignore")', "try: ..., except ValueError: ...")
    try:
        return call(*args, **{**kwargs, "errors": "raise"})
    except (ValueError, TypeError, OverflowError):
        given = args[0] if args else kwargs["arg"]
        return given if isinstance(given, pd.Series | pd.Index | str) else pd.Index(given, dtype=object)


def _to_datetime(call: Call, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    if "infer_datetime_format" in kwargs:
        infer = kwargs.pop("infer_datetime_format")
        note("infer_datetime_format", "nothing: formats are inferred")
        if kwargs.get("format") is None:
            call = dates.converter(call, infer=infer)
    return _lenient(call, args, kwargs)


def _date_range(call: Call, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    if "closed" in kwargs:
        closed = kwargs.pop("closed")
        note("closed=", "inclusive=")
        kwargs["inclusive"] = "both" if closed is None else closed
    return call(*args, **kwargs)


def _between(call: Call, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    inclusive = args[3] if len(args) > 3 else kwargs.get("inclusive", "both")
    if isinstance(inclusive, bool):
        note(f"inclusive={inclusive}", f"inclusive='{_INCLUSIVE[inclusive, inclusive]}'")
        args, kwargs = args[:3], {**kwargs, "inclusive": _INCLUSIVE[inclusive, inclusive]}
    return call(*args, **kwargs)


def _between_time(call: Call, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    for name, given in zip(("include_start", "include_end"), args[3:], strict=False):
        if isinstance(given, bool):
            args, kwargs = args[:3], {name: given, **kwargs}
    ends = kwargs.pop("include_start", None), kwargs.pop("include_end", None)
    if ends != (None, None):
        note("include_start=, include_end=", "inclusive=")
        kwargs["inclusive"] = _INCLUSIVE[ends[0] in (None, True), ends[1] in (None, True)]
    return call(*args, **kwargs)


def _resample(call: Call, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    for gone in ("loffset", "kind", "axis"):
        if gone in kwargs and kwargs[gone] not in (None, 0, "index"):
            raise TypeError(f"resample() got an unexpected keyword argument {gone!r}")
        kwargs.pop(gone, None)
    if (base := kwargs.pop("base", None)) is not None:
        freq = args[1] if len(args) > 1 and call.__name__ == "resample" else kwargs.get("rule", kwargs.get("freq"))
        offset = pd.tseries.frequencies.to_offset(freq)
        note("base=", "offset=")
        if kwargs.get("offset") is not None:
            raise ValueError("'offset' and 'base' cannot be present at the same time")
        if base and isinstance(offset, pd.offsets.Tick | pd.offsets.Day):
            kwargs["offset"] = pd.Timedelta(offset.base) * base
    return call(*args, **kwargs)


def _by_level(call: Call, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    level = kwargs.pop("level", None)
    if level is None:
        return call(*args, **kwargs)
    note(f"{call.__name__}(level=)", f"groupby(level=).{call.__name__}()")
    kept = {name: value for name, value in kwargs.items() if name in ("numeric_only", "ddof", "min_count")}
    data = args[0] if kwargs.get("axis") in (None, 0, "index") else args[0].T
    made = getattr(data.groupby(level=level, sort=False), call.__name__)(**kept)
    return made if data is args[0] else made.T


def _set_axis(call: Call, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    inplace = kwargs.pop("inplace", False)
    note("set_axis(inplace=)", "x = x.set_axis(...)")
    if not inplace:
        return call(*args, **kwargs)
    labels = args[1] if len(args) > 1 else kwargs["labels"]
    setattr(args[0], "columns" if kwargs.get("axis") in (1, "columns") else "index", labels)
    return None


def _get_loc(call: Call, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    method, tolerance = kwargs.pop("method", None), kwargs.pop("tolerance", None)
    if method is None:
        return call(*args, **kwargs)
    index, key = args[0], args[1] if len(args) > 1 else kwargs["key"]
    note("get_loc(method=)", "get_indexer([key], method=)[0]")
    if isinstance(key, str) and isinstance(index, pd.DatetimeIndex):
        key = pd.Timestamp(key)
    found = int(index.get_indexer([key], method=method, tolerance=tolerance)[0])
    if found < 0:
        raise KeyError(key)
    return found


def _renamed(old: str, now: str) -> Adapt:
    def adapt(call: Call, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        if old in kwargs:
            note(old, now)
            kwargs[now] = kwargs.pop(old)
        return call(*args, **kwargs)

    return adapt


def _without(old: str) -> Adapt:
    def adapt(call: Call, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        if old in kwargs:
            kwargs.pop(old)
            note(f"{call.__name__}({old}=)", f"{call.__name__}() without it")
        return call(*args, **kwargs)

    return adapt


_BOTH = (pd.DataFrame, pd.Series)
#: What is called, the words that make a look at it necessary, and what is then done.
_RULES: list[tuple[tuple[Any, ...], str, tuple[str, ...], Adapt]] = [
    (_BOTH, "fillna", ("method", "downcast"), _fillna),
    (_BOTH, "interpolate", tuple(_FILLS), _interpolate),
    (_BOTH, "pct_change", ("fill_method", "limit"), _pct_change),
    ((pd,), "to_datetime", ("infer_datetime_format", "ignore"), _to_datetime),
    ((pd,), "to_numeric", ("ignore",), _lenient),
    ((pd,), "to_timedelta", ("ignore",), _lenient),
    ((pd,), "date_range", ("closed",), _date_range),
    ((pd,), "bdate_range", ("closed",), _date_range),
    ((pd.Series,), "between", ("between",), _between),
    (_BOTH, "between_time", ("between_time",), _between_time),
    (_BOTH, "resample", ("base", "loffset", "kind", "axis"), _resample),
    ((TimeGrouper,), "__init__", ("base", "loffset"), _resample),
    (_BOTH, "set_axis", ("inplace",), _set_axis),
    ((pd.Index, pd.DatetimeIndex), "get_loc", ("method", "tolerance"), _get_loc),
    (_BOTH, "to_csv", ("line_terminator",), _renamed("line_terminator", "lineterminator")),
    (_BOTH, "to_excel", ("encoding",), _without("encoding")),
    (_BOTH, "describe", ("datetime_is_numeric",), _without("datetime_is_numeric")),
    (_BOTH, "take", ("is_copy",), _without("is_copy")),
    ((pd.DataFrame,), "groupby", ("squeeze",), _without("squeeze")),
    ((pd.Series,), "apply", ("convert_dtype",), _without("convert_dtype")),
    *((_BOTH, name, ("level",), _by_level) for name in _TOTALS),
    *(((pd,), name, reading.WORDS, reading.read) for name in ("read_csv", "read_table", "read_fwf", "read_excel")),
]
#: The order in which arguments without names were taken.
_ORDERS: dict[str, tuple[tuple[Any, ...], str]] = {
    "drop": (_BOTH, "self labels axis index columns level inplace errors"),
    "dropna": ((pd.DataFrame,), "self axis how thresh subset inplace"),
    "fillna": (_BOTH, "self value method axis inplace limit"),
    "ffill": (_BOTH, "self axis inplace limit"),
    "bfill": (_BOTH, "self axis inplace limit"),
    "any": (_BOTH, "self axis bool_only skipna"),
    "sort_index": (_BOTH, "self axis level ascending inplace"),
    "sort_values": ((pd.DataFrame,), "self by axis ascending inplace kind na_position ignore_index"),
    "set_index": ((pd.DataFrame,), "self keys drop append inplace"),
    "reset_index": (_BOTH, "self level drop inplace"),
    "drop_duplicates": ((pd.DataFrame,), "self subset keep inplace"),
    "clip": (_BOTH, "self lower upper axis inplace"),
    "interpolate": (_BOTH, "self method axis limit inplace"),
    "where": (_BOTH, "self cond other inplace axis level"),
    "mask": (_BOTH, "self cond other inplace axis level"),
    "replace": (_BOTH, "self to_replace value inplace"),
    "pivot": ((pd.DataFrame,), "self index columns values"),
    "set_axis": (_BOTH, "self labels axis inplace"),
    "query": ((pd.DataFrame,), "self expr inplace"),
    "eval": ((pd.DataFrame,), "self expr inplace"),
    "to_csv": (_BOTH, "self path_or_buf sep na_rep float_format columns header index"),
    "to_json": (_BOTH, "self path_or_buf orient date_format"),
    "split": ((StringMethods,), "self pat n expand"),
    "rsplit": ((StringMethods,), "self pat n expand"),
    "concat": ((pd,), "objs axis join ignore_index keys levels names"),
    "read_csv": ((pd,), "filepath_or_buffer sep delimiter header names index_col usecols squeeze"),
    "read_table": ((pd,), "filepath_or_buffer sep delimiter header names index_col usecols squeeze"),
}


def install(spelling: Spelling) -> None:
    """Have old arguments taken by what the script names together with them."""
    for name, (owners, order) in _ORDERS.items():
        for owner in owners if name in spelling.positions else ():
            most = _most(getattr(owner, name)) - (owner is not pd)
            if spelling.positions[name] > most:
                setattr(owner, name, _named(getattr(owner, name), order.split()))
    for owners, name, words, adapt in _RULES:
        # Its own name may be no word of the script's: a Grouper makes a TimeGrouper.
        if not spelling.names.isdisjoint(words) and (name in spelling.names or name == "__init__"):
            for owner in owners:
                setattr(owner, name, _adapted(getattr(owner, name), adapt))


def _most(function: Call) -> int:
    kinds = [parameter.kind for parameter in inspect.signature(function).parameters.values()]
    return sum(kind in (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD) for kind in kinds)


def _named(function: Call, order: list[str]) -> Call:
    """Return the function, which gives arguments without names beyond those of today the names that they had."""
    most, adapted = _most(function), None
    for owners, name, _, adapt in _RULES:
        if name == function.__name__ and owners != (pd.Series,):
            adapted = adapt

    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        if len(args) <= most or len(args) > len(order):
            return function(*args, **kwargs)
        named = dict(zip(order[most:], args[most:], strict=False))
        note(f"{function.__name__}() with arguments without names", f"{', '.join(f'{name}=' for name in named)}")
        if adapted is not None:
            return adapted(function, args[:most], {**named, **kwargs})
        return function(*args[:most], **named, **kwargs)

    return call


def _adapted(function: Call, adapt: Adapt) -> Call:
    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        return adapt(function, args, kwargs)

    return call
