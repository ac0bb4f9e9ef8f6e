"""What the web server takes before a request reaches the application."""

import contextlib
import os
import signal
import socket
from pathlib import Path
from urllib.parse import urlencode

import httpx
import pytest

from tests.conftest import MakeServer
from tests.support.deadline import eventually
from tests.support.server import ServerProcess

pytestmark = pytest.mark.turns


@pytest.fixture
def server(shared_server: ServerProcess) -> ServerProcess:
    return shared_server


def answer(server: ServerProcess, request: bytes) -> bytes:
    """Send a request as it stands, and return what comes back until the server closes."""
    with socket.create_connection((server.host, server.http_port), timeout=20) as connection:
        received = b""
        # It does not wait for the end of what it refuses.
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            connection.sendall(request)
        with contextlib.suppress(ConnectionResetError):
            while block := connection.recv(2**16):
                received += block
        return received


def test_an_address_of_a_megabyte(server: ServerProcess) -> None:
    works = [{"pipeline": "long", "user": "u", "site": "local"} for _ in range(20)]
    headers = {"x-access-token": server.token}
    with httpx.Client(base_url=server.url, headers=headers, trust_env=False, timeout=60) as client:
        made = client.post("/workflow/buckets/work", params={"return_ids": True}, json=works).json()
        absent = [f"{number:024x}" for number in range(36_000)]
        # httpx itself ends at 64 KiB.
        request = f"DELETE /workflow/buckets/work?{urlencode([('ids', one) for one in absent + made])} HTTP/1.1\r\n"
        request += f"host: x\r\nconnection: close\r\nx-access-token: {server.token}\r\n\r\n"
        assert 2**20 > len(request) > 1_000_000
        received = answer(server, request.encode())
        assert received.startswith(b"HTTP/1.1 200"), received[:500]
        assert received.endswith(b"true")
        assert client.get("/workflow/buckets/status/details/long").json()["total"] == 0


@pytest.mark.parametrize(
    ("request_line", "header", "status"),
    [
        (b"GET /health?x=" + b"a" * 3_000_000, b"", b"414"),
        (b"GET /health", b"x-long: " + b"a" * 3_000_000 + b"\r\n", b"431"),
        (b"GET /health", b"".join(b"x-%d: a\r\n" % n for n in range(300_000)), b"431"),
        (b"GET /" + b"a" * 70_000, b"", b"400"),
        (b"GET \x00", b"", b"400"),
    ],
    ids=["address", "header", "headers", "path", "nonsense"],
)
def test_a_head_that_is_refused(server: ServerProcess, request_line: bytes, header: bytes, status: bytes) -> None:
    received = answer(server, request_line + b" HTTP/1.1\r\nhost: x\r\n" + header + b"\r\n")
    assert received.startswith(b"HTTP/1.1 " + status) or not received
    assert httpx.get(f"{server.url}/health", trust_env=False).status_code == 200


def test_who_is_connected_when_a_draining_server_takes_nobody_any_more_is_still_answered(
    make_server: MakeServer, tmp_path: Path
) -> None:
    with make_server("sqlite", tmp_path / "data", environment={"ENTREPOT_DRAIN_SECONDS": "0.5"}) as server:
        address = server.host, server.http_port
        with socket.create_connection(address, timeout=20) as taken:
            os.kill(server._running().pid, signal.SIGTERM)

            def refuses() -> bool:
                try:
                    socket.create_connection(address).close()
                except ConnectionRefusedError:
                    return True
                return False

            eventually(refuses, 20, every=0.005)
            taken.sendall(b"GET /health/live HTTP/1.1\r\nhost: x\r\n\r\n")
            head = taken.recv(2**16)
            assert head.startswith(b"HTTP/1.1 200")
            assert b"connection: close" in head
