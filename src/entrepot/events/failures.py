"""Jobs that the server gave up: told to the project whose they are, with the cause; never a silent end."""

import structlog
from sqlalchemy.orm import Session

from entrepot import jobs
from entrepot.events import notifications

NOTICE = "Job failed"

log = structlog.get_logger(__name__)


def tell(session: Session, job: jobs.Job, error: str, traceback: str | None) -> None:
    """Raise a notice of a job that was given up; one of the same kind and key that is open already says it anew."""
    cause = (traceback or "").rstrip().rpartition("\n")[2].partition(":")[0]
    log.error("job given up", job=job.id, kind=job.kind, key=job.key, attempts=job.attempt, cause=cause or error)
    if job.organization_id is None or job.project_id is None:
        return
    message = f"{job.kind} was given up after {job.attempt} attempts: {error}"
    notifications.notify(
        session,
        NOTICE,
        f"{message} ({cause}; job {job.id})" if cause else message,
        organization_id=job.organization_id,
        project_id=job.project_id,
        subject=f"{job.kind} {job.key or ''}".strip()[:300],
        origin="server",
    )


jobs.when_given_up(tell)
