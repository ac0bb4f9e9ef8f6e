"""Workers that fetch ahead: what is in their hand is kept, told lost, given back; no report is lost."""

import json
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from entrepot.client import worker as worker_module
from entrepot.client._http import Connection
from entrepot.client.outbox import Outbox
from entrepot.client.worker import Worker

URL = "http://server"


class Server:
    """A server that hands out works, and says of some that they are another's."""

    def __init__(self, count: int, command: str = "true") -> None:
        config = {"archive": dict.fromkeys(("products", "plots", "logs"), "bypass")}
        self.queued = [
            {"id": f"w{number}", "pipeline": "p", "attempt": 1, "timeout": 60, "start": time.time(), "function": None,
             "command": [command], "parameters": None, "results": None, "products": None, "plots": None,
             "status": "running", "config": config} for number in range(count)
        ]  # fmt: skip
        self.limits: list[int] = []
        self.reports: list[list[dict[str, Any]]] = []
        self.beats: set[str] = set()
        self.lost: set[str] = set()
        self.answer: Callable[[list[dict[str, Any]]], int] = lambda _works: 200

    def __call__(self, request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith("/withdraw"):
            self.limits.append(json.loads(request.content)["limit"])
            found, self.queued = self.queued[: self.limits[-1]], self.queued[self.limits[-1] :]
            return httpx.Response(200, content=json.dumps(found))
        if request.method == "PUT":
            works = json.loads(request.content)
            if (status := self.answer(works)) == 200:
                self.reports.append(works)
            return httpx.Response(status, json={"updated": True, "message": "no"})
        self.beats.add(request.url.path.split("/")[-2])
        return httpx.Response(409 if self.beats & self.lost else 204, json={"message": "no"})

    def reported(self) -> dict[str, str]:
        return {work["id"]: work["status"] for works in self.reports for work in works}


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(worker_module, "_PATIENCE_SECONDS", 0.0)
    monkeypatch.setattr(worker_module, "_RETRY_SECONDS", 0.0)


def _worker(server: Server, folder: Path, **options: Any) -> Worker:
    connection = Connection(URL, transport=httpx.MockTransport(server))
    return Worker(connection, {}, outbox=Outbox(folder / "reports", URL), **options)


def _kept(folder: Path) -> list[str]:
    return sorted(path.name[:2] for path in (folder / "reports").glob("*.json"))


def test_works_are_fetched_at_once_and_no_more_than_there_are_lives(tmp_path: Path) -> None:
    server = Server(6)
    assert _worker(server, tmp_path, prefetch=3).run(threading.Event(), lives=5, sleep_seconds=0) == 5
    assert server.limits == [4, 1]
    assert server.reported() == {f"w{number}": "success" for number in range(5)}
    assert _kept(tmp_path) == []


def test_reports_that_gather_go_together(tmp_path: Path) -> None:
    server, slow = Server(4), threading.Event()

    def answer(works: list[dict[str, Any]]) -> int:
        # The first is answered once the last has ended.
        if works[0]["id"] == "w0":
            slow.wait(30)
        return 200

    server.answer = answer
    worker = _worker(server, tmp_path, prefetch=3, tell=lambda line: slow.set() if "w3  success" in line else None)
    assert worker.run(threading.Event(), lives=4, sleep_seconds=0) == 4
    assert [[work["id"] for work in works] for works in server.reports] == [["w0"], ["w1", "w2", "w3"]]


def test_one_report_that_is_refused_holds_up_no_other(tmp_path: Path) -> None:
    server, slow = Server(4), threading.Event()

    def answer(works: list[dict[str, Any]]) -> int:
        if works[0]["id"] == "w0":
            slow.wait(30)
        return 422 if any(work["id"] == "w2" and work["status"] == "success" for work in works) else 200

    server.answer = answer
    worker = _worker(server, tmp_path, prefetch=3, tell=lambda line: slow.set() if "w3  success" in line else None)
    assert worker.run(threading.Event(), lives=4, sleep_seconds=0) == 4
    assert server.reported() == {"w0": "success", "w1": "success", "w2": "failure", "w3": "success"}


def test_reports_that_no_answer_came_to_are_on_disk_and_sent_later(tmp_path: Path) -> None:
    server = Server(3)
    server.answer = lambda _works: 503
    assert _worker(server, tmp_path, prefetch=2).run(threading.Event(), lives=3, sleep_seconds=0) == 3
    assert _kept(tmp_path) == ["w0", "w1", "w2"]
    server.answer = lambda _works: 200
    assert _worker(server, tmp_path).resume() == 3
    assert set(server.reported()) == {"w0", "w1", "w2"}
    assert _kept(tmp_path) == []


def test_what_waits_is_kept_by_heartbeats_and_not_run_once_it_is_lost(tmp_path: Path) -> None:
    server = Server(2, command="sleep 1; echo ran >> ran")
    server.lost = {"w1"}
    original = server.__call__

    def answering(request: httpx.Request) -> httpx.Response:
        if "/w0/heartbeat" in str(request.url):
            return httpx.Response(204)
        return original(request)

    connection = Connection(URL, transport=httpx.MockTransport(answering))
    worker = Worker(connection, {}, outbox=Outbox(tmp_path / "reports", URL), prefetch=1, lease_seconds=0.3)
    assert worker.run(threading.Event(), lives=2, sleep_seconds=0) == 1
    assert server.reported() == {"w0": "success"}
    assert (tmp_path / "ran").read_text() == "ran\n"


def test_a_worker_that_is_stopped_gives_back_what_waits(tmp_path: Path) -> None:
    server, stop = Server(3), threading.Event()
    worker = _worker(server, tmp_path, prefetch=2, tell=lambda line: stop.set() if "w0  p" in line else None)
    assert worker.run(stop, sleep_seconds=0) == 1
    assert server.reported() == {"w0": "success", "w1": "queued", "w2": "queued"}
    (back,) = [works for works in server.reports if works[0]["status"] == "queued"]
    assert [(work["attempt"], work["start"]) for work in back] == [(1, None), (1, None)]
    assert _kept(tmp_path) == []
