"""A user with a key, before, while and after a server is attacked by every anonymous means at once.

The attackers are processes beside the server, from loopback addresses of their own (127.0.0.2 and on), at the lowest
priority, so that what the user waits for is the server and not the attackers' own work. Everything goes to the server
that is started here, and ends by itself.
"""

import argparse
import base64
import http.client
import multiprocessing
import os
import secrets
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from multiprocessing.synchronize import Event
from pathlib import Path
from typing import Any

import common
import orjson
from common import HOST, Http, percentile

ENTREPOT = Path(sys.executable).parent / "entrepot"
CHUNK = b"10000\r\n" + b"x" * 0x10000 + b"\r\n"
ROUTES = (
    "/api/v1/projects", "/api/v1/files", "/api/v1/works", "/ovbp/api/v2/oteams/projects",
    "/owi/api/v1/results/routes/analysis", "/workflow/buckets/work", "/ricloud/", "/console/login",
    "/api/v1/keys", "/nowhere",
)  # fmt: skip
READS = (
    "/docs",
    "/health",
    "/api/v1/openapi.json",
    "/console/login",
    "/api/v1/series",
    "/nowhere",
    "/metrics",
    "/../../etc/passwd",
)


def _connect(port: int, number: int) -> socket.socket:
    return socket.create_connection((HOST, port), timeout=5, source_address=(f"127.0.0.{number}", 0))


def _request(port: int, number: int, method: str, path: str, body: bytes | None = None, **headers: str) -> int:
    connection = http.client.HTTPConnection(HOST, port, timeout=5, source_address=(f"127.0.0.{number}", 0))
    try:
        connection.request(method, path, body, {name.replace("_", "-"): value for name, value in headers.items()})
        answer = connection.getresponse()
        answer.read()
        return answer.status
    finally:
        connection.close()


def bodies(port: int, _ftp: int, number: int, turn: int) -> None:
    """Send up to 64 MiB without a length and without credentials to one route after the other."""
    with _connect(port, number) as connection:
        path = ROUTES[turn % len(ROUTES)]
        connection.sendall(f"POST {path} HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n".encode())
        for _ in range(1024):
            connection.sendall(CHUNK)


def logins(port: int, _ftp: int, number: int, turn: int) -> None:
    """Guess passwords, of a login that there is and of others, by Basic and by the console's form."""
    login = "ada" if turn % 2 else secrets.token_hex(4)
    if turn % 3:
        guess = base64.b64encode(f"{login}:{secrets.token_hex(8)}".encode()).decode()
        _request(port, number, "GET", "/api/v1/projects", authorization=f"Basic {guess}")
    else:
        form = f"login={login}&password={secrets.token_hex(8)}".encode()
        _request(port, number, "POST", "/console/login", form, content_type="application/x-www-form-urlencoded")


def slow_heads(port: int, _ftp: int, number: int, turn: int) -> None:
    """Send a head one byte a tenth of a second, over many connections."""
    _hold(port, number, b"GET / HTTP/1.1\r\nhost: x\r\nx-slow: ", 60)


def slow_bodies(port: int, _ftp: int, number: int, turn: int) -> None:
    """Send a body one byte a tenth of a second."""
    head = f"POST {ROUTES[turn % len(ROUTES)]} HTTP/1.1\r\nhost: x\r\ncontent-length: 60000\r\n\r\n"
    _hold(port, number, head.encode(), 60)


def _hold(port: int, number: int, head: bytes, connections: int) -> None:
    held: list[socket.socket] = []
    try:
        for _ in range(connections):
            held.append(_connect(port, number))
            held[-1].sendall(head)
        for _ in range(50):
            time.sleep(0.1)
            for connection in held:
                connection.sendall(b"x")
    finally:
        for connection in held:
            connection.close()


def idle_connections(port: int, ftp: int, number: int, turn: int) -> None:
    """Open hundreds of connections to either door, and say nothing."""
    held: list[socket.socket] = []
    try:
        held.extend(_connect(ftp if turn % 2 else port, number) for _ in range(400))
        time.sleep(3)
    finally:
        for connection in held:
            connection.close()


def long_heads(port: int, _ftp: int, number: int, turn: int) -> None:
    """Ask for addresses, and send headers, of a megabyte and of thousands of fields."""
    with _connect(port, number) as connection:
        fields = b"x: y\r\n" * 5000 if turn % 2 else b"x: " + b"y" * 2**20 + b"\r\n"
        connection.sendall(b"GET /api/v1/series?q=" + b"q" * 2**19 + b" HTTP/1.1\r\nhost: x\r\n" + fields + b"\r\n")
        connection.recv(1000)


def ftp_logins(_port: int, ftp: int, number: int, turn: int) -> None:
    """Guess passwords at the FTP door."""
    with _connect(ftp, number) as connection:
        connection.recv(1000)
        for command in (b"USER ada\r\n", b"PASS " + secrets.token_hex(8).encode() + b"\r\n"):
            connection.sendall(command)
            connection.recv(1000)


def reads(port: int, _ftp: int, number: int, turn: int) -> None:
    """Ask for all that is open or is not there, with cookies, keys and signatures that are none."""
    junk = secrets.token_hex(16)
    _request(
        port, number, "GET", f"{READS[turn % len(READS)]}?signature={junk}",
        cookie=f"entrepot_session={junk}.{junk}.{junk}", authorization=f"Token ent_{junk}",
    )  # fmt: skip


