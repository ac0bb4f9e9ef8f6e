"""A whole server, its processes killed one by one."""

import contextlib
import ftplib
import importlib
import os
import signal
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from entrepot.server import state
from entrepot.server.handlers import HANDLERS, SCHEDULES
from tests.support.certificates import self_signed
from tests.support.deadline import eventually
from tests.support.server import ENTREPOT, ServerProcess

SOURCES = Path(__file__).parents[3] / "src"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    with ServerProcess(tmp_path_factory.mktemp("serve") / "data") as server:
        yield server


def parts(server: ServerProcess) -> dict[str, int]:
    """Return the server's processes by name."""
    found = {}
    for pid in server.processes():
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            found[Path(f"/proc/{pid}/comm").read_text().strip()] = pid
    return found


def health(server: ServerProcess) -> int:
    try:
        return httpx.get(f"{server.url}/health", trust_env=False).status_code
    except httpx.TransportError:
        return 0


def refused(*arguments: object) -> str:
    run = subprocess.run([ENTREPOT, *map(str, arguments)], capture_output=True, text=True, check=False, timeout=240)
    assert run.returncode == 1
    assert run.stderr.count("\n") == 1, run.stderr
    return run.stderr


def test_everything_is_ready(server: ServerProcess) -> None:
    assert httpx.get(f"{server.url}/health", trust_env=False).json()["status"] == "ok"
    assert server.ftp_port not in (0, server.http_port)
    with ftplib.FTP() as client:
        client.connect("127.0.0.1", server.ftp_port, timeout=20)
        with pytest.raises(ftplib.error_perm, match="530"):
            client.login("nobody", "x")
    # comm has 15 characters
    assert {"entrepot web-1", "entrepot ftp", "entrepot worker", "entrepot schedu"} <= set(parts(server))


@pytest.mark.parametrize("name", ["entrepot web-1", "entrepot ftp", "entrepot worker", "entrepot schedu"])
def test_a_part_that_is_killed_comes_back(server: ServerProcess, name: str) -> None:
    before = parts(server)
    os.kill(before[name], signal.SIGKILL)
    eventually(lambda: parts(server).get(name, before[name]) != before[name])
    eventually(lambda: health(server) == 200)
    others = set(before) - {name, "python"}
    assert {other: parts(server).get(other) for other in others} == {other: before[other] for other in others}


def test_health_says_what_is_down(server: ServerProcess) -> None:
    ready = {"web-1": True, "ftp": True, "scheduler": True, "worker-1": True}
    state.write_parts(server.data_dir, ready | {"worker-1": False})
    answer = httpx.get(f"{server.url}/health", trust_env=False)
    assert (answer.status_code, answer.json()["down"]) == (503, ["worker-1"])
    state.write_parts(server.data_dir, ready)
    assert health(server) == 200


def test_one_server_a_data_folder(server: ServerProcess) -> None:
    assert "Another server runs" in refused("serve", "--data-dir", server.data_dir, "--port", "0", "--ftp-port", "0")
    assert health(server) == 200


def test_ports_that_are_taken(server: ServerProcess, tmp_path: Path) -> None:
    other = ServerProcess(tmp_path / "data")
    for options in (("--port", server.http_port), ("--port", "0", "--ftp-port", server.ftp_port)):
        assert "Cannot listen" in refused("serve", "--data-dir", other.data_dir, *options)


def test_more_workers(server: ServerProcess) -> None:
    command: list[str | Path] = [ENTREPOT, "worker", "--data-dir", server.data_dir]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        assert any("ready" in line for line in process.stderr)
        process.send_signal(signal.SIGINT)
        process.stderr.read()
        assert process.wait(30) == 0
    assert health(server) == 200


def test_a_clean_stop_leaves_nothing_behind(server: ServerProcess) -> None:
    with (
        socket.create_connection(("127.0.0.1", server.ftp_port)),
        socket.create_connection(("127.0.0.1", server.http_port)),
    ):
        server.stop()  # which asserts that it ends with 0 and that no process is left
    assert not (server.data_dir / "run" / "serve.json").exists()
    server.start()


def test_parts_end_with_their_supervisor(server: ServerProcess) -> None:
    os.kill(parts(server)["entrepot"], signal.SIGKILL)
    eventually(lambda: not server.processes(), 10)
    server.kill9()
    server.start()


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """The web alone, by TLS."""
    folder = tmp_path_factory.mktemp("bare")
    options = ("--no-ftp", "--no-scheduler", "--workers", "0")
    certificate = self_signed(folder / "web.pem", "127.0.0.1")
    with ServerProcess(folder / "data", options=options, certificate=certificate) as server:
        yield server


def test_everything_but_the_web_can_be_left_out(bare: ServerProcess) -> None:
    assert bare.ftp_port == 0
    assert set(parts(bare)) == {"entrepot", "entrepot web-1"}


def test_it_speaks_tls_by_the_certificate_that_it_is_given(bare: ServerProcess) -> None:
    assert bare.url.startswith("https://")
    with bare.http() as http:
        assert http.get("/api/v1/me").json()["login"] == bare.login
    with pytest.raises(httpx.ConnectError, match="certificate"):
        httpx.get(bare.url, trust_env=False)
    with pytest.raises(httpx.TransportError):
        httpx.get(bare.url.replace("https", "http"), trust_env=False)


def test_a_part_that_cannot_start_ends_the_server(tmp_path: Path) -> None:
    server = ServerProcess(tmp_path / "data")
    (server.data_dir / "uploads").write_text("where the FTP server needs a folder")
    command: list[str | Path] = [
        ENTREPOT,
        "serve",
        "--data-dir",
        server.data_dir,
        "--port",
        "0",
        "--ftp-port",
        "0",
        "--workers",
        "0",
    ]
    run = subprocess.run([*command, "--workers", "0"], capture_output=True, text=True, check=False, timeout=240)
    assert run.returncode == 1
    assert "cannot start" in run.stderr


def test_workers_know_every_job() -> None:
    """A module that registers a handler, hears of jobs that are given up, or has some done again, is in its list."""
    decorator = ("@jobs.task(", "@frame.runs(", "@task(", "jobs.when_given_up(", "@locks.of_kind(")
    found = {
        ".".join(path.relative_to(SOURCES).with_suffix("").parts)
        for path in SOURCES.rglob("*.py")
        if any(line.startswith(decorator) for line in path.read_text().splitlines())
    }
    assert found == set(HANDLERS)
    functions = {module: getattr(importlib.import_module(module), "schedule", None) for module in HANDLERS}
    scheduling = [each for each, function in functions.items() if function and function.__code__.co_argcount == 1]
    assert scheduling == list(SCHEDULES)
