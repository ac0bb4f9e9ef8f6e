"""Callers, settings, and a receiver of webhooks that can be told to misbehave."""

import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from entrepot.db import Database
from entrepot.identity import Principal, Role, Vault, users
from entrepot.settings import Settings


class Receiver:
    """An HTTP server that keeps what it is sent; `answer` decides on the status of each request."""

    def __init__(self) -> None:
        self.got: list[tuple[str, dict[str, str], bytes]] = []
        self.answer: Callable[[int], int] = lambda _number: 200
        self.stalled = threading.Event()
        receiver, lock = self, threading.Lock()

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                with lock:
                    receiver.count += 1
                    status = receiver.answer(receiver.count)
                    if 200 <= status < 300:
                        receiver.got.append((self.path, {k.lower(): v for k, v in self.headers.items()}, body))
                if status == 0:
                    receiver.stalled.wait(20)
                    return
                self.send_response(status)
                if 300 <= status < 400:
                    self.send_header("location", "http://169.254.169.254/")
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *_arguments: Any) -> None:
                pass

        self.count = 0
        self._handler, self._port = Handler, 0
        self.open()
        self.url = f"http://127.0.0.1:{self._port}/hooks"

    def open(self) -> None:
        """Listen, on the port of before."""
        self.stalled.clear()
        self._server = ThreadingHTTPServer(("127.0.0.1", self._port), self._handler)
        self._server.daemon_threads = True
        self._port = self._server.server_port
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        """Be gone."""
        self.stalled.set()
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    made = Receiver()
    yield made
    made.close()


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(data_dir=tmp_path, webhook_allowed_networks=["127.0.0.0/8"])


@pytest.fixture
def vault(settings: Settings) -> Vault:
    Vault.create(settings.secret_key_file)
    return Vault.open(settings.secret_key_file)


@pytest.fixture
def admin(database: Database) -> Principal:
    with database.write() as session:
        found = users.create_organization(session, "Lab")
        user, _ = users.create_user(session, "admin@lab", "a long password")
        return Principal(user.id, user.login, found.id, {found.id: Role.ADMIN})
