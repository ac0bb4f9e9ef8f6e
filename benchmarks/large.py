"""A million series and a billion points on PostgreSQL: `python benchmarks/large.py [--series N] [--points N]`.

A private cluster and a server. A short and a long series are written through HTTP; the others are copies of theirs by
SQL, one series in a hundred a long one, so that each has rows, a summary and chunks as the server makes them. Then both
begin anew, so that nothing is in their memory, and the commonest requests are asked through HTTP, each time of other
series. At last PostgreSQL says by `auto_explain` how it finds what each request asks for.
"""

import argparse
import contextlib
import itertools
import json
import random
import re
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import numpy as np
import orjson
import psycopg
from common import Http, percentile
from psycopg import sql
from sqlalchemy import select

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent))

from entrepot.db import Database  # noqa: E402
from entrepot.series import store  # noqa: E402
from entrepot.series.models import Series  # noqa: E402
from tests.support import postgres  # noqa: E402
from tests.support.server import ServerProcess  # noqa: E402

#: As on a machine with 8 GB for the database; commits wait for the disk.
SETTINGS = {
    "fsync": "on", "autovacuum": "on", "shared_buffers": "2GB", "effective_cache_size": "6GB", "max_wal_size": "8GB",
    "maintenance_work_mem": "1GB", "log_min_messages": "log", "logging_collector": "on", "log_filename": "log",
    "log_rotation_size": "0", "session_preload_libraries": "auto_explain", "auto_explain.log_format": "json",
}  # fmt: skip
SHORT, MINUTE, BEGIN, LONG_OF = 100, 60_000_000, 1_700_000_000_000_000, 100
AT_ONCE, ROUNDS, DAY = 20_000, 41, 1440


