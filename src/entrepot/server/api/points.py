"""Points in and out, in the formats of the field: JSON, CSV, Arrow and Parquet.

Plain endpoints rather than typed ones: here the bytes are many, and go between the wire and NumPy without a stop.
"""

from collections.abc import Iterable, Iterator
from time import thread_time
from typing import Any, NamedTuple, cast

import numpy as np
import structlog
from sqlalchemy import Connection, Table, bindparam, select
from starlette.responses import Response, StreamingResponse

from entrepot import units
from entrepot.bounds.budget import Budget
from entrepot.db import Database
from entrepot.db.driver import Among, fetch
from entrepot.errors import Conflict, InvalidInput, NotFound, TooLarge
from entrepot.pipeline.importing import pushed
from entrepot.pipeline.runs import ranges
from entrepot.series import batches, paging, totals
from entrepot.series.batches import Batch
from entrepot.series.clock_names import read_clock
from entrepot.series.clocks import Clock
from entrepot.series.frequency import Frequency
from entrepot.series.heads import HEADS, Head
from entrepot.series.models import Series, SeriesHead
from entrepot.series.points import Points, Values
from entrepot.series.second_pass import FIRST, SECOND, as_delivered
from entrepot.series.stepping import AGGREGATES, Steps
from entrepot.server.api import point_formats
from entrepot.server.api.parameters import count_of, instant_of, known_parameters, parsed_of
from entrepot.server.api.point_formats import MEDIA, Block
from entrepot.server.endpoint import Call, Endpoint
from entrepot.server.glances import MOST_POINTS, NotAtOnce
from entrepot.server.patience import budget_of

log = structlog.get_logger("entrepot.http")

_MOST = 10_000  # series in a write: they are taken in one statement
#: What may be told of points beside time and value.
COLUMNS = ("tag", "completeness")
_series, _head = cast("Table", Series.__table__).c, cast("Table", SeriesHead.__table__).c
_OF_HEAD = _head.series == _series.number
_WHOSE = (
    _series.id,
    _series.number,
    _series.name,
    _series.organization_id,
    _series.project_id,
    _head.count.label("held"),
    _head.width,
    _series.clock,
    _series.timezone,
    _series.step,
    _series.unit,
)


class _Whose(NamedTuple):
    """A series, and whose it is."""

    id: str
    number: int
    name: str
    organization_id: str
    project_id: str
    held: int
    width: int
    clock: str | None
    timezone: str | None
    step: str | None
    unit: str


_ONE = select(*_WHOSE).where(_OF_HEAD, _series.id == bindparam("id"))
# Taken in the order in which the store takes them, so that what is checked here still holds when it writes.
_HELD = len(HEADS.selected_columns)
_TO_WRITE = (
    HEADS.add_columns(
        *(_series.id, _series.name, _series.project_id, _series.generator_id, _series.generator_kind, _series.pushed)
    )
    .where(Among(_series.id, "ids"))
    .with_for_update(key_share=True)
)


def write_points(call: Call) -> dict[str, int]:
    """Write points of any number of series, in one transaction; the last write of a stamp wins.

    The body is JSON ``{"<series id>": {"time": [...], "value": [...]}}``, or a table with the columns ``series``,
    ``time`` and ``value``, as CSV or an Arrow stream by its content type; each may have ``tag``, too. Times are
    microseconds since 1970 or timestamps; those without a zone are UTC. Values that are null or NaN are no points.
    """
    batch: Batch = call.content
    if len(batch) > _MOST:
        raise InvalidInput.field("series", f"At most {_MOST} series in a request.")
    rows = {row[_HELD]: row for row in fetch(call.session, _TO_WRITE, {"ids": list(batch.names)})}
    held, makers = [], {}
    allowed: set[tuple[str, str]] = set()
    for series_id in batch.names:
        if series_id not in rows:
            raise NotFound(f"Series {series_id[:40]} not found.")
        row = rows[series_id]
        head, (name, project_id, maker_id, maker, is_pushed) = Head.of(row[:_HELD]), row[_HELD + 1 :]
        if call.principal.bound or (head.organization_id, project_id) not in allowed:
            call.principal.require("write", head.organization_id, f"Series {series_id}", project_id, series_id)
            allowed.add((head.organization_id, project_id))
        if not is_pushed:
            raise Conflict(f"Series {name} is made by its {maker}; only that writes to it.")
        held.append(head)
        if maker_id is not None:
            makers[head.number] = (maker_id, name)
    read = pushed.is_read(call.session, {importer for importer, _ in makers.values()})
    written = batches.append(call.session, held, batch, report=read)
    if read:
        pushed.changed(call.session, {maker: written[number].changed for number, maker in makers.items()})
    return {name: sum(getattr(w, name) for w in written.values()) for name in ("added", "replaced", "unchanged")}


