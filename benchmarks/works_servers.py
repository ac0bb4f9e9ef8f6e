"""The servers and the clients' processes of `works.py`: one PostgreSQL cluster, two `entrepot serve`, Redis."""

import contextlib
import json
import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
from common import HOST, daemon, free_port, peers_python
from series_systems import Entrepot
from sqlalchemy import select, text
from works_data import text as compact

from entrepot.db import Database
from entrepot.identity import Principal
from entrepot.identity.models import Organization, Role, User

HERE = Path(__file__).parent
COMMAND_SECONDS = 900
# Unlike the tests' clusters: durable and tidied as in production, and with memory for what is measured.
SETTINGS = {"fsync": "on", "autovacuum": "on", "shared_buffers": "1GB", "max_wal_size": "4GB"}
OURS = {
    "in process": "PostgreSQL",
    "HTTP": "PostgreSQL",
    "in process, SQLite": "SQLite",
    "HTTP, SQLite": "SQLite",
}


class Client:
    """A process of `works_peers.py`."""

    def __init__(self, stack: contextlib.ExitStack, kind: str, address: dict[str, Any], log: Path) -> None:
        interpreter = Path(sys.executable) if kind in ("InProcess", "OverHttp") else peers_python("works_peers")
        self._process = subprocess.Popen(
            [interpreter, HERE / "works_peers.py", kind, json.dumps(address)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=stack.enter_context(log.open("ab")),
        )
        self._log, self.pid = log, self._process.pid
        stack.callback(self._stop)
        assert self.answer() == "ready"

    def ask(self, command: str, first: int, second: int) -> None:
        """Send a command."""
        assert self._process.stdin
        self._process.stdin.write(f"{command} {first} {second}\n".encode())
        self._process.stdin.flush()

    def answer(self) -> Any:
        """Wait for the answer to a command."""
        assert self._process.stdout
        watchdog = threading.Timer(COMMAND_SECONDS, self._process.kill)
        watchdog.daemon = True
        watchdog.start()
        line = self._process.stdout.readline()
        watchdog.cancel()
        if not line:
            raise RuntimeError(f"a client ended:\n{self._log.read_text(errors='replace')[-3000:]}")
        return orjson.loads(line)

    def do(self, command: str, first: int, second: int) -> Any:
        """Send a command and wait for its answer."""
        self.ask(command, first, second)
        return self.answer()

    def _stop(self) -> None:
        assert self._process.stdin
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.close()
        try:
            self._process.wait(30)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


class Site:
    """An `entrepot serve`, its database, and who deposits."""

    def __init__(self, system: Entrepot, url: str) -> None:
        self.http, self.url = system.http, url
        self.database = Database(url)
        with self.database.read() as session:
            user_id, organization_id = session.scalar(select(User.id)), session.scalar(select(Organization.id))
        assert user_id
        assert organization_id
        self.principal = Principal(user_id, "bench", organization_id, {organization_id: Role.WRITER})

    def addresses(self) -> dict[str, dict[str, Any]]:
        """Return what clients need, by the kind of client."""
        who = {"user_id": self.principal.user_id, "organization_id": self.principal.organization_id}
        return {
            "InProcess": {"url": self.url, **who},
            "OverHttp": {"port": self.http.port, "headers": dict(self.http.headers)},
        }

    def post(self, path: str, body: Any) -> Any:
        """Ask the server."""
        answer = self.http.send("POST", f"/api/v1{path}", compact(body).encode(), content_type="application/json")
        return json.loads(answer)


class Machine:
    """The servers of a run, started when they are first asked for, and all ended with the stack."""

    def __init__(self, stack: contextlib.ExitStack, folder: Path) -> None:
        self.stack, self.folder = stack, folder
        sys.path.insert(0, str(HERE.parent))
        from tests.support import postgres

        postgres.SETTINGS |= SETTINGS
        self.cluster = postgres.Cluster()
        stack.callback(self.cluster.stop)
        self.sites = {}
        for kind in ("PostgreSQL", "SQLite"):
            place = folder / kind
            place.mkdir()
            given = self.cluster.url(self.cluster.create()) if kind == "PostgreSQL" else None
            system = stack.enter_context(Entrepot.running(place, given))
            self.sites[kind] = Site(system, given or f"sqlite:///{place / 'data' / 'entrepot.db'}")
            stack.callback(self.sites[kind].database.close)

    def queues(self) -> tuple[dict[str, tuple[str, dict[str, Any]]], dict[str, str]]:
        """Return the kind and address of each queue's client, and the URL of each one's database."""
        ours = {
            name: (kind, self.sites[where].addresses()[kind])
            for (name, where), kind in zip(OURS.items(), ("InProcess", "OverHttp") * 2, strict=True)
        }
        urls = {name: self.sites[where].url for name, where in OURS.items()}
        for name in ("Procrastinate", "PgQueuer"):
            urls[name] = self.cluster.url(self.cluster.create())
            plain = urls[name].replace("+psycopg", "")
            ours[name] = (name, {"conninfo": plain, "dsn": plain})
        if program := redis_server():
            ours["Redis"] = ("Redis", {"port": self._redis(*program)})
        return ours, urls

    def client(self, kind: str, address: dict[str, Any]) -> Client:
        """Start a client."""
        return Client(self.stack, kind, address, self.folder / "clients.log")

    def _redis(self, program: Path, environment: dict[str, str]) -> int:
        port, place = free_port(), self.folder / "redis"
        place.mkdir()
        command = [program, "--bind", HOST, "--port", str(port), "--dir", place, "--save", ""]
        command += ["--appendonly", "yes", "--appendfsync", "everysec"]

        def ready() -> bool:
            with contextlib.suppress(OSError):
                socket.create_connection((HOST, port), 1).close()
                return True
            return False

        self.stack.enter_context(daemon([str(part) for part in command], self.folder / "redis.log", ready, environment))
        return port


def redis_server() -> tuple[Path, dict[str, str]] | None:
    """Return Debian's Redis and its environment: installed, or its packages unpacked beside the peers; else None."""
    if installed := shutil.which("redis-server"):
        return Path(installed), {}
    unpacked = peers_python("works_peers").parents[1] / "debian" / "usr"
    libraries = ":".join(map(str, (unpacked / "lib").glob("*-linux-gnu")))
    program = unpacked / "bin" / "redis-server"
    return (program, {"LD_LIBRARY_PATH": libraries}) if program.exists() else None


@contextlib.contextmanager
def holding(url: str) -> Iterator[None]:
    """Hold a snapshot of a database open."""
    database = Database(url, pool_size=1)
    catalog = "sqlite_master" if database.dialect == "sqlite" else "pg_class"
    with database.read() as session:
        session.execute(text(f"SELECT count(*) FROM {catalog}"))
        yield
    database.close()
