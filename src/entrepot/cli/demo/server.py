"""A server of the demo's own, on a fresh data folder."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from entrepot.errors import Unavailable

_START_SECONDS = 120


@dataclass(frozen=True)
class Server:
    """A running server, and the credentials of its administrator."""

    url: str
    login: str
    password: str
    data_dir: Path

    def link(self, page: str) -> str:
        """Return an address that opens a page of the console signed in: once, within ten minutes."""
        command = ["users", "link", self.login, "--data-dir", str(self.data_dir), "--to", page, "--json"]
        made = subprocess.run([sys.executable, "-m", "entrepot", *command], check=True, capture_output=True)
        found: str = json.loads(made.stdout)["link"]
        return found


@contextmanager
def running(port: int, ftp_port: int) -> Iterator[Server]:
    """Start a server; when done, stop it and remove its folder."""
    data_dir = Path(tempfile.mkdtemp(prefix="entrepot-demo-"))
    entrepot = [sys.executable, "-m", "entrepot"]
    initialised = json.loads(
        subprocess.run(
            [*entrepot, "init", "--data-dir", str(data_dir), "--organization", "Demo", "--admin", "demo", "--json"],
            check=True,
            capture_output=True,
        ).stdout
    )
    ports = {"--port": _free(port), "--ftp-port": _free(ftp_port)}
    with (data_dir / "serve.log").open("wb") as log:
        process = subprocess.Popen(
            [*entrepot, "serve", "--data-dir", str(data_dir), *(str(part) for pair in ports.items() for part in pair)],
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    try:
        url = f"http://127.0.0.1:{_state(process, data_dir)['http_port']}"
        yield Server(url, initialised["login"], initialised["password"], data_dir)
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
        shutil.rmtree(data_dir, ignore_errors=True)


def _state(process: subprocess.Popen[bytes], data_dir: Path) -> dict[str, Any]:
    file, deadline = data_dir / "run" / "serve.json", time.monotonic() + _START_SECONDS
    while not file.exists():
        if process.poll() is not None or time.monotonic() > deadline:
            raise Unavailable(f"The server did not start:\n{(data_dir / 'serve.log').read_text()[-2000:]}")
        time.sleep(0.1)
    state: dict[str, Any] = json.loads(file.read_text())
    return state


def _free(port: int) -> int:
    """Return the port, or 0 (any) when somebody has it."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return 0
    return port
