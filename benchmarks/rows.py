"""Rows through HTTP: Entrepot's OWI door beside a Django REST framework service of the same model, and MLflow.

    .venv/bin/python benchmarks/rows.py            # a round, and a list of 10,000 rows
    .venv/bin/python benchmarks/rows.py --full     # three rounds, and a list of 100,000: ten minutes at most

Each keeps its rows in SQLite, in a temporary folder on this machine, and answers on 127.0.0.1. A row has three vectors
of 50 numbers. Times end when the last byte of the answer is there; what is answered is compared once with what was
sent. MLflow writes to its store directly, without HTTP, a run a row; as it would take many minutes for 5,000 rows, all
three make 100 rows for a line of their own. Lists are complete: nobody pages.
"""

import argparse
import contextlib
import math
import os
import platform
import subprocess
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson
from common import HOST, Http, Line, answers, daemon, free_port, median, peers_python, table, timed
from series_systems import Entrepot

HERE = Path(__file__).parent
POINTS, PER_REQUEST, FEW = 50, 5000, 100


class Service:
    """A service that takes rows; `analyses` are the ids of two that have none."""

    def __init__(self, name: str, http: Http, path: str, bulk: str, analyses: list[int]) -> None:
        self.name, self.http, self.path, self.bulk, self.analyses = name, http, path, bulk, analyses

    def create(self, body: bytes) -> bytes:
        """Create rows."""
        return self.http.send("POST", self.bulk, body, content_type="application/json")

    def upsert(self, body: bytes) -> bytes:
        """Create or update rows."""
        return self.http.send("PUT", self.bulk, body, content_type="application/json")

    def rows(self, analysis: int) -> bytes:
        """List the rows of an analysis."""
        return self.http.send("GET", f"{self.path}?analysis__id={analysis}")


def payload(analysis: int, first: int, count: int, shift: float = 0.0) -> list[dict[str, Any]]:
    """Return rows; `shift` makes others of the same description."""
    return [
        {
            "analysis": analysis,
            **{f"name_col{c}": f"vector {c}" for c in (1, 2, 3)},
            **{f"units_col{c}": "Hz" for c in (1, 2, 3)},
            **{f"value_col{c}": [math.sin(row * 150 + c * 50 + i) + shift for i in range(POINTS)] for c in (1, 2, 3)},
            "short_description": f"row {row:06d}",
            "additional_data": {"analysis_kind": "comparison", "row": row},
        }
        for row in range(first, first + count)
    ]


@contextlib.contextmanager
def entrepot(folder: Path) -> Iterator[Service]:
    """Run Entrepot with a wind farm's analyses."""
    with Entrepot.running(folder) as system:
        http = system.http
        root = "/owi/api/v1"

        def made(path: str, **fields: Any) -> int:
            answer = http.send("POST", f"{root}{path}", orjson.dumps(fields), content_type="application/json")
            return int(orjson.loads(answer)["id"])

        site = made("/locations/projectsites/", title="Belwind")
        definition = made("/geometry/routes/modeldefinitions/", title="as built", project=site)
        analyses = [made("/results/routes/analysis/", name=f"a{n}", model_definition=definition) for n in range(3)]
        path = f"{root}/results/routes/result"
        yield Service("Entrepot", http, path, f"{path}/bulk/", analyses)


@contextlib.contextmanager
def django(folder: Path) -> Iterator[Service]:
    """Run the Django service."""
    environment = {"ROWS_FOLDER": str(folder)}
    prepared = subprocess.run(
        [peers_python("rows_peers"), HERE / "rows_django.py"],
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=True,
    )
    port = free_port()
    command = [
        peers_python("rows_peers"),
        "-m",
        "gunicorn",
        "--chdir",
        HERE,
        "--bind",
        f"{HOST}:{port}",
        "--workers",
        "1",
    ]
    command += ["--threads", "2", "--keep-alive", "600", "--timeout", "0", "rows_django:application"]
    http = Http(port, {"authorization": f"Token {prepared.stdout.strip()}"})

    def ready() -> bool:
        return answers(port, "/result/?analysis__id=0") or _refuses(http.another())

    with daemon([str(part) for part in command], folder / "django.log", ready, environment):
        yield Service("Django REST", http, "/result/", "/result/", [1, 2, 3])


def _refuses(http: Http) -> bool:
    try:
        http.send("GET", "/result/?analysis__id=0")
    except (OSError, RuntimeError):
        return False
    return True


