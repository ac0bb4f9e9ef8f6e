"""Connections that stand still, are too many, or leave the server no descriptor."""

import contextlib
import resource
import select
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from entrepot.db import Database
from entrepot.identity import Vault
from entrepot.server.ftp import server as ftp_server
from entrepot.server.services import Services
from entrepot.settings import Settings
from tests.conftest import MakeServer
from tests.support.deadline import eventually
from tests.support.server import ServerProcess

pytestmark = pytest.mark.flaky(reruns=1)  # deadlines of connections are timed, and others may load the machine

SECONDS = 1.0
MOST = 20
DESCRIPTORS = 160


@pytest.fixture(scope="module")
def server(make_server: MakeServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """A server with short deadlines, for which loopback is an address like any other, and few descriptors."""
    environment = {
        "ENTREPOT_HEAD_SECONDS": str(SECONDS),
        "ENTREPOT_BODY_SECONDS": str(SECONDS),
        "ENTREPOT_FTP_LOGIN_SECONDS": str(SECONDS),
        "ENTREPOT_MAX_CONNECTIONS_PER_ADDRESS": str(MOST),
        "ENTREPOT_TRUSTED_PROXIES": "[]",
    }
    data = tmp_path_factory.mktemp("connections") / "data"
    options = ("--workers", "0", "--no-scheduler")
    with make_server("sqlite", data, environment=environment, options=options) as server:
        yield server


def connect(server: ServerProcess, request: bytes = b"") -> socket.socket:
    connection = socket.create_connection((server.host, server.http_port), timeout=20)
    connection.sendall(request)
    return connection


def ended(connection: socket.socket) -> bytes:
    """Return what came until the server closed."""
    received = b""
    with connection, contextlib.suppress(ConnectionResetError):
        while block := connection.recv(2**16):
            received += block
    return received


def head(server: ServerProcess, *headers: str, request: str = "POST /api/v1/points") -> bytes:
    lines = [f"{request} HTTP/1.1", "host: x", f"authorization: Token {server.token}", *headers]
    return "\r\n".join([*lines, "", ""]).encode()


@pytest.mark.parametrize(
    "start", [b"", b"GET /health HTTP/1.1\r\nhost: x\r\nx-slow: a"], ids=["nothing", "half a head"]
)
def test_a_head_that_never_ends_is_ended(server: ServerProcess, start: bytes) -> None:
    began = time.monotonic()
    connection = connect(server, start)
    received = b""
    with contextlib.suppress(OSError):
        # One byte at a time does not help.
        while not received and time.monotonic() - began < 20:
            if start:
                connection.sendall(b"a")
            if select.select([connection], [], [], 0.2)[0]:
                break
    assert ended(connection).startswith(b"HTTP/1.1 408") is bool(start)
    assert time.monotonic() - began < SECONDS + 10


@pytest.mark.parametrize("framing", ["content-length: 1000", "transfer-encoding: chunked"])
def test_a_body_that_stands_still_is_ended(server: ServerProcess, framing: str) -> None:
    began = time.monotonic()
    received = ended(connect(server, head(server, framing)))
    assert received.startswith(b"HTTP/1.1 408"), received
    assert time.monotonic() - began < SECONDS + 10


def test_a_body_that_drips_is_ended(server: ServerProcess) -> None:
    connection = connect(server, head(server, "content-length: 1000"))
    began = time.monotonic()
    with contextlib.suppress(OSError):
        while time.monotonic() - began < 20 and not select.select([connection], [], [], 0.1)[0]:
            connection.sendall(b" ")
    assert ended(connection).startswith(b"HTTP/1.1 408")


def test_a_body_that_comes_slowly_goes_on(server: ServerProcess) -> None:
    """Ten times as long as the deadline's worth of bytes takes, at twice the least rate."""
    body = b"{" + b" " * 1000 + b"}"
    connection = connect(server, head(server, f"content-length: {len(body)}", "connection: close"))
    for start in range(0, len(body), 51):
        connection.sendall(body[start : start + 51])
        time.sleep(0.1)  # what is tried is a rate
    assert ended(connection).startswith(b"HTTP/1.1 200")


def test_who_is_refused_cannot_go_on_sending(server: ServerProcess) -> None:
    """Of every kind of route at once: the answer arrives, the patience with the rest ends, nothing of it is kept."""
    unknown = (
        *("/api/v1/points", "/api/v1/projects", "/api/v1/files", "/owi/api/v1/results/routes/result/bulk/"),
        *("/ovbp/api/v2/odata/gates/", "/workflow/buckets/work", "/ricloud/polls", "/console/logout"),
    )
    paths = dict.fromkeys(unknown, 401) | {"/console/login": 413, "/nothing": 404, "/health": 405}
    line = b"POST %s HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n"
    clients = {connect(server, line % path.encode()): code for path, code in paths.items()}
    chunk = b"%x\r\n%s\r\n" % (2**20, b"x" * 2**20)
    began, sent = time.monotonic(), 0
    sending = set(clients)
    for connection in clients:
        connection.settimeout(2)
    while sending and sent < 256 * 2**20 and time.monotonic() - began < 60:
        for connection in list(sending):
            try:
                connection.sendall(chunk)
                sent += len(chunk)
            except OSError:
                sending.remove(connection)
    for connection, code in clients.items():
        assert ended(connection).startswith(b"HTTP/1.1 %d" % code), code
    memory = [int(line.split()[1]) for pid in server.processes() for line in status(pid) if line.startswith("VmHWM")]
    assert max(memory) < 400_000, "kB"


def test_an_ftp_session_in_which_nobody_signs_in_is_ended(server: ServerProcess) -> None:
    began = time.monotonic()
    with socket.create_connection((server.host, server.ftp_port), timeout=20) as connection:
        said = b""
        with contextlib.suppress(OSError):
            while time.monotonic() - began < 20 and b"421" not in said:
                connection.sendall(b"NOOP\r\n")
                said += connection.recv(1000)
                time.sleep(0.1)
    assert b"421" in said
    assert time.monotonic() - began < SECONDS + 15


@pytest.mark.parametrize(
    "framing",
    [
        ["content-length: 5", "transfer-encoding: chunked"],
        ["transfer-encoding: chunked", "content-length: 5"],
        ["content-length: 5", "content-length: 6"],
        ["transfer-encoding: chunked, identity"],
        ["transfer-encoding : chunked"],
        ["content-length: +5"],
        ["content-length: 5\r\n folded: x"],
    ],
    ids=lambda lines: lines[0],
)
def test_a_body_of_two_lengths_is_refused(server: ServerProcess, framing: list[str]) -> None:
    """What a server in front might end elsewhere: the second request hidden in the body is never answered."""
    hidden = b"0\r\n\r\nGET /health HTTP/1.1\r\nhost: x\r\n\r\n"
    received = ended(connect(server, head(server, *framing) + hidden))
    assert received.startswith(b"HTTP/1.1 400"), received
    assert received.count(b"HTTP/1.1") == 1, received


def test_an_address_has_a_limit(server: ServerProcess) -> None:
    waiting = [connect(server) for _ in range(MOST)]
    try:
        assert ended(connect(server)).startswith(b"HTTP/1.1 503")
    finally:
        for connection in waiting:
            connection.close()
    eventually(lambda: healthy(server), 20)


def test_a_server_without_descriptors_goes_on_when_it_has_some(server: ServerProcess) -> None:
    """Web and FTP processes with every descriptor taken: neither ends, both answer afterwards."""
    before, limits = server.processes(), {}
    for pid in before:
        used = {int(one.name) for one in Path(f"/proc/{pid}/fd").iterdir()}
        soft = [number for number in range(len(used) + 3) if number not in used][2] + 1  # with room for three more
        limits[pid] = resource.prlimit(pid, resource.RLIMIT_NOFILE)
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (soft, limits[pid][1]))
    taken: list[socket.socket] = []
    for port in (server.http_port, server.ftp_port):
        for _ in range(MOST - 5):
            with contextlib.suppress(OSError):
                taken.append(socket.create_connection((server.host, port), timeout=5))
    with contextlib.suppress(httpx.TransportError):
        httpx.get(f"{server.url}/health", trust_env=False, timeout=3)
    # Said of a connection, or of a session that got one and has nothing to wait with: whichever meets the end.
    eventually(lambda: "Too many open files" in server.log.read_text(), 20)
    for connection in taken:
        connection.close()
    for pid in before:
        resource.prlimit(pid, resource.RLIMIT_NOFILE, limits[pid])
    eventually(lambda: healthy(server), 20)
    eventually(lambda: greeting(server).startswith(b"220"), 20)
    assert server.processes() == before


