"""How long others wait while a project of 100,000 series is deleted: `python benchmarks/large_deletion.py`.

A server of its own; the series, each with a chunk and some rows of its tail, are made by SQL. Somebody writes a point
to a series of another project, again and again, while the project is deleted. Aim: no write waits for over 1 s.
"""

import argparse
import contextlib
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import orjson
from common import Http, answers, daemon, free_port, percentile
from sqlalchemy import func, insert, select

from entrepot.db import Database, new_id, vacuum
from entrepot.series.chunks import chunk_table, tail_table
from entrepot.series.codec import encode
from entrepot.series.heads import head_table, series_table
from entrepot.series.points import Points

ENTREPOT = Path(sys.executable).parent / "entrepot"
AIM_SECONDS, POINTS, TAIL = 1.0, 200, 3
_AT_ONCE = 5000
HOUR = 3_600_000_000


def fill(database: Database, template: dict[str, Any], head: dict[str, Any], count: int) -> None:
    """Make series like one that is there, in its project."""
    times = np.arange(POINTS, dtype=np.int64) * HOUR
    data = encode(Points(times, np.sqrt(times.astype(float)), None))
    for start in range(0, count, _AT_ONCE):
        with database.write() as session:
            top = session.scalar(select(func.max(series_table.c.number))) or 0
            rows = range(top + 1, top + 1 + min(_AT_ONCE, count - start))
            session.execute(
                insert(series_table), [template | {"number": pk, "id": new_id(), "name": f"s{pk}"} for pk in rows]
            )
            session.execute(insert(head_table), [head | {"series": pk} for pk in rows])
            chunk = {"bucket": 0, "count": POINTS, "first": 0, "last": int(times[-1]), "data": data}
            session.execute(insert(chunk_table), [chunk | {"series": pk} for pk in rows])
            tail = [{"series": pk, "time": int(times[-1]) + HOUR * (n + 1), "value": 1.0, "tag": None}
                    for pk in rows for n in range(TAIL)]  # fmt: skip
            session.execute(insert(tail_table), tail)


def measure(data: Path, postgres: str | None, count: int) -> bool:
    """Delete a project while another is written to; tell whether the aim was met."""
    environment = os.environ | ({"ENTREPOT_DATABASE_URL": postgres} if postgres else {})
    init = [str(ENTREPOT), "init", "--data-dir", str(data), "--organization", "O", "--admin", "a@example.org", "--json"]
    made = orjson.loads(subprocess.run(init, env=environment, check=True, stdout=subprocess.PIPE).stdout)
    port = free_port()
    command = [str(ENTREPOT), "serve", "--data-dir", str(data), "--port", str(port), "--no-ftp"]
    url = (postgres or f"sqlite:///{data}/entrepot.db").replace("postgresql://", "postgresql+psycopg://")
    with daemon(command, data.parent / "log", lambda: answers(port, "/health"), environment):
        http = Http(port, {"authorization": f"Token {made['token']}", "content-type": "application/json"})
        large, other = (json(http, "POST", "/api/v1/projects", {"name": name})["id"] for name in ("large", "other"))
        series = {
            project: json(http, "POST", "/api/v1/series", {"project": project, "name": "power"})["id"]
            for project in (large, other)
        }
        for one in series.values():
            _write(http, one, 0)
        with contextlib.closing(Database(url, synchronous="NORMAL")) as database:
            with database.read() as session:
                query = select(series_table).where(series_table.c.project_id == large)
                template = dict(session.execute(query).mappings().one())
                head = dict(session.execute(select(head_table).limit(1)).mappings().one())
            began = time.monotonic()
            fill(database, template, head, count)
            if postgres is None:
                vacuum.checkpoint(database)  # at rest, as what came bit by bit would be
            print(f"{count:,} series made in {time.monotonic() - began:.0f} s", flush=True)
            waits, began = [], time.monotonic()
            http.send("DELETE", f"/ovbp/api/v2/oteams/projects/{large}/")
            waits.append(time.monotonic() - began)
            print(f"the answer to the deletion came after {waits[0]:.2f} s", flush=True)
            left, number = count, 0
            while left and time.monotonic() - began < 3600:
                number += 1
                asked = time.monotonic()
                with contextlib.suppress(RuntimeError):  # 503, which is too late, whatever comes of it
                    _write(http, series[other], number)
                waits.append(time.monotonic() - asked)
                if number % 20 == 0:
                    with database.read() as session:
                        query = select(func.count()).select_from(series_table).where(series_table.c.project_id == large)
                        left = session.scalar(query) or 0
    took, longest = time.monotonic() - began, max(waits)
    print(f"deleted in {took:.0f} s; {len(waits):,} writes meanwhile: p50 {percentile(waits, 50):.3f} s, "
          f"p99 {percentile(waits, 99):.3f} s, longest {longest:.3f} s   "
          f"(aim {AIM_SECONDS:.0f} s: {'met' if longest <= AIM_SECONDS else 'MISSED'})")  # fmt: skip
    return longest <= AIM_SECONDS


def json(http: Http, method: str, path: str, body: Any) -> Any:
    """Return what is answered to JSON."""
    return orjson.loads(http.send(method, path, orjson.dumps(body)))


def _write(http: Http, series: str, minute: int) -> None:
    json(http, "POST", "/api/v1/points", {series: {"time": [minute * 60_000_000], "value": [1.0]}})


def main() -> None:
    """Measure on SQLite, or on an empty PostgreSQL database."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--postgres", help="URL (postgresql://...) of an empty database.")
    parser.add_argument("--series", type=int, default=100_000)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        sys.exit(0 if measure(Path(folder) / "data", args.postgres, args.series) else 1)


if __name__ == "__main__":
    main()
