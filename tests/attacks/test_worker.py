"""A worker's machine against what works say: its files, its keys, and what is left behind."""

import json
import os
import signal
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from entrepot.client import worker as worker_module
from entrepot.client._http import Connection
from entrepot.client.keeping import Keeping, made_below
from entrepot.client.outbox import Outbox, file_name
from entrepot.client.worker import Worker
from tests.support.deadline import eventually

CASES = Path(__file__).parents[1] / "cases"
URL = "http://server"
CONFIG = {"archive": {"results": True, "products": "move", "plots": "delete", "logs": "copy"}}


class Server:
    """A server that hands out one work and takes its report, or does not."""

    def __init__(self, **work: Any) -> None:
        fields = {"id": "w1", "pipeline": "p", "attempt": 1, "timeout": 60, "start": time.time(), "function": None,
                  "command": None, "parameters": None, "results": None, "products": None, "plots": None,
                  "status": "running", "config": CONFIG}  # fmt: skip
        self.work = fields | work
        self.reports: list[dict[str, Any]] = []
        self.answer: Callable[[httpx.Request], int] = lambda _request: 200
        self.handed_out = False

    def __call__(self, request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith("/withdraw"):
            found, self.handed_out = [] if self.handed_out else [self.work], True
            return httpx.Response(200, content=json.dumps(found))
        if request.method != "PUT":
            return httpx.Response(204)
        status = self.answer(request)
        if not status:
            raise httpx.ConnectError("nobody there")
        if status == 200:
            self.reports += json.loads(request.content)
        return httpx.Response(status, json={"updated": True, "message": "no"})

    def connection(self) -> Connection:
        return Connection(URL, transport=httpx.MockTransport(self), headers={"authorization": "Bearer old"})


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the worker runs."""
    folder = tmp_path / "here"
    folder.mkdir()
    monkeypatch.chdir(folder)
    monkeypatch.setenv("PYTHONPATH", str(folder))
    monkeypatch.setattr(worker_module, "_PATIENCE_SECONDS", 0.0)
    monkeypatch.setattr(worker_module, "_RETRY_SECONDS", 0.0)
    return folder


def _run(server: Server, tmp_path: Path, **options: Any) -> Worker:
    worker = Worker(
        server.connection(), {}, outbox=Outbox(tmp_path / "reports", URL), keeping=Keeping(str(tmp_path / "kept")),
        **options,
    )  # fmt: skip
    worker.run(threading.Event(), lives=1, sleep_seconds=0)
    return worker


def test_a_work_cannot_have_files_of_others_kept_or_deleted(tmp_path: Path, folder: Path) -> None:
    (tmp_path / "secret").write_text("s")
    (folder / "old.h5").write_text("old")
    (folder / "linked").symlink_to(tmp_path)
    (folder / "deep").mkdir()
    script = "echo new > new.h5; echo new > deep/new.h5; ln -s ../secret soft.h5; ln ../secret hard.h5; mkfifo fifo"
    others = [
        "../secret",
        str(tmp_path / "secret"),
        "linked/secret",
        "soft.h5",
        "hard.h5",
        "deep",
        "fifo",
        "none",
        "\0",
    ]
    kept = [str(folder / "new.h5"), "deep/../deep/new.h5"]
    # What was there before has an older instant of change than the run.
    (probe := tmp_path / "probe").touch()
    eventually(lambda: probe.touch() or probe.stat().st_ctime - (folder / "old.h5").stat().st_ctime > 0.05)
    server = Server(command=[script], products=[*kept, "old.h5", *others], plots=["old.h5", "../secret", "soft.h5"])
    _run(server, tmp_path)
    (report,) = server.reports
    assert report["status"] == "success"
    place = tmp_path / "kept" / "p" / "w1"
    assert report["products"] == [str(place / "new.h5"), str(place / "deep" / "new.h5"), "old.h5", *others]
    assert report["plots"] == ["old.h5", "../secret", "soft.h5"]
    assert set(report["not_kept"]) == {"old.h5", *others}
    assert sorted(path.name for path in place.rglob("*.h5")) == ["new.h5", "new.h5"]
    assert not (folder / "new.h5").exists()
    assert ((tmp_path / "secret").read_text(), (folder / "old.h5").read_text()) == ("s", "old")


@pytest.mark.parametrize("text", ["../../x", "/etc/x", "..", ".", "", "a/b", "a\0b", "ä", "x" * 300, "\ud800"])
def test_an_id_that_is_no_file_name_never_becomes_a_path(tmp_path: Path, folder: Path, text: str) -> None:
    name = file_name(text)
    assert name.isalnum()
    assert len(name) == 32
    server = Server(command=["echo x > made.h5"], products=["made.h5"], id=text, pipeline=text)
    server.answer = lambda _request: 500
    _run(server, tmp_path)
    (report,) = (tmp_path / "reports").iterdir()
    assert report.name.startswith(name)
    assert json.loads(report.read_text())["work"]["products"] == [str(tmp_path / "kept" / name / name / "made.h5")]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["here", "kept", "reports"]
    assert list(folder.iterdir()) == []


def test_a_run_sees_no_key_of_the_server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    names = ["ENTREPOT_TOKEN", "ENTREPOT_TOKEN_FILE", "WORKFLOW_HTTP_TOKEN", "WORKFLOW_TOKEN", "GITHUB_TOKEN"]
    names += ["GITHUB_PAT", "ENTREPOT_SECRET_KEY", "ENTREPOT_ADMIN_PASSWORD"]
    for name in names:
        monkeypatch.setenv(name, "hidden")
    monkeypatch.setenv("USEFUL", "seen")
    server = Server(command=["env", "-0"])
    _run(server, tmp_path)
    said = str(server.reports[0]["results"]["stdout"])
    assert "USEFUL=seen" in said
    assert "hidden" not in said


def test_a_run_ends_with_its_worker_however_that_ends(tmp_path: Path, folder: Path) -> None:
    case = json.loads((CASES / "worker-that-is-killed" / "case.json").read_text())
    (folder / "heartbeat.py").write_text((CASES / "worker-that-is-killed" / "heartbeat.py").read_text())
    (folder / "away.py").write_text(
        "import os, time\nimport heartbeat\n"
        "def beat(file, seconds):\n"
        "    if os.fork() == 0:\n        os.setsid()\n"
        "        heartbeat.beat(file + '2', seconds)\n        os._exit(0)\n"
        "    return heartbeat.beat(file, seconds)\n"
    )
    program = (
        "import threading, pathlib\nfrom tests.attacks.test_worker import Server, _run\n"
        f"server = Server(function='away.beat', parameters={case['parameters']!r}, timeout={case['timeout']})\n"
        f"_run(server, pathlib.Path({str(tmp_path)!r}))\n"
    )
    environment = {**os.environ, "PYTHONPATH": f"{Path(__file__).parents[2]}:{folder}"}
    process = subprocess.Popen([sys.executable, "-c", program], cwd=folder, env=environment)
    files = [folder / case["parameters"]["file"], folder / (case["parameters"]["file"] + "2")]
    try:
        eventually(lambda: all(file.exists() for file in files), seconds=60)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    eventually(lambda: not _running_in(folder), seconds=10)
    sizes = [file.stat().st_size for file in files]
    assert sizes == [file.stat().st_size for file in files]


def _running_in(folder: Path) -> list[str]:
    found = []
    for process in Path("/proc").iterdir():
        try:
            if not process.name.isdigit() or int(process.name) == os.getpid():
                continue
            state = (process / "stat").read_text().rpartition(")")[2].split()[0]
            if (process / "cwd").resolve() == folder and state != "Z":
                found.append(process.name)
        except OSError:
            continue
    return found


@pytest.mark.parametrize("status", [0, 401, 403, 500, 503])
def test_a_report_that_is_not_taken_is_kept_and_sent_again(tmp_path: Path, status: int) -> None:
    server = Server(command=["echo computed"])
    server.answer = lambda _request: status
    _run(server, tmp_path)
    (kept,) = (tmp_path / "reports").iterdir()
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    assert stat.S_IMODE(kept.parent.stat().st_mode) == 0o700
    assert "Bearer" not in kept.read_text()
    server.answer = lambda _request: 200
    later = Worker(server.connection(), {}, outbox=Outbox(tmp_path / "reports", URL))
    assert later.resume() == 1
    assert server.reports[0]["results"]["stdout"] == ["computed"]
    assert list((tmp_path / "reports").iterdir()) == []
    assert later.resume() == 0


def test_a_key_that_was_replaced_is_read_anew(tmp_path: Path) -> None:
    server = Server(command=["echo computed"])
    server.answer = lambda request: 200 if request.headers["authorization"] == "Bearer new" else 401
    _run(server, tmp_path, fresh_headers=lambda: {"authorization": "Bearer new"})
    assert server.reports[0]["status"] == "success"


def test_reports_of_another_server_are_not_sent(tmp_path: Path) -> None:
    server = Server()
    Outbox(tmp_path / "reports", "http://other").keep(server.work)
    assert Worker(server.connection(), {}, outbox=Outbox(tmp_path / "reports", URL)).resume() == 0
    assert server.reports == []


def test_numbers_that_json_lacks_become_null_and_are_noted(tmp_path: Path, folder: Path) -> None:
    case = CASES / "numbers-that-json-lacks"
    (folder / "night.py").write_text((case / "night.py").read_text())
    server = Server(**json.loads((case / "case.json").read_text()))
    _run(server, tmp_path)
    expected = json.loads((case / "expected.json").read_text())
    (report,) = server.reports
    assert (report["status"], report["results"]) == (expected["status"], expected["results"])
    assert report["not_finite"] == expected["noted"]


def test_results_that_are_too_large_are_written_beside_and_named(tmp_path: Path) -> None:
    server = Server(command=["head -c 5000000 /dev/zero | tr '\\0' x"])
    _run(server, tmp_path)
    (report,) = server.reports
    said = report["results"]["too_large"]
    assert said["bytes"] > 5_000_000
    assert said["file"] == str(tmp_path / "kept" / "p" / "w1" / "results.json")
    assert len(json.loads(Path(said["file"]).read_text())["stdout"][0]) == 5_000_000


def test_results_that_the_server_refuses_stay_on_disk(tmp_path: Path) -> None:
    server = Server(command=["echo computed"])
    server.answer = lambda request: 400 if b'"stdout"' in request.content else 200
    _run(server, tmp_path)
    (report,) = server.reports
    assert report["status"] == "failure"
    assert json.loads(Path(report["results"]["results"]["file"]).read_text())["stdout"] == ["computed"]


def test_only_files_written_since_the_run_began_are_its_own(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("a")
    changed = (tmp_path / "a").stat().st_ctime
    assert made_below(tmp_path, "a", changed) == Path("a")
    assert made_below(tmp_path, "a", changed + 1) is None
