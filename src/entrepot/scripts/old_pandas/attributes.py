"""Names that pandas and NumPy no longer have: methods, properties, and what modules held.

They are looked for only where today's names end, so that a column that has such a name stays what it is.
"""

import datetime as dt
import functools
import types
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pandas as pd
from pandas.core.groupby.groupby import GroupBy
from pandas.core.indexes.accessors import Properties
from pandas.core.resample import Resampler

from .joining import append
from .notes import note
from .spelling import Spelling

Made = Callable[[Any], Any]
#: By old name: how it is spelt today, and what it is of an object.
Names = Mapping[str, tuple[str, Made]]


def _method(function: Callable[..., Any]) -> Made:
    return lambda owner: lambda *args, **kwargs: function(owner, *args, **kwargs)


def _mad(data: Any, axis: Any = None, skipna: bool = True, level: Any = None) -> Any:
    if level is not None:
        return data.groupby(level=level, sort=False).apply(_mad, axis, skipna)
    if isinstance(data, pd.Series):
        return (data - data.mean(skipna=skipna)).abs().mean(skipna=skipna)
    data = data.select_dtypes("number")
    along = 1 if axis in (1, "columns") else 0
    centred = data.sub(data.mean(axis=along, skipna=skipna), axis=1 - along)
    return centred.abs().mean(axis=along, skipna=skipna)


def _lookup(frame: pd.DataFrame, row_labels: Any, col_labels: Any) -> Any:
    rows, columns = frame.index.get_indexer(row_labels), frame.columns.get_indexer(col_labels)
    if len(rows) != len(columns):
        raise ValueError("Row labels must have same size as column labels")
    if (rows == -1).any() or (columns == -1).any():
        raise KeyError("One or more row or column labels was not found")
    return frame.to_numpy()[rows, columns]


def _tshift(data: Any, periods: int = 1, freq: Any = None, axis: Any = 0) -> Any:
    freq = freq or data.index.freq or data.index.inferred_freq
    if freq is None:
        raise ValueError("Freq was not set in the index hence cannot be inferred")
    return data.shift(periods, freq=freq, axis=axis)


def _first(data: Any, offset: Any) -> Any:
    offset = pd.tseries.frequencies.to_offset(offset)
    if not len(data):
        return data
    whole = not isinstance(offset, pd.offsets.Tick | pd.offsets.Day) and offset.is_on_offset(data.index[0])
    end = data.index[0] - offset.base + offset if whole else data.index[0] + offset
    if isinstance(offset, pd.offsets.Tick | pd.offsets.Day) and end in data.index:
        return data.iloc[: data.index.searchsorted(end, side="left")]
    return data.loc[:end]


def _last(data: Any, offset: Any) -> Any:
    start = data.index[-1] - pd.tseries.frequencies.to_offset(offset) if len(data) else None
    return data if start is None else data.iloc[data.index.searchsorted(start, side="right") :]


def _fill(data: Any, value: Any = None, method: str | None = None, limit: int | None = None) -> Any:
    """Fill gaps of what was grouped or resampled; a resampling took the method first."""
    if isinstance(data, Resampler):
        value, method, limit = None, value or method, method if isinstance(method, int) else limit
    if method in ("pad", "ffill"):
        return data.ffill(limit=limit)
    if method in ("bfill", "backfill"):
        return data.bfill(limit=limit)
    if method == "nearest":
        return data.nearest(limit=limit)
    return data.transform(lambda part: part.fillna(value, limit=limit))


def _week(data: Any) -> Any:
    if isinstance(data, pd.DatetimeIndex):
        return pd.Index(data.isocalendar().week.to_numpy("int64"), name=data.name)
    return data.isocalendar().week.astype("int64").rename(data.name)


