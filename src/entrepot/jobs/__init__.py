"""Durable jobs: a queue, a scheduler and workers.

A domain module registers what it can do, and enqueues it inside a unit of work::

    @jobs.task("importer.run")
    def run(context: jobs.JobContext) -> dict[str, int]: ...

    jobs.enqueue(session, "importer.run", {"id": importer.id}, key=f"importer:{importer.id}")
"""

from entrepot.jobs import idle, schedules
from entrepot.jobs.amounts import Backlog, backlog, counts
from entrepot.jobs.cancelling import Cancelled, cancel_all
from entrepot.jobs.context import JobContext
from entrepot.jobs.cron import validate_cron
from entrepot.jobs.idle import Nothing
from entrepot.jobs.models import Idle, Job, Schedule
from entrepot.jobs.outcomes import DeadlinePassed, Failed, JobCancelled, JobStopped, LeaseLost, Refused, Released
from entrepot.jobs.queue import ENDED, STATUSES, cancel, enqueue, get, list_, retry, when_given_up
from entrepot.jobs.registry import load, task
from entrepot.jobs.units import in_units

__all__ = [
    "ENDED",
    "STATUSES",
    "Backlog",
    "Cancelled",
    "DeadlinePassed",
    "Failed",
    "Idle",
    "Job",
    "JobCancelled",
    "JobContext",
    "JobStopped",
    "LeaseLost",
    "Nothing",
    "Refused",
    "Released",
    "Schedule",
    "backlog",
    "cancel",
    "cancel_all",
    "counts",
    "enqueue",
    "get",
    "idle",
    "in_units",
    "list_",
    "load",
    "retry",
    "schedules",
    "task",
    "validate_cron",
    "when_given_up",
]
