"""What a clock that was ahead left behind, once it was set back: jobs and leases that lie too far in the future."""

from datetime import datetime, timedelta

from sqlalchemy import and_, or_, select, update
from sqlalchemy.orm import Session

from entrepot.db import clock
from entrepot.jobs import queue
from entrepot.jobs.models import Job

_TOLERANCE = timedelta(minutes=1)  # by which clocks of machines may differ


def shorten_leases(session: Session, lease_seconds: float) -> int:
    """Shorten leases that a clock ahead of ours gave, and return how many: a living worker renews its own."""
    longest = clock.current(session) + timedelta(seconds=lease_seconds)
    statement = (
        update(Job)
        .where(Job.status == "running", Job.lease_until > longest + timedelta(seconds=lease_seconds))
        .values(lease_until=longest)
        .returning(Job.number)
    )
    return len(session.scalars(statement, execution_options={"synchronize_session": False}).all())


def bring_forward(session: Session, instant: datetime) -> int:
    """Have jobs that came, or were tried, while the clock was ahead wait for no longer than they should."""
    longest = timedelta(seconds=queue.LONGEST_BACK_OFF_SECONDS * 1.25)
    ahead = or_(Job.created_at > instant + _TOLERANCE, and_(Job.attempt > 0, Job.ready_at > instant + longest))
    found = session.scalars(select(Job).where(Job.status == "pending", ahead).with_for_update(skip_locked=True)).all()
    for job in found:
        waits = job.run_at - job.created_at
        job.created_at = min(job.created_at, instant)
        job.run_at = job.ready_at = min(job.ready_at, instant + max(waits, timedelta(0)))
    session.flush()
    return len(found)
