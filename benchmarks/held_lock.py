"""What others notice of a lock that somebody holds: `python benchmarks/held_lock.py [--postgres URL] [--seconds 75]`.

A server of its own; somebody else holds the lock that every writer needs (SQLite's only one; on PostgreSQL that of a
table), and 60 writers come and come again. Meanwhile others read, and ask for health. Aims: reads under 1 s, health
under 2 s, whatever it says; writes are refused with 503 after 10 s, and taken once the lock is free.
"""

import argparse
import contextlib
import http.client
import os
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import orjson
import psycopg
from common import Http, answers, daemon, eventually, free_port, percentile

ENTREPOT = Path(sys.executable).parent / "entrepot"
WRITERS, READERS = 60, 4


@contextlib.contextmanager
def held(data: Path, postgres: str | None) -> Iterator[None]:
    """Hold the lock that writers of keys need."""
    if postgres is None:
        connection = sqlite3.connect(data / "entrepot.db", isolation_level=None, check_same_thread=False)
        connection.execute("BEGIN IMMEDIATE")
    else:
        connection = psycopg.connect(postgres.replace("+psycopg", ""))  # type: ignore[assignment]
        connection.execute("LOCK TABLE api_key IN EXCLUSIVE MODE")
    try:
        yield
    finally:
        connection.rollback() if postgres else connection.execute("ROLLBACK")
        connection.close()


class Askers:
    """Threads that ask again and again until they are told to stop, and what they were answered after how long."""

    def __init__(self, port: int, headers: dict[str, str]) -> None:
        self._port, self._headers = port, headers
        self._stop = threading.Event()
        self._threads: list[threading.Thread] = []
        self.seconds: dict[str, list[float]] = {}
        self.statuses: dict[str, Counter[int]] = {}

    def start(self, what: str, count: int, method: str, path: str, body: Callable[[], bytes | None]) -> None:
        """Have so many ask for the same."""
        self.seconds[what], self.statuses[what] = [], Counter()
        for _ in range(count):
            thread = threading.Thread(target=self._ask, args=(what, method, path, body), daemon=True)
            self._threads.append(thread)
            thread.start()

    def _ask(self, what: str, method: str, path: str, body: Callable[[], bytes | None]) -> None:
        while not self._stop.is_set():
            connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=120)
            began = time.monotonic()
            connection.request(method, path, body(), self._headers)
            status = connection.getresponse().status
            self.seconds[what].append(time.monotonic() - began)
            self.statuses[what][status] += 1
            connection.close()
            self._stop.wait(0.1)

    def end(self) -> None:
        """Stop, and wait for the answers under way."""
        self._stop.set()
        for thread in self._threads:
            thread.join(120)


def measure(data: Path, postgres: str | None, seconds: float) -> bool:
    """Start a server, hold the lock, and print how long others wait; tell whether the aims were met."""
    environment = os.environ | ({"ENTREPOT_DATABASE_URL": postgres} if postgres else {})
    init = [str(ENTREPOT), "init", "--data-dir", str(data), "--organization", "O", "--admin", "a@example.org", "--json"]
    made = orjson.loads(subprocess.run(init, env=environment, check=True, stdout=subprocess.PIPE).stdout)
    port = free_port()
    command = [str(ENTREPOT), "serve", "--data-dir", str(data), "--port", str(port), "--no-ftp"]
    with daemon(command, data.parent / "log", lambda: answers(port, "/health"), environment):
        headers = {"authorization": f"Token {made['token']}", "content-type": "application/json"}
        askers = Askers(port, headers)
        with held(data, postgres):
            askers.start("write", WRITERS, "POST", "/api/v1/keys", lambda: b'{"name": "one of many"}')
            time.sleep(2)
            askers.start("read", READERS, "GET", "/api/v1/keys", lambda: None)
            for path in ("/health", "/health/live", "/health/ready"):
                askers.start(path, 1, "GET", path, lambda: None)
            time.sleep(seconds)
        freed = time.monotonic()
        eventually(lambda: askers.statuses["write"][201] > 0, 60)
        back = time.monotonic() - freed
        askers.end()
        assert Http(port, headers).send("GET", "/health/live")
    aims = {"read": 1.0, "/health": 2.0, "/health/live": 2.0, "/health/ready": 2.0, "write": 11.0}
    for what, aim in aims.items():
        took = askers.seconds[what]
        print(
            f"{what:<14} {len(took):>6} asked, p50 {percentile(took, 50):6.3f} s, longest {max(took):6.3f} s"
            f"   (aim {aim:.0f} s: {'met' if max(took) <= aim else 'MISSED'})   {dict(askers.statuses[what])}"
        )
    print(f"writes are taken again after {back:.1f} s")
    return all(max(askers.seconds[what]) <= aim for what, aim in aims.items())


def main() -> None:
    """Measure on SQLite, or on an empty PostgreSQL database."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--postgres", help="URL (postgresql://...) of an empty database.")
    parser.add_argument("--seconds", type=float, default=75.0, help="How long the lock is held.")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        sys.exit(0 if measure(Path(folder) / "data", args.postgres, args.seconds) else 1)


if __name__ == "__main__":
    main()
