"""All parts of docs/scaling.md at once, killed at random while everybody uses them: nothing is lost, nothing doubled.

Two web servers, two of FTP, two schedulers, a worker whose scripts a Dask cluster runs, one whose scripts remote
workers run, and one of those. Meanwhile a day of a wind farm comes in by FTP and by HTTP, and is computed as one server
computes it. ``HYPOTHESIS_PROFILE=deep pytest -s`` kills thirty times, each of them and the cluster's workers, while all
of its year comes in, and prints what came of it.
"""

import os
import random
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, suppress
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.conftest import MakeServer
from tests.support import s3, warm
from tests.support.dask import Cluster as Dask
from tests.support.deadline import eventually
from tests.support.farm import ARCHIVE, Farm, day, difference, year
from tests.support.load import Load, Receiver, Used
from tests.support.ports import free_port
from tests.support.postgres import Cluster
from tests.support.site import Site, Whole

DEEP = os.environ.get("HYPOTHESIS_PROFILE") == "deep"
KILLS = 30 if DEEP else 3
PARTS = ("web-1", "web-2", "ftp-1", "ftp-2", "scheduler-1", "scheduler-2", "worker-1", "worker-2")
ALLOWED = {"ENTREPOT_WEBHOOK_ALLOWED_NETWORKS": '["127.0.0.0/8"]'}
#: Between two kills: while files still come in.
PAUSES = (3.0, 8.0) if DEEP else (0.2, 1.0)
OTHERS = ("remote worker", "dask worker 0", "dask worker 1")


class RemoteWorkers:
    """``entrepot worker --url``, on a machine of its own, by HTTPS."""

    def __init__(self, site: Site, port: int) -> None:
        self._site, self._port = site, port
        self._log = site.folder / "remote.log"
        made = site.run("entrepot keys create ada --name workers --scope calls:work --data-dir parts/first --json")
        (site.folder / "key.txt").write_text(httpx.Response(200, content=made).json()["token"])
        self.start()

    def start(self) -> None:
        environment = {name: value for name, value in os.environ.items() if not name.startswith("ENTREPOT_")}
        environment["SSL_CERT_FILE"] = str(self._site.folder / "certificate.pem")
        url = f"https://127.0.0.1:{self._port}"
        with self._log.open("ab") as log:
            key = self._site.folder / "key.txt"
            self.process = warm.start(["worker", "--url", url, "--token-file", key, "--workers", "2"], environment, log)

    def kill(self) -> None:
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(20)

    close = kill


class Killer:
    """Kills any part of a site, or of what computes for it, and starts it again."""

    def __init__(self, site: Site, remote: RemoteWorkers, dask: Dask) -> None:
        self._site, self._remote, self._dask = site, remote, dask

    def __call__(self, name: str) -> None:
        if name == "remote worker":
            self._remote.kill()
            self._remote.start()
        elif name.startswith("dask"):
            place = int(name[-1])
            os.killpg(self._dask.workers[place].pid, signal.SIGKILL)
            self._dask.workers[place].wait()
            self._dask.workers[place] = self._dask.start_worker()
        else:
            self._site.parts[name].kill9()
            self._site.parts[name].start()


@pytest.fixture
def dask(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dask]:
    made = Dask(tmp_path_factory.mktemp("dask"))
    yield made
    made.close()


@pytest.fixture
def site(postgres: Cluster, dask: Dask) -> Iterator[Site]:
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="entrepot-killed-")))
        folder.chmod(0o755)
        store = stack.enter_context(s3.running())
        made = Site(folder, postgres, store, stack, **ALLOWED)
        made.add("worker-2", "worker-1", ENTREPOT_ENGINE="remote")
        made.parts["worker-1"]._environment |= {"ENTREPOT_ENGINE": "dask", "ENTREPOT_DASK_SCHEDULER": dask.address} | {
            f"ENTREPOT_DASK_{name}": str(dask.certificate) for name in ("CA", "CERTIFICATE", "KEY")
        }
        yield made


@pytest.mark.slow
@pytest.mark.timeout(7200 if DEEP else 600)
@pytest.mark.skipif(DEEP and not ARCHIVE.exists(), reason="needs the wind farm's year")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # of ftplib, whose transfers are cut
def test_every_part_is_killed_and_the_results_are_those_of_one_server(
    site: Site, dask: Dask, receiver: Receiver, make_server: MakeServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if DEEP:
        monkeypatch.setattr("tests.support.server.START_SECONDS", 600)
        monkeypatch.setattr("tests.support.load.SETTLE_SECONDS", 600)
    chance = random.Random(17)
    names = (*PARTS, *OTHERS)
    which = [*chance.sample(names, min(KILLS, len(names)))]
    which += chance.choices(names, k=KILLS - len(which))
    site.start(*PARTS)
    port = free_port()
    try:
        with site.behind_nginx(port) as client, closing(RemoteWorkers(site, port)) as remote:
            load = Load(Whole(site, client), receiver, pause=0.05 if DEEP else 0.15)
            farm = Farm(load, site.parts["web-1"].url, year() if DEEP else day(), pause=5 if DEEP else 0)
            load.start()
            farm.start()
            try:
                kill = Killer(site, remote, dask)
                for name in which:
                    time.sleep(chance.uniform(*PAUSES))  # the random moment, not a wait for something
                    kill(name)
                eventually(lambda: min(map(len, load.ledgers)) > 3 and len(load.pushed) > 20, 300)
                eventually(lambda: len(farm.sent) == len(farm.files), 600 if DEEP else 120)
            finally:
                load.stop()
            found, there = load.check(), load.made() | farm.made()
            load.hang_up()
    finally:
        for name in PARTS:
            site.parts[name].kill9()
    _tell(f"\n{len(which)} kills: {', '.join(which)}; {load.asked} answers")
    for kind, (acknowledged, lost, twice) in found.items():
        _tell(f"  {kind:<16} {acknowledged:6} acknowledged, {lost} lost, {twice} doubled")
    assert {kind: counts[1:] for kind, counts in found.items()} == dict.fromkeys(found, (0, 0))
    with make_server("sqlite", tmp_path / "data", environment=ALLOWED) as server:
        here = _again(server, receiver, load, farm)
    _tell(f"  {len(farm.sent)} files of the farm and others: {len(here)} series and rows as of one server")
    assert there.keys() == here.keys()
    assert {name: difference(there[name], made) for name, made in here.items() if there[name] != made} == {}


def _again(server: Used, receiver: Receiver, load: Load, farm: Farm) -> dict[str, Any]:
    """Return what one server makes of the same files."""
    again = Load(server, receiver)
    for name, values in load.uploaded.items():
        again.store(name, values)
    again.uploaded = dict(load.uploaded)
    again.run_importer()
    assert again.settled()
    there = Farm(again, server.url, farm.files)
    there.start()
    made = again.made() | there.made()
    again.hang_up()
    return made


def _tell(line: str) -> None:
    sys.stdout.write(f"{line}\n")
