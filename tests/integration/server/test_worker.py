"""`entrepot work` and `entrepot works` against a live server."""

import json
import os
import subprocess
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import pytest

from entrepot.client._http import Connection
from entrepot.client.keeping import Keeping
from entrepot.client.worker import Worker
from tests.support import warm
from tests.support.deadline import eventually
from tests.support.server import ServerProcess

pytestmark = pytest.mark.turns

FUNCTIONS = """
import os, time

def plain(a, b=1):
    return {"sum": a + b}

def files():
    for name in ("a.h5", "a.png"):
        with open(name, "w") as file:
            file.write(name)
    return {"made": 2}, ["a.h5"], ["a.png"]

def fails():
    raise ValueError("no such event")

def nan():
    return {"nan": float("nan")}

def leaves():
    os._exit(3)

def slow(file):
    open(file, "w").write(str(os.getpid()))
    time.sleep(600)
"""


@pytest.fixture
def server(shared_server: ServerProcess) -> ServerProcess:
    with shared_server.http() as client:
        client.post("/api/v1/works/delete", json={"query": {}}).raise_for_status()
    return shared_server


@pytest.fixture
def connection(server: ServerProcess) -> Iterator[Connection]:
    with closing(Connection(server.url, headers={"authorization": f"Bearer {server.token}"})) as connection:
        yield connection


@pytest.fixture(autouse=True)
def functions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "functions_of_works.py").write_text(FUNCTIONS)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))


def _put(connection: Connection, **fields: Any) -> str:
    work = {"pipeline": "p", "site": "local", "user": "me", **fields}
    return str(connection.json("POST", "/api/v1/works", body=[work])["ids"][0])


def _get(connection: Connection, work_id: str) -> Any:
    return connection.json("GET", f"/api/v1/works/{work_id}")


def test_works_are_run_kept_and_reported(connection: Connection, tmp_path: Path) -> None:
    name = "functions_of_works"
    move = {"archive": {"products": "move", "plots": "copy", "logs": "copy"}}
    ids = {
        "plain": _put(connection, function=f"{name}.plain", parameters={"a": 2}, results={"kept": True}),
        "files": _put(connection, function=f"{name}.files", config=move),
        "fails": _put(connection, function=f"{name}.fails", retries=1),
        "nan": _put(connection, function=f"{name}.nan", retries=1),
        "leaves": _put(connection, function=f"{name}.leaves", retries=1),
        "unknown": _put(connection, function="no.such.function", retries=1),
        "nothing": _put(connection, retries=1),
        "command": _put(connection, command=["echo", "hello  world"], config=move),
        "shell": _put(connection, command=["echo one; exit 3"], retries=1),
        "late": _put(connection, command=["sleep", "600"], timeout=1, retries=1),
    }
    lines: list[str] = []
    worker = Worker(connection, {"pipeline": "p"}, keeping=Keeping(str(tmp_path / "kept")), tell=lines.append)
    assert worker.run(threading.Event(), lives=len(ids) + 1, sleep_seconds=0) == len(ids)
    done = {what: _get(connection, one) for what, one in ids.items()}
    assert {what for what, work in done.items() if work["status"] == "success"} == {"plain", "files", "nan", "command"}
    assert (done["nan"]["results"], done["nan"]["not_finite"]) == ({"nan": None}, ["nan"])
    assert done["plain"]["results"] == {"kept": True, "sum": 3}
    place = tmp_path / "kept" / "p" / ids["files"]
    assert done["files"]["products"] == [str(place / "a.h5")]
    assert done["files"]["plots"] == [str(place / "a.png")]
    assert (place / "a.h5").read_text() == "a.h5"
    assert not (tmp_path / "a.h5").exists()
    assert (tmp_path / "a.png").exists()
    assert done["command"]["results"]["stdout"] == ["hello  world"]
    assert (tmp_path / "kept" / "p" / ids["command"] / "logs" / "stdout.log").read_text() == "hello  world\n"
    for what, said in {
        "fails": "ValueError: no such event", "leaves": "3", "unknown": "No module named 'no'",
        "nothing": "neither", "shell": "ended with 3", "late": "timeout",
    }.items():  # fmt: skip
        assert said in done[what]["results"]["error"], done[what]["results"]


