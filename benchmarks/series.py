"""Series through HTTP: Entrepot beside its peers, and beside what runs in process and is a limit.

    .venv/bin/python benchmarks/series.py                      # 10 million points; some minutes
    .venv/bin/python benchmarks/series.py --points 1000000 --json result.json

All of them run on this machine, on 127.0.0.1, in a temporary folder that is removed at the end. Times end when the
last byte of the answer is there; to make what is sent, and to parse what comes, is the client's and is not counted.
Every answer is compared once with the points that were sent. Systems that are not installed are left out.
"""

import argparse
import contextlib
import operator
import os
import platform
import shutil
import tempfile
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import orjson
from common import Line, median, percentile, side_by_side, table, timed
from series_embedded import ClickHouse, DuckDB, Tiled
from series_peers import DAY, InfluxDB, VictoriaMetrics
from series_systems import Data, Entrepot, Limit, System

MINUTE = 60_000_000
START = 1_640_995_200_000_000  # 2022-01-01
SERIES, CONNECTIONS, PER_REQUEST = 100, 2, 10
#: By name: the program that has to be there, where it is not installed when it is asked for.
PEERS: dict[str, tuple[str | None, Any]] = {
    "influxdb": ("influxd", InfluxDB),
    "victoria-metrics": ("victoria-metrics", VictoriaMetrics),
    "clickhouse": (None, ClickHouse),
    "duckdb": (None, DuckDB),
    "tiled": (None, Tiled),
}


