"""Points as frames: pandas, Polars and Arrow alike, in and out."""

import io
from datetime import datetime
from typing import Any, Literal, TypedDict

import numpy as np
import pandas as pd
import pyarrow as pa

Frame = Literal["pandas", "polars", "arrow"]
Instant = datetime | pd.Timestamp | str
MEDIA = "application/vnd.apache.arrow.stream"


class Reading(TypedDict, total=False):
    """How points are read; see :meth:`.Series.read`."""

    step: str | None
    aggregate: str | None
    clock: str | None
    unit: str | None
    limit: int | None


_TIME = pa.timestamp("us", tz="UTC")


def stream_of(series_id: str, points: Any) -> bytes:
    """Return points as they are sent: a stream of Arrow's with the columns ``series``, ``time`` and ``value``.

    Parameters
    ----------
    points
        A pandas Series with a DatetimeIndex, or a frame (pandas, Polars, Arrow) with the columns ``time`` and
        ``value``. Times without a zone are UTC. NaN and null are no points.

    Raises
    ------
    TypeError
        It is nothing of that kind.
    """
    if isinstance(points, pd.Series):
        if not isinstance(points.index, pd.DatetimeIndex):
            raise TypeError("The index of a Series of points is a DatetimeIndex.")
        times, values = _stamps(points.index), pa.array(points.to_numpy("float64"), from_pandas=True)
    else:
        table = _table(points)
        if missing := {"time", "value"} - set(table.column_names):
            raise TypeError(f"Points have the columns time and value; {' and '.join(sorted(missing))} is missing.")
        times = _utc(table["time"].combine_chunks())
        values = table["value"].combine_chunks().cast(pa.float64())
    names = pa.DictionaryArray.from_arrays(pa.array(np.zeros(len(times), "int32")), pa.array([series_id]))
    made = pa.table({"series": names, "time": times, "value": values})
    sink = io.BytesIO()
    with pa.ipc.new_stream(sink, made.schema) as writer:
        writer.write_table(made)
    return sink.getvalue()


def framed(stream: bytes, name: str, frame: Frame) -> Any:
    """Return what was read as a pandas Series of this name, or as a frame with the columns ``time`` and ``value``."""
    table = pa.ipc.open_stream(stream).read_all()
    if frame == "pandas":
        index = pd.DatetimeIndex(table["time"].to_pandas(), name="time")
        return pd.Series(table["value"].to_numpy(), index, name=name)
    kept = table.select([one for one in ("time", "value", "tag") if one in table.column_names])
    if frame == "arrow":
        return kept
    if frame == "polars":
        import polars as pl

        return pl.from_arrow(kept)
    raise ValueError(f"{frame!r} is no frame: there are pandas, polars and arrow.")


def instant(at: Instant | None) -> str | None:
    """Return an instant as it is sent."""
    return None if at is None else pd.Timestamp(at).isoformat()


def interval(from_: Instant | None, to: Instant | None, clock: str | None) -> tuple[str | None, str | None]:
    """Return the ends of an interval as they are sent.

    A text without an end that names a year, a month or a day is all of it: ``"2014-03"``. What has no zone is of the
    clock, where one is given, else UTC.
    """
    zone = None if clock is None else clock.removesuffix(" standard")
    if isinstance(from_, str) and to is None and (period := _period(from_)) is not None:
        from_, to = period.start_time, (period + 1).start_time
    return _of_zone(from_, zone), _of_zone(to, zone)


def _period(text: str) -> pd.Period | None:
    parts = text.strip().split("-")
    if not all(part.isascii() and part.isdigit() for part in parts) or len(parts) > 3:
        return None
    return pd.Period("-".join(parts), freq="YMD"[len(parts) - 1])


def _of_zone(at: Instant | None, zone: str | None) -> str | None:
    if at is None:
        return None
    stamp = pd.Timestamp(at)
    if stamp.tzinfo is None and zone not in (None, "UTC"):
        stamp = stamp.tz_localize(zone)
    return str(stamp.isoformat())


def _table(points: Any) -> pa.Table:
    if isinstance(points, pa.Table):
        return points
    if isinstance(points, pd.DataFrame):
        return pa.Table.from_pandas(points.reset_index() if points.index.name == "time" else points)
    if hasattr(points, "__arrow_c_stream__"):
        return pa.table(points)
    raise TypeError(f"{type(points).__name__} is no frame of points: give pandas, Polars or Arrow.")


def _stamps(index: pd.DatetimeIndex) -> Any:
    utc = index.tz_localize("UTC") if index.tz is None else index.tz_convert("UTC")
    return pa.array(utc.as_unit("us").asi8, pa.int64()).cast(_TIME)


def _utc(times: Any) -> Any:
    """Return times as microseconds in UTC; texts are read as pandas reads them."""
    if not pa.types.is_timestamp(times.type):
        return _stamps(pd.DatetimeIndex(pd.to_datetime(times.to_pandas(), utc=True)))
    return times.cast(pa.timestamp("us", times.type.tz), safe=False).cast(_TIME)
