"""Works: the queue beside Procrastinate, PgQueuer and Redis lists; the archive beside JSONB by hand and mongomock.

    .venv/bin/python benchmarks/works.py                            # small: some minutes, and rough figures
    .venv/bin/python benchmarks/works.py --full --json result.json  # 200,000 documents; ten minutes or so
    .venv/bin/python benchmarks/works.py --full --only snapshot     # or queue, or documents

Everything runs on this machine, on 127.0.0.1, in a temporary folder that is removed at the end, PostgreSQL too: one
private cluster for all, with synchronous commits. Every client is a process of its own with one connection. Queues
are asked through each library's own calls; Entrepot's by its functions ("in process") and through `entrepot serve`
("HTTP"). Counts of documents are compared with what Python says of them.
"""

import argparse
import contextlib
import os
import platform
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson
import psycopg
from common import Line, median, process_seconds, table
from works_archives import Archive, ByHand
from works_data import Query, finished, queries
from works_servers import OURS, Client, Machine, holding

AT_ONCE, DOCUMENTS_AT_ONCE, WINDOWS = 100, 500, 6
#: Of all documents, those whose deposit is measured: the last.
MEASURED = 20_000
SMALL = {"works": 200, "clients": 4, "documents": 10_000, "in_memory": 1000, "snapshot": 6, "rounds": 1}
FULL = {"works": 1000, "clients": 8, "documents": 200_000, "in_memory": 5000, "snapshot": 60, "rounds": 3}
QUEUES = {
    "Procrastinate": "fetch_job and finish_job, psycopg",
    "PgQueuer": "dequeue and log_jobs, asyncpg",
    "Redis": "LPUSH, LMOVE, LREM; synced each second, no priorities",
}
#: What their servers compute is not looked at.
UNCOUNTED = ("HTTP", "HTTP, SQLite", "Redis")
ARCHIVES = {"JSONB by hand": "GIN jsonb_path_ops, lz4", "mongomock": "in memory, fewer documents, scaled up"}


class Report:
    """Lines, shown as they are made."""

    def __init__(self, peers: dict[str, str]) -> None:
        self.peers = peers
        self.lines: list[Line] = []

    def add(self, work: str, unit: str, figures: dict[str, float], *, more: bool) -> None:
        """Keep a line."""
        self.lines.append(Line(work, unit, figures, self.peers, more))
        print(f"  {work}: " + ", ".join(f"{name} {figure:.3g}" for name, figure in figures.items()), unit, flush=True)


def measure_queues(
    machine: Machine, count: int, clients: int, rounds: int, report: Report, ways: list[str] | None = None
) -> None:
    """Deposit, withdraw and finish, one client and several."""
    systems, urls = machine.queues()
    systems = {name: one for name, one in systems.items() if ways is None or name in ways}
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
    computed: dict[str, dict[str, list[float]]] = {title: {} for title in rates}
    for _ in range(rounds):
        for title, command, at_once, together in lines:
            for name, crew in crews.items():
                if command == "archive" and name not in OURS:
                    continue
                before = _computed(machine, crew, urls.get(name))
                rate = _rate(crew if together else crew[:1], command, count, at_once)
                spent = _computed(machine, crew, urls.get(name)) - before
                # Procrastinate has no call that takes several.
                if title and (name, command, at_once) != ("Procrastinate", "work", AT_ONCE):
                    rates[title].setdefault(name, []).append(rate)
                    if name not in UNCOUNTED:
                        done = count // clients * clients if together else count
                        computed[title].setdefault(name, []).append(1e6 * spent / done)
    for title, figures in rates.items():
        report.add(title, "works/s", {name: median(found) for name, found in figures.items()}, more=True)
    for title, figures in computed.items():
        spent_on = {name: median(found) for name, found in figures.items()}
        report.add(f"{title}: of the processors", "us a work", spent_on, more=False)


