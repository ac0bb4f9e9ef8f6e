"""Several processes at one queue, and their deaths."""

import functools
import os
import random
from collections import Counter
from multiprocessing.process import BaseProcess
from pathlib import Path

import pytest

from entrepot import jobs
from entrepot.db import Database
from tests.integration.jobs import processes
from tests.support import forks
from tests.support.deadline import eventually

DEEP = os.environ.get("HYPOTHESIS_PROFILE") == "deep"
JOBS, KILLS = (500, 12) if DEEP else (200, 5)


def test_claims_of_eight_processes_are_neither_doubled_nor_lost(database: Database) -> None:
    with database.write() as session:
        numbers = [
            jobs.enqueue(session, "effect", key=f"k{n % 40}" if n % 2 else None, priority=n % 3).number
            for n in range(240)
        ]
    with forks.context().Pool(8) as pool:
        claimed = [number for part in pool.map(processes.claim_all, [database.url] * 8) for number in part]
    assert sorted(claimed) == sorted(numbers)


def test_processes_that_enqueue_the_same_make_few(database: Database) -> None:
    with forks.context().Pool(4) as pool:
        new = pool.starmap(processes.enqueue_same, [(database.url, 25)] * 4)
    with database.read() as session:
        waiting = len(jobs.list_(session))
    assert waiting == sum(new)
    assert 1 <= waiting <= 4, "at most one for each that had not seen the others'"
    if database.dialect == "sqlite":
        assert waiting == 1


@pytest.mark.slow
def test_workers_killed_at_random_lose_and_double_nothing(database: Database, tmp_path: Path) -> None:
    processes.effect.create(database.engine)
    with database.write() as session:
        enqueued = [jobs.enqueue(session, "effect", key=f"k{n % 20}" if n % 2 else None) for n in range(JOBS)]
    context = forks.context()

    def start() -> BaseProcess:
        process = context.Process(target=processes.work, args=(database.url, tmp_path, 1.0), daemon=True)
        process.start()
        return process

    workers = [start() for _ in range(3)]
    chance = random.Random(7)
    for kills in range(1, KILLS + 1):
        goal = min(len(processes.rows(database)) + chance.randint(5, 40), JOBS - 20)
        reached = functools.partial(lambda goal: len(processes.rows(database)) >= goal, goal)
        eventually(reached, 60, message=f"stuck after {kills} kills")
        victim = chance.randrange(3)
        workers[victim].kill()
        workers[victim].join()
        workers[victim] = start()

    def all_ended() -> bool:
        with database.read() as session:
            return {status for _, status in jobs.counts(session)} == {"finished"}

    eventually(all_ended, 60)
    for worker in workers:
        worker.kill()
        worker.join()
    effects = processes.rows(database)
    assert Counter(row.job for row in effects) == Counter(job.id for job in enqueued)
    for key in {job.key for job in enqueued} - {None}:
        assert [row.job for row in effects if row.key == key] == [job.id for job in enqueued if job.key == key]
