"""What the job system does for itself, as jobs: what ended longer ago than it is kept is deleted."""

from datetime import datetime, timedelta
from typing import cast

from sqlalchemy import Table, delete, func, select, tuple_
from sqlalchemy.orm import Session

from entrepot.db import now
from entrepot.jobs import idle, registry, turns
from entrepot.jobs.context import JobContext
from entrepot.jobs.models import Job
from entrepot.jobs.registry import task
from entrepot.jobs.units import in_units

PRUNE = "jobs.prune"
_AT_ONCE = 1000
_job = cast("Table", Job.__table__)


class Pruning:
    """Deletes jobs that ended before an instant, from the first to the last, apart from those that are worth keeping.

    Of every generator the last run stays, and the last that failed.

    Attributes
    ----------
    deleted
        How many were.
    """

    def __init__(self, before: datetime, limit: int = _AT_ONCE) -> None:
        self._before, self._limit = before, limit
        self._seen: tuple[datetime, int] | None = None
        self.deleted = 0

    def __call__(self, session: Session) -> int:
        """Look at some more, delete those that may go, and return how many were looked at."""
        query = select(_job.c.number, _job.c.kind, _job.c.key, _job.c.ended_at).where(_job.c.ended_at < self._before)
        if self._seen is not None:
            query = query.where(tuple_(_job.c.ended_at, _job.c.number) > self._seen)
        found = session.execute(query.order_by(_job.c.ended_at, _job.c.number).limit(self._limit)).all()
        if not found:
            return 0
        self._seen = found[-1].ended_at, found[-1].number
        runs = registry.kinds("runs")
        keys = {row.key for row in found if row.kind in runs and row.key is not None}
        gone = {row.number for row in found} - self._last(session, keys)
        session.execute(delete(_job).where(_job.c.number.in_(gone)))
        self.deleted += len(gone)
        return len(found)

    @staticmethod
    def _last(session: Session, keys: set[str]) -> set[int]:
        """Return the last jobs of each kind of these keys, and the last that failed."""
        of = (_job.c.key.in_(keys), _job.c.kind.in_(registry.kinds("runs")), _job.c.ended_at.is_not(None))
        ended = select(func.max(_job.c.number)).where(*of).group_by(_job.c.key, _job.c.kind)
        failed = ended.where(_job.c.status.in_(("failed", "server_error")))
        return {*session.scalars(ended), *session.scalars(failed)}


@task(PRUNE)
def prune(context: JobContext) -> dict[str, int]:
    """Delete jobs, and counts of those that found nothing, that ended longer ago than they are kept."""
    before = now() - timedelta(days=context.settings.job_retention_days)
    with context.unit() as session:
        turns.forget(session, now() - timedelta(days=1))
    pruning = Pruning(before)
    in_units(context, pruning)
    forgotten = in_units(context, lambda session: idle.prune(session, before, _AT_ONCE))
    return {"deleted": pruning.deleted + forgotten}
