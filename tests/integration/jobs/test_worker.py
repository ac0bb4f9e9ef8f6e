"""A worker in a thread: leases kept, cancellation heard, a clean stop."""

import functools
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from sqlalchemy import Connection, create_engine, func, select, text, update

from entrepot import jobs
from entrepot.db import Database, now
from entrepot.jobs import queue
from entrepot.jobs.context import JobContext
from entrepot.jobs.models import Job
from entrepot.jobs.worker import Worker
from entrepot.settings import Settings
from tests.integration.jobs import processes
from tests.support.deadline import eventually

Register = Callable[..., None]


@contextmanager
def working(database: Database, settings: Settings, grace_seconds: float = 10, **options: object) -> Iterator[None]:
    stop = threading.Event()
    worker = Worker(database, settings, **options)  # type: ignore[arg-type]
    thread = threading.Thread(target=worker.run, args=(stop, grace_seconds))
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(30)
        assert not thread.is_alive()


def enqueue(database: Database, kind: str = "t", **options: object) -> Job:
    with database.write() as session:
        return jobs.enqueue(session, kind, **options)  # type: ignore[arg-type]


def get(database: Database, job: Job) -> Job:
    with database.read() as session:
        return jobs.get(session, job.id)


def ended(database: Database, job: Job) -> Job:
    eventually(lambda: get(database, job).status in jobs.ENDED)
    return get(database, job)


def test_a_cascade_runs_through(database: Database, settings: Settings, handler: Register) -> None:
    def cascade(context: JobContext) -> None:
        with context.unit() as session:
            if (level := context.job.payload) < 5:
                jobs.enqueue(session, "t", level + 1, parent_id=context.job.id)
            context.finish(session, context.services["answer"])

    handler("t", cascade)
    with working(database, settings, services={"answer": 42}):
        enqueue(database, payload=1)
        eventually(lambda: _statuses(database) == ["finished"] * 5)


def _statuses(database: Database) -> list[str]:
    with database.read() as session:
        return [job.status for job in jobs.list_(session)]


def test_several_run_at_a_time_and_no_more(database: Database, settings: Settings, handler: Register) -> None:
    together = threading.Barrier(3)
    lock = threading.Lock()
    running: list[int] = [0, 0]

    def meet(context: JobContext) -> None:
        with lock:
            running[0] += 1
            running[1] = max(running)
        together.wait(20)
        with lock:
            running[0] -= 1

    handler("t", meet)
    done = [enqueue(database) for _ in range(6)]
    with working(database, settings, slots=3):
        assert [ended(database, job).status for job in done] == ["finished"] * 6
    assert running[1] == 3


def test_cancelling_a_running_job_reaches_its_handler(
    database: Database, settings: Settings, handler: Register
) -> None:
    started = threading.Event()

    def wait(context: JobContext) -> None:
        started.set()
        while not context.cancelled():
            time.sleep(0.01)
        raise OSError("whatever a killed script makes of it")

    handler("t", wait)
    job = enqueue(database)
    with working(database, settings):
        assert started.wait(20)
        with database.write() as session:
            jobs.cancel(session, job.id)
        assert ended(database, job).status == "cancelled"


def test_progress_and_output_are_seen_while_it_runs(database: Database, settings: Settings, handler: Register) -> None:
    go_on = threading.Event()

    def report(context: JobContext) -> None:
        context.progress(1, 3, "reading")
        context.log("hello")
        go_on.wait(20)

    handler("t", report)
    job = enqueue(database)
    with working(database, settings):
        eventually(lambda: get(database, job).output == "hello")
        seen = get(database, job)
        assert (seen.status, seen.progress_done, seen.progress_total) == ("running", 1, 3)
        go_on.set()
        ended(database, job)


def test_what_is_printed_is_seen_until_what_is_kept_takes_its_place(
    database: Database, settings: Settings, handler: Register
) -> None:
    go_on = threading.Event()

    def report(context: JobContext) -> None:
        context.log("before\n")
        context.printed("one\n")
        go_on.wait(20)
        context.log("one\ntwo\n")
        context.printed("of what fails then, nothing is kept")
        raise ValueError

    handler("t", report)
    job = enqueue(database)
    with working(database, settings):
        eventually(lambda: get(database, job).output == "before\none\n")
        go_on.set()
        assert ended(database, job).output == "before\none\ntwo\n"


