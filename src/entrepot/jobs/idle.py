"""Jobs that came by themselves and found nothing to do: they leave a count, not a row each.

Of each key the last one is known besides, so that whoever asks for it by its id, or for the last run of a generator, is
answered. The count begins anew with every job of the key that leaves a row.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, cast

from sqlalchemy import ColumnElement, Table, delete, func, literal_column, select
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert
from sqlalchemy.orm import Session

from entrepot.db import now
from entrepot.jobs.models import Idle, Job

_job = cast("Table", Job.__table__)
_idle = cast("Table", Idle.__table__)
#: What is kept of the last one.
_OF_THE_JOB = ("organization_id", "project_id", "number", "id", "created_at", "started_at")


class Nothing(dict[str, Any]):
    """What a job returns that found nothing to do, and of which a row is worth nothing."""


def end(session: Session, job: Job) -> bool:
    """End a claimed job by leaving a count; False, and nothing changed, when its claim was lost."""
    ours = (_job.c.number == job.number, _job.c.fence == job.fence, _job.c.status == literal_column("'running'"))
    if session.execute(delete(_job).where(*ours).returning(_job.c.number)).first() is None:
        return False
    last = {name: getattr(job, name) for name in _OF_THE_JOB} | {"ended_at": now()}
    insert = postgresql_insert if session.get_bind().dialect.name == "postgresql" else sqlite_insert
    counted = insert(_idle).values(kind=job.kind, key=job.key or "", count=1, since=job.started_at or now(), **last)
    again = {"count": _idle.c.count + 1, **last}
    session.execute(counted.on_conflict_do_update(index_elements=["kind", "key"], set_=again))
    return True


def over(session: Session, job: Job) -> None:
    """Begin the count anew: a job of the key leaves a row."""
    session.execute(delete(_idle).where(_idle.c.kind == job.kind, _idle.c.key == (job.key or "")))


def forget(session: Session, *, key: str | None = None, project_id: str | None = None) -> None:
    """Forget what was counted of a key, or of a project, that is deleted."""
    of = _idle.c.key == key if key is not None else _idle.c.project_id == project_id
    session.execute(delete(_idle).where(of))


def prune(session: Session, before: datetime, limit: int) -> int:
    """Forget counts to which nothing was added since an instant, at most `limit` of them, and return how many."""
    some = select(_idle.c.kind, _idle.c.key).where(_idle.c.ended_at < before).limit(limit)
    found = [tuple(row) for row in session.execute(some)]
    for kind, key in found:
        session.execute(delete(_idle).where(_idle.c.kind == kind, _idle.c.key == key))
    return len(found)


def find(session: Session, job_id: str) -> Job | None:
    """Return the last job of a key by its id, if it found nothing."""
    found = session.scalar(select(Idle).where(Idle.id == job_id))
    return None if found is None else as_job(found)


def list_(session: Session, *where: ColumnElement[bool], limit: int | None = None) -> Sequence[Idle]:
    """Return what was counted, the last first."""
    return session.scalars(select(Idle).where(*where).order_by(Idle.number.desc()).limit(limit)).all()


def counts(session: Session) -> dict[str, int]:
    """Return how many jobs found nothing, one after the other, by kind."""
    query = select(Idle.kind, func.sum(Idle.count)).group_by(Idle.kind)
    return {kind: int(count) for kind, count in session.execute(query)}


def as_job(idle: Idle) -> Job:
    """Return the last of the jobs that were counted, as it ended."""
    return Job(
        kind=idle.kind,
        key=idle.key or None,
        status="finished",
        attempt=1,
        progress_done=0,
        progress_total=0,
        progress_message="",
        output="",
        ended_at=idle.ended_at,
        **{name: getattr(idle, name) for name in _OF_THE_JOB},
    )
