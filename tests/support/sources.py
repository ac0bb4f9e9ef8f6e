"""Servers that feeders fetch from, each real, on 127.0.0.1: FTP and FTPS, SSH, web servers, S3."""

import contextlib
import errno
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import obstore
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519
from obstore.store import S3Store

from tests.support.bound import bound
from tests.support.certificates import self_signed
from tests.support.deadline import eventually
from tests.support.ports import free_port

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)  # of asyncore
    from pyftpdlib.authorizers import DummyAuthorizer
    from pyftpdlib.filesystems import AbstractedFS
    from pyftpdlib.handlers import FTPHandler, TLS_FTPHandler
    from pyftpdlib.ioloop import IOLoop
    from pyftpdlib.servers import ThreadedFTPServer

LOGIN, PASSWORD = "logger", "a secret of the source"
S3_KEYS = {"access_key_id": "test", "secret_access_key": "test secret"}


@dataclass
class Place:
    """A folder of a source, its address, and what a feeder needs to fetch from there."""

    kind: str
    url: str
    folder: Path | None = None
    credentials: dict[str, str] = field(default_factory=dict)
    parameters: dict[str, Any] = field(default_factory=dict)
    store: S3Store | None = None
    prefix: str = ""

    def put(self, path: str, content: bytes) -> None:
        """Place a file, complete at once."""
        if self.store is not None:
            obstore.put(self.store, f"{self.prefix}/{path}", content)
            return
        assert self.folder is not None
        file = self.folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)

    def remove(self, path: str) -> None:
        if self.store is not None:
            obstore.delete(self.store, f"{self.prefix}/{path}")
        else:
            (self.folder / path).unlink()


class Served:
    """A folder that servers show, which other users than the tests' own can read."""

    def __init__(self) -> None:
        self.root = Path(tempfile.mkdtemp(prefix="entrepot-sources-", dir="/tmp"))
        self.root.chmod(0o755)
        self._numbers = iter(range(1_000_000))

    def folder(self) -> str:
        name = f"place-{next(self._numbers)}"
        (self.root / name).mkdir(mode=0o755)
        return name

    def close(self) -> None:
        shutil.rmtree(self.root, ignore_errors=True)


class _Files(AbstractedFS):
    """The tests may be root, who can read everything: what nobody may read cannot be read all the same."""

    def open(self, filename: str, mode: str) -> Any:
        if mode == "rb" and not Path(filename).stat().st_mode & 0o400:
            raise PermissionError(errno.EACCES, "Permission denied", filename)
        return super().open(filename, mode)


class _FtpServer(ThreadedFTPServer):
    max_cons_per_ip = 256
    join_timeout = 0.1
    poll_timeout = 0.1

    def __init__(self, handler: type) -> None:
        # pyftpdlib's own are shared by all servers of a process.
        self._exit = threading.Event()
        super().__init__(("127.0.0.1", 0), handler, ioloop=IOLoop())


@contextlib.contextmanager
def ftp_server(root: Path, certificate: Path | None = None, **attributes: Any) -> Iterator[int]:
    """Serve a folder by FTP, or only by FTPS when there is a certificate; yield the port."""
    authorizer = DummyAuthorizer()
    authorizer.add_user(LOGIN, PASSWORD, str(root), perm="elr")
    handler: type = FTPHandler
    attributes = {"authorizer": authorizer, "abstracted_fs": _Files, "auth_failed_timeout": 0.05, **attributes}
    if certificate is not None:
        handler = TLS_FTPHandler
        attributes |= {"certfile": str(certificate), "tls_control_required": True, "tls_data_required": True}
    server = _FtpServer(type("Handler", (handler,), attributes))
    thread = threading.Thread(target=server.serve_forever, kwargs={"timeout": 0.05}, daemon=True)
    thread.start()
    try:
        yield server.address[1]
    finally:
        server.close_all()


@contextlib.contextmanager
def ssh_server(folder: Path, host_key: str = "host") -> Iterator[tuple[int, str, str]]:
    """Serve files by SFTP, as nobody where we are root; yield the port, the login and its private key."""
    login = "nobody" if os.geteuid() == 0 else _user_name()
    for name in (host_key, "user"):
        if not (folder / name).exists():
            subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", folder / name], check=True)
    port = free_port()
    config = folder / "sshd_config"
    config.write_text(
        f"Port {port}\nListenAddress 127.0.0.1\nHostKey {folder / host_key}\nPidFile none\nUsePAM yes\nStrictModes no\n"
        f"AuthorizedKeysFile {folder / 'user.pub'}\nPasswordAuthentication no\nKbdInteractiveAuthentication no\n"
        "Subsystem sftp internal-sftp\nForceCommand internal-sftp\nMaxStartups 100\nLogLevel ERROR\n"
    )
    account: dict[str, Any] = {}
    if os.geteuid() == 0:
        for path in folder.iterdir():
            shutil.chown(path, "nobody")
        account = {"user": "nobody", "group": "nogroup", "extra_groups": []}
    with (folder / "log").open("ab") as log:
        process = subprocess.Popen(
            [*bound(signal="TERM"), "/usr/sbin/sshd", "-D", "-e", "-f", config], stderr=log, cwd="/", **account
        )
    try:
        eventually(lambda: answers(port), 30, message="sshd did not start")
        yield port, login, (folder / "user").read_text()
    finally:
        process.terminate()
        process.wait(10)