@pytest.mark.parametrize("in_a_unit", [False, True])
def test_a_job_longer_than_the_lease_stays_its_workers(
    database: Database, settings: Settings, handler: Register, in_a_unit: bool
) -> None:
    settings = settings.model_copy(update={"job_lease_seconds": 0.6})

    def outlast(context: JobContext) -> int:
        # The units' own end renews the lease; in between the heartbeat does.
        if in_a_unit:
            with context.unit():
                time.sleep(1.5)
        end = time.monotonic() + 0.7
        while time.monotonic() < end:
            context.check()
            time.sleep(0.01)
        return context.job.attempt

    handler("t", outlast)
    job = enqueue(database)
    with working(database, settings), working(database, settings):
        assert ended(database, job).result == 1


def test_a_job_taken_over_stops_the_first_handler(database: Database, settings: Settings, handler: Register) -> None:
    started, told = threading.Event(), threading.Event()

    def wait(context: JobContext) -> None:
        started.set()
        while not context.cancelled():
            time.sleep(0.01)
        assert isinstance(context.reason, jobs.LeaseLost)
        told.set()

    handler("t", wait)
    job = enqueue(database)
    with working(database, settings):
        assert started.wait(20)
        with database.write() as session:
            running = jobs.get(session, job.id)
            session.expunge(running)
            assert queue.end(session, running, "failed")
        assert told.wait(20)
    assert get(database, job).status == "failed"


def test_a_stopping_worker_lets_jobs_end(database: Database, settings: Settings, handler: Register) -> None:
    started, go_on = threading.Event(), threading.Event()

    def wait(context: JobContext) -> None:
        started.set()
        go_on.wait(20)

    handler("t", wait)
    job = enqueue(database)
    with working(database, settings):
        assert started.wait(20)
        threading.Timer(0.2, go_on.set).start()
    assert get(database, job).status == "finished"


@pytest.mark.parametrize("obedient", [True, False])
def test_a_stopping_worker_gives_back_what_does_not_end(
    database: Database, settings: Settings, handler: Register, obedient: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("entrepot.jobs.worker.LAST_GRACE_SECONDS", 0.3)
    started, end = threading.Event(), threading.Event()
    outcome: list[BaseException] = []

    def loop(context: JobContext) -> None:
        started.set()
        while not (context.cancelled() if obedient else end.is_set()):
            time.sleep(0.01)
        try:
            with context.unit():
                pass
        except jobs.JobStopped as error:
            outcome.append(error)
            raise

    handler("t", loop)
    job = enqueue(database)
    with working(database, settings, grace_seconds=0.1):
        assert started.wait(20)
    left = get(database, job)
    assert (left.status, left.attempt, left.lease_until) == ("pending", 0, None)
    end.set()
    eventually(lambda: outcome)
    assert get(database, job).status == "pending"


@pytest.mark.parametrize("database_kind", ["postgresql"])
def test_broken_connections_lose_and_double_nothing(database: Database, settings: Settings, handler: Register) -> None:
    processes.effect.create(database.engine)
    handler("effect", processes.take_effect, max_attempts=100)
    enqueued = [enqueue(database, "effect") for _ in range(60)]
    others = text(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE datname = current_database() AND pid <> pg_backend_pid()"
    )
    watching = create_engine(database.url)
    with watching.connect() as connection, working(database, settings):
        for goal in (5, 20, 40):
            eventually(functools.partial(lambda goal: _count(connection) >= goal, goal))
            connection.execute(others)

        def come_back() -> bool:
            # Their back-off is not what is tested.
            connection.execute(update(Job).where(Job.status == "pending").values(ready_at=now()))
            connection.commit()
            return connection.scalar(select(func.count()).where(Job.status == "finished")) == len(enqueued)

        eventually(come_back)
    watching.dispose()
    assert sorted(row.job for row in processes.rows(database)) == sorted(job.id for job in enqueued)


def _count(connection: Connection) -> int:
    count = connection.scalar(select(func.count()).select_from(processes.effect))
    connection.commit()
    return count or 0
