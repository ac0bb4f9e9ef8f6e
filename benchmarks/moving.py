"""A server moved from SQLite to PostgreSQL while points are written: `python benchmarks/moving.py [--points N]`.

A server on a folder gets so many points in series of 100,000; then writers send points and deposit works, one second of
which is timed before the move and one throughout it, and `entrepot move` brings everything to PostgreSQL (a cluster of
its own, made here, unless `--database-url` names an empty one) and a new folder. What is printed is rows and points a
second, how long nothing could be written, what the writers lost by the move, and whether all is equal: read again from
both servers' databases, point by point.
"""

import argparse
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from sqlalchemy import select

sys.path.insert(0, str(Path(__file__).parents[1]))
from entrepot.db import Database
from entrepot.series.models import Series
from entrepot.series.reading import read
from tests.support.postgres import Cluster
from tests.support.server import ENTREPOT, ServerProcess

A_SERIES = 100_000


class Writers:
    """Send points and works, and count the answers."""

    def __init__(self, server: ServerProcess, series: str, threads: int) -> None:
        self.server, self._series = server, series
        self.answers: list[tuple[float, bool, float]] = []
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._write, args=(number,)) for number in range(threads)]
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def rate(self, since: float, until: float) -> tuple[float, float]:
        """Return how many a second succeeded, and the median of their milliseconds."""
        took = [seconds for at, done, seconds in self.answers if done and since <= at < until]
        return len(took) / max(until - since, 1e-9), float(np.median(took)) * 1000 if took else 0.0

    def _write(self, number: int) -> None:
        token = {"authorization": f"Token {self.server.token}"}
        with self.server.http(auth=None, headers=token) as client:
            at = number * 10**12
            while not self._stop.is_set():
                at += 1_000_000
                began = time.monotonic()
                if number % 2:
                    work = {"pipeline": "p", "site": "local", "user": "a", "parameters": {"at": at}}
                    answer = client.post("/api/v1/works", json=[work])
                else:
                    answer = client.post("/api/v1/points", json={self._series: {"time": [at], "value": [1.0]}})
                self.answers.append((began, answer.status_code < 300, time.monotonic() - began))
                if answer.status_code >= 300:
                    self._stop.wait(0.05)


def fill(server: ServerProcess, points: int) -> str:
    """Write points, and return the id of a series for more of them."""
    with server.http(auth=None, headers={"authorization": f"Token {server.token}"}, timeout=600) as client:

        def ask(path: str, **fields: Any) -> Any:
            return client.post(f"/api/v1{path}", json=fields).raise_for_status().json()

        ask("/projects", name="p")
        random = np.random.default_rng(1)
        for number in range(max(points // A_SERIES, 1)):
            id_ = ask("/series", project="p", name=f"s{number}")["id"]
            times = (1_700_000_000_000_000 + np.arange(A_SERIES) * 60_000_000).tolist()
            values = np.round(random.normal(8, 3, A_SERIES), 2).tolist()
            client.post("/api/v1/points", json={id_: {"time": times, "value": values}}).raise_for_status()
        return str(ask("/series", project="p", name="new")["id"])


def digest_of(database: Database) -> tuple[int, int]:
    """Return how many points there are, and a hash of them."""
    count = digest = 0
    with database.read() as session:
        for one in session.scalars(select(Series).order_by(Series.id)).all():
            points = read(session, one.number)
            count += len(points.times)
            digest ^= hash((one.id, points.times.tobytes(), points.values.tobytes()))
    return count, digest


@contextmanager
def target(url: str | None) -> Iterator[str]:
    """Return the address of an empty PostgreSQL database."""
    if url is not None:
        yield url
        return
    cluster = Cluster()
    try:
        yield cluster.url(cluster.create())
    finally:
        cluster.stop()


def main() -> None:
    """Fill, write, move, compare."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--points", type=int, default=5_000_000)
    parser.add_argument("--writers", type=int, default=2)
    parser.add_argument("--database-url")
    given = parser.parse_args()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="entrepot-moving-")))
        url = stack.enter_context(target(given.database_url))
        server = stack.enter_context(ServerProcess(folder / "old"))
        began = time.monotonic()
        new = fill(server, given.points)
        print(f"{given.points:,} points written in {time.monotonic() - began:.1f} s")
        writers = Writers(server, new, given.writers)
        stack.callback(writers.stop)
        time.sleep(5)
        begins = time.monotonic()
        to = url.replace("+psycopg", "")
        where: list[str | Path] = ["--data-dir", server.data_dir, "--to", to, "--folder", folder / "new"]
        subprocess.run([ENTREPOT, "move", *where], check=True)
        ends = time.monotonic()
        writers.stop()
        for name, since, until in (("before", begins - 5, begins), ("during", begins, ends)):
            rate, median = writers.rate(since, until)
            print(f"writes {name} the move: {rate:,.0f} a second, {median:.1f} ms in the median")
        print(f"{given.points / (ends - begins):,.0f} points a second; the move took {ends - begins:.1f} s")
        databases = [Database(server.database_url), Database(url)]
        ours, theirs = map(digest_of, databases)
        for database in databases:
            database.close()
        print(f"{ours[0]:,} points there, {theirs[0]:,} arrived: {'equal' if ours == theirs else 'NOT EQUAL'}")


if __name__ == "__main__":
    main()
