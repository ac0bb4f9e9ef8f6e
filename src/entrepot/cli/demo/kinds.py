"""Other kinds of results, made of what the pipeline gave: works and a published file."""

from pathlib import Path

import pandas as pd
from rich.console import Console
from rich.table import Table

from entrepot.client.native import Client

PIPELINE = "monthly-report"


def show(port: Client, console: Console, factors: pd.DataFrame, archive: Path) -> None:
    """Deposit and archive works, publish a file, and print what each became.

    Parameters
    ----------
    factors
        Capacity factors by day, a column a turbine.
    archive
        The export, to be published.
    """
    _works(port, console, factors)
    _file(port, console, archive)


def _works(port: Client, console: Console, factors: pd.DataFrame) -> None:
    works = [
        {"pipeline": PIPELINE, "site": "farm", "user": "demo", "priority": priority, "parameters": {"turbine": turbine}}
        for priority, turbine in enumerate(factors.columns, start=1)
    ]
    port.works.deposit(works)
    done = []
    while taken := port.works.withdraw({"pipeline": PIPELINE}):
        for work in taken:
            days = factors[work["parameters"]["turbine"]]
            results = {"best_day": f"{days.idxmax():%Y-%m-%d}", "factor": float(days.max())}
            done.append({**work, "status": "success", "results": results, "stop": work["start"]})
    port.works.report(done)
    port.archive.deposit(done)
    query = {"pipeline": PIPELINE, "results.factor": {"$gt": 0.45}}
    table = Table("turbine", "best day", "factor", title="Works: archived, and asked for by a MongoDB query (> 45 %)")
    for each in sorted(
        port.archive.walk(query, {"parameters": 1, "results": 1}), key=lambda one: -one["results"]["factor"]
    ):
        results = each["results"]
        table.add_row(each["parameters"]["turbine"], results["best_day"], f"{results['factor']:.1%}")
    console.print(table)


def _file(port: Client, console: Console, archive: Path) -> None:
    published = port.files.publish(archive, name="march-2014.zip")
    port.files.acknowledge(published["id"])
    state = port.files.get(published["id"])["status"]
    console.print(
        f"File: {published['name']}, {published['size']:,} bytes, SHA-256 {published['sha256'][:16]}…: {state}\n"
    )
