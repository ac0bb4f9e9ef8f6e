"""Rows that analyses compute: a wind speed histogram and a power curve of each turbine."""

from importlib.resources import files
from typing import Any

from rich.console import Console
from rich.table import Table

from entrepot.cli.demo.server import Server

OVBP, OWI = "/ovbp/api/v2", "/owi/api/v1"
TURBINES = ("R80711", "R80721", "R80736", "R80790")
ANALYSES = (
    ("WindSpeedHistogram", "wind_histogram.py", ("wind",)),
    ("PowerCurve", "power_curve.py", ("wind", "power")),
)
_FARM = files("entrepot.cli.demo") / "wind_farm"


def show(server: Server, console: Console, project: str, cleaner: str) -> None:
    """Have two analyses compute rows of the hourly series, and print the power curves."""
    site = server.post(f"{OWI}/locations/projectsites/", {"title": "La Haute Borne"})["id"]
    places = [{"title": turbine, "projectsite": site} for turbine in TURBINES]
    server.post(f"{OWI}/locations/assetlocations/", places)
    model = server.post(f"{OWI}/geometry/routes/modeldefinitions/", {"title": "as-built", "project": site})["id"]
    for name, script, columns in ANALYSES:
        kept = server.post(f"{OWI}/results/routes/analysis/", {"name": name, "model_definition": model})["id"]
        _compute(server, project, cleaner, name, script, columns, kept)
    found: list[dict[str, Any]] = server.get(f"{OWI}/results/routes/result", analysis__name="PowerCurve")
    curves = {row["short_description"]: _by_speed(row) for row in found}
    table = Table("wind (m/s)", *curves, title="Rows: the power curve of each turbine (kW), computed by an analysis")
    for speed in sorted({speed for curve in curves.values() for speed in curve if speed % 2 == 0}):
        table.add_row(f"{speed}", *(f"{curve[speed]:,.0f}" if speed in curve else "" for curve in curves.values()))
    console.print(table)
    console.print(f"Plot them in a browser: {server.url}/console/rows\n")


def _compute(
    server: Server, project: str, cleaner: str, name: str, script: str, columns: tuple[str, ...], kept: int
) -> None:
    analysis: str = server.post(f"{OVBP}/odata/analyses/", {"project": project, "name": name})["id"]
    for column in (f"{turbine} {what}" for turbine in TURBINES for what in columns):
        fields = {"input_series_generator": cleaner, "input_series_name": column, "column_name": column}
        server.post(f"{OVBP}/odata/analysis_inputs/", {"analysis": analysis, **fields})
    config = {"input_freq": "1H", "output_freq": "1H", "clock": "gmt", "script": (_FARM / script).read_text()}
    server.post(f"{OVBP}/odata/analysis_configs/", {"analysis": analysis, **config})
    server.patch(f"/api/v1/analyses/{analysis}", {"into": str(kept)})
    server.run(f"{OVBP}/odata/analyses/{analysis}/action/", {"name": "run"})


def _by_speed(row: dict[str, Any]) -> dict[int, float]:
    """Return the powers of the bins that begin at whole wind speeds."""
    points = zip(row["value_col1"], row["value_col2"], strict=True)
    return {int(speed): power for speed, power in points if speed % 1 < 0.5}
