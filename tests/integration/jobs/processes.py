"""What the other processes of these tests do."""

import random
import threading
import time
from pathlib import Path
from typing import Any

from sqlalchemy import Column, Integer, MetaData, String, Table, insert
from sqlalchemy.exc import IntegrityError

from entrepot import jobs
from entrepot.db import Database
from entrepot.jobs import queue
from entrepot.jobs.context import JobContext
from entrepot.jobs.worker import Worker
from entrepot.settings import Settings

#: One row for each time that a job took effect, in the order of the commits.
effect = Table(
    "effect", MetaData(), Column("n", Integer, primary_key=True), Column("job", String), Column("key", String)
)


def claim_all(url: str) -> list[int]:
    """Claim jobs until there are none, and return their numbers."""
    jobs.task("effect")(take_effect)
    database = Database(url)
    claimed: list[int] = []
    while True:
        try:
            with database.write() as session:
                found = queue.claim(session, "test", 60, random.randint(1, 3))
        except IntegrityError:
            continue
        if not found:
            database.close()
            return claimed
        claimed += [job.number for job in found]
        with database.write() as session:
            for job in found:
                assert queue.end(session, job, "finished")


def enqueue_same(url: str, count: int) -> int:
    """Enqueue jobs that stand for each other, and return how many were new."""
    database = Database(url)
    new = 0
    for _ in range(count):
        with database.write() as session:
            new += jobs.enqueue(session, "effect", coalesce="same").created_now
    database.close()
    return new


def take_effect(job_context: JobContext) -> None:
    """Write one row, slowly enough to be killed at any point of it."""
    time.sleep(random.random() * 0.01)
    with job_context.unit() as session:
        session.execute(insert(effect).values(job=job_context.job.id, key=job_context.job.key))
        time.sleep(random.random() * 0.005)
        job_context.finish(session)
        time.sleep(random.random() * 0.005)
    time.sleep(random.random() * 0.005)


def work(url: str, folder: Path, lease_seconds: float) -> None:
    """Be a worker until killed."""
    jobs.task("effect", max_attempts=1000)(take_effect)
    settings = Settings(data_dir=folder, job_lease_seconds=lease_seconds)
    Worker(Database(url), settings, slots=3).run(threading.Event())


def rows(database: Database) -> list[Any]:
    """Return the effects in order."""
    with database.read() as session:
        return list(session.execute(effect.select().order_by(effect.c.n)))
