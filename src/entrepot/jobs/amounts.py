"""How many jobs there are, by kind: of each status, and of what there is to do."""

from collections import defaultdict
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import func, literal_column, select
from sqlalchemy.orm import Session

from entrepot.db import now
from entrepot.jobs.models import Job


def counts(session: Session) -> dict[tuple[str, str], int]:
    """Return how many jobs there are by kind and status."""
    query = select(Job.kind, Job.status, func.count()).group_by(Job.kind, Job.status)
    return {(kind, status): count for kind, status, count in session.execute(query)}


@dataclass
class Backlog:
    """The jobs of a kind that have not ended, and those that ended badly within the last hour."""

    waiting: int = 0
    oldest_seconds: float = 0.0
    running: int = 0
    failed: int = 0


def backlog(session: Session) -> dict[str, Backlog]:
    """Return what there is to do by kind, by looks into indexes of what has not ended."""
    instant = now()
    found: defaultdict[str, Backlog] = defaultdict(Backlog)
    waiting = select(Job.kind, func.count(), func.min(Job.ready_at)).where(
        Job.status == literal_column("'pending'"), Job.ready_at <= instant
    )
    for kind, count, oldest in session.execute(waiting.group_by(Job.kind)):
        found[kind].waiting = count
        found[kind].oldest_seconds = round((instant - oldest).total_seconds(), 1)
    running = select(Job.kind, func.count()).where(Job.status == literal_column("'running'"))
    for kind, count in session.execute(running.group_by(Job.kind)):
        found[kind].running = count
    bad = Job.status.in_(("failed", "server_error"))
    failed = select(Job.kind, func.count()).where(bad, Job.ended_at > instant - timedelta(hours=1))
    for kind, count in session.execute(failed.group_by(Job.kind)):
        found[kind].failed = count
    return dict(found)
