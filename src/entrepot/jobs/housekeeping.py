"""What the job system does for itself, as jobs."""

from datetime import timedelta

from entrepot.db import now
from entrepot.jobs import queue, turns
from entrepot.jobs.context import JobContext
from entrepot.jobs.registry import task

PRUNE = "jobs.prune"


@task(PRUNE)
def prune(context: JobContext) -> dict[str, int]:
    """Delete jobs that ended longer ago than they are kept."""
    before = now() - timedelta(days=context.settings.job_retention_days)
    deleted = 0
    while True:
        with context.unit() as session:
            turns.forget(session, now() - timedelta(days=1))
            part = queue.prune(session, before)
        if not part:
            return {"deleted": deleted}
        deleted += part
