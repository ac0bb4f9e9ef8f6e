"""The other kinds of results, made of what the pipeline gave: works, rows and a published file."""

from typing import Any

import pandas as pd
from rich.console import Console
from rich.table import Table

from entrepot.cli.demo.server import Server

BUCKETS, RESULTS = "/workflow/buckets", "/workflow/results"
OWI = "/owi/api/v1"
PIPELINE = "monthly-report"


def show(server: Server, console: Console, factors: pd.DataFrame, archive: bytes) -> None:
    """Deposit and archive works, upload rows, publish a file, and print what each became.

    Parameters
    ----------
    factors
        Capacity factors by day, a column a turbine.
    archive
        The export, to be published.
    """
    _works(server, console, factors)
    _rows(server, console, factors)
    _file(server, console, archive)


def _works(server: Server, console: Console, factors: pd.DataFrame) -> None:
    works = [
        {"pipeline": PIPELINE, "site": "farm", "user": "demo", "priority": priority, "parameters": {"turbine": turbine}}
        for priority, turbine in enumerate(factors.columns, start=1)
    ]
    server.post(f"{BUCKETS}/work", works)
    done = []
    while work := server.post(f"{BUCKETS}/work/withdraw", {"pipeline": {"$in": [PIPELINE]}}):
        best = factors[work["parameters"]["turbine"]].idxmax()
        results = {"best_day": f"{best:%Y-%m-%d}", "factor": float(factors[work["parameters"]["turbine"]].max())}
        done.append({**work, "status": "success", "results": results, "stop": work["start"]})
    server.post(f"{RESULTS}/results", done)
    found = server.post(
        f"{RESULTS}/view",
        {
            "query": {"pipeline": PIPELINE, "results.factor": {"$gt": 0.45}},
            "projection": {"parameters": 1, "results": 1},
        },
    )
    table = Table("turbine", "best day", "factor", title="Works: archived, and asked for by a MongoDB query (> 45 %)")
    for each in found:
        results = each["results"]
        table.add_row(each["parameters"]["turbine"], results["best_day"], f"{results['factor']:.1%}")
    console.print(table)


def _rows(server: Server, console: Console, factors: pd.DataFrame) -> None:
    site = server.post(f"{OWI}/locations/projectsites/", {"title": "La Haute Borne"})["id"]
    model = server.post(f"{OWI}/geometry/routes/modeldefinitions/", {"title": "as-built", "project": site})["id"]
    analysis = server.post(
        f"{OWI}/results/routes/analysis/", {"name": "CapacityFactor", "model_definition": model, "source_type": "json"}
    )["id"]
    days = [float(day.day) for day in pd.DatetimeIndex(factors.index)]
    rows = [
        {
            "analysis": analysis,
            "site": site,
            "name_col1": "day",
            "units_col1": "d",
            "value_col1": days,
            "name_col2": "capacity factor",
            "units_col2": "1",
            "value_col2": factors[turbine].tolist(),
            "short_description": turbine,
        }
        for turbine in factors.columns
    ]
    server.post(f"{OWI}/results/routes/result/bulk/", rows)
    kept: list[dict[str, Any]] = server.get(f"{OWI}/results/routes/result", analysis__name="CapacityFactor")
    console.print(f"Rows: {len(kept)} of two vectors with {len(days)} values each, in one request\n")


def _file(server: Server, console: Console, archive: bytes) -> None:
    published = server.publish("march-2014.zip", archive)
    server.post(f"/api/v1/files/{published['id']}/ack")
    state = server.get(f"/api/v1/files/{published['id']}")["state"]
    console.print(
        f"File: {published['name']}, {published['size']:,} bytes, SHA-256 {published['sha256'][:16]}…: {state}\n"
    )