def read_series(call: Call) -> Response:
    """Return the points of one series from ``from`` to before ``to``, or what an ``aggregate`` makes of each ``step``.

    Steps follow the calendar of ``clock``, by default the series' own; stamps are always UTC. ``columns`` are told,
    too: ``tag``, or ``completeness``, the share of its points that a step has, in per cent. With ``unit``, values are
    converted.
    """
    began, glances = thread_time(), call.request.app.state.glances
    found = fetch(call.connection, _ONE, {"id": call.path["series_id"]})
    if not found:
        raise NotFound("Series not found.")
    row = _Whose(*found[0])
    call.principal.require("read", row.organization_id, "Series", row.project_id, row.id)
    asked, form, settings = _Asked(call), _format(call), call.services.settings
    window = asked.window(row.width) if form == "json" else None
    if call.hasty and (window is None or not glances.knows(row.id, *window)):
        raise NotAtOnce
    view = asked.of(row)
    about = {"id": row.id, "name": row.name} | ({"unit": view.unit} if asked.unit is not None else {})
    if (kept := view.of_totals(call.connection)) is not None:
        return Response(point_formats.encode(kept, form, about), media_type=MEDIA[form])
    points = paging.first_page(call.connection, row.number, asked.start, asked.stop, asked.limit, row.held)
    if call.hasty and len(points) > MOST_POINTS:
        raise NotAtOnce
    if len(points) < paging.PAGE:
        (block,) = view.blocks([points]) if asked.step is None else (point_formats.joined(view.blocks([points])),)
        answer = Response(point_formats.encode(block, form, about), media_type=MEDIA[form])
        if window is not None:
            glances.note(row.id, *window, thread_time() - began)
        return answer
    budget = budget_of(settings)
    asked.require_modest([row.held], settings.read_max_rows)
    pages = view.blocks(asked.pages(call.services.database, row, budget))
    return StreamingResponse(
        _counted(point_formats.stream_one(form, about, asked.columns, pages), budget), media_type=MEDIA[form]
    )


def delete_points(call: Call) -> dict[str, int]:
    """Delete the points of one series from ``from`` to before ``to``; what lies downstream follows.

    At least one bound is needed. What a cleaner or an analysis made comes back when it makes it anew, and what an
    importer brought when it reads its file again.
    """
    known_parameters(call, "from", "to")
    start, stop = instant_of(call, "from"), instant_of(call, "to")
    if start is None and stop is None:
        raise InvalidInput.field("from", "Say from when to when: from, to, or both.")
    if start is not None and stop is not None and start >= stop:
        raise InvalidInput.field("to", "This is not after `from`.")
    return {"deleted": ranges.delete_points(call.session, call.principal, call.path["series_id"], start, stop)}


def read_points(call: Call) -> Response:
    """Return the points of several series (``series``, repeated) or of a whole ``project``, one after the other.

    They are asked for as those of one. As CSV or as an Arrow stream, in columns ``series``, ``time`` and ``value``; it
    is read page by page, so its size is not bounded by memory, but by the settings ``read_max_rows``,
    ``read_max_bytes`` and ``read_max_seconds``.
    """
    ids, project_id = call.query.getlist("series"), call.query.get("project")
    query = select(*_WHOSE).where(_OF_HEAD).order_by(_series.number)
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
    asked, form = _Asked(call, "series", "project"), _format(call, default="arrow")
    if form not in ("arrow", "csv"):
        raise InvalidInput.field("format", "Many series come as arrow or csv.")

    settings = call.services.settings
    budget = budget_of(settings)
    asked.require_modest([row.held for row in found], settings.read_max_rows)
    views = [asked.of(row) for row in found]

    def parts() -> Iterator[tuple[int, Block]]:
        for number, (row, view) in enumerate(zip(found, views, strict=True)):
            with call.services.database.snapshot() as connection:
                kept = view.of_totals(connection)
            if kept is not None:
                budget.made(len(kept.times))
                yield number, kept
                continue
            for block in view.blocks(asked.pages(call.services.database, row, budget)):
                yield number, block

    body = point_formats.stream(form, [row.id for row in found], asked.columns, parts())
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


_ASKED = ("from", "to", "limit", "step", "clock", "aggregate", "unit", "columns", "format")


