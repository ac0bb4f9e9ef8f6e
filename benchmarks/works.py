"""Works: the queue beside Procrastinate, PgQueuer and Redis lists; the archive beside JSONB by hand and mongomock.

    .venv/bin/python benchmarks/works.py                                  # 200,000 documents; half an hour
    .venv/bin/python benchmarks/works.py --documents 10000 --works 500 --rounds 1 --json result.json
    .venv/bin/python benchmarks/works.py --only snapshot --snapshot 60

Everything runs on this machine, on 127.0.0.1, in a temporary folder that is removed at the end, PostgreSQL too: one
private cluster for all, with synchronous commits. Every client is a process of its own with one connection. Queues
are asked through each library's own calls; Entrepot's by its functions ("in process") and through `entrepot serve`
("HTTP"). Counts of documents are compared with what Python says of them.
"""

import argparse
import contextlib
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson
import psycopg
from common import Line, daemon, free_port, median, table
from series_systems import Entrepot
from sqlalchemy import select, text
from works_data import Query, finished, queries
from works_data import text as compact

from entrepot.db import Database
from entrepot.identity import Principal
from entrepot.identity.models import Organization, Role, User
from entrepot.works import archive

HERE = Path(__file__).parent
PEERS = HERE.parent / ".envs" / "benchmark-works"
AT_ONCE, DOCUMENTS_AT_ONCE, WINDOWS, COMMAND_SECONDS = 100, 500, 6, 900
# Unlike the tests' clusters: tidied as in production, and with memory for what is measured.
SETTINGS = {"autovacuum": "on", "shared_buffers": "1GB", "max_wal_size": "4GB"}
OURS = {
    "in process": "PostgreSQL",
    "HTTP": "PostgreSQL",
    "in process, SQLite": "SQLite",
    "HTTP, SQLite": "SQLite",
}
QUEUES, ARCHIVES = ["Procrastinate", "PgQueuer", "Redis"], ["JSONB by hand", "mongomock"]


