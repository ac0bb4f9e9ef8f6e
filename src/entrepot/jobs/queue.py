"""The durable queue: enqueue, look, cancel, retry; and for workers: claim, keep, end."""

import random
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any, TypedDict, Unpack

from sqlalchemy import (
    ColumnElement,
    DateTime,
    Interval,
    Table,
    bindparam,
    func,
    literal_column,
    select,
)
from sqlalchemy.orm import Session

from entrepot.db import clock, now
from entrepot.db.claim import claiming, hold
from entrepot.errors import Conflict, NotFound
from entrepot.jobs import idle, registry, turns
from entrepot.jobs.models import Job
from entrepot.jobs.waking import wake_after_commit

STATUSES = ("pending", "running", "finished", "refused", "failed", "cancelled", "server_error")
ENDED = STATUSES[2:]
BACK_OFF_SECONDS = 2.0
LONGEST_BACK_OFF_SECONDS = 3600.0
#: A job that was kept from its end by what an operator has to mend is tried again after so long, however often.
PUT_OFF_SECONDS = 15.0

_table: Table = Job.__table__  # type: ignore[assignment]
_is_running = _table.c.status == literal_column("'running'")
_told: list[Callable[[Session, Job, str, str | None], None]] = []


class Options(TypedDict, total=False):
    """What else a job is given, and keeps as it is.

    Attributes
    ----------
    organization_id, project_id, user_id, parent_id
        Whose it is, and which job had it made.
    priority
        Higher comes first among the jobs of a project; within a key the order of arrival counts alone.
    max_attempts
        In place of the kind's own number.
    deadline_at
        The instant past which the job is stopped, or not begun.
    """

    organization_id: str | None
    project_id: str | None
    user_id: str | None
    parent_id: str | None
    priority: int
    max_attempts: int | None
    deadline_at: datetime | None


def enqueue(
    session: Session,
    kind: str,
    payload: Any = None,
    *,
    key: str | None = None,
    coalesce: str | None = None,
    run_at: datetime | None = None,
    **options: Unpack[Options],
) -> Job:
    """Have a job done once the caller's unit of work is committed; never, if it is not.

    Parameters
    ----------
    kind
        The name under which a handler is registered (:func:`entrepot.jobs.task`).
    payload
        JSON that the handler gets.
    key
        Jobs of one key never overlap and run in the order of `run_at`, then of arrival.
    coalesce
        When a job of the same kind and text still waits, and may start no later than this one, it is returned instead
        of a second one. It will see what this unit of work writes: it cannot start before the commit. Units of work
        that are open at the same moment do not share a job but make one each.
    run_at
        Not before this instant; None: at once.

    Returns
    -------
    Job
        With ``created_now`` False when it is one that waited already.
    """
    session.connection()  # What others wrote while SQLite had us wait our turn is not in our future.
    wanted_at = run_at or now()
    if coalesce is not None and (found := _waiting(session, kind, coalesce, wanted_at)):
        found.created_now = False
        return found
    tenant = turns.tenant_of(options.get("organization_id"), options.get("project_id"))
    place = 0 if key is None else turns.next_place(session, key)
    job = Job(kind=kind, payload=payload, key=key, coalesce=coalesce, tenant=tenant, place=place, **options)
    job.run_at = job.ready_at = wanted_at
    session.add(job)
    session.flush()
    wake_after_commit(session)
    return job


def _waiting(session: Session, kind: str, coalesce: str, wanted_at: datetime) -> Job | None:
    """Return a job that may do as well, locked.

    The lock makes claimants pass the job over until our writes can be seen. It is not shared: under constant load there
    would be no moment without one, and the job would never start.
    """
    query = (
        select(Job)
        .where(Job.coalesce == coalesce, Job.status == "pending", Job.ready_at <= wanted_at, Job.kind == kind)
        .order_by(Job.number)
        .limit(1)
        .with_for_update(skip_locked=True)
    )
    return session.scalars(query).first()


def get(session: Session, job_id: str) -> Job:
    """Return a job.

    Raises
    ------
    NotFound
        When there is none of this id.
    """
    if job := session.scalars(select(Job).where(Job.id == job_id)).one_or_none() or idle.find(session, job_id):
        return job
    raise NotFound(f"There is no job {job_id}.")