class _Asked:
    """What part of series is asked for, in which steps, in which unit and with which columns."""

    def __init__(self, call: Call, *others: str) -> None:
        known_parameters(call, *_ASKED, *others)
        self.start, self.stop = instant_of(call, "from"), instant_of(call, "to")
        self.limit = count_of(call, "limit", "points")
        self.step = parsed_of(call, "step", Frequency.parse)
        self.clock = parsed_of(call, "clock", read_clock)
        self.unit = call.query.get("unit")
        self.how = call.query.get("aggregate", "mean")
        if self.how not in AGGREGATES:
            raise InvalidInput.field("aggregate", f"One of {', '.join(AGGREGATES)}.")
        self.columns = [name for name in call.query.get("columns", "").split(",") if name]
        if wrong := set(self.columns) - set(COLUMNS):
            raise InvalidInput.field("columns", f"{min(wrong)[:40]!r} is not one of {', '.join(COLUMNS)}.")
        if "completeness" in self.columns and self.step is None:
            raise InvalidInput.field("columns", "Completeness is that of steps: give `step`.")
        if "tag" in self.columns and self.step is not None:
            raise InvalidInput.field("columns", "Tags are those of points: leave out `step`.")

    def window(self, width: int) -> tuple[int, int] | None:
        """Return from where to where the chunks are, windows of this width, that hold the points which are asked for.

        None where they are asked for without bounds, or as more than themselves.
        """
        if self.start is None or self.stop is None or self.step is not None or self.limit is not None:
            return None
        if not width:  # there are none yet
            return self.start, self.stop
        return self.start // width * width, -(-self.stop // width) * width

    def require_modest(self, counts: Iterable[int], most: int) -> None:
        """Refuse at once what would be broken off in the end, where no bound makes it less."""
        if self.start is None and self.stop is None and self.limit is None and sum(counts) > most:
            raise TooLarge(f"These are more than {most} points (setting read_max_rows): ask for less at a time.")

    def pages(self, database: Database, row: Any, budget: Budget) -> Iterator[Points]:
        """Yield the points of a series that are asked for."""
        return paging.pages(database, row.number, self.start, self.stop, self.limit, budget)

    def of(self, row: Any) -> "_View":
        """Return how a series is shown.

        Raises
        ------
        InvalidInput
            It cannot be shown in this unit.
        """
        if self.unit is not None and self.unit != row.unit:
            require_unit(row, counts=self.step is not None and self.how == "count")
            convert(np.empty(0), row.unit, self.unit)
        return _View(self, row)


class _View:
    """How one series is shown."""

    def __init__(self, asked: _Asked, row: Any) -> None:
        self._asked, self._row = asked, row
        self.unit: str = row.unit if asked.unit is None else asked.unit

    def blocks(self, pages: Iterable[Points]) -> Iterator[Block]:
        """Yield what is shown of points."""
        asked, row = self._asked, self._row
        if row.clock is None:  # its stamps are as delivered, and may repeat
            pages = map(as_delivered, pages)
        if asked.step is None:
            for points in pages:
                others = {"tag": _tags_of(points)} if "tag" in asked.columns else {}
                yield Block(points.times, self._converted(points.values), others)
            return
        for found in paging.stepped(pages, self._steps(asked.step)):
            yield self._of_steps(*found)

    def of_totals(self, connection: Connection) -> Block | None:
        """Return the steps, where what is kept with the points tells them; None where the points have to be read."""
        asked, row = self._asked, self._row
        if asked.step is None or asked.limit is not None or asked.how not in totals.RULES or row.clock is None:
            return None
        steps = self._steps(asked.step)
        found = totals.read(connection, row.number, asked.start, asked.stop, steps.step, steps.clock)
        return None if found is None else self._of_steps(*steps.of_totals(found))

    def _steps(self, step: Frequency) -> Steps:
        row = self._row
        clock = self._asked.clock or Clock(row.clock or "utc", row.timezone if row.clock else None)
        native = None if row.step is None else Frequency.parse(row.step)
        return Steps(step, clock, self._asked.how, native)  # type: ignore[arg-type]

    def _of_steps(self, points: Points, complete: Values) -> Block:
        others = {"completeness": complete} if "completeness" in self._asked.columns else {}
        return Block(points.times, self._converted(points.values), others)

    def _converted(self, values: Values) -> Values:
        return values if self.unit == self._row.unit else convert(values, self._row.unit, self.unit)


def require_unit(series: _Whose | Series, *, counts: bool) -> None:
    """Refuse `unit` where there is none to convert from: what is shown are counts, or the series has none."""
    if counts or not series.unit:
        why = "counts have none" if series.unit else f"series {series.name} has none"
        raise InvalidInput.field("unit", f"There is no unit to convert from: {why}.")


def convert(values: Values, unit: str, wanted: str) -> Values:
    """Return values in another unit; where one does not convert into the other, `unit` is refused."""
    try:
        return units.convert(values, unit, wanted)
    except units.Incompatible as error:
        raise InvalidInput.field("unit", f"{error}.") from None


def _tags_of(points: Points) -> Any:
    """Return the tags of points, but for those that only tell which of two equal hours a point is of."""
    if points.tags is None:
        return np.full(len(points), None, object)
    kept: Any = points.tags.copy()
    kept[(kept == FIRST) | (kept == SECOND)] = None
    return kept


def _format(call: Call, default: str = "json") -> str:
    form = call.query.get("format")
    if form is None:
        accept = call.request.headers.get("accept", "")
        form = next((name for name, media in MEDIA.items() if media in accept), default)
    if form not in MEDIA:
        raise InvalidInput.field("format", f"One of {', '.join(MEDIA)}.")
    return form


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
        lean=True,
    ),
    Endpoint("GET", "/api/v1/points", read_points, area="series", right="read"),
    Endpoint(
        "GET",
        "/api/v1/series/{series_id}/points",
        read_series,
        area="series",
        right="read",
        lean=True,
        glance="series_id",
    ),
    Endpoint("DELETE", "/api/v1/series/{series_id}/points", delete_points, area="series", right="write"),
]