class Client:
    """A process of `works_peers.py`."""

    def __init__(self, stack: contextlib.ExitStack, kind: str, address: dict[str, Any], log: Path) -> None:
        interpreter = Path(sys.executable) if kind in ("InProcess", "OverHttp") else peers_python()
        self._process = subprocess.Popen(
            [interpreter, HERE / "works_peers.py", kind, json.dumps(address)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=stack.enter_context(log.open("ab")),
        )
        self._log = log
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
        self.http, self.url = system._http, url  # noqa: SLF001
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
        command = [program, "--bind", "127.0.0.1", "--port", str(port), "--dir", place, "--save", ""]
        command += ["--appendonly", "yes", "--appendfsync", "everysec"]

        def ready() -> bool:
            with contextlib.suppress(OSError):
                import socket

                socket.create_connection(("127.0.0.1", port), 1).close()
                return True
            return False

        self.stack.enter_context(daemon([str(part) for part in command], self.folder / "redis.log", ready, environment))
        return port


def peers_python() -> Path:
    """Return the peers' Python, whose environment is made when it is missing."""
    if not (PEERS / "bin" / "python").exists():
        subprocess.run([sys.executable, "-m", "venv", PEERS], check=True)
        subprocess.run([PEERS / "bin" / "pip", "install", "-qq", "-r", HERE / "works_peers.txt"], check=True)
    return PEERS / "bin" / "python"


def redis_server() -> tuple[Path, dict[str, str]] | None:
    """Return Debian's Redis and its environment: installed, or its packages unpacked beside the peers; else None."""
    if installed := shutil.which("redis-server"):
        return Path(installed), {}
    unpacked = PEERS / "debian" / "usr"
    libraries = ":".join(map(str, (unpacked / "lib").glob("*-linux-gnu")))
    program = unpacked / "bin" / "redis-server"
    return (program, {"LD_LIBRARY_PATH": libraries}) if program.exists() else None


class Report:
    """Lines, shown as they are made."""

    def __init__(self) -> None:
        self.lines: list[Line] = []

    def add(self, work: str, unit: str, figures: dict[str, float], *, more: bool) -> None:
        """Keep a line."""
        self.lines.append(Line(work, unit, figures, {}, more))
        print(f"  {work}: " + ", ".join(f"{name} {figure:.3g}" for name, figure in figures.items()), unit, flush=True)


def measure_queues(machine: Machine, count: int, clients: int, rounds: int, report: Report) -> None:
    """Deposit, withdraw and finish, one client and several."""
    systems, _ = machine.queues()
    crews = {name: [machine.client(*one) for _ in range(clients)] for name, one in systems.items()}
    lines: list[tuple[str, str, int, bool]] = [
        ("deposit, one at a time", "deposit", 1, False),
        ("withdraw and finish, one at a time", "work", 1, False),
        (f"deposit, {AT_ONCE} at once", "deposit", AT_ONCE, False),
        (f"withdraw and finish, {AT_ONCE} at once", "work", AT_ONCE, False),
        (f"deposit, one at a time, {clients} clients", "deposit", 1, True),
        (f"withdraw and finish, one at a time, {clients} clients", "work", 1, True),
        ("", "deposit", AT_ONCE, False),
        ("withdraw, archive and delete, one at a time", "archive", 1, False),
    ]
    rates: dict[str, dict[str, list[float]]] = {title: {} for title, *_ in lines if title}
    for _ in range(rounds):
        for title, command, at_once, together in lines:
            for name, crew in crews.items():
                if command == "archive" and name not in OURS:
                    continue
                rate = _rate(crew if together else crew[:1], command, count, at_once)
                # Procrastinate has no call that takes several.
                if title and (name, command, at_once) != ("Procrastinate", "work", AT_ONCE):
                    rates[title].setdefault(name, []).append(rate)
    for title, figures in rates.items():
        report.add(title, "works/s", {name: median(found) for name, found in figures.items()}, more=True)


def _rate(crew: Sequence[Client], command: str, count: int, at_once: int) -> float:
    share = count // len(crew)
    began = time.perf_counter()
    for client in crew:
        client.ask(command, share, at_once)
    done = [client.answer() for client in crew]
    seconds = time.perf_counter() - began
    if sum(done) != share * len(crew):
        raise AssertionError(f"{command}: {sum(done)} works of {share * len(crew)}")
    return share * len(crew) / seconds


def measure_snapshot(machine: Machine, seconds: int, report: Report) -> None:
    """Deposit, withdraw and finish without end, clean, and while somebody else holds a snapshot."""
    systems, urls = machine.queues()
    clean, first, last = {}, {}, {}
    span = seconds / WINDOWS
    for name, url in urls.items():  # Redis has no snapshots
        client = machine.client(*systems[name])
        clean[name] = client.do("cycle", max(int(span), 1), 1)[0] / max(int(span), 1)
        with holding(url):
            counts = client.do("cycle", seconds, WINDOWS)
        first[name], last[name] = counts[0] / span, counts[-1] / span
    report.add("deposit, withdraw, finish in turn: clean", "works/s", clean, more=True)
    report.add(f"with a snapshot held: its first {span:.3g} s", "works/s", first, more=True)
    report.add(f"with a snapshot held: the last {span:.3g} of {seconds} s", "works/s", last, more=True)


@contextlib.contextmanager
def holding(url: str) -> Iterator[None]:
    """Hold a snapshot of a database open."""
    database = Database(url, pool_size=1)
    catalog = "sqlite_master" if database.dialect == "sqlite" else "pg_class"
    with database.read() as session:
        session.execute(text(f"SELECT count(*) FROM {catalog}"))
        yield
    database.close()


class ByHand:
    """What somebody would write with PostgreSQL alone: JSONB, a GIN index, an index each for ids and creation."""

    def __init__(self, conninfo: str) -> None:
        self._connection = psycopg.connect(conninfo, autocommit=True)
        self._connection.execute(
            "CREATE TABLE doc (id text PRIMARY KEY, creation double precision, body jsonb COMPRESSION lz4);"
            "CREATE INDEX ON doc USING gin (body jsonb_path_ops); CREATE INDEX ON doc (creation)"
        )

    def deposit(self, batch: list[dict[str, Any]]) -> None:
        """Insert documents in one transaction."""
        rows = [(one["id"], one["creation"], compact(one)) for one in batch]
        with self._connection.transaction(), self._connection.cursor() as cursor:
            cursor.executemany("INSERT INTO doc VALUES (%s, %s, %s)", rows)

    def tidy(self) -> None:
        """Have the database know what it has."""
        self._connection.execute("VACUUM ANALYZE doc")

    def count(self, query: Query) -> int:
        """Count."""
        row = self._connection.execute(f"SELECT count(*) FROM doc WHERE {query.sql}").fetchone()
        assert row
        return int(row[0])

    def newest(self, query: Query) -> list[Any]:
        """Return the newest 100; what the GIN index finds is sorted after, not searched for by creation."""
        found = f"SELECT creation, body FROM doc WHERE {query.sql}"
        if query.by_gin:
            found = f"WITH m AS MATERIALIZED ({found}) SELECT * FROM m"
        return self._connection.execute(f"{found} ORDER BY creation DESC LIMIT 100").fetchall()

    def close(self) -> None:
        """Disconnect."""
        self._connection.close()


class Archive:
    """One of the ways into Entrepot's archive."""

    def __init__(self, site: Site, *, http: bool) -> None:
        self._site, self._http = site, http

    def deposit(self, batch: list[dict[str, Any]]) -> None:
        """Deposit documents in one transaction."""
        if self._http:
            self._site.post("/archive", batch)
            return
        with self._site.database.write() as session:
            archive.deposit(session, self._site.principal, batch)

    def count(self, query: Query) -> int:
        """Count."""
        if self._http:
            return int(self._site.post("/archive/count", {"query": query.mongo})["count"])
        with self._site.database.read() as session:
            return archive.count(session, self._site.principal, query.mongo)

    def newest(self, query: Query) -> list[Any]:
        """Return the newest 100."""
        if self._http:
            asked = {"query": query.mongo, "sort": [["creation", -1]], "limit": 100}
            found: list[Any] = self._site.post("/archive/view", asked)
            return found
        with self._site.database.read() as session:
            order = [("creation", -1)]
            return list(archive.view(session, self._site.principal, query.mongo, limit=100, sort=order))


def measure_documents(machine: Machine, documents: int, in_memory: int, rounds: int, report: Report) -> None:
    """Deposit documents, and ask the eight queries."""
    by_hand = ByHand(machine.cluster.url(machine.cluster.create()).replace("+psycopg", ""))
    machine.stack.callback(by_hand.close)
    systems: dict[str, Any] = {
        name: Archive(machine.sites[where], http="HTTP" in name) for name, where in OURS.items()
    } | {"JSONB by hand": by_hand}
    asked = queries(documents)
    expected = [0] * len(asked)
    taken: dict[str, list[float]] = {name: [] for name in systems}
    for number, start in enumerate(range(0, documents, DOCUMENTS_AT_ONCE)):
        batch = [finished(one) for one in range(start, min(start + DOCUMENTS_AT_ONCE, documents))]
        expected = [sum(map(q.matches, batch)) + before for q, before in zip(asked, expected, strict=True)]
        # A site's two ways take turns: half of its documents come by each.
        ours = list(OURS)
        for name in (ours[number % 2], ours[2 + number % 2], "JSONB by hand"):
            began = time.perf_counter()
            systems[name].deposit(batch)
            taken[name].append((time.perf_counter() - began) / len(batch))
    figures = {name: len(seconds) / sum(seconds) for name, seconds in taken.items() if seconds}
    memory = machine.client("Mongomock", {"documents": in_memory})
    figures["mongomock"] = in_memory / memory.do("load", 0, DOCUMENTS_AT_ONCE)
    report.add(f"deposit, {DOCUMENTS_AT_ONCE} at once", "documents/s", figures, more=True)
    by_hand.tidy()
    with psycopg.connect(machine.sites["PostgreSQL"].url.replace("+psycopg", ""), autocommit=True) as connection:
        connection.execute("VACUUM ANALYZE")
    small = [0] * len(asked)
    for one in map(finished, range(in_memory)):
        small = [q.matches(one) + before for q, before in zip(queries(in_memory), small, strict=True)]
    for index, query in enumerate(asked):
        for name, system in systems.items():
            if (found := system.count(query)) != expected[index]:
                raise AssertionError(f"{name}, {query.name}: {found} documents, not {expected[index]}")
            if (found := len(system.newest(query))) != min(expected[index], 100):
                raise AssertionError(f"{name}, {query.name}: {found} of the newest 100")
        counts = _milliseconds({name: (system.count, query) for name, system in systems.items()}, rounds)
        views = _milliseconds({name: (system.newest, query) for name, system in systems.items()}, rounds)
        count, view, found = memory.do("query", index, rounds)
        if found != small[index]:
            raise AssertionError(f"mongomock, {query.name}: {found} documents, not {small[index]}")
        scale = documents / in_memory
        report.add(f"count: {query.name} ({expected[index]})", "ms", counts | {"mongomock": count * scale}, more=False)
        report.add(f"newest 100: {query.name}", "ms", views | {"mongomock": view * scale}, more=False)


def _milliseconds(works: dict[str, tuple[Callable[[Query], Any], Query]], rounds: int) -> dict[str, float]:
    taken: dict[str, list[float]] = {name: [] for name in works}
    for _ in range(rounds):
        for name, (work, query) in works.items():
            began = time.perf_counter()
            work(query)
            taken[name].append(1000 * (time.perf_counter() - began))
    return {name: median(found) for name, found in taken.items()}


def main() -> None:
    """Run, and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--works", type=int, default=2000, help="of each line of the queues (default: 2000)")
    parser.add_argument("--clients", type=int, default=8, help="of the lines with several (default: 8)")
    parser.add_argument("--documents", type=int, default=200_000, help="in the archive (default: 200000)")
    parser.add_argument("--in-memory", type=int, default=5000, help="of them in mongomock; its times are scaled up")
    parser.add_argument("--snapshot", type=int, default=0, metavar="SECONDS", help="also with one held (say, 60)")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", choices=["queue", "snapshot", "documents"], help="one part")
    parser.add_argument("--json", type=Path, help="file for the figures")
    arguments = parser.parse_args()
    in_memory = min(arguments.in_memory, arguments.documents)
    reports = {"queue": Report(), "snapshot": Report(), "documents": Report()}
    load = os.getloadavg()
    for part, report in reports.items():
        if arguments.only not in (None, part) or (part == "snapshot" and not arguments.snapshot):
            continue
        with contextlib.ExitStack() as stack:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="entrepot-bench-")))
            machine = Machine(stack, folder)
            if part == "queue":
                measure_queues(machine, arguments.works, arguments.clients, arguments.rounds, report)
            elif part == "snapshot":
                measure_snapshot(machine, arguments.snapshot, report)
            else:
                measure_documents(machine, arguments.documents, in_memory, arguments.rounds, report)
    about = f"{os.cpu_count()} cores, Python {platform.python_version()}, load {load[0]:.1f} before"
    about += f" and {os.getloadavg()[0]:.1f} after"
    print(f"\n{datetime.now(UTC):%Y-%m-%d}, {about}; medians of {arguments.rounds} rounds")
    print(f"{arguments.works} works; {arguments.documents} documents, mongomock {in_memory} and scaled")
    for part, report in reports.items():
        for ours in OURS if report.lines else ():
            systems = [ours, *(ARCHIVES if part == "documents" else QUEUES)]
            print(f"\n{part}, {ours}\n\n{table(report.lines, systems, ours)}")
    if arguments.json:
        content = {"machine": about, "arguments": vars(arguments)}
        content |= {part: [vars(line) for line in report.lines] for part, report in reports.items()}
        arguments.json.write_bytes(orjson.dumps(content, option=orjson.OPT_INDENT_2, default=str))


if __name__ == "__main__":
    main()
