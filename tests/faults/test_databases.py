"""PostgreSQL frozen, out of connections and stopped: told in time, answered by the right name, and over by itself."""

import contextlib
import os
import signal
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import psycopg
import pytest
from sqlalchemy import func, select

from entrepot.db import Database
from entrepot.errors import Away
from tests.faults.conftest import health, length, logged, told, well
from tests.support.deadline import eventually
from tests.support.postgres import Cluster
from tests.support.server import ServerProcess


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    """A cluster of this module alone, which stands still and is out of connections at times."""
    cluster = Cluster()
    yield cluster
    cluster.stop()


@pytest.fixture(scope="module")
def server(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    folder = tmp_path_factory.mktemp("databases") / "data"
    with ServerProcess(folder, cluster.url(cluster.create())) as server:
        yield server


def processes(cluster: Cluster) -> list[int]:
    """Return the processes of a cluster, the first one first."""
    first = cluster._process.pid
    children = [int(one) for one in Path(f"/proc/{first}/task/{first}/children").read_text().split()]
    return [first, *children]


def ask(server: ServerProcess) -> tuple[int, float, str | None]:
    """Ask for projects; return the status, how long it took and when to try again."""
    began = time.monotonic()
    headers = {"authorization": f"Token {server.token}"}
    answer = httpx.get(f"{server.url}/api/v1/projects", headers=headers, trust_env=False, timeout=40)
    return answer.status_code, time.monotonic() - began, answer.headers.get("retry-after")


def test_who_waits_for_a_frozen_database_is_freed_and_a_long_statement_is_not(cluster: Cluster) -> None:
    database = Database(cluster.url(cluster.create()), patience=10)

    def read(seconds: int = 0) -> tuple[bool, float]:
        began = time.monotonic()
        try:
            with database.read() as session:
                session.execute(select(func.pg_sleep(seconds)))
        except Away:
            return False, time.monotonic() - began
        return True, time.monotonic() - began

    assert read()[0]
    stopped = processes(cluster)
    for pid in stopped:
        os.kill(pid, signal.SIGSTOP)
    try:
        with ThreadPoolExecutor(4) as pool:
            for answered, seconds in pool.map(read, [0] * 4):
                assert not answered
                assert seconds < 15
        answered, seconds = read()
        assert not answered
        assert seconds < 1, "nobody tries what is known to be frozen"
    finally:
        for pid in stopped:
            os.kill(pid, signal.SIGCONT)
    eventually(lambda: read()[0], 15, every=0.2)
    assert read(5)[0]
    database.close()


def test_a_frozen_database_is_told_and_nobody_waits_longer_than_fifteen_seconds(
    server: ServerProcess, cluster: Cluster
) -> None:
    assert ask(server)[0] == 200
    since, stopped = length(server), processes(cluster)
    for pid in stopped:
        os.kill(pid, signal.SIGSTOP)
    try:
        with ThreadPoolExecutor(8) as pool:
            waiting = [pool.submit(ask, server) for _ in range(8)]
            said = told(server, "database")
            assert said["status"] == "unavailable"
            assert health(server, "/health/live")[0] == 200
            assert health(server, "/health/ready")[0] == 503
            for status, seconds, again in (one.result() for one in waiting):
                assert (status, seconds < 15, again is not None) == (503, True, True), (status, seconds)
        # From now on nobody waits at all.
        status, seconds, again = ask(server)
        assert (status, again) == (503, "5")
        assert seconds < 4
        metrics = httpx.get(f"{server.url}/metrics", trust_env=False, timeout=15).text
        assert "entrepot_database_up 0.0" in metrics
        assert "entrepot_http_requests_total" in metrics
    finally:
        for pid in stopped:
            os.kill(pid, signal.SIGCONT)
    well(server)
    eventually(lambda: ask(server)[0] == 200, 20, every=0.2)
    lines = logged(server, since)
    assert "the database is frozen" in lines
    assert "Traceback" not in lines


def test_a_database_without_a_free_connection_is_told_at_once(server: ServerProcess, cluster: Cluster) -> None:
    since, taken = length(server), []
    with psycopg.connect(host="127.0.0.1", port=cluster.port, user="entrepot", dbname="postgres") as connection:
        connection.autocommit = True
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()"
        )
        with contextlib.suppress(psycopg.OperationalError):
            while True:
                taken.append(psycopg.connect(connection.info.dsn))
        try:
            eventually(lambda: ask(server)[0] == 503, 10, every=0.2)
            status, seconds, again = ask(server)
            assert (status, again is not None) == (503, True)
            assert seconds < 5
        finally:
            for one in taken:
                one.close()
    well(server)
    eventually(lambda: ask(server)[0] == 200, 20, every=0.2)
    assert "Traceback" not in logged(server, since)


def test_a_stopped_database_is_told_at_once_and_logged_once_a_second(server: ServerProcess, cluster: Cluster) -> None:
    since = length(server)
    cluster._process.send_signal(signal.SIGQUIT)
    cluster._process.wait(30)
    try:
        said = told(server, "database")
        assert said["why"]["database"]
        began = time.monotonic()
        asked = 0
        while time.monotonic() - began < 3:
            status, seconds, again = ask(server)
            asked += 1
            assert (status, again is not None, seconds < 5) == (503, True, True)
        took = time.monotonic() - began
    finally:
        cluster._process = cluster._start()
    well(server)
    eventually(lambda: ask(server)[0] == 200, 20, every=0.2)
    lines = logged(server, since)
    assert "Traceback" not in lines
    refused = [line for line in lines.splitlines() if "[warning  ] refused" in line]
    assert 1 <= len(refused) <= took + 8, f"{len(refused)} lines about {asked} requests"
