"""All parts of docs/scaling.md are restarted while everybody uses them, and nobody notices; then PostgreSQL is.

``HYPOTHESIS_PROFILE=deep pytest -s`` restarts one part after the other, each twice, and prints what came of it; else
one of each kind is at once.
"""

import os
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest

from tests.support import s3
from tests.support.deadline import eventually
from tests.support.load import Load, Receiver
from tests.support.parts import PartProcess
from tests.support.postgres import Cluster
from tests.support.site import Site, Whole

DEEP = os.environ.get("HYPOTHESIS_PROFILE") == "deep"
KINDS = ("web", "worker", "scheduler", "ftp")
PARTS = tuple(f"{kind}-{number}" for number in (1, 2) for kind in KINDS)
#: Which are restarted at once: never all of a kind.
TURNS = [[name] for name in sorted(PARTS)] * 2 if DEEP else [PARTS[:4], PARTS[4:]]
RATE, READERS, PAUSE = 50.0, 24 if DEEP else 2, 0.05 if DEEP else 0.15
ALLOWED = {"ENTREPOT_WEBHOOK_ALLOWED_NETWORKS": '["127.0.0.0/8"]'}


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    """One that no other test uses: it is restarted."""
    made = Cluster()
    yield made
    made.stop()


@pytest.fixture
def site(cluster: Cluster) -> Iterator[Site]:
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="entrepot-restarted-")))
        folder.chmod(0o755)
        made = Site(folder, cluster, stack.enter_context(s3.running()), stack, **ALLOWED)
        made.add("worker-2", "worker-1")
        yield made


@pytest.mark.slow
@pytest.mark.timeout(3600 if DEEP else 600)
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # of ftplib, whose transfers are cut
def test_restarts_of_all_parts_fail_no_request_and_those_of_the_database_lose_nothing(
    site: Site, cluster: Cluster, receiver: Receiver
) -> None:
    with ThreadPoolExecutor(len(KINDS)) as pool:
        list(pool.map(site.start, PARTS))
    with site.behind_nginx() as client:
        load = Load(Whole(site, client), receiver, readers=READERS, pause=PAUSE)
        load.start()
        try:
            eventually(lambda: all(load.ledgers), 60, message=lambda: str(load.failed[:5]))
            began, asked = time.monotonic(), load.asked
            for names in TURNS:
                with ThreadPoolExecutor(len(names)) as pool:
                    list(pool.map(_restart, [site.parts[name] for name in names]))
            rate = (load.asked - asked) / (time.monotonic() - began)
            _tell(f"\n{sum(map(len, TURNS))} restarts at {rate:.0f} requests a second: {len(load.failed)} failed")
            assert load.failed == [], (site.folder / "error.log").read_text()[-2000:]
            assert rate > RATE or not DEEP
            for mode in ("fast", "immediate"):
                cluster.restart(mode)
                _goes_on(site, load)
                _tell(f"PostgreSQL, {mode}: {len(load.failed)} of {load.asked} failed in all, and were asked again")
        finally:
            load.stop()
        found = load.check()
        load.hang_up()
    for kind, (acknowledged, lost, twice) in found.items():
        _tell(f"  {kind:<16} {acknowledged:6} acknowledged, {lost} lost, {twice} doubled")
    assert {kind: counts[1:] for kind, counts in found.items()} == dict.fromkeys(found, (0, 0))
    for name in PARTS:
        site.parts[name].stop()


def _restart(part: PartProcess) -> None:
    if part.http_port:
        part._running().terminate()
        eventually(lambda: not _is_ready(part), 10, message="readiness goes first")
    part.restart()


def _goes_on(site: Site, load: Load) -> None:
    """Wait until all kinds of parts have done something new, and see that none of them was started again."""
    before = [len(ledger) for ledger in load.ledgers]
    eventually(
        lambda: all(len(ledger) > length for ledger, length in zip(load.ledgers, before, strict=True)),
        60,
        message=lambda: str(load.failed[-5:]),
    )
    eventually(lambda: all(_is_ready(site.parts[name]) for name in ("web-1", "web-2")), 30)
    assert [name for name in PARTS if site.parts[name]._running().poll() is not None] == []


def _is_ready(part: PartProcess) -> bool:
    try:
        return httpx.get(f"{part.url}/health/ready", trust_env=False).status_code == 200
    except httpx.TransportError:
        return False


def _tell(line: str) -> None:
    sys.stdout.write(f"{line}\n")
