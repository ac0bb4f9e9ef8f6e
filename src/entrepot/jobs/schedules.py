"""Schedules: jobs that are enqueued again and again."""

from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from sqlalchemy import delete, func, select, update
from sqlalchemy.orm import Session

from entrepot.db import advisory_lock, now
from entrepot.errors import InvalidInput
from entrepot.jobs import queue, registry
from entrepot.jobs.cron import next_after, validate_cron
from entrepot.jobs.models import SCHEDULED, Job, Schedule

_TOLERANCE = timedelta(seconds=2)
#: So far ahead, of what it was or of when anything fired last, a clock may as well be wrong as right.
LEAP = timedelta(days=1)


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


def fire_due(session: Session, instant: datetime, *, limit: int = 100) -> list[Job]:
    """Enqueue the jobs of schedules that are due and move these on, in one unit of work."""
    query = (
        select(Schedule)
        .where(Schedule.enabled, Schedule.next_at <= instant)
        .order_by(Schedule.next_at)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    jobs = []
    for schedule in session.scalars(query).all():
        jobs.append(
            queue.enqueue(
                session,
                schedule.kind,
                schedule.payload,
                organization_id=schedule.organization_id,
                project_id=schedule.project_id,
                user_id=schedule.user_id,
                key=schedule.key,
                coalesce=schedule.coalesce,
                priority=schedule.priority,
            )
        )
        schedule.last_at = instant
        schedule.next_at = _next(schedule, instant)
    session.flush()
    return jobs


def mend(session: Session, instant: datetime) -> list[str]:
    """Compute anew what lies further ahead than it can, since the clock was set back; return the schedules' names."""
    ahead = select(Schedule).where(Schedule.enabled, Schedule.next_at > instant).with_for_update(skip_locked=True)
    # What fired in a future that was none says nothing of when the clock was right last.
    session.execute(update(Schedule).where(Schedule.last_at > instant + _TOLERANCE).values(last_at=instant))
    mended, by_age = [], registry.kinds_by_age()
    for schedule in session.scalars(ahead).all():
        latest = _next(schedule, instant)
        if schedule.kind in by_age:
            latest = max(latest, instant + LEAP)
        if schedule.next_at > latest + _TOLERANCE:
            schedule.next_at = _next(schedule, instant)
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
    return list(session.scalars(sooner.values(next_at=until).returning(Schedule.name)))


def any_due(session: Session, instant: datetime) -> bool:
    """Tell whether a schedule is due."""
    query = select(Schedule.name).where(Schedule.enabled, Schedule.next_at <= instant).limit(1)
    return session.execute(query).first() is not None


def _next(schedule: Schedule, instant: datetime) -> datetime:
    if schedule.seconds is not None:
        return instant + timedelta(seconds=schedule.seconds)
    return next_after(schedule.cron, schedule.timezone, instant)


def _validate_timezone(name: str) -> None:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise InvalidInput(f"There is no time zone {name!r}.") from error
