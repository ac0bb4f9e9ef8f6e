"""Points in and out, in the formats of the field: JSON, CSV, Arrow and Parquet.

Plain endpoints rather than typed ones: here the bytes are many, and go between the wire and NumPy without a stop.
"""

import io
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
from sqlalchemy import select
from starlette.responses import Response, StreamingResponse

from entrepot.errors import Conflict, InvalidInput, Locked, NotFound
from entrepot.series import folding, store
from entrepot.series.clocks import Clock
from entrepot.series.frequency import Frequency
from entrepot.series.models import Series
from entrepot.series.points import Points
from entrepot.series.resample import RULES, resample
from entrepot.server.api.series import find
from entrepot.server.endpoint import Call, Endpoint, Json

ARROW = "application/vnd.apache.arrow.stream"
_MEDIA = {"json": "application/json", "csv": "text/csv", "arrow": ARROW, "parquet": "application/vnd.apache.parquet"}
_SCHEMA = pa.schema([("series", pa.string()), ("time", pa.timestamp("us", tz="UTC")), ("value", pa.float64())])
#: Writes of so few points go to the tails and are folded later.
_SMALL = 64


def write_points(call: Call) -> dict[str, int]:
    """Write points of any number of series, in one transaction; the last write of a stamp wins.

    The body is JSON ``{"<series id>": {"time": [...], "value": [...]}}``, or a table with the columns ``series``,
    ``time`` and ``value``, as CSV or an Arrow stream by its content type. Times are microseconds since 1970 or
    timestamps; those without a zone are UTC. Values that are null or NaN are no points.
    """
    call.principal.require("write")
    batch = _parse_body(call)
    rows = {row.id: row for row in call.session.scalars(select(Series).where(Series.id.in_(list(batch))))}
    for series_id in batch:
        row = rows.get(series_id)
        if row is None:
            raise NotFound(f"Series {series_id[:40]} not found.")
        call.principal.require("write", row.organization_id, f"Series {series_id}")
        if row.generator_id is not None:
            raise Conflict(f"Series {row.name} is made by its {row.generator_kind}; only that writes to it.")
        if row.locked:
            raise Locked(f"Series {row.name} is locked.")
    written = store.append_many(
        call.session, {rows[series_id].pk: points for series_id, points in batch.items()}, report=False
    )
    if any(len(times) < _SMALL for times, _ in batch.values()):
        folding.request(call.session)
    return {name: sum(getattr(w, name) for w in written.values()) for name in ("added", "replaced", "unchanged")}


def read_series(call: Call) -> Response:
    """Return the points of one series in ``[start, end)``, or their means (or another ``rule``) by ``freq``.

    Bins of ``freq`` follow the calendar of ``timezone`` in the given ``clock``; stamps are always UTC.
    """
    row = find(call.session, call.principal, call.path["series_id"])
    window = _Window(call)
    form = _format(call)
    points = window.cut(store.read(call.session, row.pk, window.start, window.stop, limit=window.limit))
    if form == "json":
        return Json({"id": row.id, "name": row.name, "time": points.times, "value": points.values})
    table = pa.table(
        {"time": pa.array(points.times).cast(_SCHEMA.field("time").type), "value": pa.array(points.values)}
    )
    return Response(_encode(table, form), media_type=_MEDIA[form])


def read_points(call: Call) -> Response:
    """Return the points of several series (``series``, repeated) or of a whole ``project``, one after the other.

    As CSV or as an Arrow stream, in columns ``series``, ``time`` and ``value``; it is read series by series, so its
    size is not bounded by memory.
    """
    ids, project_id = call.query.getlist("series"), call.query.get("project")
    query = select(Series.id, Series.pk, Series.organization_id).order_by(Series.pk)
    if project_id is not None:
        query = query.where(Series.project_id == project_id)
    elif ids:
        query = query.where(Series.id.in_(ids))
    else:
        raise InvalidInput.field("series", "Name series, or a project.")
    found = call.session.execute(query).all()
    if len(found) < len(set(ids)) or not found:
        raise NotFound("Series not found.")
    for _, _, organization_id in found:
        call.principal.require("read", organization_id, "Series")
    window, form = _Window(call), _format(call, default="arrow")
    if form not in ("arrow", "csv"):
        raise InvalidInput.field("format", "Many series come as arrow or csv.")

    def tables() -> Iterator[pa.Table]:
        for series_id, pk, _ in found:
            with call.services.database.read() as session:
                points = window.cut(store.read(session, pk, window.start, window.stop, limit=window.limit))
            name = pa.DictionaryArray.from_arrays(pa.array(np.zeros(len(points), np.int8)), pa.array([series_id]))
            yield pa.table(
                [name.cast(pa.string()), pa.array(points.times).cast(_SCHEMA.field("time").type), points.values],
                schema=_SCHEMA,
            )

    return StreamingResponse(_stream(tables(), form), media_type=_MEDIA[form])


class _Window:
    """What part of a series is asked for, and in which bins."""

    def __init__(self, call: Call) -> None:
        self.start, self.stop = _instant(call, "start"), _instant(call, "end")
        self.limit = _limit(call)
        self.freq = _parsed(call, "freq", Frequency.parse)
        self.clock = Clock(call.query.get("clock", "gmt"), call.query.get("timezone"))  # type: ignore[arg-type]
        self.rule = call.query.get("rule", "mean")
        if self.rule not in RULES:
            raise InvalidInput.field("rule", f"One of {', '.join(RULES)}.")

    def cut(self, points: Points) -> Points:
        """Return the points, resampled where a frequency was asked for."""
        if self.freq is None:
            return points
        return Points(*resample(points.times, points.values, self.freq, self.clock, self.rule))  # type: ignore[arg-type]