def measure(services: list[Service], rounds: int, listed: int, folder: Path) -> list[Line]:
    """Return the lines of the report; `folder` is MLflow's."""
    json = {service.name: "JSON" for service in services} | {"MLflow": "in process"}
    lines = []

    def add(work: str, figures: dict[str, float]) -> None:
        formats = {name: json[name] for name in figures}
        lines.append(Line(work, "ms", {name: seconds * 1000 for name, seconds in figures.items()}, formats))
        print(f"  {work}: " + ", ".join(f"{name} {s * 1000:.0f} ms" for name, s in figures.items()), flush=True)

    created: dict[str, list[float]] = {service.name: [] for service in services}
    updated: dict[str, list[float]] = {service.name: [] for service in services}
    for round_ in range(rounds):
        for service in services:
            first = round_ * PER_REQUEST
            rows = payload(service.analyses[0], first, PER_REQUEST)
            body = orjson.dumps(rows)
            created[service.name].append(timed(service.create, body))
            half = PER_REQUEST // 2  # half of them exist
            mixed = payload(service.analyses[0], first, half, 1.0)
            mixed += [
                row | {"short_description": f"new {row['short_description']}"}
                for row in payload(service.analyses[0], first + half, half)
            ]
            updated[service.name].append(timed(service.upsert, orjson.dumps(mixed)))
    add(f"bulk create of {PER_REQUEST} rows", {name: median(times) for name, times in created.items()})
    add(f"create-or-update of {PER_REQUEST} rows, half exist", {name: median(times) for name, times in updated.items()})
    few: dict[str, list[float]] = {name: [] for name in (*created, "MLflow")}
    for round_ in range(rounds):
        for service in services:
            body = orjson.dumps(payload(service.analyses[2], round_ * FEW, FEW))
            few[service.name].append(timed(service.create, body))
        few["MLflow"].append(mlflow(folder, f"round {round_}"))
    add(f"create of {FEW} rows", {name: median(times) for name, times in few.items()})
    for service in services:
        for first in range(0, listed, PER_REQUEST):
            rows = payload(service.analyses[1], first, min(PER_REQUEST, listed - first))
            service.create(orjson.dumps(rows))
    figures: dict[str, list[float]] = {service.name: [] for service in services}
    for _ in range(rounds):
        for service in services:
            figures[service.name].append(timed(service.rows, service.analyses[1]))
    add(f"list of {listed} rows", {name: median(times) for name, times in figures.items()})
    for service in services:
        check(service, listed)
    return lines


def check(service: Service, listed: int) -> None:
    """Make sure that what is listed is what was sent."""
    found = orjson.loads(service.rows(service.analyses[1]))
    if len(found) != listed:
        raise AssertionError(f"{service.name} lists {len(found)} rows of {listed}")
    for row, sent in zip(found[:PER_REQUEST], payload(service.analyses[1], 0, PER_REQUEST), strict=False):
        if any(row[name] != value for name, value in sent.items()):
            raise AssertionError(f"{service.name} answers something else for {sent['short_description']}")


def mlflow(folder: Path, experiment: str) -> float:
    """Return the seconds that MLflow takes for a few rows."""
    command = [peers_python("rows_peers"), HERE / "rows_mlflow.py", folder, experiment, str(FEW)]
    run = subprocess.run([str(part) for part in command], capture_output=True, text=True, check=True)
    return float(run.stdout.split()[-1])


def main() -> None:
    """Run, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--full", action="store_true", help="three rounds, and a list of 100,000 rows")
    parser.add_argument("--listed", type=int, help="rows of the list (default: 10000)")
    parser.add_argument("--rounds", type=int)
    parser.add_argument("--json", type=Path, help="file for the figures")
    arguments = parser.parse_args()
    rounds = arguments.rounds or (3 if arguments.full else 1)
    listed = arguments.listed or (100_000 if arguments.full else 10_000)
    load = os.getloadavg()
    with contextlib.ExitStack() as stack:
        root = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="entrepot-bench-")))
        for name in ("entrepot", "django", "mlflow"):
            (root / name).mkdir()
        services = [stack.enter_context(entrepot(root / "entrepot")), stack.enter_context(django(root / "django"))]
        lines = measure(services, rounds, listed, root / "mlflow")
    machine = f"{os.cpu_count()} cores, Python {platform.python_version()}, load {load[0]:.1f} before"
    machine += f" and {os.getloadavg()[0]:.1f} after"
    print(f"\n{datetime.now(UTC):%Y-%m-%d}, {machine}; medians of {rounds} rounds\n")
    print(table(lines, ["Entrepot", "Django REST", "MLflow"], "Entrepot"))
    if arguments.json:
        content = {"machine": machine, "lines": [vars(line) for line in lines]}
        arguments.json.write_bytes(orjson.dumps(content, option=orjson.OPT_INDENT_2))


if __name__ == "__main__":
    main()
