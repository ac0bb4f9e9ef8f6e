"""Rows that analyses compute: a wind speed histogram and a power curve of each turbine."""

from typing import Any

from rich.console import Console
from rich.table import Table

from entrepot.cli.demo.farm import FARM, NAME, TURBINES
from entrepot.client.native import Client
from entrepot.client.projects import Project

ANALYSES = (
    ("WindSpeedHistogram", "wind_histogram.py", ("wind",)),
    ("PowerCurve", "power_curve.py", ("wind", "power")),
)


def show(port: Client, console: Console, farm: Project, cleaner: str) -> None:
    """Have two analyses compute rows of the hourly series, and print the power curves."""
    site = port.sites.create(NAME)
    for turbine in TURBINES:
        site.locations.create(turbine)
    for name, script, columns in ANALYSES:
        kept = port.result_sets.ensure(name, site=site, model="as-built")
        inputs = [{"series": f"{turbine} {what}", "of": cleaner} for turbine in TURBINES for what in columns]
        text = (FARM / script).read_text()
        farm.analyses.create(name, inputs=inputs, script=text, step="1h", clock="UTC", into=kept).run()
    curves = {row.name: _by_speed(row.columns) for row in port.result_sets["PowerCurve"].rows}
    table = Table("wind (m/s)", *curves, title="Rows: the power curve of each turbine (kW), computed by an analysis")
    for speed in sorted({speed for curve in curves.values() for speed in curve if speed % 2 == 0}):
        table.add_row(f"{speed}", *(f"{curve[speed]:,.0f}" if speed in curve else "" for curve in curves.values()))
    console.print(table)
    console.print(f"Plot them in a browser: {port.connection.base_url}/console/rows\n")


def _by_speed(columns: list[dict[str, Any]]) -> dict[int, float]:
    """Return the powers of the bins that begin at whole wind speeds."""
    points = zip(columns[0]["values"], columns[1]["values"], strict=True)
    return {int(speed): power for speed, power in points if speed % 1 < 0.5}
