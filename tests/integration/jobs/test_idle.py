"""Jobs that came by themselves and found nothing leave a count, not a row; of others, the last ones stay."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from sqlalchemy import func, select, update

from entrepot import jobs
from entrepot.db import Database, now
from entrepot.errors import Conflict, NotFound
from entrepot.jobs import idle, schedules
from entrepot.jobs.context import JobContext
from entrepot.jobs.housekeeping import Pruning
from entrepot.jobs.models import Idle, Job
from entrepot.jobs.testing import run_pending
from entrepot.settings import Settings

Register = Callable[..., None]


def _tick(database: Database, settings: Settings) -> list[Job]:
    with database.write() as session:
        session.execute(update(jobs.Schedule).values(next_at=now()))
        schedules.fire_due(session, now())
    return run_pending(database, settings)


def _rows(database: Database) -> int:
    with database.read() as session:
        return session.scalar(select(func.count()).select_from(Job)) or 0


def _counted(database: Database) -> list[tuple[str, int]]:
    with database.read() as session:
        return [(one.kind, one.count) for one in idle.list_(session)]


@pytest.fixture
def every_minute(database: Database, handler: Register) -> list[int]:
    """A schedule whose job finds what is put here."""
    found: list[int] = []

    def look(context: JobContext) -> dict[str, int]:
        return {"found": found.pop() if found else 0}

    handler("look", look)
    with database.write() as session:
        schedules.every(session, "look", 60, "look", key="k", organization_id="o")
    return found


def test_a_scheduled_job_that_found_nothing_leaves_a_count(
    database: Database, settings: Settings, every_minute: list[int]
) -> None:
    began = now()
    for _ in range(3):
        (last,) = _tick(database, settings)
        assert (last.status, last.kind, last.organization_id) == ("finished", "look", "o")
    assert _rows(database) == 0
    assert _counted(database) == [("look", 3)]
    with database.read() as session:
        (one,) = idle.list_(session)
        assert began <= one.since <= one.ended_at
        assert idle.counts(session) == {"look": 3}
        assert jobs.get(session, last.id).id == one.id
    with database.write() as session:
        assert jobs.cancel(session, last.id).status == "finished"
        with pytest.raises(Conflict):
            jobs.retry(session, last.id)


def test_a_job_that_found_something_begins_the_count_anew(
    database: Database, settings: Settings, every_minute: list[int]
) -> None:
    (first,) = _tick(database, settings)
    every_minute.append(1)
    (second,) = _tick(database, settings)
    assert second.result == {"found": 1}
    assert (_rows(database), _counted(database)) == (1, [])
    with database.read() as session, pytest.raises(NotFound):
        jobs.get(session, first.id)
    _tick(database, settings)
    assert (_rows(database), _counted(database)) == (1, [("look", 1)])


def test_a_job_that_somebody_asked_for_leaves_its_row(
    database: Database, settings: Settings, every_minute: list[int]
) -> None:
    with database.write() as session:
        jobs.enqueue(session, "look", key="k")
    (job,) = run_pending(database, settings)
    assert (job.result, _rows(database)) == ({"found": 0}, 1)


def test_a_job_whose_claim_was_lost_counts_nothing(database: Database, settings: Settings, handler: Register) -> None:
    def lose(context: JobContext) -> jobs.Nothing:
        with context.database.write() as session:
            session.execute(update(Job).values(fence=Job.fence + 1))
        return jobs.Nothing()

    handler("lose", lose)
    with database.write() as session:
        jobs.enqueue(session, "lose")
    run_pending(database, settings)
    assert (_rows(database), _counted(database)) == (1, [])


def test_the_last_run_and_the_last_that_failed_outlive_their_retention(
    database: Database, settings: Settings, handler: Register
) -> None:
    def run(context: JobContext) -> None:
        if context.job.payload == "fail":
            raise jobs.Failed("no")

    handler("run", run, pool="runs")
    handler("other")
    for key in ("a", "b"):
        for payload in ("fail", "fail", None, None):
            with database.write() as session:
                jobs.enqueue(session, "run", payload, key=key)
                jobs.enqueue(session, "other", key=key)
    run_pending(database, settings)
    with database.write() as session:
        session.execute(update(Job).values(ended_at=now() - timedelta(days=40)))
    pruning = Pruning(now() - timedelta(days=30), limit=3)
    with database.write() as session:
        assert sum(iter(lambda: pruning(session), 0)) == 16
    with database.read() as session:
        left = session.scalars(select(Job).order_by(Job.number)).all()
    assert pruning.deleted == 12
    assert sorted((job.key, job.status) for job in left) == [
        ("a", "failed"), ("a", "finished"), ("b", "failed"), ("b", "finished")
    ]  # fmt: skip


def test_counts_to_which_nothing_is_added_are_forgotten(
    database: Database, settings: Settings, every_minute: list[int]
) -> None:
    _tick(database, settings)
    with database.write() as session:
        assert idle.prune(session, now() - timedelta(days=30), 10) == 0
        session.execute(update(Idle).values(ended_at=now() - timedelta(days=31)))
        assert idle.prune(session, now() - timedelta(days=30), 10) == 1
    assert _counted(database) == []
