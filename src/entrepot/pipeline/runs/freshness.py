"""Series that fall silent: told once when the last point is older than it may be, cleared by itself when data come.

The age of a series is that of its last point's own time, so that old data which are sent again do not hide that new
ones are missing; and it is no less than the time since anything was written, so that a logger whose clock is ahead
cannot hide it either. Points that are ahead of the present do not count.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, NamedTuple

import numpy as np
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from entrepot import jobs
from entrepot.db import advisory_lock, now
from entrepot.errors import InvalidInput, NotFound
from entrepot.events import notifications
from entrepot.identity import Principal, Right
from entrepot.pipeline.configuration import naming
from entrepot.pipeline.generators import notices
from entrepot.pipeline.generators.finding import find_generator, get_generator, raw_clocks
from entrepot.pipeline.models import SilenceWatch
from entrepot.series import store
from entrepot.series.clocks import UNKNOWN_CLOCK, UTC_CLOCK, Clock, to_naive, to_utc
from entrepot.series.frequency import Frequency
from entrepot.series.models import Series, SeriesHead

WATCH = "notices.watch"
WATCH_SECONDS = 60.0


class Watched(NamedTuple):
    """A series and how old its last point may be.

    Attributes
    ----------
    seen, grace
        When its last point was, and how long ago that may be: microseconds.
    """

    generator_id: str
    name: str
    seen: int
    grace: int


class Change(NamedTuple):
    """Series of which people are to be told that they are silent, and those that no longer are."""

    silent: list[Watched]
    over: list[tuple[str, str]]


def watch(
    session: Session, principal: Principal, generator_id: str, grace: str | None, series_name: str = ""
) -> SilenceWatch:
    """Say how old the last point of a generator's series may be before somebody is told.

    Parameters
    ----------
    grace
        Such as ``6H`` or ``2D``: the step of the series, and the lateness that is usual. None: these may be silent.
    series_name
        Empty: all series of the generator, apart from those of which it is said by name.
    """
    generator = get_generator(session, principal, generator_id, "write")
    if grace is not None:
        with naming("grace"):
            Frequency.parse(grace)
    advisory_lock(session, "silence watch", generator.id)
    query = select(SilenceWatch).where(
        SilenceWatch.generator_id == generator.id, SilenceWatch.series_name == series_name
    )
    found = session.scalar(query)
    if found is None:
        if len(series_name) > 300 or "\0" in series_name:
            raise InvalidInput.field("series_name", "No series has this name.")
        found = SilenceWatch(
            organization_id=generator.organization_id,
            project_id=generator.project_id,
            generator_id=generator.id,
            series_name=series_name,
        )
        session.add(found)
    found.grace = grace
    session.flush()
    jobs.schedules.every(session, WATCH, WATCH_SECONDS, WATCH)
    return found


def get_watch(session: Session, principal: Principal, watch_id: str, right: Right = "read") -> SilenceWatch:
    """Return a watch of the caller's organizations."""
    found = session.scalar(select(SilenceWatch).where(SilenceWatch.id == watch_id))
    if found is None:
        raise NotFound("Watch not found.")
    principal.require(right, found.organization_id, "Watch", found.project_id)
    return found


def unwatch(session: Session, principal: Principal, watch_id: str) -> None:
    """Watch series no longer; what was told of them is resolved."""
    session.delete(get_watch(session, principal, watch_id, "write"))
    session.flush()
    jobs.enqueue(session, WATCH, coalesce=f"schedule:{WATCH}")


@jobs.task(WATCH)
def run(context: jobs.JobContext) -> dict[str, int]:
    """Look at all series that are watched."""
    instant = now()
    with context.database.read() as session:
        change = changes(session, instant)
    if change.silent or change.over:
        with context.unit() as session:
            change = check(session, instant)
    with context.unit() as session:
        if session.scalar(select(func.count()).select_from(SilenceWatch)) == 0:
            jobs.schedules.remove(session, WATCH)
    return {"silent": len(change.silent), "over": len(change.over)}


def check(session: Session, instant: datetime) -> Change:
    """Tell of the series that are silent at an instant, and clear what was told of those that no longer are."""
    advisory_lock(session, WATCH)
    change = changes(session, instant)
    for generator_id, name in change.over:
        notifications.resolve(session, generator_id, notices.SILENT, subject=name)
    for one in change.silent:
        generator = find_generator(session, one.generator_id)
        if generator is not None:
            last = np.datetime_as_string(np.datetime64(one.seen, "us"), unit="s").item()
            message = f"Series {one.name} of {generator.kind} {generator.name} is silent since {last} UTC."
            notices.tell(session, generator, notices.SILENT, message, subject=one.name)
    return change


def changes(session: Session, instant: datetime) -> Change:
    """Return what is to be told at an instant, given what is told already."""
    told = {(one.generator_id or "", one.subject or "") for one in notifications.open_ones(session, notices.SILENT)}
    present = _microseconds(instant)
    return compare(_watched(session, present), told, present)


def compare(watched: Iterable[Watched], told: set[tuple[str, str]], instant: int) -> Change:
    """Return what changes at an instant (microseconds, UTC), given which series people were told of."""
    silent = {(one.generator_id, one.name): one for one in watched if instant - one.seen > one.grace}
    new = [one for key, one in silent.items() if key not in told]
    return Change(new, sorted(told - silent.keys()))


def _watched(session: Session, present: int) -> list[Watched]:
    watches: dict[str, dict[str, str | None]] = {}
    for row in session.scalars(select(SilenceWatch)):
        watches.setdefault(row.generator_id, {})[row.series_name] = row.grace
    found: list[Watched] = []
    for generator_id, graces in watches.items():
        names = [name for name in graces if name]
        mine = Series.generator_id == generator_id
        of = mine if "" in graces else mine & Series.name.in_(names)
        columns = (Series.number, Series.name, SeriesHead.last, SeriesHead.written_at, Series.clock)
        rows = session.execute(
            select(*columns).join_from(Series, SeriesHead).where(of, SeriesHead.last.is_not(None))
        ).all()
        delivered = raw_clocks(session, generator_id) if any(row.clock is None for row in rows) else {}
        found += [
            Watched(generator_id, row.name, _seen(session, row, delivered, present), Frequency.parse(grace).longest)
            for row in rows
            if (grace := graces.get(row.name, graces.get(""))) is not None
        ]
    return found


def _seen(session: Session, row: Any, delivered: Mapping[str, Clock], present: int) -> int:
    """Return when the last point of a series was; one whose clock nobody knows is taken to tell UTC."""
    clock = UTC_CLOCK if row.clock is not None else delivered.get(row.name, UNKNOWN_CLOCK)
    last = int(to_utc(np.array([row.last], dtype=np.int64), clock)[0])
    if last > present:
        now_shown = int(to_naive(np.array([present], dtype=np.int64), clock)[0])
        times = store.read(session, row.number, None, now_shown + 1, limit=1, newest=True).times
        last = int(to_utc(times, clock)[0]) if times.size else last
    return min(last, row.written_at) if row.written_at is not None else last


def _microseconds(instant: datetime) -> int:
    return int(np.datetime64(instant.replace(tzinfo=None), "us").astype(np.int64))