#: Starts a server and workers as far as the settings are looked at, and tells how many files they may open by then.
_STARTS = """
import resource
from entrepot.server.run import serve
from entrepot.settings import Settings

given = resource.getrlimit(resource.RLIMIT_NOFILE)

def require_usable(_):
    print(resource.getrlimit(resource.RLIMIT_NOFILE)[0], flush=True)
    resource.setrlimit(resource.RLIMIT_NOFILE, given)
    raise KeyboardInterrupt

serve.require_usable = require_usable
for start in (serve.serve, serve.work):
    try:
        start(Settings(data_dir="/nowhere"))
    except KeyboardInterrupt:
        pass
"""


def test_processes_may_open_what_the_machine_allows() -> None:
    """The soft limit, which many machines have at 1024, becomes the hard one."""
    run = ["prlimit", f"--nofile={DESCRIPTORS}:{DESCRIPTORS * 2}", sys.executable, "-c", _STARTS]
    assert subprocess.run(run, capture_output=True, check=True).stdout.split() == [str(DESCRIPTORS * 2).encode()] * 2


@pytest.mark.parametrize("database_kind", ["sqlite"])
def test_ftp_has_no_more_sessions_than_descriptors_for_them(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = Settings(data_dir=tmp_path)
    Vault.create(settings.secret_key_file)
    monkeypatch.setattr(ftp_server, "descriptors", lambda: DESCRIPTORS)
    ftp = ftp_server.Server(Services(settings, database), socket.create_server(("127.0.0.1", 0)))
    try:
        assert (ftp.sessions._most, ftp.sessions._of_address) == (DESCRIPTORS // 8, DESCRIPTORS // 16)
    finally:
        ftp.close_all()


def status(pid: int) -> list[str]:
    return Path(f"/proc/{pid}/status").read_text().splitlines()


def greeting(server: ServerProcess) -> bytes:
    with (
        contextlib.suppress(OSError),
        socket.create_connection((server.host, server.ftp_port), timeout=5) as connection,
    ):
        return connection.recv(1000)
    return b""


def healthy(server: ServerProcess) -> bool:
    with contextlib.suppress(httpx.TransportError):
        return httpx.get(f"{server.url}/health", trust_env=False, timeout=5).status_code == 200
    return False
