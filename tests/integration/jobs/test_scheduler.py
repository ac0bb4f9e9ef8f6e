"""Schedules become jobs, once each, whoever of the schedulers holds the lease."""

import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select

from entrepot import jobs
from entrepot.db import Database, now
from entrepot.errors import InvalidInput
from entrepot.files import lifecycle
from entrepot.jobs import schedules
from entrepot.jobs.models import Schedule
from entrepot.jobs.scheduler import Scheduler
from entrepot.jobs.testing import run_pending
from entrepot.settings import Settings
from tests.support.deadline import eventually


def put(database: Database, cron: str = "0 0 * * * *", timezone: str = "UTC", **options: object) -> None:
    with database.write() as session:
        schedules.set(session, "s", cron, timezone, "t", {"a": 1}, **options)  # type: ignore[arg-type]


def get(database: Database) -> Schedule | None:
    with database.read() as session:
        return session.get(Schedule, "s")


def due_at(database: Database) -> datetime:
    schedule = get(database)
    assert schedule is not None
    return schedule.next_at


def test_a_due_schedule_becomes_one_job_and_moves_on(database: Database) -> None:
    put(database, key="k", organization_id="o")
    scheduler = Scheduler(database)
    assert scheduler.tick(due_at(database) - timedelta(seconds=1)) == []
    first = due_at(database)
    (job,) = scheduler.tick(first)
    assert (job.kind, job.payload, job.key, job.organization_id) == ("t", {"a": 1}, "k", "o")
    assert due_at(database) == first + timedelta(hours=1)
    assert scheduler.tick(first) == []


def test_missed_runs_count_once(database: Database) -> None:
    put(database)
    first = due_at(database)
    late = first + timedelta(days=3, minutes=5)
    assert len(Scheduler(database).tick(late)) == 1
    assert due_at(database) == first + timedelta(days=3, hours=1)


def test_a_run_that_still_waits_is_not_enqueued_twice(database: Database) -> None:
    put(database)
    scheduler = Scheduler(database)
    jobs_made = [scheduler.tick(due_at(database))[0] for _ in range(3)]
    assert [job.created_now for job in jobs_made] == [True, False, False]


def test_of_three_schedulers_one_works_until_it_dies(database: Database) -> None:
    put(database)
    schedulers = [Scheduler(database, lease_seconds=1) for _ in range(3)]
    worked = [bool(scheduler.tick(due_at(database))) for scheduler in schedulers]
    assert worked == [True, False, False]
    # The first is silent from now on.
    assert eventually(lambda: schedulers[1].tick(due_at(database)), 20)
    assert schedulers[2].tick(due_at(database)) == []


def test_three_schedulers_at_once_fire_each_run_once(database: Database) -> None:
    stop = threading.Event()
    for number in range(5):
        with database.write() as session:
            schedules.every(session, f"s{number}", 3600, "t")
    threads = [threading.Thread(target=Scheduler(database).run, args=(stop,)) for _ in range(3)]
    for thread in threads:
        thread.start()

    def made() -> int:
        with database.read() as session:
            return len(jobs.list_(session, kind="t"))

    eventually(lambda: made() >= 5)
    stop.set()
    for thread in threads:
        thread.join(20)
    assert made() == 5
    assert Scheduler(database).tick() == [], "the lease was handed on, and nothing is due"


def test_set_again_replaces_and_empty_removes(database: Database) -> None:
    put(database)
    put(database, "0 30 2 * * *", "Europe/Paris")
    schedule = get(database)
    assert schedule is not None
    assert (schedule.cron, schedule.timezone) == ("0 30 2 * * *", "Europe/Paris")
    put(database, "")
    assert get(database) is None
    with database.write() as session:
        schedules.remove(session, "s")


def test_bad_crons_and_zones_are_refused(database: Database) -> None:
    with pytest.raises(InvalidInput, match="six fields"):
        put(database, "0 0 * * *")
    with pytest.raises(InvalidInput, match="time zone"):
        put(database, timezone="Mars/Olympus")
    with pytest.raises(InvalidInput, match="time zone"):
        put(database, timezone="../etc/passwd")
    assert get(database) is None


def test_intervals_start_at_once_and_a_restart_does_not_reset_them(database: Database) -> None:
    def every(seconds: float) -> None:
        with database.write() as session:
            schedules.every(session, "s", seconds, "t")

    every(60)
    instant = now()
    assert len(Scheduler(database).tick(instant)) == 1
    assert due_at(database) == instant + timedelta(seconds=60)
    every(60)
    assert due_at(database) == instant + timedelta(seconds=60)
    every(30)
    assert due_at(database) < instant + timedelta(seconds=30)


def test_ended_jobs_are_pruned_by_a_job(database: Database, settings: Settings, handler: Callable[..., None]) -> None:
    from entrepot.jobs import housekeeping

    handler("t")
    handler(housekeeping.PRUNE, housekeeping.prune)
    with database.write() as session:
        old = jobs.enqueue(session, "t")
    run_pending(database, settings)
    with database.write() as session:
        jobs.get(session, old.id).ended_at = datetime(2020, 1, 1, tzinfo=UTC)
        pruning = jobs.enqueue(session, housekeeping.PRUNE)
    run_pending(database, settings)
    with database.read() as session:
        assert jobs.get(session, pruning.id).result == {"deleted": 1}
        assert [job.id for job in jobs.list_(session)] == [pruning.id]


def test_what_never_fired_deletes_nothing_where_a_start_is_years_ahead(database: Database) -> None:
    with database.write() as session:
        schedules.every(session, "files.expire", 3600, lifecycle.EXPIRE)
    ahead = now() + timedelta(days=3650)
    Scheduler(database).mend(ahead)
    with database.read() as session:
        assert session.scalars(select(Schedule.next_at)).one() == ahead + schedules.LEAP


def test_a_future_that_was_none_is_not_when_the_clock_was_right_last(database: Database) -> None:
    with database.write() as session:
        schedules.every(session, "often", 1, "report")
        schedules.fire_due(session, now() + timedelta(days=3653))
        schedules.mend(session, now())
        assert schedules.last(session) <= now()


def test_mending_reads_no_schedule_that_a_right_clock_planned(database: Database) -> None:
    with database.write() as session:
        for number in range(20):
            schedules.every(session, f"often {number}", 3600, "report")
        schedules.fire_due(session, now())
    with database.write() as session:
        assert schedules.mend(session, now()) == []
        assert not [one for one in session.identity_map.values() if isinstance(one, Schedule)]


def test_it_ends_in_time_though_another_holds_the_database(
    database: Database, database_kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if database_kind != "sqlite":
        pytest.skip("others lock rows, and nobody holds the scheduler's for long")
    monkeypatch.setattr("entrepot.jobs.scheduler.PATIENCE_SECONDS", 0.3)
    sqlite: Any = database.engine.dialect.dbapi
    other = sqlite.connect(str(database.engine.url.database), isolation_level=None, check_same_thread=False)
    stop, scheduler = threading.Event(), Scheduler(database)
    working = threading.Thread(target=scheduler.run, args=(stop,))
    working.start()
    try:
        eventually(lambda: scheduler._renew_at, 20)
        other.execute("BEGIN IMMEDIATE")
        scheduler._renew_at = 0.0  # it would have its lease prolonged now
        stop.set()
        working.join(10)
        assert not working.is_alive()
    finally:
        other.close()
        working.join()