@dataclass(frozen=True)
class Kind:
    """Series that are alike: their number and points, the numbers that they have as rows, and their ids."""

    name: str
    count: int
    points: int

    def called(self, number: int) -> str:
        """Return the name of one."""
        return f"{self.name} {number:07d}"


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--series", type=int, default=1_000_000)
    parser.add_argument("--points", type=int, default=1_000_000_000)
    given = parser.parse_args()
    long = given.series // LONG_OF
    kinds = (
        Kind("short", given.series - long, SHORT),
        Kind("long", long, (given.points - (given.series - long) * SHORT) // long),
    )
    cluster = postgres.Cluster(primary=None, **SETTINGS)
    try:
        name = cluster.create()
        url = cluster.url(name)
        with tempfile.TemporaryDirectory() as folder, ServerProcess(Path(folder) / "data", url) as server:
            project = fill(asking(server), url, kinds)
            print(sizes(url), flush=True)
            server.stop()
            cluster.restart("fast")
            server.start()
            measure(asking(server), url, cluster, project, kinds)
    finally:
        cluster.stop()


def asking(server: ServerProcess) -> Http:
    """Return a connection to a server, as its administrator."""
    return Http(server.http_port, {"authorization": f"Token {server.token}"})


def fill(http: Http, url: str, kinds: tuple[Kind, ...]) -> str:
    """Write the first series of each kind through HTTP and copy it by SQL; return the project."""
    project: str = _json(http, "POST", "/api/v1/projects", {"name": "Large"})["id"]
    began = time.monotonic()
    for kind in kinds:
        labels = {"turbine": "T0000"}
        fields = {"project": project, "name": kind.called(0), "unit": "kW", "step": "1min", "labels": labels}
        one = _json(http, "POST", "/api/v1/series", fields)["id"]
        at = np.arange(kind.points)
        values = np.round(900 + 600 * np.sin(at / 300) + np.random.default_rng(1).normal(0, 20, kind.points), 2)
        times = BEGIN + at * MINUTE
        for first in range(0, kind.points, 100_000):
            part = slice(first, first + 100_000)
            body = {one: {"time": times[part].tolist(), "value": values[part].tolist()}}
            _json(http, "POST", "/api/v1/points", body)
        fold(url, one)
        copy(url, one, kind)
        print(
            f"{kind.count:,} {kind.name} series of {kind.points:,} points: {time.monotonic() - began:.0f} s", flush=True
        )
    with psycopg.connect(_plain(url), autocommit=True) as connection:
        connection.execute("VACUUM ANALYZE")
    print(f"vacuumed and analysed: {time.monotonic() - began:.0f} s", flush=True)
    return project


def fold(url: str, one: str) -> None:
    """Have the last points of a series in chunks, as it is within the hour."""
    with contextlib.closing(Database(url)) as database, database.write() as session:
        store.fold(session, session.scalars(select(Series.number).where(Series.id == one)).one())


def copy(url: str, one: str, kind: Kind) -> None:
    """Copy a series, its labels, summary and chunks, under other names and with other values of its label."""
    with psycopg.connect(_plain(url)) as connection:
        (found,) = connection.execute("SELECT number FROM series WHERE id = %s", [one]).fetchall()
        (top,) = connection.execute("SELECT max(number) FROM series").fetchall()
        for first in range(1, kind.count, AT_ONCE if kind.points < 10 * SHORT else AT_ONCE // 100):
            last = min(first + (AT_ONCE if kind.points < 10 * SHORT else AT_ONCE // 100), kind.count) - 1
            given = {"one": found[0], "top": top[0], "first": first, "last": last, "name": kind.name}
            for table, changed in _COPIED.items():
                columns = _columns(connection, table)
                values = [sql.SQL(changed.get(name, "c." + name)) for name in columns]
                statement = sql.SQL(
                    "INSERT INTO {} ({}) SELECT {} FROM {} c, generate_series(%(first)s::int, %(last)s::int) AS n"
                    " WHERE c.{} = %(one)s ORDER BY n"
                ).format(
                    sql.Identifier(table), sql.SQL(", ").join(map(sql.Identifier, columns)), sql.SQL(", ").join(values),
                    sql.Identifier(table), sql.Identifier("number" if table == "series" else "series"),
                )  # fmt: skip
                connection.execute(statement, given)
            connection.commit()
        connection.execute("SELECT setval(pg_get_serial_sequence('series', 'number'), max(number)) FROM series")


#: What differs in a copy, by table and column; numbers go on from the highest that there was.
_COPIED: dict[str, dict[str, str]] = {
    "series": {
        "number": "%(top)s + n",
        "id": "gen_random_uuid()::text",
        "name": "%(name)s || ' ' || lpad(n::text, 7, '0')",
    },
    "series_head": {"series": "%(top)s + n"},
    "series_label": {"series": "%(top)s + n", "value": "'T' || lpad((n %% 10000)::text, 4, '0')"},
    "series_chunk": {"series": "%(top)s + n"},
}


def _columns(connection: psycopg.Connection[Any], table: str) -> list[str]:
    found = connection.execute(
        "SELECT column_name FROM information_schema.columns WHERE table_name = %s ORDER BY ordinal_position", [table]
    )
    return [row[0] for row in found]


def sizes(url: str) -> str:
    """Return a table of how many rows and bytes there are."""
    lines = ["| table | rows | table, MB | stored beside, MB | indexes, MB |", "| --- | --- | --- | --- | --- |"]
    with psycopg.connect(_plain(url)) as connection:
        for table in _COPIED:
            (found,) = connection.execute(
                "SELECT reltuples, pg_relation_size(oid), pg_table_size(oid) - pg_relation_size(oid),"
                " pg_indexes_size(oid) FROM pg_class WHERE relname = %s", [table],
            ).fetchall()  # fmt: skip
            lines.append(
                f"| `{table}` | {found[0]:,.0f} | " + " | ".join(f"{size / 1e6:,.0f}" for size in found[1:]) + " |"
            )
        (whole,) = connection.execute("SELECT pg_database_size(current_database())").fetchall()
    return "\n".join([*lines, f"\nThe database has {whole[0] / 1e9:.2f} GB."])


def requests(url: str, project: str, kinds: tuple[Kind, ...]) -> dict[str, Callable[[], tuple[str, str, bytes | None]]]:
    """Return the ten commonest requests, each of which is made anew of other series."""
    short, long = kinds
    chance = random.Random(4)
    ids = {kind.name: _ids(url, kind, 400, chance) for kind in kinds}

    writes = itertools.count()

    def some(kind: Kind, count: int = 1) -> list[str]:
        return chance.sample(ids[kind.name], count)

    def window(length: int) -> dict[str, int]:
        first = chance.randrange(long.points - length)
        return {"from": BEGIN + first * MINUTE, "to": BEGIN + (first + length) * MINUTE}

    def read(kind: Kind, **asked: Any) -> tuple[str, str, None]:
        return "GET", f"/api/v1/series/{some(kind)[0]}/points?{urlencode(asked)}", None

    def several() -> tuple[str, str, None]:
        pairs = [*(("series", one) for one in some(long, 10)), *window(DAY).items(), ("format", "arrow")]
        return "GET", f"/api/v1/points?{urlencode(pairs)}", None

    def listed(**asked: Any) -> tuple[str, str, None]:
        return "GET", f"/api/v1/series?{urlencode({'limit': 100, **asked})}", None

    def write(kind: Kind, series: int, points: int) -> tuple[str, str, bytes]:
        after = kind.points + next(writes) * points  # what comes is newer than what is there
        times = [BEGIN + (after + at) * MINUTE for at in range(points)]
        body = {one: {"time": times, "value": [1.5] * points} for one in some(kind, series)}
        return "POST", "/api/v1/points", orjson.dumps(body)

    return {
        "one series": lambda: ("GET", f"/api/v1/series/{some(short)[0]}", None),
        "100 points of a long series, as JSON": lambda: read(long, **window(100)),
        "a whole long series, as Arrow": lambda: read(long, format="arrow"),
        "its means by hour": lambda: read(long, step="1h", clock="Europe/Paris"),
        "what a plot shows of it": lambda: (
            "GET", f"/api/v1/series/{some(long)[0]}/envelope?{urlencode({'pixels': 1000, **window(DAY * 20)})}", None,
        ),
        "a day of ten series, as Arrow": several,
        "write 100 points of a series": lambda: write(long, 1, 100),
        "write a point of 100 series": lambda: write(short, 100, 1),
        "a page of 100 series of a project": lambda: listed(project=project),
        "series with a label": lambda: listed(label=f"turbine:T{chance.randrange(10_000):04d}"),
        "series by words of their names": lambda: listed(q=f"long {chance.randrange(long.count):07d}"),
    }  # fmt: skip


def _ids(url: str, kind: Kind, count: int, chance: random.Random) -> list[str]:
    names = [kind.called(chance.randrange(kind.count)) for _ in range(count)]
    with psycopg.connect(_plain(url)) as connection:
        return [row[0] for row in connection.execute("SELECT id FROM series WHERE name = ANY(%s)", [names])]


def measure(http: Http, url: str, cluster: postgres.Cluster, project: str, kinds: tuple[Kind, ...]) -> None:
    """Ask, and print how long it took and how it was found."""
    asked = requests(url, project, kinds)
    print("| request | the first, ms | median, ms | slowest of 20, ms |\n| --- | --- | --- | --- |")
    for name, make in asked.items():
        took = [send(http, make()) for _ in range(ROUNDS)]
        print(
            f"| {name} | {took[0]:.1f} | {percentile(took[1:], 50):.1f} | {percentile(took[1:], 95):.1f} |", flush=True
        )
    for setting in ("log_min_duration = 0", "log_analyze = on"):
        cluster.execute(f"ALTER SYSTEM SET auto_explain.{setting}")
    cluster.execute("SELECT pg_reload_conf()")
    time.sleep(1)
    log = cluster.folder / "data" / "log" / "log"
    print("\n| request | what PostgreSQL reads |\n| --- | --- |")
    for name, make in asked.items():
        for _ in range(8):  # each of the server's connections hears of the setting first
            begin = log.stat().st_size
            send(http, make())
            time.sleep(0.3)
            with log.open("rb") as file:
                file.seek(begin)
                said = list(dict.fromkeys(read_by(file.read().decode())))
        print(f"| {name} | {'; '.join(said)} |", flush=True)


def send(http: Http, request: tuple[str, str, bytes | None]) -> float:
    """Return how many milliseconds a request takes."""
    method, path, body = request
    began = time.perf_counter()
    http.send(method, path, body, **({"content_type": "application/json"} if body else {}))
    return (time.perf_counter() - began) * 1000


def read_by(log: str) -> Iterator[str]:
    """Yield how tables were read, in words, of the plans in a part of the log."""
    for plan in re.findall(r"plan:\n((?:\t.*\n)+)", log):
        try:
            whole = json.loads(plan)
        except ValueError:
            continue
        yield from _scans(whole["Plan"])


def _scans(node: dict[str, Any]) -> Iterator[str]:
    if node.get("Relation Name") in (*_COPIED, "series_tail") and node["Node Type"] != "ModifyTable":
        index = f" by `{node['Index Name']}`" if "Index Name" in node else ""
        yield f"{node['Relation Name']}: {node['Node Type'].lower()}{index}, {node['Actual Rows']:.0f} rows"
    for child in node.get("Plans", ()):
        yield from _scans(child)


def _json(http: Http, method: str, path: str, body: Any) -> Any:
    return orjson.loads(http.send(method, path, orjson.dumps(body), content_type="application/json"))


def _plain(url: str) -> str:
    return url.replace("+psycopg", "")


if __name__ == "__main__":
    main()