def _computed(machine: Machine, crew: Sequence[Client], url: str | None) -> float:
    """Return for how many seconds a system's clients, and PostgreSQL for them, have computed so far."""
    pids = [client.pid for client in crew]
    if url is not None and not url.startswith("sqlite"):
        pids += machine.cluster.backends(url.rpartition("/")[2])
    return sum(process_seconds(pid) for pid in pids)


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
    clean, first, last, grown = {}, {}, {}, {}
    span = seconds / WINDOWS
    for name, url in urls.items():  # Redis has no snapshots; SQLite cleans nothing up
        if url.startswith("sqlite"):
            continue
        client = machine.client(*systems[name])
        clean[name] = client.do("cycle", max(int(span), 1), 1)[0] / max(int(span), 1)
        name_of_it = url.rpartition("/")[2]
        with holding(url):
            before = machine.cluster.size(name_of_it)
            counts = client.do("cycle", seconds, WINDOWS)
            grown[name] = (machine.cluster.size(name_of_it) - before) / 1024 / max(sum(counts), 1)
        first[name], last[name] = counts[0] / span, counts[-1] / span
        print(f"  {name}: {clean[name]:.3g} clean, then {[round(one / span, 1) for one in counts]} works/s", flush=True)
    report.add("deposit, withdraw, finish in turn: clean", "works/s", clean, more=True)
    report.add(f"with a snapshot held: its first {span:.3g} s", "works/s", first, more=True)
    report.add(f"with a snapshot held: the last {span:.3g} of {seconds} s", "works/s", last, more=True)
    report.add("with a snapshot held: what a work leaves, tables and indexes", "KiB", grown, more=False)


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
    unmeasured = max(documents - MEASURED, 0) // DOCUMENTS_AT_ONCE * DOCUMENTS_AT_ONCE
    fillers = [machine.client("InProcess", site.addresses()["InProcess"]) for site in machine.sites.values()]
    for filler in fillers:
        filler.ask("fill", unmeasured, DOCUMENTS_AT_ONCE)
    for number, start in enumerate(range(0, documents, DOCUMENTS_AT_ONCE)):
        batch = [finished(one) for one in range(start, min(start + DOCUMENTS_AT_ONCE, documents))]
        expected = [sum(map(q.matches, batch)) + before for q, before in zip(asked, expected, strict=True)]
        if start < unmeasured:
            by_hand.deposit(batch)
            continue
        while fillers:
            fillers.pop().answer()
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
    parser.add_argument("--full", action="store_true", help=f"the whole scale: {FULL}")
    parser.add_argument("--works", type=int, help="of each line of the queues")
    parser.add_argument("--clients", type=int, help="of the lines with several")
    parser.add_argument("--documents", type=int, help="in the archive")
    parser.add_argument("--in-memory", type=int, help="of them in mongomock; its times are scaled up")
    parser.add_argument("--snapshot", type=int, metavar="SECONDS", help="for how long one is held")
    parser.add_argument("--rounds", type=int)
    parser.add_argument("--only", choices=["queue", "snapshot", "documents"], help="one part")
    parser.add_argument("--ways", help="of the queue: names of columns, with semicolons between")
    parser.add_argument("--json", type=Path, help="file for the figures")
    arguments = parser.parse_args()
    for name, value in (FULL if arguments.full else SMALL).items():
        if getattr(arguments, name) is None:
            setattr(arguments, name, value)
    ways = arguments.ways and arguments.ways.split(";")
    in_memory = min(arguments.in_memory, arguments.documents)
    reports = {"queue": Report(QUEUES), "snapshot": Report(QUEUES), "documents": Report(ARCHIVES)}
    # Ended from outside, it still ends what it started.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("terminated"))
    load = os.getloadavg()
    for part, report in reports.items():
        if arguments.only not in (None, part):
            continue
        with contextlib.ExitStack() as stack:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="entrepot-bench-")))
            machine = Machine(stack, folder)
            if part == "queue":
                measure_queues(machine, arguments.works, arguments.clients, arguments.rounds, report, ways)
            elif part == "snapshot":
                measure_snapshot(machine, arguments.snapshot, report)
            else:
                measure_documents(machine, arguments.documents, in_memory, arguments.rounds, report)
    about = f"{os.cpu_count()} cores, Python {platform.python_version()}, load {load[0]:.1f} before"
    about += f" and {os.getloadavg()[0]:.1f} after"
    print(f"\n{datetime.now(UTC):%Y-%m-%d}, {about}; medians of {arguments.rounds} rounds, {arguments.works} works")
    print(f"{arguments.documents} documents; mongomock has {in_memory}, its times are scaled up")
    for part, report in reports.items():
        for ours in OURS if report.lines else ():
            print(f"\n{part}, {ours}\n\n{table(report.lines, [ours, *report.peers], ours)}")
    if arguments.json:
        content: dict[str, Any] = {"machine": about, "arguments": vars(arguments)}
        content |= {part: [vars(line) for line in report.lines] for part, report in reports.items()}
        arguments.json.write_bytes(orjson.dumps(content, option=orjson.OPT_INDENT_2, default=str))


if __name__ == "__main__":
    main()