def list_(
    session: Session,
    *,
    within: ColumnElement[bool] | None = None,
    organization_id: str | None = None,
    project_id: str | None = None,
    user_id: str | None = None,
    kind: str | None = None,
    key: str | None = None,
    parent_id: str | None = None,
    statuses: Iterable[str] | None = None,
    limit: int = 100,
    offset: int = 0,
) -> Sequence[Job]:
    """Return jobs, newest first, that fit everything given."""
    query = select(Job).order_by(Job.number.desc()).limit(limit).offset(offset)
    given = {
        Job.organization_id: organization_id,
        Job.project_id: project_id,
        Job.user_id: user_id,
        Job.kind: kind,
        Job.key: key,
        Job.parent_id: parent_id,
    }
    query = query.where(*(column == value for column, value in given.items() if value is not None))
    if within is not None:
        query = query.where(within)
    if statuses is not None:
        query = query.where(Job.status.in_(list(statuses)))
    return session.scalars(query).all()


def cancel(session: Session, job_id: str) -> Job:
    """Cancel a job: at once if it waits; if it runs, its handler is told and ends it. Ended jobs stay as they are."""
    job = _locked(session, job_id)
    if job.status == "pending":
        job.status = "cancelled"
        job.ended_at = now()
    elif job.status == "running":
        job.cancel_requested = True
    session.flush()
    return job


def retry(session: Session, job_id: str) -> Job:
    """Have a job that ended other than well done again, with all its attempts.

    Raises
    ------
    Conflict
        When it waits, runs or is finished.
    """
    job = _locked(session, job_id)
    if job.status not in ENDED or job.status == "finished":
        raise Conflict(f"The job is {job.status}: only one that ended without success can be retried.")
    job.place = 0 if job.key is None else turns.next_place(session, job.key)
    job.status = "pending"
    job.attempt = 0
    job.cancel_requested = False
    job.run_at = job.ready_at = now()
    job.deadline_at = job.ended_at = job.error = job.error_details = job.traceback = None
    session.flush()
    wake_after_commit(session)
    return job


# What workers do


def watch(session: Session, jobs: Iterable[Job]) -> dict[int, Any]:
    """Return, by number, the fence and whether cancellation was asked for, of those jobs that run."""
    query = select(Job.number, Job.fence, Job.cancel_requested)
    query = query.where(Job.number.in_([job.number for job in jobs]), Job.status == "running")
    return {row.number: row for row in session.execute(query)}


def unlocked(session: Session, jobs: Iterable[Job]) -> set[int]:
    """Lock those of the jobs that no open unit of work has locked, and return their numbers."""
    query = select(Job.number).where(Job.number.in_([job.number for job in jobs])).with_for_update(skip_locked=True)
    return set(session.scalars(query))


def is_due(
    session: Session,
    pools: Mapping[str, Collection[str]],
    instant: datetime | None = None,
    *,
    quiet: bool = False,
) -> bool:
    """Tell whether there is a job that this process can do now; a hint that costs no lock.

    Parameters
    ----------
    pools
        Those to look into, with the tenants who get no more there for now.
    quiet
        Pass over jobs that call others.
    """
    instant, dialect = instant or now(), session.get_bind().dialect.name
    for pool, full in pools.items():
        if kinds := registry.kinds(pool, quiet=quiet):
            query = turns.candidates(kinds, dialect).limit(1)
            if session.execute(query, {"instant": instant, "pool": pool, "full": list(full)}).first():
                return True
    expired = select(_table.c.number).where(_is_running, _table.c.lease_until < clock.current(session))
    return session.execute(expired.limit(1)).first() is not None


def claim(
    session: Session,
    worker: str,
    lease_seconds: float,
    limit: int = 1,
    *,
    pool: str | None = None,
    full: Collection[str] = (),
    quiet: bool = False,
) -> list[Job]:
    """Claim jobs that this process can do and that are due, for a worker, in the order of turns.

    Parameters
    ----------
    pool
        Only jobs of kinds of this pool.
    full
        Tenants (``Job.tenant``) who get no more for now.
    quiet
        Pass over jobs that call others.

    Raises
    ------
    IntegrityError
        When another worker, at the same moment, claimed a job of the same key: try again.
    """
    kinds = registry.kinds(pool, quiet=quiet)
    if not kinds:
        return []
    instant = now()
    claimed: list[Job] = []
    given: dict[str, Any] = {"instant": instant, "pool": pool or "", "full": list(full), "worker": worker}
    dialect = session.get_bind().dialect.name
    lease = timedelta(seconds=lease_seconds)
    given |= {"lease": lease} if dialect == "postgresql" else {"lease_until": instant + lease}
    statement = _claiming(kinds, dialect)
    # One at a time: each changes whose turn it is.
    while len(claimed) < limit:
        row = session.execute(statement, given, execution_options={"synchronize_session": False}).mappings().first()
        if row is None:
            break
        claimed.append(Job(**row))
    turns.took(session, pool or "", claimed, instant)
    return claimed


