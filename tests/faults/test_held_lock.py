"""Sixty writers behind a lock that another process holds: who reads, and who asks for health, waits for none of it."""

import sqlite3
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import httpx
import psycopg
import pytest

from tests.faults.conftest import well
from tests.support.server import ServerProcess

pytestmark = pytest.mark.flaky(reruns=1)  # the seconds of sixty writers are longer on a machine that others load

#: `benchmarks/held_lock.py` holds it for 75 s, and measures.
HELD_SECONDS, NOBODY_WAITS_SECONDS = 8.0, 4.0
WRITERS = 60


@contextmanager
def held(server: ServerProcess) -> Iterator[None]:
    """Hold the lock that whoever makes a key needs."""
    if server.database_url.startswith("sqlite"):
        connection = sqlite3.connect(server.data_dir / "entrepot.db", isolation_level=None)
        connection.execute("BEGIN IMMEDIATE")
        yield
        connection.execute("ROLLBACK")
        connection.close()
    else:
        with psycopg.connect(server.database_url.replace("postgresql+psycopg://", "postgresql://")) as other:
            other.execute("LOCK TABLE api_key IN EXCLUSIVE MODE")
            yield


def test_sixty_writers_behind_a_held_lock_keep_nobody_waiting_who_reads(own_server: ServerProcess) -> None:
    headers = {"authorization": f"Token {own_server.token}"}
    freed = threading.Event()

    def write(number: int) -> int:
        while True:
            url = f"{own_server.url}/api/v1/keys"
            answer = httpx.post(url, json={"name": f"k{number}"}, headers=headers, trust_env=False, timeout=60)
            if freed.is_set():
                return answer.status_code

    longest: dict[str, float] = {}
    with ThreadPoolExecutor(WRITERS) as pool:
        with held(own_server):
            writing = [pool.submit(write, number) for number in range(WRITERS)]
            until = time.monotonic() + HELD_SECONDS
            with httpx.Client(base_url=own_server.url, headers=headers, trust_env=False, timeout=60) as client:
                while time.monotonic() < until:
                    for path in ("/api/v1/keys", "/health", "/health/live", "/health/ready"):
                        began = time.monotonic()
                        status = client.get(path).status_code
                        longest[path] = max(longest.get(path, 0.0), time.monotonic() - began)
                        assert status == 200 or path in ("/health", "/health/ready"), path
            freed.set()
        ended = [one.result() for one in writing]
    assert max(longest.values()) < NOBODY_WAITS_SECONDS, longest
    assert set(ended) <= {201, 503}
    assert 201 in ended, "those that still waited were taken once the lock was free"
    well(own_server)