MEANS: tuple[Callable[[int, int, int, int], None], ...] = (
    bodies, logins, slow_heads, slow_bodies, idle_connections, long_heads, ftp_logins, reads,
)  # fmt: skip


def attack(
    means: Callable[[int, int, int, int], None],
    port: int,
    ftp: int,
    number: int,
    stop: Event,
    done: "multiprocessing.Queue[tuple[str, int, int]]",
) -> None:
    """Attack by one means, again and again, until told to stop."""
    os.nice(19)
    tries = refused = 0
    while not stop.is_set():
        tries += 1
        try:
            means(port, ftp, number, tries)
        except (OSError, http.client.HTTPException):
            refused += 1
            time.sleep(0.01)
    done.put((means.__name__, tries, refused))


class User:
    """Somebody with a key, who looks at a window, writes a point and lists series, fifty times a second at most."""

    def __init__(self, port: int, token: str) -> None:
        self._http = Http(port, {"authorization": f"Token {token}"})
        made = orjson.loads(
            self._http.send("POST", "/api/v1/projects", b'{"name": "Farm"}', content_type="application/json")
        )
        self._project = made["id"]
        body = orjson.dumps({"project": self._project, "name": "wind"})
        self._series = orjson.loads(self._http.send("POST", "/api/v1/series", body, content_type="application/json"))[
            "id"
        ]
        times = [f"2026-01-01T{minute // 60:02}:{minute % 60:02}:00Z" for minute in range(1000)]
        self._write(orjson.dumps(self._points(times)))
        self._turn = 0

    def _points(self, times: list[str]) -> dict[str, object]:
        return {self._series: {"time": times, "value": [1.5] * len(times)}}

    def _write(self, body: bytes) -> None:
        self._http.send("POST", "/api/v1/points", body, content_type="application/json")

    def ask(self) -> None:
        """Send one request."""
        self._turn += 1
        match self._turn % 3:
            case 0:
                self._http.send(
                    "GET", f"/api/v1/series/{self._series}/points?from=2026-01-01T10:00:00Z&to=2026-01-01T11:40:00Z"
                )
            case 1:
                stamp = f"2026-02-01T{self._turn // 3600 % 24:02}:{self._turn // 60 % 60:02}:{self._turn % 60:02}Z"
                self._write(orjson.dumps(self._points([stamp])))
            case _:
                self._http.send("GET", f"/api/v1/series?project={self._project}&limit=10")

    def watch(self, seconds: float) -> tuple[list[float], int]:
        """Return how many milliseconds each answer took, and how many requests failed."""
        took, failed, end = [], 0, time.monotonic() + seconds
        while time.monotonic() < end:
            started = time.perf_counter()
            try:
                self.ask()
            except (OSError, RuntimeError, http.client.HTTPException) as error:
                failed += 1
                print("   failed:", str(error)[:200])
                self._http.close()
            took.append((time.perf_counter() - started) * 1000)
            time.sleep(0.02)
        return took, failed


def main() -> None:
    """Run it and print what the user waited for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--quiet-seconds", type=float, default=15)
    seconds = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        data, port, ftp = Path(folder) / "data", common.free_port(), common.free_port()
        made = subprocess.run(
            [ENTREPOT, "init", "--data-dir", data, "--organization", "Lab", "--admin", "ada", "--json"],
            check=True,
            capture_output=True,
        )
        token = orjson.loads(made.stdout)["token"]
        command: list[str | Path] = [ENTREPOT, "serve", "--data-dir", data, "--port", str(port), "--ftp-port", str(ftp)]
        with common.daemon(command, Path(folder) / "log", lambda: common.answers(port, "/health")) as pid:
            user = User(port, token)
            rows = [("before", *user.watch(seconds.quiet_seconds))]
            stop = multiprocessing.Event()
            done: multiprocessing.Queue[Any] = multiprocessing.Queue()
            attackers = [
                multiprocessing.Process(target=attack, args=(means, port, ftp, 2 + number, stop, done), daemon=True)
                for number, means in enumerate(MEANS)
            ]
            for attacker in attackers:
                attacker.start()
            rows.append(("under attack", *user.watch(seconds.seconds)))
            peak = _memory(pid)
            stop.set()
            made_tries = [done.get(timeout=60) for _ in attackers]
            for attacker in attackers:
                attacker.join(30)
            rows.append(("after", *user.watch(seconds.quiet_seconds)))
            print(f"\n| a user with a key | requests | failed | p50 ms | p95 ms | most ms |\n|{' --- |' * 6}")
            for name, took, failed in rows:
                figures = " | ".join(
                    f"{figure:.1f}" for figure in (percentile(took, 50), percentile(took, 95), max(took))
                )
                print(f"| {name} | {len(took)} | {failed} | {figures} |")
            print("\n| means | tries | ended by the server |\n| --- | --- | --- |")
            for name, tries, refused in sorted(made_tries):
                print(f"| {name.replace('_', ' ')} | {tries} | {refused} |")
            print(f"\nmemory of all processes of the server under attack: {peak / 2**20:.0f} MiB")


def _memory(pid: int) -> int:
    total, queue = 0, [pid]
    while queue:
        process = queue.pop()
        with suppress(OSError):
            total += int(Path(f"/proc/{process}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
            for thread in Path(f"/proc/{process}/task").iterdir():
                queue += map(int, (thread / "children").read_text().split())
    return total


if __name__ == "__main__":
    main()