@lru_cache(32)
def _claiming(kinds: tuple[str, ...], dialect: str) -> Any:
    instant = bindparam("instant", type_=_table.c.started_at.type)
    values = {
        "status": "running",
        "worker": bindparam("worker"),
        "attempt": _table.c.attempt + 1,
        "started_at": instant,
        "lease_until": bindparam("lease_until", type_=_table.c.lease_until.type)
        if dialect == "sqlite"
        else func.clock_timestamp(type_=DateTime(timezone=True)) + bindparam("lease", type_=Interval()),
        "progress_done": 0,
        "progress_total": 0,
        "progress_message": "",
        "output": "",
    }
    return claiming(_table, turns.candidates(kinds, dialect), values).returning(*_table.columns)


def keep(session: Session, job: Job, values: dict[str, Any]) -> bool:
    """Write to a job as the worker that claimed it; False, and nothing changed, when it no longer has it."""
    return hold(session, _table, job.number, job.fence, _is_running, values)


def end(session: Session, job: Job, status: str, **values: Any) -> bool:
    """End a claimed job; False, and nothing changed, when its claim was lost."""
    if kept := keep(session, job, {**_unclaimed(), "status": status, "ended_at": now(), **values}):
        idle.over(session, job)
    return kept


def release(session: Session, job: Job) -> bool:
    """Give a claimed job back, as if this attempt had not been."""
    return put_off(session, job, 0)


def put_off(session: Session, job: Job, seconds: float, **values: Any) -> bool:
    """Give a claimed job back for a while, as if this attempt had not been."""
    values |= {"status": "pending", "attempt": job.attempt - 1, "ready_at": now() + timedelta(seconds=seconds)}
    return keep(session, job, {**_unclaimed(), **values})


def again_or_give_up(
    session: Session, job: Job, error: str, traceback: str | None = None, *, wait: bool = True, **values: Any
) -> bool:
    """End an attempt that went wrong through no fault of the user: wait and try again, or ``server_error``."""
    task = registry.find(job.kind)
    allowed = job.max_attempts or (task.max_attempts if task else registry.DEFAULT_ATTEMPTS)
    values = {**values, "error": error, "traceback": traceback}
    if job.attempt >= allowed:
        kept = end(session, job, "server_error", **values)
        for tell in _told if kept else ():
            tell(session, job, error, traceback)
        return kept
    ready_at = now() + timedelta(seconds=back_off_seconds(job.attempt) if wait else 0)
    return keep(session, job, {**_unclaimed(), "status": "pending", "ready_at": ready_at, **values})


def when_given_up(tell: Callable[[Session, Job, str, str | None], None]) -> None:
    """Have a function called, in the same unit of work, with each job that is given up, the error and its traceback."""
    if tell not in _told:
        _told.append(tell)


def back_off_seconds(attempt: int) -> float:
    """Return how long to wait after an attempt: doubling, give or take a quarter lest many come back at once."""
    return _back_off(attempt) * random.uniform(0.75, 1.25)  # noqa: S311 - no secret


def longest_wait(attempt: int) -> timedelta:
    """Return for how long a job that was put off, or goes wrong, waits at most after an attempt."""
    return timedelta(seconds=max(PUT_OFF_SECONDS, _back_off(attempt) * 1.25))


def _back_off(attempt: int) -> float:
    return float(min(BACK_OFF_SECONDS * 2.0 ** (attempt - 1), LONGEST_BACK_OFF_SECONDS))


def recover(session: Session) -> int:
    """Take the jobs of workers that fell silent from them, and return how many."""
    query = (
        select(Job)
        .where(Job.status == "running", Job.lease_until < clock.current(session))
        .limit(100)
        .with_for_update(skip_locked=True)
    )
    lost = session.scalars(query).all()
    for job in lost:
        session.expunge(job)
        if job.cancel_requested:
            end(session, job, "cancelled")
        else:
            again_or_give_up(session, job, "The worker that ran the job died.", wait=False)
    return len(lost)


def _unclaimed() -> dict[str, Any]:
    return {"worker": None, "lease_until": None}


def _locked(session: Session, job_id: str) -> Job:
    query = select(Job).where(Job.id == job_id).with_for_update().execution_options(populate_existing=True)
    if job := session.scalars(query).one_or_none() or idle.find(session, job_id):
        return job
    raise NotFound(f"There is no job {job_id}.")
