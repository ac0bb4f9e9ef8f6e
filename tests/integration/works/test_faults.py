"""Workers are killed at random, and PostgreSQL restarts: no work is lost, none is done twice."""

import os
import random
import signal
from collections import Counter
from collections.abc import Callable
from multiprocessing.process import BaseProcess
from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.exc import DBAPIError

from entrepot.db import Database
from entrepot.events import Event, reading
from entrepot.identity import Principal
from entrepot.works import archive, audit, queue
from entrepot.works.withdraw import withdraw
from tests.integration.works import finisher
from tests.integration.works.finisher import PIPELINES
from tests.support import forks
from tests.support.deadline import eventually
from tests.support.postgres import Cluster

DEEP = os.environ.get("HYPOTHESIS_PROFILE") == "deep"
WORKS = 10_000 if DEEP else 300
PROCESSES = 8 if DEEP else 4
KILLS = 200 if DEEP else 4


@pytest.mark.slow
@pytest.mark.timeout(3600 if DEEP else 600)
def test_each_work_is_finished_exactly_once(
    database: Database,
    database_kind: str,
    writer: Principal,
    make_work: Callable[..., dict[str, Any]],
    request: pytest.FixtureRequest,
) -> None:
    works = [
        make_work(PIPELINES[number % 3], priority=1 + number % 5, tags=["t"] if number % 2 else None, retries=5)
        for number in range(WORKS)
    ]
    with database.write() as session:
        ids = queue.deposit(session, writer, works)
    given = (database.engine.url.render_as_string(hide_password=False), writer.user_id, writer.organization_id)
    context = forks.context()

    def start() -> BaseProcess:
        process = context.Process(target=finisher.main, args=given)
        process.start()
        return process

    with database.write() as session:
        withdraw(session, writer, {"pipeline": {"$in": PIPELINES}}, limit=3, lease_seconds=1.0)  # and never seen again
    processes = [start() for _ in range(PROCESSES)]
    killed, restarted = 0, database_kind != "postgresql"

    def over() -> bool:
        nonlocal killed, restarted
        try:
            done = _done(database, writer)
        except DBAPIError:
            return False
        while killed < KILLS and done > killed * WORKS / KILLS / 3:
            number = random.randrange(PROCESSES)
            processes[number].kill()
            processes[number].join()
            processes[number] = start()
            killed += 1
        if not restarted and done > WORKS / 4:
            _restart(request.getfixturevalue("postgres"))
            restarted = True
        return done == WORKS

    try:
        eventually(over, 3000 if DEEP else 200, every=0.01)
    finally:
        for process in processes:
            process.kill()
            process.join()
    assert killed > KILLS / 2
    assert restarted
    reading.publish(database)
    with database.read() as session:
        assert queue.status(session, writer)["total"] == 0
        finished = archive.view(session, writer, {}, {"id": 1, "attempt": 1, "results": 1})
        assert sorted(one["id"] for one in finished) == sorted(ids)
        events = session.execute(select(Event.object_id, Event.action).where(Event.type == "work"))
        counts = Counter((object_id, action) for object_id, action in events)
    for one in finished:
        # Each attempt is one claim, and each claim but the last was given up before the next. The last may have been
        # too, and its worker come back before anybody else had the work.
        assert counts[one["id"], "withdrawn"] == one["attempt"] == one["results"]["attempt"]
        assert one["attempt"] - 1 <= counts[one["id"], "requeued"] <= counts[one["id"], "expired"] <= one["attempt"]
        assert counts[one["id"], "success"] == counts[one["id"], "deleted"] == 1
    assert any(one["attempt"] > 1 for one in finished), "some were done by workers that were killed"


def _done(database: Database, writer: Principal) -> int:
    with database.write() as session:
        audit.expire(session)
        audit.requeue(session)
    with database.read() as session:
        return archive.count(session, writer, {})


def _restart(cluster: Cluster) -> None:
    cluster._process.send_signal(signal.SIGINT)
    cluster._process.wait(60)
    cluster._process = cluster._start()
    eventually(cluster._answers, 60)