@contextlib.contextmanager
def web_server(root: Path, folder: Path) -> Iterator[dict[str, int]]:
    """Serve a folder by nginx, with listings in JSON and in HTML; yield the ports."""
    ports = {"json": free_port(), "html": free_port()}
    servers = "".join(
        f"server {{ listen 127.0.0.1:{port}; root {root}; autoindex on; autoindex_format {kind};"
        " location /secret/ { auth_basic secret; auth_basic_user_file " + str(folder / "users") + "; }"
        " location = /inside { return 302 http://127.0.0.2:1/file.csv; }"
        f" location = /moved.csv {{ return 302 http://127.0.0.1:{port}/$arg_to; }}"
        " location = /busy.csv { return 503; } }\n"
        for kind, port in ports.items()
    )
    (folder / "users").write_text(f"{LOGIN}:{{PLAIN}}{PASSWORD}\n")
    temporary = "".join(f"{kind}_temp_path {folder / kind};\n" for kind in ("client_body", "proxy", "fastcgi"))
    temporary += "".join(f"{kind}_temp_path {folder / kind};\n" for kind in ("uwsgi", "scgi"))
    config = folder / "nginx.conf"
    user = "user nobody nogroup;\n" if os.geteuid() == 0 else ""
    config.write_text(
        f"{user}pid {folder / 'pid'};\nerror_log {folder / 'log'};\ndaemon off;\nworker_processes 1;\n"
        f"events {{ worker_connections 64; }}\nhttp {{ access_log off;\n{temporary}{servers} }}\n"
    )
    process = subprocess.Popen([*bound(signal="TERM"), "/usr/sbin/nginx", "-c", config], stderr=subprocess.DEVNULL)
    try:
        eventually(lambda: all(answers(port) for port in ports.values()), 30, message="nginx did not start")
        yield ports
    finally:
        process.terminate()
        process.wait(10)


@contextlib.contextmanager
def s3_server(log: Path, name: str = "source") -> Iterator[str]:
    """Serve S3 with a bucket; yield the endpoint."""
    with log.open("wb") as out:
        process = subprocess.Popen(
            [*bound(), sys.executable, "-u", "-m", "moto.server", "-H", "127.0.0.1", "-p", "0"],
            stdout=out,
            stderr=subprocess.STDOUT,
            env=os.environ | {"MOTO_S3_CUSTOM_ENDPOINTS": ""},
        )
    try:
        line = eventually(lambda: [one for one in log.read_text().splitlines() if "http://" in one], 60)[0]
        endpoint = line[line.index("http://") :].split()[0].rstrip("/")
        eventually(lambda: httpx.put(f"{endpoint}/{name}", trust_env=False).status_code == 200, 60)
        yield endpoint
    finally:
        process.terminate()
        process.wait(10)


def bucket(endpoint: str) -> S3Store:
    """Return the bucket of the S3 server, for the test's own use."""
    config: Any = {**S3_KEYS, "endpoint": endpoint, "region": "us-east-1"}
    return S3Store("source", config=config, client_options={"allow_http": True})


def make_certificate(path: Path) -> str:
    """Write a key and a certificate of 127.0.0.1 that vouches for itself; return the certificate."""
    text = self_signed(path, "127.0.0.1").read_text()
    return text[text.index("-----BEGIN CERTIFICATE-----") :]


def make_private_key() -> str:
    """Return a key that no server knows."""
    key = ed25519.Ed25519PrivateKey.generate()
    form = serialization.PrivateFormat.OpenSSH
    return key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption()).decode()


@contextlib.contextmanager
def silent_server(answer: bytes = b"") -> Iterator[int]:
    """Take connections, say something or nothing, and then be silent; yield the port."""
    listening = socket.create_server(("127.0.0.1", 0))
    kept: list[socket.socket] = []

    def accept() -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = listening.accept()
                kept.append(connection)
                if answer:
                    connection.recv(65536)
                    connection.sendall(answer)

    threading.Thread(target=accept, daemon=True).start()
    try:
        yield listening.getsockname()[1]
    finally:
        listening.shutdown(socket.SHUT_RDWR)
        for connection in (listening, *kept):
            connection.close()


def answers(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
        return True
    return False


def _user_name() -> str:
    import pwd

    return pwd.getpwuid(os.getuid()).pw_name
