"""Imports and cleans a second with 1, 2 and 4 workers, and with Dask: `python benchmarks/workers.py [--importers N]`.

The site of `docs/scaling.md`: PostgreSQL, a bucket of moto's S3, a web server, a scheduler, and a worker part of so
many processes, or one whose scripts run on a Dask cluster of two processes. Each importer gets a changed file, and all
run at once; later, with four channels each, which are cleaned after. Beside the rate stand the milliseconds of the
processors that each part computes for one importer: from the database's follows where more workers would not help.
"""

import argparse
import contextlib
import itertools
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import orjson
import pandas as pd
import psycopg

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent))

from tests.support import dask, s3  # noqa: E402
from tests.support.deadline import eventually  # noqa: E402
from tests.support.parts import PartProcess  # noqa: E402
from tests.support.postgres import Cluster  # noqa: E402
from tests.support.site import Site  # noqa: E402

ROWS, CHANNELS, TICKS = 10_000, 4, os.sysconf("SC_CLK_TCK")
PARSE = """import pandas as pd
def parse(content, path, **tools):
    return pd.read_csv(content, index_col=0, parse_dates=True)
"""
WAYS = ("1 worker", "2 workers", "4 workers", "Dask, 2 processes")


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--importers", type=int, default=40)
    given = parser.parse_args()
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        cluster = Cluster(fsync="on", autovacuum="on", shared_buffers="1GB", max_wal_size="2GB")
        stack.callback(cluster.stop)
        store = stack.enter_context(s3.running())
        site = Site(folder, cluster, store, stack, ENTREPOT_JOB_LEASE_SECONDS="60")
        site.start("web-1", "scheduler-1")
        (folder / "dask").mkdir()
        far = dask.Cluster(folder / "dask")
        stack.callback(far.close)
        bench = Bench(site, far, int((cluster.folder / "data" / "postmaster.pid").read_text().partition("\n")[0]))
        importers = [made(bench.http, number) for number in range(given.importers)]
        print("| work | with | a second | ratio |", " | ".join(bench.costs()), "|")
        print("| --- " * (4 + len(bench.costs())) + "|")
        bench.compare("imports", importers)
        for importer in importers:
            add_channels(bench.http, importer)
        bench.compare("imports, and cleans of four series", importers)
        bench.http.close()