def test_a_work_that_is_lost_is_ended_and_not_reported(connection: Connection, tmp_path: Path) -> None:
    mark = tmp_path / "pid"
    slow = _put(connection, function="functions_of_works.slow", parameters={"file": str(mark)})
    worker = Worker(connection, {"pipeline": "p"}, lease_seconds=0.3)
    thread = threading.Thread(target=worker.run, args=(threading.Event(), 1))
    thread.start()
    pid = int(eventually(lambda: mark.exists() and mark.read_text()))
    work = _get(connection, slow)
    assert connection.json("PUT", "/api/v1/works", body=[{**work, "attempt": 2, "results": {"by": "another"}}])[
        "updated"
    ]
    thread.join(30)
    assert not thread.is_alive()
    eventually(lambda: not _alive(pid))
    assert _get(connection, slow)["results"] == {"by": "another"}


def test_the_commands_work(server: ServerProcess, connection: Connection, tmp_path: Path) -> None:
    environment = {**os.environ, "ENTREPOT_URL": server.url, "ENTREPOT_TOKEN": server.token, "COLUMNS": "200"}

    def entrepot(*arguments: str, code: int = 0) -> str:
        run = subprocess.run(
            [warm.program(), *arguments], env=environment, capture_output=True, text=True, timeout=60, check=False
        )
        assert run.returncode == code, run.stdout + run.stderr
        return run.stdout if code == 0 else run.stderr

    ids = [
        _put(connection, function=f"functions_of_works.{one}", retries=1, parameters={}) for one in ("files", "fails")
    ]
    ran = entrepot("work", "p", "--site", "local", "--keep", str(tmp_path / "kept"), "--lives", "2", "--sleep", "0")
    assert json.loads(ran) == {"done": 2}
    (row,) = (one for one in json.loads(entrepot("works", "list", "--json")) if one["pipeline"] == "p")
    counts = {"pipeline": "p", "total": 2, "queued": 0, "running": 0, "success": 1, "failure": 1}
    assert row | counts == row
    assert json.loads(entrepot("works", "show", ids[0]))["results"] == {"made": 2}
    found = entrepot("works", "query", '{"status": {"$ne": "queued"}}', "--field", "id", "--sort", "-id")
    assert [json.loads(line)["id"] for line in found.splitlines()] == sorted(ids, reverse=True)
    assert entrepot("works", "query", '{"results.made": 2}', "--count") == "1\n"
    assert "not JSON" in entrepot("works", "query", "{", code=1)
    assert "$where" in entrepot("works", "query", '{"$where": "1"}', code=1)
    assert json.loads(entrepot("works", "retry", "--query", "{}", "--json")) == {"requeued": 1}
    assert json.loads(entrepot("works", "rm", "--query", "{}", "--yes", "--json")) == {"deleted": 2}
    assert all(one["pipeline"] != "p" for one in json.loads(entrepot("works", "list", "--archive", "--json")))
    environment["ENTREPOT_URL"] = "http://127.0.0.1:9"
    assert "error:" in entrepot("works", "list", code=1)


def test_a_worker_outlives_its_server(connection: Connection, server: ServerProcess) -> None:
    lines: list[str] = []
    with closing(Connection("http://127.0.0.1:9")) as deaf:
        assert Worker(deaf, {}, tell=lines.append).run(threading.Event(), lives=2, sleep_seconds=0) == 0
    assert len(lines) == 2
    with closing(Connection(server.url)) as nobody, pytest.raises(httpx.HTTPStatusError, match="401"):
        Worker(nobody, {}).take()


def _alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False