_DATA: Names = {
    "append": ("pd.concat([a, b])", _method(append)),
    "iteritems": ("items()", lambda data: data.items),
    "mad": ("(x - x.mean()).abs().mean()", _method(_mad)),
    "pad": ("ffill()", lambda data: data.ffill),
    "backfill": ("bfill()", lambda data: data.bfill),
    "lookup": ("to_numpy() of get_indexer()", _method(_lookup)),
    "applymap": ("map()", lambda data: data.map),
    "tshift": ("shift(freq=)", _method(_tshift)),
    "slice_shift": ("shift()", lambda data: lambda periods=1, axis=0: data.shift(periods, axis=axis).dropna(how="all")),
    "first": ("loc[: data.index[0] + offset]", _method(_first)),
    "last": ("loc[data.index[-1] - offset :]", _method(_last)),
    "as_matrix": ("to_numpy()", lambda data: lambda *columns: (data[columns[0]] if columns else data).to_numpy()),
    "get_values": ("to_numpy()", lambda data: data.to_numpy),
    "get_value": ("at[row, column]", lambda data: lambda *at: data.loc[at if len(at) > 1 else at[0]]),
    "get_dtype_counts": ("dtypes.value_counts()", lambda data: data.dtypes.astype(str).value_counts),
    "is_monotonic": ("is_monotonic_increasing", lambda data: data.is_monotonic_increasing),
    "ravel": ("to_numpy()", lambda data: lambda order="C": data.to_numpy().ravel(order)),
    "swapaxes": ("T", lambda data: lambda one, other, copy=True: data if one == other else data.T),  # noqa: ARG005
}  # fmt: skip
_GROUPS: Names = {
    "pad": ("ffill()", lambda groups: groups.ffill),
    "backfill": ("bfill()", lambda groups: groups.bfill),
    "fillna": ("ffill() or bfill()", _method(_fill)),
    "mad": ("agg(lambda x: (x - x.mean()).abs().mean())", lambda groups: lambda: groups.agg(_mad)),
    "tshift": ("shift(freq=)", lambda groups: groups.shift),
}
_INDEX: Names = {
    "is_all_dates": (
        "isinstance(index, pd.DatetimeIndex)",
        lambda index: isinstance(index, pd.DatetimeIndex | pd.PeriodIndex | pd.TimedeltaIndex),
    ),
    "is_monotonic": ("is_monotonic_increasing", lambda index: index.is_monotonic_increasing),
    "week": ("isocalendar().week", _week),
    "weekofyear": ("isocalendar().week", _week),
    "weekday_name": ("day_name()", lambda index: index.day_name()),
    "to_native_types": ("astype(str)", lambda index: lambda: index.astype(str).to_numpy(object)),
    "get_values": ("to_numpy()", lambda index: index.to_numpy),
    "is_numeric": ("pd.api.types.is_numeric_dtype()", _method(pd.api.types.is_numeric_dtype)),
    "is_integer": ("pd.api.types.is_integer_dtype()", _method(pd.api.types.is_integer_dtype)),
    "is_floating": ("pd.api.types.is_float_dtype()", _method(pd.api.types.is_float_dtype)),
    "is_boolean": ("pd.api.types.is_bool_dtype()", _method(pd.api.types.is_bool_dtype)),
    "is_object": ("pd.api.types.is_object_dtype()", _method(pd.api.types.is_object_dtype)),
    "format": ("map(str)", lambda index: lambda: index.astype(str).tolist()),
}
_DT: Names = {
    "week": ("dt.isocalendar().week", _week),
    "weekofyear": ("dt.isocalendar().week", _week),
    "weekday_name": ("dt.day_name()", lambda dates: dates.day_name()),
}
_PANDAS: Names = {
    "datetime": ("datetime.datetime", lambda _: dt.datetime),
    "np": ("numpy", lambda _: np),
    "TimeGrouper": ("pd.Grouper(freq=)", lambda _: lambda freq, **kwargs: pd.Grouper(freq=freq, **kwargs)),
    "Int64Index": ("pd.Index", lambda _: lambda data=None, **kwargs: pd.Index(data, dtype="int64", **kwargs)),
    "UInt64Index": ("pd.Index", lambda _: lambda data=None, **kwargs: pd.Index(data, dtype="uint64", **kwargs)),
    "Float64Index": ("pd.Index", lambda _: lambda data=None, **kwargs: pd.Index(data, dtype="float64", **kwargs)),
    "value_counts": (
        "pd.Series(x).value_counts()",
        lambda _: lambda values, *args, **kwargs: pd.Series(values).value_counts(*args, **kwargs).rename(None),
    ),
}  # fmt: skip
_NUMPY_NAMES = {
    "float": ("float", float), "int": ("int", int), "object": ("object", object), "str": ("str", str),
    "complex": ("complex", complex), "unicode": ("str", str), "float_": ("np.float64", np.float64),
    "complex_": ("np.complex128", np.complex128), "unicode_": ("np.str_", np.str_), "string_": ("np.bytes_", np.bytes_),
    "NaN": ("np.nan", np.nan), "NAN": ("np.nan", np.nan), "Inf": ("np.inf", np.inf), "Infinity": ("np.inf", np.inf),
    "infty": ("np.inf", np.inf), "PINF": ("np.inf", np.inf), "NINF": ("-np.inf", -np.inf),
    "product": ("np.prod", np.prod), "cumproduct": ("np.cumprod", np.cumprod), "round_": ("np.round", np.round),
    "sometrue": ("np.any", np.any), "alltrue": ("np.all", np.all), "row_stack": ("np.vstack", np.vstack),
    "in1d": ("np.isin", lambda a, b, **kwargs: np.isin(np.ravel(a), b, **kwargs)),
    "trapz": ("np.trapezoid", np.trapezoid),
    "asfarray": ("np.asarray(a, float)", lambda a, dtype=np.float64: np.asarray(a, dtype)),
    "msort": ("np.sort(a, axis=0)", lambda a: np.sort(a, axis=0)),
}  # fmt: skip
_NUMPY: Names = {
    name: (f"{now}", lambda _, value=value: value) for name, (now, value) in _NUMPY_NAMES.items()  # type: ignore[misc]
}  # fmt: skip


