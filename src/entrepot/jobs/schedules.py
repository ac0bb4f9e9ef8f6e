"""Schedules: jobs that are enqueued again and again."""

from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from sqlalchemy import delete, func, select, update
from sqlalchemy.orm import Session

from entrepot.db import advisory_lock, now
from entrepot.errors import InvalidInput
from entrepot.jobs import many, registry
from entrepot.jobs.cron import next_after, validate_cron
from entrepot.jobs.models import SCHEDULED, Job, Schedule

_TOLERANCE = timedelta(seconds=2)
#: So far ahead, of what it was or of when anything fired last, a clock may as well be wrong as right.
LEAP = timedelta(days=1)
#: So many fire in one unit of work.
MOST_AT_ONCE = 500
#: What a schedule says of its jobs.
_OF_ITS_JOBS = ("kind", "payload", "organization_id", "project_id", "user_id", "key", "coalesce", "priority")


def set(  # noqa: A001 - read as schedules.set
    session: Session,
    name: str,
    cron: str,
    timezone: str,
    kind: str,
    payload: Any = None,
    *,
    key: str | None = None,
    coalesce: str | None = None,
    priority: int = 0,
    organization_id: str | None = None,
    project_id: str | None = None,
    user_id: str | None = None,
) -> None:
    """Have a job enqueued whenever a cron fires, in place of what the schedule of this name said.

    Runs that were missed count once. A run that still waits is not enqueued twice.

    Parameters
    ----------
    cron
        Six fields, seconds first; empty: no schedule.
    timezone
        IANA name of the zone in which the cron is meant.
    kind, payload, key, coalesce, priority, organization_id, project_id, user_id
        As for :func:`entrepot.jobs.enqueue`; `coalesce` is by default one text a schedule.

    Raises
    ------
    InvalidInput
        When the cron or the zone is none.
    """
    if not cron.strip():
        remove(session, name)
        return
    validate_cron(cron)
    _validate_timezone(timezone)
    advisory_lock(session, "schedule", name)
    session.merge(
        Schedule(
            name=name,
            cron=cron,
            timezone=timezone,
            seconds=None,
            kind=kind,
            payload=payload,
            key=key,
            coalesce=coalesce or f"{SCHEDULED}{name}",
            priority=priority,
            organization_id=organization_id,
            project_id=project_id,
            user_id=user_id,
            next_at=next_after(cron, timezone, now()),
            planned_at=now(),
        )
    )
    session.flush()


def every(
    session: Session,
    name: str,
    seconds: float,
    kind: str,
    payload: Any = None,
    *,
    key: str | None = None,
    organization_id: str | None = None,
) -> None:
    """Have a job enqueued every so many seconds, first at once; a schedule that says so already is left alone."""
    advisory_lock(session, "schedule", name)
    found = session.get(Schedule, name)
    if found and (found.seconds, found.kind, found.payload, found.key) == (seconds, kind, payload, key):
        return
    session.merge(
        Schedule(
            name=name,
            cron="",
            seconds=seconds,
            kind=kind,
            payload=payload,
            key=key,
            coalesce=f"{SCHEDULED}{name}",
            organization_id=organization_id,
            next_at=now(),
            planned_at=now(),
        )
    )
    session.flush()


def remove(session: Session, name: str) -> None:
    """Remove a schedule; nothing happens when there is none."""
    if schedule := session.get(Schedule, name):
        session.delete(schedule)
        session.flush()


def remove_of_project(session: Session, project_id: str) -> None:
    """Remove all schedules of a project."""
    session.execute(delete(Schedule).where(Schedule.project_id == project_id))


def fire_due(session: Session, instant: datetime, *, limit: int = MOST_AT_ONCE) -> list[Job]:
    """Enqueue the jobs of schedules that are due and move these on, in one unit of work.

    It takes as many statements for many as for one.
    """
    query = (
        select(Schedule)
        .where(Schedule.enabled, Schedule.next_at <= instant)
        .order_by(Schedule.next_at)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    if not (due := session.scalars(query).all()):
        return []
    jobs = many.enqueue_all(session, [{name: getattr(schedule, name) for name in _OF_ITS_JOBS} for schedule in due])
    following = _Following(instant)
    for schedule in due:
        schedule.last_at = schedule.planned_at = instant
        schedule.next_at = following(schedule)
    session.flush()
    return jobs


class _Following:
    """When schedules fire next after an instant; those that have one cron share what it takes to find out."""

    def __init__(self, instant: datetime) -> None:
        self._instant = instant
        self._found: dict[tuple[str, str], datetime] = {}

    def __call__(self, schedule: Schedule) -> datetime:
        if schedule.seconds is not None:
            return self._instant + timedelta(seconds=schedule.seconds)
        cron = schedule.cron, schedule.timezone
        if cron not in self._found:
            self._found[cron] = next_after(*cron, self._instant)
        return self._found[cron]


def mend(session: Session, instant: datetime) -> list[str]:
    """Compute anew what was planned in a future that was none, since the clock was set back; return the names.

    What a clock that was right planned is not looked at, however much that is.
    """
    ahead = select(Schedule).where(Schedule.planned_at > instant + _TOLERANCE).with_for_update(skip_locked=True)
    mended, by_age, following = [], registry.kinds_by_age(), _Following(instant)
    for schedule in session.scalars(ahead).all():
        latest = following(schedule)
        if schedule.kind in by_age:
            latest = max(latest, instant + LEAP)
        schedule.planned_at = instant
        if schedule.last_at is not None:  # or it would say when the clock was right last
            schedule.last_at = min(schedule.last_at, instant)
        if schedule.next_at > latest + _TOLERANCE:
            schedule.next_at = following(schedule)
            mended.append(schedule.name)
    session.flush()
    return mended


def last(session: Session) -> datetime | None:
    """Return when a schedule fired last; before the first one does, when the first of them is to."""
    return session.scalar(select(func.coalesce(func.max(Schedule.last_at), func.min(Schedule.next_at))))


def wait_after_leap(session: Session, instant: datetime) -> list[str]:
    """Have nothing deleted for its age until a day has passed; return the schedules that wait."""
    until = instant + LEAP
    sooner = update(Schedule).where(Schedule.kind.in_(registry.kinds_by_age()), Schedule.next_at < until)
    return list(session.scalars(sooner.values(next_at=until, planned_at=instant).returning(Schedule.name)))


def _validate_timezone(name: str) -> None:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise InvalidInput(f"There is no time zone {name!r}.") from error
