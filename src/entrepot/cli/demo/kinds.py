"""Other kinds of results, made of what the pipeline gave: works and a published file."""

import pandas as pd
from rich.console import Console
from rich.table import Table

from entrepot.cli.demo.server import Server

BUCKETS, RESULTS = "/workflow/buckets", "/workflow/results"
PIPELINE = "monthly-report"


def show(server: Server, console: Console, factors: pd.DataFrame, archive: bytes) -> None:
    """Deposit and archive works, publish a file, and print what each became.

    Parameters
    ----------
    factors
        Capacity factors by day, a column a turbine.
    archive
        The export, to be published.
    """
    _works(server, console, factors)
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


def _file(server: Server, console: Console, archive: bytes) -> None:
    published = server.publish("march-2014.zip", archive)
    server.post(f"/api/v1/files/{published['id']}/ack")
    state = server.get(f"/api/v1/files/{published['id']}")["status"]
    console.print(
        f"File: {published['name']}, {published['size']:,} bytes, SHA-256 {published['sha256'][:16]}…: {state}\n"
    )