def _parse_body(call: Call) -> dict[str, tuple[Any, Any]]:
    kind = call.request.headers.get("content-type", "application/json").partition(";")[0].strip().lower()
    try:
        if kind == ARROW:
            return _columns(pl.from_arrow(pa.ipc.open_stream(call.body).read_all()))  # type: ignore[arg-type]
        if kind == "text/csv":
            return _columns(pl.read_csv(call.body, schema_overrides={"series": pl.String, "value": pl.Float64}))
    except (pa.ArrowException, pl.exceptions.PolarsError) as error:
        raise InvalidInput(f"The body is not the {kind} that its content type says: {str(error)[:300]}") from None
    if kind != "application/json":
        raise InvalidInput.field("content-type", f"Send application/json, text/csv or {ARROW}.")
    batch = {}
    for series_id, part in call.fields.items():
        if not isinstance(part, dict) or set(part) != {"time", "value"}:
            raise InvalidInput.field(series_id, 'Each series is {"time": [...], "value": [...]}.')
        try:
            frame = pl.DataFrame({"time": part["time"], "value": pl.Series(part["value"], dtype=pl.Float64)})
        except (TypeError, ValueError, pl.exceptions.PolarsError) as error:
            raise InvalidInput.field(series_id, str(error)[:300]) from None
        batch[series_id] = _points(frame, series_id)
    return batch


def _columns(frame: pl.DataFrame) -> dict[str, tuple[Any, Any]]:
    missing = {"series", "time", "value"} - set(frame.columns)
    if missing:
        raise InvalidInput.field(
            ", ".join(sorted(missing)), "A table of points has the columns series, time and value."
        )
    frame = frame.select(pl.col("series").cast(pl.String), "time", pl.col("value").cast(pl.Float64))
    if frame["series"].null_count():
        raise InvalidInput.field("series", "Every row names its series.")
    parts = frame.partition_by("series", as_dict=True, include_key=False)
    return {str(key[0]): _points(part, "time") for key, part in parts.items()}


def _points(frame: pl.DataFrame, field: str) -> tuple[Any, Any]:
    time = frame["time"]
    if not len(time):
        return np.empty(0, np.int64), np.empty(0)
    try:
        if time.dtype == pl.String:
            time = time.str.to_datetime(time_unit="us", time_zone="UTC", strict=True)
        if isinstance(time.dtype, pl.Datetime):
            time = time.dt.cast_time_unit("us").cast(pl.Int64)
        elif not time.dtype.is_integer():
            raise InvalidInput.field(field, "Times are microseconds since 1970, or timestamps.")
        if time.null_count():
            raise InvalidInput.field(field, "A time is missing.")
        return time.cast(pl.Int64).to_numpy(), frame["value"].fill_null(np.nan).to_numpy()
    except pl.exceptions.PolarsError as error:
        raise InvalidInput.field(field, str(error)[:300]) from None


def _encode(table: pa.Table, form: str) -> bytes:
    if form == "arrow":
        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, table.schema) as writer:
            writer.write_table(table)
        return bytes(sink.getvalue())
    frame = pl.from_arrow(table)
    assert isinstance(frame, pl.DataFrame)
    buffer = io.BytesIO()
    if form == "parquet":
        frame.write_parquet(buffer)
    else:
        frame.write_csv(buffer, datetime_format="%Y-%m-%dT%H:%M:%S%.fZ")
    return buffer.getvalue()


def _stream(tables: Iterator[pa.Table], form: str) -> Iterator[bytes]:
    if form == "csv":
        yield b"series,time,value\n"
        for table in tables:
            yield _encode(table, form).partition(b"\n")[2]
        return
    sink = io.BytesIO()
    with pa.ipc.new_stream(pa.PythonFile(sink, "w"), _SCHEMA) as writer:
        for table in tables:
            writer.write_table(table)
            yield sink.getvalue()
            sink.seek(0)
            sink.truncate()
    yield sink.getvalue()


def _format(call: Call, default: str = "json") -> str:
    form = call.query.get("format")
    if form is None:
        accept = call.request.headers.get("accept", "")
        form = next((name for name, media in _MEDIA.items() if media in accept), default)
    if form not in _MEDIA:
        raise InvalidInput.field("format", f"One of {', '.join(_MEDIA)}.")
    return form


def _instant(call: Call, name: str) -> int | None:
    text = call.query.get(name)
    if text is None:
        return None
    if text.lstrip("-").isdigit() and len(text) < 19:
        return int(text)
    try:
        instant = datetime.fromisoformat(text)
    except ValueError:
        raise InvalidInput.field(name, "An ISO 8601 date and time, or microseconds since 1970.") from None
    aware = instant if instant.tzinfo else instant.replace(tzinfo=UTC)
    delta = aware - datetime(1970, 1, 1, tzinfo=UTC)
    return (delta.days * 86_400 + delta.seconds) * 1_000_000 + delta.microseconds


def _limit(call: Call) -> int | None:
    text = call.query.get("limit")
    if text is None:
        return None
    if not text.isdigit() or not 0 < len(text) < 10:
        raise InvalidInput.field("limit", "A whole number of points.")
    return int(text)


def _parsed(call: Call, name: str, parse: Any) -> Any:
    text = call.query.get(name)
    if text is None:
        return None
    try:
        return parse(text)
    except InvalidInput as error:
        raise InvalidInput.field(name, error.message) from None


ENDPOINTS = [
    Endpoint("POST", "/api/v1/points", write_points, area="series", right="write"),
    Endpoint("GET", "/api/v1/points", read_points, area="series", right="read"),
    Endpoint("GET", "/api/v1/series/{series_id}/points", read_series, area="series", right="read"),
]
