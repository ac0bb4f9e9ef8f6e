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
    """Have jobs that came, or were put off, while the clock was ahead wait for no longer than they should."""
    soon = instant + _TOLERANCE
    ahead = or_(Job.created_at > soon, and_(Job.ready_at > Job.run_at, Job.ready_at > soon))
    found = session.scalars(select(Job).where(Job.status == "pending", ahead).with_for_update(skip_locked=True)).all()
    late = [job for job in found if job.created_at > soon or job.ready_at > instant + queue.longest_wait(job.attempt)]
    for job in late:
        due = instant + max(job.run_at - job.created_at, timedelta(0))
        job.created_at = min(job.created_at, instant)
        job.run_at, job.ready_at = min(job.run_at, due), min(job.ready_at, due)
    session.flush()
    return len(late)
