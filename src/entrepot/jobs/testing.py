"""For tests: do what waits, here and now, without a worker."""

from collections.abc import Mapping
from typing import Any

from entrepot.db import Database
from entrepot.jobs import queue
from entrepot.jobs.context import JobContext
from entrepot.jobs.execution import execute
from entrepot.jobs.models import Job
from entrepot.settings import Settings


def run_pending(
    database: Database, settings: Settings, services: Mapping[str, Any] | None = None, *, limit: int = 1000
) -> list[Job]:
    """Run every job that is due, and those that they enqueue, in this thread, and return them as they ended.

    Jobs that wait for another attempt are left waiting. Handlers must have been registered.
    """
    done: list[Job] = []
    while len(done) < limit:
        with database.write() as session:
            jobs = queue.claim(session, "here", settings.job_lease_seconds)
        if not jobs:
            return done
        execute(JobContext(jobs[0], database, settings, services))
        with database.read() as session:
            done.append(queue.get(session, jobs[0].id))  # one that found nothing, too: it was the last of its key
    raise AssertionError(f"more than {limit} jobs: do they enqueue each other without end?")
