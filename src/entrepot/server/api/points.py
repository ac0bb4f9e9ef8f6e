"""Points in and out, in the formats of the field: JSON, CSV, Arrow and Parquet.

Plain endpoints rather than typed ones: here the bytes are many, and go between the wire and NumPy without a stop.
"""

import re
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import Any, cast

import structlog
from sqlalchemy import Table, bindparam, select
from starlette.responses import Response, StreamingResponse

from entrepot.bounds.budget import Budget
from entrepot.db import Database
from entrepot.errors import Conflict, InvalidInput, Locked, NotFound, TooLarge
from entrepot.pipeline.importing import pushed
from entrepot.pipeline.runs import ranges
from entrepot.series import paging, store
from entrepot.series.clocks import Clock
from entrepot.series.frequency import Frequency
from entrepot.series.models import Series
from entrepot.series.points import Points
from entrepot.series.resample import RULES, resample
from entrepot.series.second_pass import as_delivered
from entrepot.server.api import point_formats
from entrepot.server.api.point_formats import MEDIA, Batch
from entrepot.server.endpoint import Call, Endpoint, Json
from entrepot.server.patience import budget_of

log = structlog.get_logger("entrepot.http")

_MOST = 10_000  # series in a write: they are taken in one statement
_MICROSECONDS = re.compile(r"-?[0-9]{1,18}")
_CLOCKS = {"gmt": "utc", "tzt": "standard", "dst": "local"}
_COUNT = re.compile(r"[0-9]{1,9}")
_series = cast("Table", Series.__table__).c
_WHOSE = (
    _series.id,
    _series.pk,
    _series.name,
    _series.organization_id,
    _series.project_id,
    _series.count.label("held"),
    _series.clock,
)
_ONE = select(*_WHOSE).where(_series.id == bindparam("id"))
# Taken in the order in which the store takes them, so that what is checked here still holds when it writes.
_TO_WRITE = (
    select(
        *_WHOSE,
        *(_series.generator_id, _series.generator_kind, _series.pushed, _series.locked),
    )
    .where(_series.id.in_(bindparam("ids", expanding=True)))
    .order_by(_series.pk)
    .with_for_update(key_share=True)
)


def write_points(call: Call) -> dict[str, int]:
    """Write points of any number of series, in one transaction; the last write of a stamp wins.

    The body is JSON ``{"<series id>": {"time": [...], "value": [...]}}``, or a table with the columns ``series``,
    ``time`` and ``value``, as CSV or an Arrow stream by its content type. Times are microseconds since 1970 or
    timestamps; those without a zone are UTC. Values that are null or NaN are no points.
    """
    batch: Batch = call.content
    if len(batch) > _MOST:
        raise InvalidInput.field("series", f"At most {_MOST} series in a request.")
    rows = {row.id: row for row in call.session.execute(_TO_WRITE, {"ids": list(batch)})}
    keys, makers = {}, {}
    for series_id, points in batch.items():
        row = rows.get(series_id)
        if row is None:
            raise NotFound(f"Series {series_id[:40]} not found.")
        call.principal.require("write", row.organization_id, f"Series {series_id}", row.project_id, series_id)
        if not row.pushed:
            raise Conflict(f"Series {row.name} is made by its {row.generator_kind}; only that writes to it.")
        if row.locked:
            raise Locked(f"Series {row.name} is locked.")
        keys[row.pk] = points
        if row.generator_id is not None:
            makers[row.pk] = (row.generator_id, row.name)
    read = pushed.is_read(call.session, {importer for importer, _ in makers.values()})
    written = store.append_many(call.session, keys, report=read)
    if read:
        pushed.changed(call.session, {maker: written[pk].changed for pk, maker in makers.items()})
    return {name: sum(getattr(w, name) for w in written.values()) for name in ("added", "replaced", "unchanged")}


def read_series(call: Call) -> Response:
    """Return the points of one series in ``[start, end)``, or their means (or another ``rule``) by ``freq``.

    Bins of ``freq`` follow the calendar of ``timezone`` in the given ``clock``; stamps are always UTC.
    """
    row = call.session.execute(_ONE, {"id": call.path["series_id"]}).one_or_none()
    if row is None:
        raise NotFound("Series not found.")
    call.principal.require("read", row.organization_id, "Series", row.project_id, row.id)
    window, form, settings = _Window(call), _format(call), call.services.settings
    points = paging.first_page(call.session, row.pk, window.start, window.stop, window.limit)
    if len(points) < paging.PAGE:
        points = window.cut(points, row.clock)
        if form == "json":
            return Json({"id": row.id, "name": row.name, "time": points.times, "value": points.values})
        return Response(point_formats.encode(points, form), media_type=MEDIA[form])
    budget = budget_of(settings)
    window.require_modest([row.held], settings.read_max_rows)
    blocks = point_formats.stream_one(form, row.id, row.name, window.pages(call.services.database, row, budget))
    return StreamingResponse(_counted(blocks, budget), media_type=MEDIA[form])


