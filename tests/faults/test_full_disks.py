"""A disk without space, or without inodes: told, answered by 507, survived, and over once there is room."""

import contextlib
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.conftest import MakeServer
from tests.faults.conftest import health, length, logged, metrics, told, well
from tests.support.alerts import require_called
from tests.support.deadline import eventually
from tests.support.server import ServerProcess

pytestmark = pytest.mark.flaky(reruns=1)  # what is told within seconds comes later on a machine that others load


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def server(
    request: pytest.FixtureRequest, make_server: MakeServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ServerProcess]:
    """A server whose data folder is a small disk."""
    disk = tmp_path_factory.mktemp("disk") / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=48m,nr_inodes=2000", "entrepot-test", str(disk)]
    if subprocess.run(mount, check=False, capture_output=True).returncode:
        pytest.skip("no disk can be mounted here")
    try:
        with make_server(request.param, disk / "data") as server:
            server.log = tmp_path_factory.mktemp("log") / "log"  # not on the disk that is full
            server.restart()
            yield server
    finally:
        subprocess.run(["umount", "-l", str(disk)], check=True)


def upload(server: ServerProcess, name: str, size: int) -> httpx.Response:
    headers = {"authorization": f"Token {server.token}"}
    return httpx.post(
        f"{server.url}/api/v1/files",
        params={"name": name},
        files={"file": (name, b"x" * size)},
        headers=headers,
        trust_env=False,
        timeout=30,
    )


def create(server: ServerProcess, name: str) -> httpx.Response:
    headers = {"authorization": f"Token {server.token}"}
    return httpx.post(
        f"{server.url}/api/v1/projects", json={"name": name}, headers=headers, trust_env=False, timeout=30
    )


def test_a_full_disk_is_told_and_over_when_there_is_room(server: ServerProcess) -> None:
    assert upload(server, "before", 1000).status_code == 201
    since, filler = length(server), server.data_dir.parent / "filler"
    with contextlib.suppress(OSError), filler.open("wb", buffering=0) as file:
        while file.write(b"." * 65536):
            pass
    try:
        assert upload(server, "during", 500_000).status_code == 507
        said = told(server, "disk")
        assert said["why"]["disk"].startswith("The server's disk is full")
        assert health(server, "/health/ready")[0] == 503
        assert health(server, "/health/live")[0] == 200
        scraped = metrics(server)
        assert "entrepot_disk_free_bytes 0.0" in scraped
        require_called({"EntrepotDiskFull"}, scraped)
        headers = {"authorization": f"Token {server.token}"}
        read = httpx.get(f"{server.url}/api/v1/projects", headers=headers, trust_env=False, timeout=30)
        assert read.status_code == 200, "what is read needs no space"
        writes = {create(server, f"project {number}").status_code for number in range(20)}
        assert writes <= {201, 507}
        if server.database_url.startswith("sqlite"):
            assert 507 in writes
    finally:
        filler.unlink()
    well(server)
    eventually(lambda: upload(server, "after", 1000).status_code == 201, 20, every=0.5)
    assert create(server, "afterwards").status_code == 201
    lines = logged(server, since)
    assert "No space left on device" in lines or "disk is full" in lines
    assert "Traceback" not in lines


def test_a_disk_without_inodes_is_told_and_over_when_there_are_some(server: ServerProcess) -> None:
    since, folder = length(server), server.data_dir.parent / "many"
    folder.mkdir()
    with contextlib.suppress(OSError):
        for number in range(5000):
            (folder / str(number)).touch()
    try:
        assert upload(server, "during", 1000).status_code == 507
        told(server, "disk")
        scraped = metrics(server)
        assert "entrepot_disk_free_inodes 0.0" in scraped
        require_called({"EntrepotDiskFull"}, scraped)
        assert create(server, "needs no file").status_code == 201
    finally:
        _remove(folder)
    well(server)
    eventually(lambda: upload(server, "after inodes", 1000).status_code == 201, 20, every=0.5)
    assert "Traceback" not in logged(server, since)


def _remove(folder: Path) -> None:
    for file in folder.iterdir():
        file.unlink()
    folder.rmdir()
