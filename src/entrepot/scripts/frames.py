"""Frames as they cross: Arrow streams, in one strict form for results.

A result's stream has a first column of microsecond timestamps (with the zone, if the script gave one) and float64
columns after it, all named by position, so that no label can clash with another.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from .wire import Buffer

_NOT_REAL = (np.complexfloating, np.timedelta64)


class BadResult(Exception):
    """What the script returned cannot be taken; the message says why."""


def to_ipc(table: pa.Table) -> Buffer:
    """Return a table as an Arrow stream."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return memoryview(sink.getvalue())


def from_ipc(stream: Buffer) -> pa.Table:
    """Return the table of an Arrow stream; ValueError if it is none."""
    try:
        with pa.ipc.open_stream(pa.py_buffer(stream)) as reader:
            table = reader.read_all()
        table.validate(full=True)
    except (pa.ArrowException, OSError) as error:
        raise ValueError(f"this is no Arrow stream: {error}") from None
    return table


def frame_to_ipc(frame: pd.DataFrame) -> Buffer:
    """Return any pandas frame as an Arrow stream, with its index."""
    return to_ipc(pa.Table.from_pandas(frame, nthreads=1))


def frame_from_ipc(stream: Buffer) -> pd.DataFrame:
    """Return the frame of `frame_to_ipc`, or of any table."""
    # Scripts may write to what they are given, so the columns must not be views of the request.
    frame: pd.DataFrame = from_ipc(stream).to_pandas(use_threads=False).copy()
    return frame


def result_to_ipc(result: Any, name: str) -> Buffer | None:
    """Check what the script's function `name` returned and return it as a stream.

    Parameters
    ----------
    result
        A DataFrame, or a named Series, with a DatetimeIndex and columns of numbers; None.
    name
        The function, for messages.

    Returns
    -------
    Buffer | None
        None if there is nothing: None, no rows or no columns.

    Raises
    ------
    BadResult
        If the result is anything else.
    """
    if isinstance(result, pd.Series):
        if result.name is None and len(result):
            raise BadResult(f"{name}() returned a Series without a name")
        result = result.to_frame()
    if result is None:
        return None
    if not isinstance(result, pd.DataFrame):
        raise BadResult(f"{name}() must return a DataFrame, not {_kind(result)}")
    if result.shape[0] == 0 or result.shape[1] == 0:
        return None
    labels = [str(label) for label in result.columns]
    if len(set(labels)) < len(labels):
        twice = next(label for label in labels if labels.count(label) > 1)
        raise BadResult(f"{name}() returned the column {twice!r} twice")
    arrays = [_times(result.index, name)]
    arrays += [
        pa.array(_numbers(result.iloc[:, position], label, name), pa.float64()) for position, label in enumerate(labels)
    ]
    schema = pa.schema([pa.field("", arrays[0].type), *(pa.field(label, pa.float64()) for label in labels)])
    return to_ipc(pa.Table.from_arrays(arrays, schema=schema))


def result_from_ipc(stream: Buffer) -> pd.DataFrame:
    """Return the frame of `result_to_ipc`; ValueError unless it is exactly in that form.

    The index is a DatetimeIndex without name, in microseconds, with the script's zone or none; it may repeat stamps
    and its order is the script's. The columns are float64, without infinite values.
    """
    table = from_ipc(stream)
    stamps, *fields = table.schema
    if not (
        pa.types.is_timestamp(stamps.type) and stamps.type.unit == "us" and all(f.type == pa.float64() for f in fields)
    ):
        raise ValueError("the columns are not timestamps and numbers")
    if not fields or not table.num_rows or table.column(0).null_count:
        raise ValueError("the table is empty or lacks stamps")
    labels = [field.name for field in fields]
    if len(set(labels)) < len(labels):
        raise ValueError("a column is there twice")
    values = [table.column(i + 1).to_numpy(zero_copy_only=False) for i in range(len(fields))]
    if any(np.isinf(column).any() for column in values):
        raise ValueError("a value is infinite")
    index = pd.DatetimeIndex(table.column(0).to_pandas()).as_unit("us").rename(None)
    frame = pd.DataFrame(dict(enumerate(values)), index=index)
    frame.columns = pd.Index(labels, dtype="str")
    return frame


def values_to_ipc(values: np.ndarray[Any, Any]) -> Buffer:
    """Return one array of numbers or booleans as a stream."""
    return to_ipc(pa.table({"values": pa.array(values)}))


def values_from_ipc(stream: Buffer, dtype: str) -> np.ndarray[Any, Any]:
    """Return the array of `values_to_ipc`; ValueError unless it is one column of `dtype`, without gaps."""
    table = from_ipc(stream)
    if table.num_columns != 1 or table.column(0).null_count:
        raise ValueError("this is not one array")
    values = table.column(0).to_numpy(zero_copy_only=False)
    if values.dtype != np.dtype(dtype):
        raise ValueError(f"the values are {values.dtype}, not {dtype}")
    return np.array(values)


def numbers(results: Sequence[Any]) -> np.ndarray[Any, Any]:
    """Return what a function of one value gave for each: None is NaN.

    Raises
    ------
    BadValue
        At the first that is not a finite number.
    """
    out = np.empty(len(results))
    for position, result in enumerate(results):
        if result is None or result is pd.NA:
            out[position] = np.nan
        elif not isinstance(result, int | float | np.number | np.bool_) or isinstance(result, _NOT_REAL):
            raise BadValue(position, f"{_kind(result)}, not a number")
        else:
            try:
                out[position] = float(result)
            except OverflowError:
                out[position] = np.inf
            if np.isinf(out[position]):
                raise BadValue(position, "an infinite value")
    return out


class BadValue(Exception):
    """The result for one value cannot be taken."""

    def __init__(self, position: int, reason: str) -> None:
        super().__init__(reason)
        self.position = position


def _times(index: pd.Index, name: str) -> pa.Array:
    if not isinstance(index, pd.DatetimeIndex):
        raise BadResult(
            f"{name}() must return a frame with a DatetimeIndex, not {type(index).__name__} of {index.dtype}"
        )
    if index.hasnans:
        raise BadResult(f"{name}() returned NaT in the index, at row {int(np.flatnonzero(index.isna())[0])}")
    try:
        return pa.array(index.as_unit("us"), from_pandas=True)
    except (ValueError, TypeError, pa.ArrowException) as error:
        raise BadResult(f"{name}() returned an index that cannot be taken: {error}") from error


def _numbers(column: pd.Series, label: str, name: str) -> np.ndarray[Any, Any]:
    kind = column.dtype
    plain = pd.api.types.is_numeric_dtype(kind) and not pd.api.types.is_complex_dtype(kind)
    if not plain and not column.isna().all():
        raise BadResult(f"{name}() returned the column {label!r} with values of type {kind}, not numbers")
    if not plain:
        return np.full(len(column), np.nan)
    try:
        values = column.to_numpy(dtype="float64", na_value=np.nan)
    except (ValueError, TypeError, OverflowError) as error:
        raise BadResult(f"{name}() returned the column {label!r} with values that are not numbers: {error}") from error
    if (infinite := np.isinf(values)).any():
        where = column.index[int(np.flatnonzero(infinite)[0])]
        raise BadResult(f"{name}() returned an infinite value in the column {label!r}, at {where}")
    return values


def _kind(value: Any) -> str:
    return f"{'an' if type(value).__name__[0] in 'aeiouAEIOU' else 'a'} {type(value).__name__}"