def delete_points(call: Call) -> dict[str, int]:
    """Delete the points of one series in ``[start, end)``; what lies downstream follows.

    At least one bound is needed. What a cleaner or an analysis made comes back when it makes it anew, and what an
    importer brought when it reads its file again.
    """
    start, stop = _instant(call, "start"), _instant(call, "end")
    if start is None and stop is None:
        raise InvalidInput.field("start", "Say from when to when: start, end, or both.")
    if start is not None and stop is not None and start >= stop:
        raise InvalidInput.field("end", "This is not after the start.")
    return {"deleted": ranges.delete_points(call.session, call.principal, call.path["series_id"], start, stop)}


def read_points(call: Call) -> Response:
    """Return the points of several series (``series``, repeated) or of a whole ``project``, one after the other.

    As CSV or as an Arrow stream, in columns ``series``, ``time`` and ``value``; it is read page by page, so its size
    is not bounded by memory, but by the settings ``read_max_rows``, ``read_max_bytes`` and ``read_max_seconds``.
    """
    ids, project_id = call.query.getlist("series"), call.query.get("project")
    query = select(*_WHOSE).order_by(_series.pk)
    if project_id is not None:
        query = query.where(_series.project_id == project_id)
    elif ids:
        query = query.where(_series.id.in_(ids))
    else:
        raise InvalidInput.field("series", "Name series, or a project.")
    found = call.session.execute(query).all()
    if len(found) < len(set(ids)) or not found:
        raise NotFound("Series not found.")
    for row in found:
        call.principal.require("read", row.organization_id, "Series", row.project_id, row.id)
    window, form = _Window(call), _format(call, default="arrow")
    if form not in ("arrow", "csv"):
        raise InvalidInput.field("format", "Many series come as arrow or csv.")

    settings = call.services.settings
    budget = budget_of(settings)
    window.require_modest([row.held for row in found], settings.read_max_rows)

    def parts() -> Iterator[tuple[int, Points]]:
        for number, row in enumerate(found):
            for points in window.pages(call.services.database, row, budget):
                yield number, points

    body = point_formats.stream(form, [row.id for row in found], parts())
    return StreamingResponse(_counted(body, budget), media_type=MEDIA[form])


class BrokenOff(Exception):
    """An answer that has begun cannot go on, and its client must notice."""


def _counted(blocks: Iterator[bytes], budget: Budget) -> Iterator[bytes]:
    try:
        for block in blocks:
            budget.made(0, len(block))
            yield block
    except TooLarge as error:
        log.warning("broken off", message=error.message)
        raise BrokenOff(error.message) from None


class _Window:
    """What part of a series is asked for, and in which bins."""

    def __init__(self, call: Call) -> None:
        self.start, self.stop = _instant(call, "start"), _instant(call, "end")
        self.limit = _limit(call)
        self.freq = _parsed(call, "freq", Frequency.parse)
        self.clock = Clock(_CLOCKS.get(asked := call.query.get("clock", "gmt"), asked), call.query.get("timezone"))  # type: ignore[arg-type]
        self.rule = call.query.get("rule", "mean")
        if self.rule not in RULES:
            raise InvalidInput.field("rule", f"One of {', '.join(RULES)}.")

    def require_modest(self, counts: Iterable[int], most: int) -> None:
        """Refuse at once what would be broken off in the end, where no bound makes it less."""
        if self.start is None and self.stop is None and self.limit is None and sum(counts) > most:
            raise TooLarge(f"These are more than {most} points (setting read_max_rows): ask for less at a time.")

    def pages(self, database: Database, row: Any, budget: Budget) -> Iterator[Points]:
        """Yield the points of a series, resampled where a frequency was asked for."""
        found = paging.pages(database, row.pk, self.start, self.stop, self.limit, budget)
        if row.clock is None:
            found = map(as_delivered, found)
        if self.freq is None:
            return found
        return paging.resampled(found, self.freq, self.clock, self.rule)  # type: ignore[arg-type]

    def cut(self, points: Points, clock: str | None) -> Points:
        """Return the points of a series on this clock, resampled where a frequency was asked for."""
        if clock is None:  # its stamps are as delivered, and may repeat
            points = as_delivered(points)
        if self.freq is None:
            return points
        return Points(*resample(points.times, points.values, self.freq, self.clock, self.rule))  # type: ignore[arg-type]


def _format(call: Call, default: str = "json") -> str:
    form = call.query.get("format")
    if form is None:
        accept = call.request.headers.get("accept", "")
        form = next((name for name, media in MEDIA.items() if media in accept), default)
    if form not in MEDIA:
        raise InvalidInput.field("format", f"One of {', '.join(MEDIA)}.")
    return form


def _instant(call: Call, name: str) -> int | None:
    text = call.query.get(name)
    if text is None:
        return None
    if _MICROSECONDS.fullmatch(text):
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
    if not _COUNT.fullmatch(text):
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
    Endpoint(
        "POST",
        "/api/v1/points",
        write_points,
        area="series",
        right="write",
        scope="points:write",
        parse=point_formats.parse,
        body="large",
    ),
    Endpoint("GET", "/api/v1/points", read_points, area="series", right="read"),
    Endpoint("GET", "/api/v1/series/{series_id}/points", read_series, area="series", right="read"),
    Endpoint("DELETE", "/api/v1/series/{series_id}/points", delete_points, area="series", right="write"),
]
