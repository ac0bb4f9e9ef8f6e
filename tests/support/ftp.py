"""A running FTP server with a gate's account and a user's, and what its clients do."""

import contextlib
import ftplib
import io
import socket
import struct
import threading
from collections.abc import Iterator
from pathlib import Path

from entrepot.identity import Role, Vault, ftp, users
from entrepot.server.ftp.server import Server
from entrepot.server.services import Services
from entrepot.settings import Settings


class Site:
    """A running FTP server, a gate's account and a user's."""

    def __init__(self, data_dir: Path, template: Path, **settings: object) -> None:
        data_dir.mkdir()
        (data_dir / "entrepot.db").write_bytes(template.read_bytes())
        self.services = Services.open(Settings(data_dir=data_dir, **settings))  # type: ignore[arg-type]
        Vault.create(self.services.settings.secret_key_file)
        with self.services.database.write() as session:
            organization = users.create_organization(session, "O")
            self.user, _ = users.create_user(session, "ada")
            users.set_member(session, self.user, organization, Role.ADMIN)
            self.accounts = {}
            for home in ("gates/one", f"users/{self.user.id}"):
                account = ftp.ensure_account(session, self.services.vault, organization.id, home)
                password = ftp.account_password(self.services.vault, account)
                self.accounts[home.partition("/")[0]] = (account.login, password)
        self.gate = data_dir / "gates" / "one"
        self.exports = data_dir / "users" / self.user.id / "series_exports"
        self.staging = data_dir / "uploads"
        self.server = Server(self.services, socket.create_server(("127.0.0.1", 0)))
        self.port = self.server.address[1]
        self.server.poll_timeout = self.server.tick_seconds = 0.02
        self.stop = threading.Event()
        self._thread = threading.Thread(target=self.server.serve, args=(self.stop,))
        self._thread.start()

    def connect(self) -> ftplib.FTP:
        client = ftplib.FTP(timeout=20)
        try:
            client.connect("127.0.0.1", self.port)
        except BaseException:
            client.close()
            raise
        return client

    @contextlib.contextmanager
    def session(self, kind: str = "gates") -> Iterator[ftplib.FTP]:
        with self.connect() as client:
            client.login(*self.accounts[kind])
            yield client

    def close(self) -> None:
        self.stop.set()
        self._thread.join(20)
        assert not self._thread.is_alive()
        self.services.close()


def put(client: ftplib.FTP, name: str, content: bytes) -> str:
    return client.storbinary(f"STOR {name}", io.BytesIO(content))


def get(client: ftplib.FTP, name: str) -> bytes:
    received = io.BytesIO()
    client.retrbinary(f"RETR {name}", received.write)
    return received.getvalue()


def listing(client: ftplib.FTP, command: str = "LIST -a") -> list[str]:
    lines: list[str] = []
    client.retrlines(command, lines.append)
    return lines


def start_upload(client: ftplib.FTP, command: str, content: bytes) -> socket.socket:
    """Begin an upload and return its data connection, still open."""
    client.voidcmd("TYPE I")
    data = client.transfercmd(command)
    data.sendall(content)
    return data


def reset(connection: socket.socket) -> None:
    """Close a connection as a machine does that crashed: with RST."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()
