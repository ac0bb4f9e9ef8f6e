"""A clock that was an hour, or ten years, ahead: what it left behind is computed anew, and silences nothing."""

import os
import threading
import time
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import select, update

from entrepot import jobs
from entrepot.db import Database, clock, now
from entrepot.jobs import ahead as ahead_jobs
from entrepot.jobs import queue, schedules
from entrepot.jobs.models import Job, Lease, Schedule
from entrepot.jobs.scheduler import LEASE, Scheduler
from entrepot.jobs.testing import run_pending
from entrepot.server import state
from entrepot.settings import Settings
from tests.support.deadline import eventually

AHEAD = [timedelta(hours=1), timedelta(days=3653)]


@pytest.mark.parametrize("ahead", AHEAD, ids=["an hour", "ten years"])
def test_schedules_fire_again_after_the_clock_was_set_back(database: Database, ahead: timedelta) -> None:
    with database.write() as session:
        schedules.every(session, "often", 0.2, "t")
        schedules.set(session, "by cron", "* * * * * *", "UTC", "t")
        schedules.set(session, "yearly", "0 0 0 1 1 *", "UTC", "t")
        session.flush()
        yearly = session.get_one(Schedule, "yearly").next_at
        left = {"next_at": now() + ahead, "planned_at": now() + ahead}
        session.execute(update(Schedule).where(Schedule.name != "yearly").values(left))
        session.add(Lease(name=LEASE, holder="a clock ahead", until=now() + ahead))
    scheduler, stop = Scheduler(database), threading.Event()
    thread = threading.Thread(target=scheduler.run, args=(stop,))
    thread.start()
    try:
        assert eventually(lambda: fired(database) >= {"often", "by cron"}, 30)
    finally:
        stop.set()
        thread.join()
    with database.read() as session:
        assert session.get_one(Schedule, "yearly").next_at == yearly, "what is right is left"


def fired(database: Database) -> set[str]:
    with database.read() as session:
        return set(session.scalars(select(Schedule.name).where(Schedule.last_at.is_not(None))))


def test_a_scheduler_sees_its_clock_jump(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    scheduler = Scheduler(database)
    with database.write() as session:
        schedules.every(session, "often", 60, "t")
    scheduler.mend()
    with database.write() as session:
        later = now() + timedelta(hours=1)
        session.execute(update(Schedule).values(next_at=later, planned_at=later))
    assert scheduler.mend() == [], "it does not look each time"
    scheduler._offset += 3600  # what it was before the clock was set back
    assert scheduler.mend() == ["often"]
    with database.write() as session:  # as a part does that sees it a second later
        session.execute(update(Schedule).values(next_at=later, planned_at=later))
    assert eventually(lambda: scheduler.mend() == ["often"], 10)


@pytest.mark.parametrize("ahead", AHEAD, ids=["an hour", "ten years"])
def test_jobs_that_came_while_the_clock_was_ahead_are_done(
    database: Database, ahead: timedelta, tmp_path: Path
) -> None:
    with database.write() as session:
        soon = jobs.enqueue(session, "t")
        later = jobs.enqueue(session, "t", run_at=now() + timedelta(days=2))
        tried = jobs.enqueue(session, "t")
        put_off = jobs.enqueue(session, "t")
        session.execute(update(Job).where(Job.number == put_off.number).values(ready_at=now() + ahead))
        session.execute(
            update(Job)
            .where(Job.number == soon.number)
            .values(created_at=now() + ahead, run_at=now() + ahead, ready_at=now() + ahead)
        )
        session.execute(update(Job).where(Job.number == tried.number).values(attempt=1, ready_at=now() + ahead * 2))
    with database.write() as session:
        assert ahead_jobs.bring_forward(session, now()) == 3
    with database.read() as session:
        due = select(Job.number).where(Job.ready_at <= now() + timedelta(seconds=1)).order_by(Job.number)
        assert session.scalars(due).all() == [soon.number, tried.number, put_off.number]
        assert session.get_one(Job, later.number).ready_at > now() + timedelta(days=1)


def test_a_lease_from_a_clock_ahead_ends_when_its_worker_is_gone_and_the_doubled_run_is_fenced(
    database: Database,
) -> None:
    registered = jobs.registry._tasks.setdefault("faults.t", jobs.registry.Task("faults.t", lambda _: None))
    with database.write() as session:
        jobs.enqueue(session, registered.kind)
        (job,) = queue.claim(session, "gone", 5)
        assert abs((job.lease_until or now()) - clock.read(session) - timedelta(seconds=5)) < timedelta(seconds=3)
        session.execute(update(Job).values(lease_until=now() + timedelta(hours=1)))
    with database.write() as session:
        assert ahead_jobs.shorten_leases(session, 0.001) == 1
    assert eventually(lambda: recovered(database) == 1, 30)
    with database.write() as session:
        (again,) = queue.claim(session, "next", 5)
        assert again.number == job.number
        assert not queue.end(session, job, "finished"), "who lost it to a jump of the clock changes nothing"
        assert queue.end(session, again, "finished")
    jobs.registry._tasks.pop("faults.t")


def recovered(database: Database) -> int:
    with database.write() as session:
        return queue.recover(session)


def test_leases_go_by_the_clock_of_the_database(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    if database.dialect == "sqlite":
        pytest.skip("SQLite has no clock of its own")
    monkeypatch.setattr(queue, "now", lambda: now() + timedelta(days=3653))
    jobs.registry._tasks["faults.t"] = jobs.registry.Task("faults.t", lambda _: None)
    with database.write() as session:
        jobs.enqueue(session, "faults.t")
        (job,) = queue.claim(session, "a machine in 2036", 5)
        assert job.lease_until is not None
        assert job.lease_until < now() + timedelta(minutes=1)
        assert queue.recover(session) == 0
    jobs.registry._tasks.pop("faults.t")


def test_the_difference_of_clocks_is_known(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clock, "now", lambda: now() + timedelta(hours=1))
    with database.read() as session:
        ahead = clock.skew(session).total_seconds()
    expected = 3600 if database.dialect == "postgresql" else 0
    assert abs(ahead - expected) < 60


def test_what_is_done_after_all_is_done_once(database: Database, tmp_path: Path) -> None:
    done: list[int] = []
    jobs.registry._tasks["faults.t"] = jobs.registry.Task("faults.t", lambda _: done.append(1))
    with database.write() as session:
        jobs.enqueue(session, "faults.t")
        session.execute(
            update(Job).values(created_at=now() + AHEAD[0], run_at=now() + AHEAD[0], ready_at=now() + AHEAD[0])
        )
        ahead_jobs.bring_forward(session, now())
    run_pending(database, Settings(data_dir=tmp_path))
    jobs.registry._tasks.pop("faults.t")
    assert done == [1]


@pytest.mark.parametrize("ahead", AHEAD, ids=["an hour", "ten years"])
def test_a_clock_that_jumps_makes_no_supervisor_silent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ahead: timedelta
) -> None:
    (tmp_path / state.FOLDER).mkdir()
    state.write_parts(tmp_path, {"web-1": True})
    today = time.time()
    monkeypatch.setattr(time, "time", lambda: today + ahead.total_seconds())
    assert state.parts_down(tmp_path) == []
    monkeypatch.setattr(time, "time", lambda: today - ahead.total_seconds())
    touched = time.monotonic() - 60
    os.utime(tmp_path / state.FOLDER / "parts.json", (touched, touched))
    assert state.parts_down(tmp_path) == ["supervisor"]
    state.touch_parts(tmp_path)
    assert state.parts_down(tmp_path) == []