class Bench:
    """The site under test, whose worker part is another one each time."""

    def __init__(self, site: Site, far: dask.Cluster, database: int) -> None:
        web = site.parts["web-1"]
        self._site, self._far, self._database = site, far, database
        self._made = {"login": web.login, "password": web.password, "token": web.token}
        token = {"authorization": f"Token {web.token}"}
        self.http = web.http(auth=None, base_url=f"{web.url}/api/v1", headers=token)
        self._worker: PartProcess | None = None
        self._numbers = itertools.count()

    def settled(self) -> bool:
        """Tell whether all that was invalid is computed."""
        with psycopg.connect(self._site.database_url.replace("+psycopg", "")) as connection:
            return not connection.execute("SELECT FROM invalidation LIMIT 1").fetchall()

    @contextlib.contextmanager
    def working(self, way: str) -> Iterator[None]:
        """Run a worker part of so many processes, or one that has its scripts run on the Dask cluster."""
        environment, number = dict(self._site.environment), way.partition(" ")[0]
        if not number.isdigit():
            number = "2"
            environment |= {"ENTREPOT_ENGINE": "dask", "ENTREPOT_DASK_SCHEDULER": self._far.address}
            for name in ("CA", "CERTIFICATE", "KEY"):
                environment[f"ENTREPOT_DASK_{name}"] = str(self._far.certificate)
        folder = self._site.folder / "parts" / way.replace(" ", "-")
        self._worker = PartProcess(folder, ("--only", "worker", "--workers", number), environment, self._made)
        self._worker.start()
        try:
            yield
        finally:
            self._worker.stop()
            self._worker = None

    def compare(self, what: str, importers: list[str]) -> None:
        """Print what each way takes for the same work."""
        first = 0.0
        with self.working(WAYS[0]):
            self._run(importers)  # what is made once is there
        for way in WAYS:
            with self.working(way):
                self._run(importers[:4])  # templates of scripts are made once
                self._change(importers)
                before = self.costs()
                rate = self._run(importers, changed=True)
                after = self.costs()
            first = first or rate
            spent = " | ".join(f"{(after[name] - before[name]) / len(importers) * 1000:.0f}" for name in after)
            print(f"| {what} | {way} | {rate:.2f} | {rate / first:.2f}x | {spent} |", flush=True)

    def _change(self, importers: list[str]) -> None:
        for importer in importers:
            put(self.http, importer, next(self._numbers))

    def _run(self, importers: list[str], *, changed: bool = False) -> float:
        """Have importers read a changed file, and return how many a second did, with what follows from it."""
        if not changed:
            self._change(importers)
        began = time.monotonic()
        asked = [self.http.post(f"/importers/{one}/runs", json={}).raise_for_status() for one in importers]
        runs = [eventually(partial(self._ended, answer.json()["id"]), 600) for answer in asked]
        eventually(self.settled, 600)
        assert {run["status"] for run in runs} == {"finished"}, runs
        return len(importers) / (time.monotonic() - began)

    def _ended(self, run: str) -> Any:
        found = self.http.get(f"/runs/{run}").raise_for_status().json()
        return found if found["ended_at"] else None

    def costs(self) -> dict[str, float]:
        """Return the processors' seconds of each part and of all that it started, since it began."""
        scripts = [] if self._worker is None else self._worker.templates()
        worker = 0.0 if self._worker is None else tree_seconds(_pid(self._worker))
        return {
            "database, ms": tree_seconds(self._database),
            "store, ms": time.process_time(),
            "worker, ms": worker - sum(map(tree_seconds, scripts)),
            "scripts, ms": sum(map(tree_seconds, scripts)),
            "Dask, ms": sum(tree_seconds(one.pid) for one in (self._far.scheduler, *self._far.workers)),
            "web, scheduler, ms": sum(tree_seconds(_pid(self._site.parts[name])) for name in ("web-1", "scheduler-1")),
        }


def made(http: httpx.Client, number: int) -> str:
    """Make an importer that has a gate of its own, and return its id."""

    def ask(path: str, **fields: Any) -> str:
        return str(http.post(path, json=fields).raise_for_status().json()["id"])

    project = ask("/projects", name=f"Park {number}")
    gate = ask("/gates", project=project, name="scada")
    return ask("/importers", project=project, name="scada", gate=gate, parse=PARSE, clock="UTC")


def put(http: httpx.Client, importer: str, number: int) -> None:
    """Put a file of new values on the gate of an importer."""
    gate = http.get(f"/importers/{importer}").raise_for_status().json()["gate"]["id"]
    times = pd.date_range("2024-01-01", periods=ROWS, freq="10s", tz="UTC", name="time")
    values = np.round(np.random.default_rng(number).normal(900, 300, (ROWS, CHANNELS)), 2)
    text = pd.DataFrame(values, times, [f"signal {n}" for n in range(CHANNELS)]).to_csv()
    http.put(f"/gates/{gate}/files/a.csv", content=text.encode()).raise_for_status()


def add_channels(http: httpx.Client, importer: str) -> None:
    """Have an importer's series cleaned."""
    for number in range(CHANNELS):
        fields = {"raw": f"signal {number}", "name": f"clean {number}", "unit": "kW", "clock": "UTC", "step": "10min"}
        http.post("/channels", json={"importer": importer, **fields}).raise_for_status()


def tree_seconds(root: int) -> float:
    """Return how long a process and all that came of it have computed, of those that ended what was waited for."""
    of: dict[int, tuple[int, float]] = {}
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            fields = (folder / "stat").read_text().rpartition(")")[2].split()
            of[int(folder.name)] = int(fields[1]), sum(int(ticks) for ticks in fields[11:15]) / TICKS
    total, waiting = 0.0, [root]
    while waiting:
        process = waiting.pop()
        total += of[process][1] if process in of else 0
        waiting += [child for child, (parent, _) in of.items() if parent == process]
    return total


def _pid(part: PartProcess) -> int:
    return int(orjson.loads((part.data_dir / "run" / "serve.json").read_bytes())["pid"])


if __name__ == "__main__":
    main()
