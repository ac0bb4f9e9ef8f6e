"""A whole Entrepot server as processes of its own, the way an operator starts it."""

import contextlib
import os
import shutil
import signal
import ssl
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx
import orjson

from tests.support import warm
from tests.support.bound import bound
from tests.support.deadline import eventually

ENTREPOT = Path(sys.executable).parent / "entrepot"
START_SECONDS = 120
STOP_SECONDS = 60
ORGANIZATION = "Openergy"
LOGIN = "admin@example.org"


class ServerProcess:
    """``entrepot init``, then ``entrepot serve`` on free ports; a context manager that starts and ends it.

    Parameters
    ----------
    data_dir
        The data folder; made here, and kept when the server ends.
    database_url
        Where the database is; None for SQLite in the data folder.
    options
        More options of ``entrepot serve``.
    environment
        More variables; None where there is to be none.
    certificate
        A PEM file of a certificate that vouches for itself, and its key: it speaks TLS.
    original
        A server that never ran, to begin as a copy of, in place of another ``entrepot init``; the database at
        `database_url` must be a copy of its database, or both be SQLite.

    Attributes
    ----------
    url, host, http_port, ftp_port
        Where it listens; new after each :meth:`restart`.
    login, password, token
        The first administrator's credentials.
    """

    host = "127.0.0.1"

    def __init__(
        self,
        data_dir: Path,
        database_url: str | None = None,
        *,
        options: tuple[str, ...] = (),
        environment: Mapping[str, str | None] | None = None,
        certificate: Path | None = None,
        original: "ServerProcess | None" = None,
    ) -> None:
        self.data_dir = data_dir
        self.database_url = database_url or f"sqlite:///{data_dir / 'entrepot.db'}"
        self.log = data_dir.with_name(f"{data_dir.name}.log")
        self._scheme = "http"
        self._trusted: ssl.SSLContext | bool = True
        if certificate is not None:
            self._scheme, self._trusted = "https", ssl.create_default_context(cafile=certificate)
            options = (*options, "--tls-certificate", str(certificate), "--tls-key", str(certificate))
        self._options = options
        self._environment = {name: value for name, value in os.environ.items() if not name.startswith("ENTREPOT_")}
        if database_url is not None:
            self._environment["ENTREPOT_DATABASE_URL"] = database_url
        for name, value in (environment or {}).items():
            self._environment.pop(name, None)
            if value is not None:
                self._environment[name] = value
        self._process: subprocess.Popen[bytes] | warm.Child | None = None
        self._credentials: dict[str, str]
        if original is None:
            self._credentials = self.command("init", "--organization", ORGANIZATION, "--admin", LOGIN, "--json")
        else:
            shutil.copytree(original.data_dir, data_dir)
            self._credentials = original._credentials
        self.login = self._credentials["login"]
        self.password = self._credentials["password"]
        self.token = self._credentials["token"]

    def command(self, *arguments: str) -> Any:
        """Run an ``entrepot`` command on this data folder and return the JSON that it printed."""
        name, *others = arguments
        given: list[str | Path] = [name, "--data-dir", self.data_dir, *others]
        if warm.can(self._environment):
            run = warm.run(given, self._environment)
        else:
            run = subprocess.run(
                [ENTREPOT, *given], env=self._environment, stdin=subprocess.DEVNULL, capture_output=True, check=False
            )
        assert run.returncode == 0, f"entrepot {name} failed:\n{run.stdout.decode()}{run.stderr.decode()}"
        return orjson.loads(run.stdout) if "--json" in others else None

    def start(self) -> None:
        """Start the server and wait until it says that it is healthy."""
        assert self._process is None, "already started"
        given: list[str | Path] = [
            "serve",
            "--data-dir",
            self.data_dir,
            "--port",
            "0",
            "--ftp-port",
            "0",
            *self._options,
        ]
        with self.log.open("ab") as log:
            # In a session of its own: one process group, so that nothing of it outlives a test.
            if warm.can(self._environment):
                self._process = warm.start(given, self._environment, log)
            else:
                self._process = subprocess.Popen(
                    [*bound(), ENTREPOT, *given],
                    env=self._environment,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                )
        try:
            eventually(self._ready, START_SECONDS, message="the server was not ready in time")
        except AssertionError as error:
            self.kill9()
            error.add_note(self.log_tail())
            raise

    def stop(self) -> None:
        """Stop the server as an operator does (SIGTERM) and expect a clean, complete end."""
        process = self._running()
        process.terminate()
        try:
            code = process.wait(STOP_SECONDS)
            assert code == 0, f"ended with {code}\n{self.log_tail()}"
            assert not self.processes(), f"processes outlived the server\n{self.log_tail()}"
        finally:
            self.kill9()

    def kill9(self) -> None:
        """Kill every process of the server at once, without warning; do nothing when it does not run."""
        if self._process is None:
            return
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        eventually(lambda: not self.processes(), STOP_SECONDS)
        self._process = None

    def restart(self) -> None:
        """Stop if it runs, and start again on the same data."""
        if self._process is not None:
            self.stop()
        self.start()

    def processes(self) -> list[int]:
        """Return the ids of the server's living processes: the supervisor, and all that it started in its group."""
        group = self._running().pid
        return [pid for pid in (int(path.name) for path in Path("/proc").glob("[0-9]*")) if _group(pid) == group]

    @property
    def ftp_ports(self) -> list[int]:
        """Where it serves FTP, as a site has several."""
        return [self.ftp_port]

    def templates(self) -> list[int]:
        """Return the processes of which users' scripts are forked, each in a session of its own."""
        found, ours = [], set(self.processes())
        for folder in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(FileNotFoundError, ProcessLookupError):
                parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
                if parent in ours and b"entrepot.scripts.template" in (folder / "cmdline").read_bytes():
                    found.append(int(folder.name))
        return found

    def http(self, **options: Any) -> httpx.Client:
        """Return an HTTP client with the administrator's credentials; `options` are those of ``httpx.Client``."""
        defaults: dict[str, Any] = {
            "base_url": self.url,
            "auth": (self.login, self.password),
            "timeout": 60,
            "trust_env": False,
            "verify": self._trusted,
        }
        return httpx.Client(**defaults | options)

    def log_tail(self, lines: int = 60) -> str:
        """Return the last lines of what the server logged."""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])

    def __enter__(self) -> Self:
        """Start the server."""
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Stop the server; kill it when the test failed or killed it already."""
        if error is not None:
            error.add_note(self.log_tail())
            self.kill9()
        elif self._process is not None:
            self.stop()

    def _running(self) -> "subprocess.Popen[bytes] | warm.Child":
        assert self._process is not None, "not started"
        return self._process

    def _ready(self) -> bool:
        process = self._running()
        assert process.poll() is None, f"ended with {process.returncode} instead of starting"
        try:
            ports = orjson.loads((self.data_dir / "run" / "serve.json").read_bytes())
            if ports["pid"] != process.pid:  # an earlier server's
                return False
            self.http_port, self.ftp_port = int(ports["http_port"]), int(ports["ftp_port"] or 0)
            self.url = f"{self._scheme}://{self.host}:{self.http_port}"
            return httpx.get(f"{self.url}/health", trust_env=False, verify=self._trusted).status_code == httpx.codes.OK
        except (FileNotFoundError, orjson.JSONDecodeError, httpx.TransportError):
            return False


def _group(pid: int) -> int | None:
    """Return the process group of a living process; None for the dead and for zombies."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return None if state[0] == "Z" else int(state[2])