def make_series(group: str, name: str, count: int, kind: int, *, jitter: bool = False) -> Data:
    """Return points a minute apart, of one of four kinds of sensors."""
    random = np.random.default_rng(hash_of(group, name))
    times = START + np.arange(count, dtype=np.int64) * MINUTE
    if jitter:
        times += random.integers(0, 20_000, count) * 1000
    match kind % 4:
        case 0:  # a temperature, two decimals
            values = np.round(20 + np.cumsum(random.normal(0, 0.05, count)), 2)
        case 1:  # computed: all digits of a float
            values = 500 + 100 * np.sin(np.arange(count) / 700) + random.normal(0, 10, count)
        case 2:  # a meter
            values = np.cumsum(random.integers(0, 20, count)).astype(np.float64)
        case _:  # a set point
            values = np.repeat(random.integers(15, 25, count // 500 + 1) / 2, 500)[:count]
    return Data(group, name, times, values)


def hash_of(*texts: str) -> int:
    """Return a seed that is the same in every run."""
    return int.from_bytes(" ".join(texts).encode(), "big") % 2**63


def make_group(group: str, points: int) -> list[Data]:
    """Return 100 series that have so many points together, every fifth with jittered times."""
    return [make_series(group, f"s{n}", points // SERIES, n, jitter=n % 5 == 4) for n in range(SERIES)]


class Benchmark:
    """Runs every line on every system, the systems taking turns."""

    def __init__(self, systems: Sequence[System], points: int, rounds: int) -> None:
        self.systems, self.points, self.rounds = systems, points, rounds
        self.lines: list[Line] = []
        self.long = make_series("long", "one", max(points // 10, 10_000), 0)
        self.written = 0

    def run(self) -> list[Line]:
        """Measure, and return the lines."""
        self.bulk()
        self.reads()
        self.windows()
        self.small_writes()
        self.exports()
        self.disk()
        return self.lines

    def bulk(self) -> None:
        """Import all points, into new series each round, and the one long series."""
        seconds: dict[str, list[float]] = {system.name: [] for system in self.systems}
        for number in range(self.rounds):
            group = make_group(f"r{number}", self.points)
            for system in self.systems:
                system.create(group)
                payloads = [system.encode(group[at : at + PER_REQUEST]) for at in range(0, SERIES, PER_REQUEST)]
                connections = [system.another() for _ in range(CONNECTIONS)]
                seconds[system.name].append(side_by_side(lambda c, p: c.write(p), connections, payloads))
            self.written += sum(len(data.times) for data in group)
        for system in self.systems:
            system.create([self.long])
            system.write(system.encode([self.long]))
            system.settle()
        self.written += len(self.long.times)
        rates = {name: self.points / median(taken) / 1e6 for name, taken in seconds.items()}
        self.add(
            f"bulk import of {_count(self.points)} points, {SERIES} series", "M points/s", rates, "bulk", more=True
        )

    def reads(self) -> None:
        """Read the long series, and its means."""
        count = _count(len(self.long.times))
        self.check(lambda system: system.read(self.long), self.long.values)
        read: dict[str, Callable[[], Any]] = {s.name: partial(s.read, self.long) for s in self.systems}
        ours = self.systems[0]
        forms = {form: partial(ours.read, self.long, form) for form in ("json", "csv")}
        taken = self.interleaved(read | forms, max(self.rounds, 5))
        self.add(f"read 1 series of {count} points", "ms", {name: taken[name] for name in read}, "read")
        for form in forms:
            figures = {name: taken[name] for name in read} | {ours.name: taken[form]}
            self.add(f"… as {form.upper()}", "ms", figures, "read", ours=form.upper())
        for step in ("hour", "day"):
            expected = self.systems[-1].values(self.systems[-1].means(self.long, step))
            others = [system for system in self.systems if not isinstance(system, VictoriaMetrics)]
            self.check(operator.methodcaller("means", self.long, step), expected, others)
            means: dict[str, Callable[[], Any]] = {s.name: partial(s.means, self.long, step) for s in self.systems}
            taken = self.interleaved(means, 3 * max(self.rounds, 5))
            self.add(f"means by {step} in Europe/Paris of {count} points", "ms", taken, "means")

    def windows(self, count: int = 300) -> None:
        """Read 100 points somewhere in one of the series."""
        random = np.random.default_rng(1)
        group = make_group("r0", self.points)
        taken: dict[str, list[float]] = {system.name: [] for system in self.systems}
        for _ in range(count):
            data = group[int(random.integers(SERIES))]
            at = int(random.integers(len(data.times) - 100))
            start, stop = int(data.times[at]), int(data.times[at + 99]) + 1
            for system in self.systems:
                taken[system.name].append(1000 * timed(system.window, data, start, stop))
        for percent in (50, 95):
            figures = {name: percentile(times, percent) for name, times in taken.items()}
            self.add(f"100-point window, p{percent}", "ms", figures, "window")

    def small_writes(self, count: int = 100, only: str | None = None) -> None:
        """Write 100 new points: of one series, and one each of 100 series."""
        group = make_group("r0", self.points)
        for title, series, length in (("100 points of 1 series", group[:1], 100), ("1 point of 100 series", group, 1)):
            if only not in (None, title):
                continue
            ends = np.array([data.times[-1] for data in series])
            taken: dict[str, list[float]] = {system.name: [] for system in self.systems}
            for number in range(count):
                stamps = MINUTE * (1 + number * length + np.arange(length, dtype=np.int64)) + 30_000_000
                batch = [
                    Data(data.group, data.name, end + stamps, np.cos(stamps / np.float64(DAY)).round(3))
                    for data, end in zip(series, ends, strict=True)
                ]
                for system in self.systems:
                    payload = system.encode(batch, small=True)
                    taken[system.name].append(1000 * timed(system.write, payload))
                self.written += length * len(series)
            for percent in (50, 95):
                figures = {name: percentile(times, percent) for name, times in taken.items()}
                self.add(f"small write of {title}, p{percent}", "ms", figures, "small")

    def exports(self) -> None:
        """Read everything that one round imported."""
        exports: dict[str, Callable[[], Any]] = {
            s.name: partial(s.export, "r1" if self.rounds > 1 else "r0") for s in self.systems
        }
        taken = self.interleaved(exports, self.rounds, warm=0)
        figures = {name: milliseconds / 1000 for name, milliseconds in taken.items()}
        self.add(f"export of {_count(self.points)} points, {SERIES} series", "s", figures, "export")

    def disk(self) -> None:
        """Look at the folders when all is quiet."""
        figures = {system.name: system.disk() / self.written for system in self.systems}
        self.add("on disk", "bytes/point", figures, "disk")

    def interleaved(self, works: dict[str, Callable[[], Any]], rounds: int, warm: int = 1) -> dict[str, float]:
        """Return the median milliseconds of each work, after the rounds to warm up."""
        taken: dict[str, list[float]] = {name: [] for name in works}
        for number in range(rounds + warm):
            for name, work in works.items():
                milliseconds = 1000 * timed(work)
                if number >= warm:
                    taken[name].append(milliseconds)
        return {name: median(times) for name, times in taken.items()}

    def check(self, work: Callable[[System], Any], expected: Any, systems: Sequence[System] | None = None) -> None:
        """Make sure that all systems answer the same."""
        for system in self.systems if systems is None else systems:
            found = system.values(work(system))
            if len(found) != len(expected) or not np.allclose(found, expected, rtol=1e-9, atol=1e-9):
                raise AssertionError(f"{system.name} answers something else: {len(found)} of {len(expected)}")

    def add(
        self, work: str, unit: str, figures: dict[str, float], form: str, *, more: bool = False, ours: str | None = None
    ) -> None:
        """Keep a line, and show that it is done."""
        formats = {system.name: system.formats[form] for system in self.systems}
        if ours is not None:
            formats[self.systems[0].name] = ours
        self.lines.append(Line(work, unit, figures, formats, more))
        print(f"  {work}: " + ", ".join(f"{name} {figure:.3g}" for name, figure in figures.items()), unit, flush=True)


def _count(points: int) -> str:
    return f"{points / 1e6:g} M" if points >= 1_000_000 else f"{points / 1000:g} k"


def main() -> None:
    """Run, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--points", type=int, default=10_000_000, help="of 100 series together (default: 10 million)")
    parser.add_argument("--rounds", type=int, default=3, help="of the long lines; short ones are repeated more often")
    parser.add_argument("--database-url", help="an empty PostgreSQL database for Entrepot instead of SQLite")
    parser.add_argument("--without", action="append", default=[], choices=sorted(PEERS), help="a peer to leave out")
    parser.add_argument("--json", type=Path, help="file for the figures")
    arguments = parser.parse_args()
    load = os.getloadavg()
    with contextlib.ExitStack() as stack:
        root = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="entrepot-bench-")))
        for name in ("entrepot", "polars", *PEERS):
            (root / name).mkdir()
        systems: list[System] = [
            stack.enter_context(Entrepot.running(root / "entrepot", arguments.database_url)),
            *(
                stack.enter_context(kind.running(root / name))
                for name, (program, kind) in PEERS.items()
                if name not in arguments.without and (program is None or shutil.which(program))
            ),
            Limit(root / "polars"),
        ]
        lines = Benchmark(systems, arguments.points, arguments.rounds).run()
    machine = f"{os.cpu_count()} cores, Python {platform.python_version()}, load {load[0]:.1f} before"
    machine += f" and {os.getloadavg()[0]:.1f} after"
    print(f"\n{datetime.now(UTC):%Y-%m-%d}, {machine}; medians of {arguments.rounds} rounds or more\n")
    print(table(lines, [system.name for system in systems], systems[0].name))
    if arguments.json:
        content = {"machine": machine, "points": arguments.points, "lines": [vars(line) for line in lines]}
        arguments.json.write_bytes(orjson.dumps(content, option=orjson.OPT_INDENT_2))


if __name__ == "__main__":
    main()
