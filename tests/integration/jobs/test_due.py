"""What is polled, and what fires together: the answers, and that their cost does not grow with what is not due."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import pytest
from sqlalchemy import event, insert, text, update

from entrepot import jobs
from entrepot.db import Database, now
from entrepot.jobs import due, queue, schedules
from entrepot.jobs.models import Job, Schedule
from entrepot.jobs.scheduler import Scheduler

KIND = "test.due"
jobs.task(KIND)(lambda _: None)


@contextmanager
def counted(database: Database) -> Iterator[list[str]]:
    """Collect the statements that are executed meanwhile."""
    seen: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        seen.append(statement)

    event.listen(database.engine, "before_cursor_execute", note)
    yield seen
    event.remove(database.engine, "before_cursor_execute", note)


def claimable(database: Database, *kinds: str) -> bool:
    with database.snapshot() as connection:
        return due.jobs(connection, kinds or (KIND,))


def test_only_what_may_begin_and_can_be_done_here_is_due(database: Database) -> None:
    assert not claimable(database)
    with database.write() as session:
        jobs.enqueue(session, KIND, run_at=now() + timedelta(hours=1))
        jobs.enqueue(session, "another")
    assert not claimable(database)
    assert claimable(database, KIND, "another")
    with database.write() as session:
        jobs.enqueue(session, KIND)
    assert claimable(database)
    with database.write() as session:
        (job,) = queue.claim(session, "here", 60)
    assert not claimable(database)
    with database.write() as session:
        session.execute(update(Job).where(Job.id == job.id).values(lease_until=now() - timedelta(seconds=1)))
    assert claimable(database), "its worker is silent"


def test_looks_go_by_index_whatever_waits(database: Database) -> None:
    later = now() + timedelta(hours=1)
    with database.write() as session:
        common = {"kind": KIND, "run_at": later, "ready_at": later}
        session.execute(insert(Job), [{**common, "coalesce": str(number)} for number in range(3000)])
        schedule = {"cron": "", "seconds": 3600, "kind": KIND, "next_at": later}
        session.execute(
            insert(Schedule), [{**schedule, "name": str(number), "coalesce": str(number)} for number in range(3000)]
        )
        session.execute(text("ANALYZE"))
    plans = []
    for statement in (due._CLAIMABLE[database.dialect], due._FIRING):
        compiled = statement.compile(database.engine)
        own = {name: value for name, value in compiled.params.items() if value is not None}
        given = own | {"instant": now().isoformat(" "), "kinds": '["x"]' if database.dialect == "sqlite" else ["x"]}
        with database.engine.connect() as connection:
            explain = "EXPLAIN QUERY PLAN" if database.dialect == "sqlite" else "EXPLAIN"
            names = compiled.positiontup
            parameters = {n: given[n] for n in compiled.params} if names is None else tuple(given[n] for n in names)
            rows = connection.exec_driver_sql(f"{explain} {compiled}", parameters)
            plans.append("\n".join(str(row[-1]) for row in rows))
    for plan in plans:
        # Of the few that run, the index of these is all that is read.
        assert "SCAN job" not in plan.replace("SCAN job USING COVERING INDEX uq_job_running_key", ""), plan
        assert "SCAN schedule" not in plan, plan
        assert "Seq Scan on" not in plan, plan


@pytest.mark.parametrize("many", [300])
def test_many_that_are_due_at_once_take_as_many_statements_as_one(database: Database, many: int) -> None:
    with database.write() as session:
        for number in range(many):
            schedules.set(session, f"s{number:03}", "0 * * * * *", "UTC", KIND, {"n": number}, key=f"k{number}")
    scheduler, instant = Scheduler(database, lease_seconds=600), now() + timedelta(minutes=2)
    with counted(database) as first:
        made = scheduler.tick(instant)
    assert [job.payload["n"] for job in made] == list(range(many))
    assert {(job.key, job.status, job.place) for job in made} == {(f"k{n}", "pending", 0) for n in range(many)}
    assert len(first) < 20
    with counted(database) as idle:
        assert scheduler.tick(instant) == []
    assert not idle, "one look on the driver itself says so"
    again = scheduler.tick(instant + timedelta(minutes=1))
    assert {job.id for job in again} == {job.id for job in made}
    assert not any(job.created_now for job in again)


def test_jobs_of_one_key_that_fire_together_keep_their_turns(database: Database) -> None:
    with database.write() as session:
        for number in range(3):
            schedules.set(session, f"s{number}", "0 * * * * *", "UTC", KIND, {"n": number}, key="k")
    made = Scheduler(database).tick(now() + timedelta(minutes=2))
    assert [job.place for job in made] == [0, 1, 2]
    with database.write() as session:
        assert jobs.enqueue(session, KIND, key="k").place == 3
