"""Small requests to series: a window, means of a long series, a write of 100 points of one, and of one of 100 each.

    .venv/bin/python benchmarks/small.py
    .venv/bin/python benchmarks/small.py --beside before=/path/to/another/checkout/src --count 500
    .venv/bin/python benchmarks/small.py --clients 8

The systems of `series.py`, each asked once in turn, so that whatever else this machine does is the same for all. With
`--beside`, another checkout of Entrepot runs beside them. `--clients` asks Entrepot alone, so many at once.
"""

import argparse
import contextlib
import os
import platform
import shutil
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from common import Http, Line, cpu_seconds, percentile, table, timed
from series import MINUTE, SERIES, Benchmark, make_group, make_series
from series_peers import DAY, InfluxDB, VictoriaMetrics
from series_systems import Data, Entrepot, System

SECONDS = 5  # that clients are at it at once


class Small(Benchmark):
    """The short lines, and what the least request costs."""

    def run(self, count: int = 300) -> list[Line]:
        """Measure, and return the lines."""
        group = make_group("r0", self.points)
        for system in self.systems:
            system.create(group)
            for at in range(0, SERIES, 10):
                system.write(system.encode(group[at : at + 10]))
            system.settle()
        self.costing(count, self.floor)
        self.costing(count, self.windows)
        self.long_means(max(count // 10, 10))
        for each in ("100 points of 1 series", "1 point of 100 series"):
            self.costing(count, partial(self.small_writes, only=each))
        return self.lines

    def long_means(self, count: int) -> None:
        """Ask for the means of one series that has all the points."""
        long = make_series("long", "one", self.points, 0)
        for system in self.systems:
            system.create([long])
            system.write(system.encode([long]))
            system.settle()
        for step in ("hour", "day"):
            means: dict[str, Callable[[], Any]] = {s.name: partial(s.means, long, step) for s in self.systems}
            text = f"means by {step} in Europe/Paris of {self.points:,} points"
            self.costing(count, lambda many: self.add(text, "ms", self.interleaved(means, many), "means"))  # noqa: B023

    def costing(self, requests: int, work: Callable[[int], None]) -> None:
        """Do what is measured, and say how long the servers computed for it: that is so however busy the machine is."""
        before = {system.name: cpu_seconds(system.session) for system in self.systems}
        work(requests)
        figures = {s.name: 1000 * (cpu_seconds(s.session) - before[s.name]) / requests for s in self.systems}
        self.add("… of which the server computed", "ms", figures, "window")

    def floor(self, count: int) -> None:
        """Ask for next to nothing."""
        ours = [system for system in self.systems if isinstance(system, Entrepot)]
        taken: dict[str, list[float]] = {system.name: [] for system in ours}
        for _ in range(count):
            for system in ours:
                taken[system.name].append(1000 * timed(system.http.send, "GET", "/health/live"))
        for percent in (50, 95):
            figures = {name: percentile(times, percent) for name, times in taken.items()}
            self.add(f"an empty answer (`/health/live`), p{percent}", "ms", figures, "window")


def _asked(port: int, headers: dict[str, str], until: float, requests: list[tuple[str, str, bytes | None]]) -> int:
    """Send these requests over and over; return how many were answered in time."""
    client, done = Http(port, headers), 0
    while time.time() < until:
        method, path, body = requests[done % len(requests)]
        client.send(method, path, body, content_type="application/json")
        done += 1
    return done


def together(system: Entrepot, points: int, clients: int) -> None:
    """Print how many windows and writes a second some clients have, beside what one has."""
    group, random = make_group("r0", points), np.random.default_rng(2)
    system.create(group)
    for at in range(0, SERIES, 10):
        system.write(system.encode(group[at : at + 10]))

    def windows() -> list[tuple[str, str, bytes | None]]:
        asked: list[tuple[str, str, bytes | None]] = []
        for _ in range(100):
            data = group[int(random.integers(SERIES))]
            at = int(random.integers(len(data.times) - 100))
            path = system.path(data, format="json", **{"from": int(data.times[at]), "to": int(data.times[at + 99]) + 1})
            asked.append(("GET", path, None))
        return asked

    def writes(number: int) -> list[tuple[str, str, bytes | None]]:
        data = group[number]
        stamps = data.times[-1] + MINUTE * (1 + np.arange(100))
        parts = [Data(data.group, data.name, stamps + MINUTE * 100 * n, np.cos(stamps / DAY)) for n in range(2000)]
        return [("POST", "/api/v1/points", system.encode([part], small=True)[0]) for part in parts]

    with ProcessPoolExecutor(clients) as pool:
        for name, make in (("windows", lambda _: windows()), ("writes of 100 points", writes)):
            rates = {}
            for some in (1, clients):
                lists = [make(number + 20 * (some > 1)) for number in range(some)]
                until = time.time() + SECONDS + 0.5
                asked = [pool.submit(_asked, system.http.port, system.http.headers, until, each) for each in lists]
                rates[some] = sum(each.result() for each in asked) / SECONDS
            print(
                f"{name}: {rates[1]:.0f}/s by one client, {rates[clients]:.0f}/s by {clients}: "
                f"{rates[clients] / rates[1]:.2g}x"
            )


def main() -> None:
    """Run, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--points", type=int, default=1_000_000, help="of 100 series together (default: 1 million)")
    parser.add_argument("--count", type=int, default=300, help="requests of each kind")
    parser.add_argument("--database-url", help="an empty PostgreSQL database for Entrepot instead of SQLite")
    parser.add_argument("--beside", action="append", default=[], metavar="NAME=SRC", help="another checkout's src")
    parser.add_argument("--clients", type=int, help="so many at once, instead of the table")
    arguments = parser.parse_args()
    load = os.getloadavg()[0]
    with contextlib.ExitStack() as stack:
        root = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="entrepot-bench-")))

        def folder(name: str) -> Path:
            (root / name).mkdir()
            return root / name

        ours = stack.enter_context(Entrepot.running(folder("entrepot"), arguments.database_url))
        if arguments.clients:
            together(ours, arguments.points, arguments.clients)
            return
        systems: list[System] = [ours]
        for beside in arguments.beside:
            name, _, source = beside.partition("=")
            systems.append(stack.enter_context(Entrepot.running(folder(name), source=source, name=name)))
        peers: tuple[tuple[str, Any], ...] = (("influxd", InfluxDB), ("victoria-metrics", VictoriaMetrics))
        for program, kind in peers:
            if shutil.which(program):
                systems.append(stack.enter_context(kind.running(folder(program))))
        lines = Small(systems, arguments.points, 1).run(arguments.count)
    machine = f"{os.cpu_count()} cores, Python {platform.python_version()}, load {load:.1f}"
    print(f"\n{datetime.now(UTC):%Y-%m-%d}, {machine} before and {os.getloadavg()[0]:.1f} after\n")
    print(table(lines, [system.name for system in systems], ours.name))


if __name__ == "__main__":
    main()
