"""A server of the demo's own, on a fresh data folder, and a way to talk to it."""

import ftplib
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
from pathlib import Path
from typing import Any

import httpx
import pandas as pd

from entrepot.errors import Unavailable

_START_SECONDS = 120
_JOB_SECONDS = 300


class Server:
    """A running server and its administrator's credentials."""

    def __init__(self, data_dir: Path, login: str, password: str, state: dict[str, Any]) -> None:
        self.data_dir, self.login, self.password = data_dir, login, password
        self.url = f"http://127.0.0.1:{state['http_port']}"
        self.ftp_port: int = state["ftp_port"]
        self._http = httpx.Client(auth=(login, password), base_url=self.url, timeout=60, trust_env=False)

    def get(self, path: str, **parameters: Any) -> Any:
        """Return what is at a path."""
        return self._answer(self._http.get(path, params=parameters))

    def post(self, path: str, body: Any = None, **parameters: Any) -> Any:
        """Post a body and return the answer."""
        return self._answer(self._http.post(path, json=body, params=parameters))

    def put(self, path: str, body: Any) -> Any:
        """Put a body and return the answer."""
        return self._answer(self._http.put(path, json=body))

    def patch(self, path: str, body: Any) -> Any:
        """Change what is at a path and return the answer."""
        return self._answer(self._http.patch(path, json=body))

    def publish(self, name: str, content: bytes) -> Any:
        """Publish a file and return what is known of it."""
        return self._answer(self._http.post("/api/v1/files", files={"file": (name, content)}))

    def run(self, path: str, body: Any) -> dict[str, Any]:
        """Start a job and return it once it has ended well."""
        job_id = self.post(path, body)["id"]
        deadline = time.monotonic() + _JOB_SECONDS
        while time.monotonic() < deadline:
            job: dict[str, Any] = self.get(f"/api/v1/jobs/{job_id}")
            if job["ended_at"]:
                if job["status"] != "finished":
                    raise Unavailable(f"{job['kind']} ended {job['status']}: {job['error']}")
                return job
            time.sleep(0.05)
        raise Unavailable(f"Job {job_id} did not end in {_JOB_SECONDS} s.")

    def frame(self, generator_id: str) -> pd.DataFrame:
        """Return the series of a generator on their wall clock, a column each."""
        ovbp = "/ovbp/api/v2/odata/series/"
        keys = [each["otsdb_pk"] for each in self.get(ovbp, generator=generator_id)["data"]]
        found = self.post(f"{ovbp}multi_select/", {"otsdb_pk": keys}, clock="dst")
        columns = {
            each["name"]: pd.Series(each["data"], pd.to_datetime(each["index"], unit="ms")) for each in found.values()
        }
        return pd.DataFrame(columns).sort_index(axis=1)

    @contextmanager
    def ftp(self, kind: str, account_id: str) -> Iterator[ftplib.FTP]:
        """Open an FTP session of a gate's or a user's account (``gate_ftp_accounts``, ``user_ftp_accounts``)."""
        account = self.get(f"/ovbp/api/v2/odata/{kind}/{account_id}/")
        password = self.get(f"/ovbp/api/v2/odata/{kind}/{account_id}/password/")["password"]
        with ftplib.FTP() as ftp:  # noqa: S321 - it never leaves this machine
            ftp.connect("127.0.0.1", self.ftp_port, timeout=60)
            ftp.login(account["login"], password)
            yield ftp

    @staticmethod
    def _answer(response: httpx.Response) -> Any:
        if response.is_error:
            raise Unavailable(f"{response.request.method} {response.url.path}: {response.status_code} {response.text}")
        return response.json() if response.content else None


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
        yield Server(data_dir, initialised["login"], initialised["password"], _state(process, data_dir))
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
