"""PostgreSQL frozen, out of connections and stopped: told in time, answered by the right name, and over by itself."""

import contextlib
import os
import random
import signal
import subprocess
import tempfile
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
from tests.faults.conftest import health, length, logged, metrics, told, well
from tests.support.alerts import require_called
from tests.support.deadline import eventually
from tests.support.postgres import Cluster
from tests.support.server import ServerProcess

pytestmark = pytest.mark.flaky(reruns=1)  # what is told within seconds comes later on a machine that others load


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
    answer = projects(server)
    return answer.status_code, time.monotonic() - began, answer.headers.get("retry-after")


def projects(server: ServerProcess) -> httpx.Response:
    headers = {"authorization": f"Token {server.token}"}
    return httpx.get(f"{server.url}/api/v1/projects", headers=headers, trust_env=False, timeout=40)


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
        assert projects(server).json()["detail"] == "The database does not answer; try again."
        scraped = metrics(server)
        assert "entrepot_database_up 0.0" in scraped
        assert "entrepot_http_requests_total" in scraped
        require_called({"EntrepotDatabaseDown"}, scraped)
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
            assert projects(server).json()["detail"] == "The database has no connection left; try again."
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
        assert said["why"]["database"] == "The database does not answer; try again."
        require_called({"EntrepotDatabaseDown"}, metrics(server))
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


@pytest.fixture
def small_disk() -> Iterator[Path]:
    """A small disk that PostgreSQL may use."""
    disk = Path(tempfile.mkdtemp(prefix="entrepot-disk-", dir="/tmp"))
    disk.chmod(0o755)
    mount = ["mount", "-t", "tmpfs", "-o", "size=192m", "entrepot-test", str(disk)]
    try:
        if subprocess.run(mount, check=False, capture_output=True).returncode:
            pytest.skip("no disk can be mounted here")
        yield disk
        subprocess.run(["umount", "-l", str(disk)], check=True)
    finally:
        disk.rmdir()


def test_a_full_disk_of_the_database_is_told_and_over_when_there_is_room(small_disk: Path, tmp_path: Path) -> None:
    cluster = Cluster(str(small_disk), max_wal_size="64MB", min_wal_size="64MB")
    with ServerProcess(tmp_path / "data", cluster.url(cluster.create())) as server:
        http = server.http(auth=None, headers={"authorization": f"Token {server.token}"}, timeout=40)
        project = http.post("/api/v1/projects", json={"name": "farm"}).json()["id"]
        series = http.post("/api/v1/series", json={"project": project, "name": "power"}).json()["id"]
        chance = random.Random(1)

        def write() -> int:
            times = [chance.randrange(10**15) for _ in range(5000)]
            body = {series: {"time": times, "value": [chance.random() for _ in times]}}
            return http.post("/api/v1/points", json=body).status_code

        assert write() == 200
        before, since, filler = metrics(server), length(server), small_disk / "filler"
        with contextlib.suppress(OSError), filler.open("wb", buffering=0) as file:
            while file.write(b"." * 65536):
                pass
        answers = set()
        try:
            for _ in range(60):
                answers.add(write())
                if 507 in answers:
                    break
            assert answers <= {200, 507}
            said = told(server, "disk")
            assert said["why"]["disk"].startswith("The server's disk is full")
            assert 507 in answers
            assert health(server, "/health/live")[0] == 200
            assert http.get("/api/v1/projects").status_code == 200, "what is read needs no space"
            require_called({"EntrepotDiskFull"}, before, metrics(server))
        finally:
            filler.unlink()
        well(server)
        eventually(lambda: write() == 200, 20, every=0.5)
        lines = logged(server, since)
        assert "status=507" in lines
        assert "Traceback" not in lines
        http.close()
    cluster.stop()
