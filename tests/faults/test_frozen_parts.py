"""A part that stands still is told, and started again."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.conftest import MakeServer
from tests.faults.conftest import health, length, logged, well
from tests.support.deadline import eventually
from tests.support.server import ServerProcess

PARTS = ("web-1", "ftp", "scheduler", "worker-1")


@pytest.fixture(scope="module")
def server(make_server: MakeServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    with make_server("sqlite", tmp_path_factory.mktemp("frozen") / "data") as server:
        yield server


def parts(server: ServerProcess) -> dict[str, int]:
    """Return the processes of a server's parts by the first letters of their names."""
    found = {}
    for pid in server.processes():
        name = Path(f"/proc/{pid}/comm").read_text().strip()
        if name.startswith("entrepot "):
            found[name.removeprefix("entrepot ")] = pid
    return found


def test_every_part_that_stands_still_is_told_and_started_again(server: ServerProcess) -> None:
    before, since = parts(server), length(server)
    for pid in before.values():
        os.kill(pid, signal.SIGSTOP)
    # All at once: what takes each of them ten seconds takes all of them ten.
    eventually(lambda: logged(server, since).count("part hangs, killed") == len(PARTS), 15, message="not told")
    eventually(lambda: set(parts(server)) == set(before) and not set(parts(server).values()) & set(before.values()), 20)
    well(server)
    assert all(f"part={name}" in logged(server, since) for name in PARTS)
    assert "Traceback" not in logged(server, since)


def test_a_supervisor_that_stands_still_is_told(server: ServerProcess) -> None:
    (supervisor,) = {
        int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1]) for pid in parts(server).values()
    }
    os.kill(supervisor, signal.SIGSTOP)
    try:
        eventually(lambda: "supervisor" in health(server)[1].get("down", ()), 17, every=0.2)
        assert health(server, "/health/live")[0] == health(server, "/health/ready")[0] == 200
    finally:
        os.kill(supervisor, signal.SIGCONT)
    well(server)


def test_administrators_are_told_of_each_part(server: ServerProcess) -> None:
    def told() -> dict[str, object]:
        headers = {"authorization": f"Token {server.token}"}
        return httpx.get(f"{server.url}/health", headers=headers, trust_env=False, timeout=4).json()

    eventually(lambda: set(PARTS) <= {part["part"] for part in told()["parts"]}, 15, every=0.2)
    said = told()
    assert all(part["silent_seconds"] < 15 for part in said["parts"])
    assert said["disk"]["free_bytes"] > 0
    assert said["key"] == "ok"
    assert set(health(server)[1]) <= {"status", "version", "warnings"}
