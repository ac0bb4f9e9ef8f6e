"""Any part of a server killed while everybody uses it: nothing acknowledged is lost or doubled, nothing is left behind.

``HYPOTHESIS_PROFILE=deep pytest -s`` kills fifty times, and prints what came of it.
"""

import contextlib
import os
import random
import signal
import sys
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
from sqlalchemy import select, update

from entrepot.db import Database, now
from entrepot.files.lifecycle import SWEEP
from entrepot.files.models import PublishedFile
from entrepot.jobs.models import Schedule
from entrepot.pipeline.gates.folder_home import sweep_parts
from tests.conftest import MakeServer
from tests.support.deadline import eventually
from tests.support.load import Load, Receiver
from tests.support.server import ServerProcess

DEEP = os.environ.get("HYPOTHESIS_PROFILE") == "deep"
PARTS = ("web", "ftp", "scheduler", "worker", "supervisor", "template")
KILLS = 50 if DEEP else len(PARTS)


@pytest.fixture
def server(
    database_kind: str, make_server: MakeServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[ServerProcess]:
    """A server that soon takes over the jobs of its dead workers, and has a folder for what is temporary."""
    if DEEP:  # beside whatever else the machine does
        monkeypatch.setattr("tests.support.server.START_SECONDS", 600)
        monkeypatch.setattr("tests.support.load.SETTLE_SECONDS", 600)
    (tmp_path / "tmp").mkdir(mode=0o777)
    environment = {
        "ENTREPOT_JOB_LEASE_SECONDS": "5",
        "ENTREPOT_WEBHOOK_ALLOWED_NETWORKS": '["127.0.0.0/8"]',
        "TMPDIR": str(tmp_path / "tmp"),
    }
    with make_server(database_kind, tmp_path / "data", environment=environment) as server:
        yield server


@pytest.mark.slow
@pytest.mark.timeout(7200 if DEEP else 600)
# Connections that the server drops in mid-transfer are left by ftplib for the collector.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_nothing_acknowledged_is_lost_or_doubled_and_nothing_is_left(
    server: ServerProcess, receiver: Receiver, tmp_path: Path
) -> None:
    chance = random.Random(11)
    which = [*PARTS, *(chance.choice(PARTS) for _ in range(KILLS - len(PARTS)))]
    chance.shuffle(which)
    load = Load(server, receiver)
    load.start()
    templates: set[int] = set()
    try:
        for part in which:
            time.sleep(chance.uniform(0.2, 1.0))  # the random moment, not a wait for something
            templates.update(server.templates())
            kill(server, part)
        eventually(lambda: len(load.pushed) > 20 and len(load.uploaded) > 3 and len(load.concluded) > 3, 120)
    finally:
        load.stop()
    templates.update(server.templates())
    server.kill9()  # and all of it at once
    server.start()
    found = load.check()
    tell(f"\n{len(which)} kills on {server.database_url.partition(':')[0]}, {load.asked} answers")
    for kind, (acknowledged, lost, twice) in found.items():
        tell(f"  {kind:<16} {acknowledged:6} acknowledged, {lost} lost, {twice} doubled")
    tell(f"  webhooks came {receiver.came.total()} times, as {len(receiver.came)} events")
    assert all(acknowledged > 3 for acknowledged, *_ in found.values())
    assert {kind: counts[1:] for kind, counts in found.items()} == dict.fromkeys(found, (0, 0))
    sweep(server)
    published = known(server)
    templates.update(server.templates())
    server.stop()
    left = left_behind(server, published, tmp_path / "tmp", set(load.uploaded))
    left += eventually_gone(templates)
    server._process = None
    tell(f"  left behind: {left or 'nothing'}")
    assert left == []


def tell(line: str) -> None:
    sys.stdout.write(f"{line}\n")


def kill(server: ServerProcess, part: str) -> None:
    """Kill a part, once there is one; the supervisor takes all others with it, and is started again."""
    if part == "supervisor":
        supervisor = server._running()
        supervisor.kill()
        supervisor.wait()
        eventually(lambda: not server.processes(), 60, message="parts outlived their supervisor")
        server._process = None
        server.start()
        return
    find = server.templates if part == "template" else partial(named, server, part)
    pid = eventually(find, 600 if DEEP else 60, message=f"no {part} came back")[0]
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


def named(server: ServerProcess, part: str) -> list[int]:
    found = []
    for pid in server.processes():
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            if Path(f"/proc/{pid}/comm").read_text().startswith(f"entrepot {part}"[:15]):  # as long as a name may be
                found.append(pid)
    return found


def sweep(server: ServerProcess) -> None:
    """Let the time pass after which spools that nobody writes to, and uploads that nobody goes on with, are swept."""
    spool = server.data_dir / "files" / ".incoming"
    for path in spool.glob("*/*"):
        os.utime(path, (time.time() - 600, time.time() - 600))
    database = Database(server.database_url)
    with database.write() as session:
        session.execute(update(Schedule).where(Schedule.name == SWEEP).values(next_at=now()))
    database.close()
    eventually(lambda: not list(spool.glob("*/*")), 30, every=0.2, message="spools are left")
    gates, day = server.data_dir / "gates", 24 * 3600
    for path in gates.glob(".*.parts/*"):
        os.utime(path, (time.time() - day - 1, time.time() - day - 1))
    sweep_parts(gates, day)  # as the FTP server does every ten minutes


def known(server: ServerProcess) -> set[str]:
    database = Database(server.database_url)
    with database.read() as session:
        found = set(session.scalars(select(PublishedFile.id)))
    database.close()
    return found


def left_behind(server: ServerProcess, published: set[str], temporary: Path, uploaded: set[str]) -> list[str]:
    """Return what a server that has ended left, and nobody needs."""
    data = server.data_dir
    blobs = [path for path in data.glob("files/*/??/*") if path.name not in published]
    gates = [path for path in data.glob("gates/*/*") if path.is_file() and not path.name.startswith(".")]
    assert uploaded <= {path.name for path in gates}
    halves = [path for path in gates if path.stat().st_size < 100]
    broken = [path for path in data.glob("gates/.*/*") if path.is_file() and path.parent.name.endswith(".parts")]
    run = [path for path in data.glob("run/*") if path.name not in ("lock", "organizations", "private")]
    places = [*data.glob("uploads/*"), *data.glob("feeds/*/*"), *temporary.iterdir()]
    return [*map(str, (*blobs, *halves, *broken, *run, *places))]


def eventually_gone(templates: set[int]) -> list[str]:
    """Return the templates of scripts that outlive their server."""

    def living() -> list[str]:
        found = []
        for pid in templates:
            with contextlib.suppress(FileNotFoundError, ProcessLookupError):
                if b"entrepot.scripts.template" in Path(f"/proc/{pid}/cmdline").read_bytes():
                    found.append(f"process {pid}")
        return found

    with contextlib.suppress(AssertionError):
        eventually(lambda: not living(), 15, every=0.2)
    return living()