def install(spelling: Spelling) -> None:
    """Have the old names found that the script mentions."""
    for owner, names, prefix in (
        (pd.DataFrame, _DATA, ""),
        (pd.Series, _DATA, ""),
        (GroupBy, _GROUPS, ""),
        (Resampler, _GROUPS, ""),
        (pd.Index, _INDEX, ""),
        (Properties, _DT, "dt."),
    ):
        if known := {name: found for name, found in names.items() if name in spelling.attributes}:
            # What today's class says where nothing is found is for the class itself to say.
            before = getattr(owner, "__getattr__", object.__getattribute__)
            setattr(owner, "__getattr__", _finding(before, known, prefix))  # noqa: B010 - pandas says it is final
    for module, names, prefix in ((pd, _PANDAS, "pd."), (np, _NUMPY, "np.")):
        known = {
            name: found for name, found in names.items() if name in spelling.attributes and name not in vars(module)
        }
        if known:
            find = _finding(_of_module(module), known, prefix)
            vars(module)["__getattr__"] = functools.partial(find, module)


def _of_module(module: types.ModuleType) -> Callable[[Any, str], Any]:
    found = vars(module).get("__getattr__")

    def before(_: Any, name: str) -> Any:
        if found is None or name in _NUMPY:
            raise AttributeError(f"module {module.__name__!r} has no attribute {name!r}")
        return found(name)

    return before


def _finding(before: Callable[[Any, str], Any], names: Names, prefix: str) -> Callable[[Any, str], Any]:
    """Return a ``__getattr__`` that looks for old names where `before` finds nothing."""

    def find(owner: Any, name: str) -> Any:
        try:
            return before(owner, name)
        except AttributeError:
            if name not in names:
                raise
        now, make = names[name]
        note(prefix + name, now)
        return make(owner)

    return find
