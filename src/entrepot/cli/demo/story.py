"""What the demo does and prints."""

import tempfile
import time
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import plotext
from rich.console import Console
from rich.table import Table

import entrepot
from entrepot.cli.demo import kinds, month, rows
from entrepot.cli.demo.farm import FARM, NAME, TURBINES, ZONE, eventually, framed
from entrepot.cli.demo.server import running
from entrepot.cli.results import lineage_of
from entrepot.client.analyses import Analysis
from entrepot.client.importing import Gate, Importer
from entrepot.client.native import Client
from entrepot.client.projects import Project
from entrepot.client.series import Series
from entrepot.signals import ENDS, stop_on

_console = Console()


def tell(port: int, ftp_port: int, *, leave: bool) -> None:
    """Run the demo; stay up until Ctrl-C unless told to leave."""
    began = time.monotonic()
    _console.rule("[bold]Entrepot: a wind farm, from files to results")
    _console.print("Data: La Haute Borne wind farm, ENGIE, Licence Ouverte / Open Licence 2.0 (Etalab); 2014.\n")
    _console.print("Starting a server on a fresh data folder ...")
    with (
        running(port, ftp_port) as server,
        entrepot.connect(server.url, login=server.login, password=server.password) as client,
    ):
        farm, gate, importer, analysis = _main_job(client)
        if leave:
            month.show(client, _console, gate, importer, analysis)
        _explain(client, analysis)
        _console.rule(f"[bold]Done in {time.monotonic() - began:.0f} s")
        _console.print(f"Server:   {server.url}  (API: {server.url}/docs)")
        _console.print(f"Login:    {server.login}   Password: {server.password}")
        if leave:
            return
        ended = stop_on(*ENDS)
        _console.print("\nThe server stays up; Ctrl-C ends it. See April arrive, within ten minutes:")
        _console.print(server.link(f"/console/projects/{farm.id}"), soft_wrap=True, highlight=False)
        month.arrive(gate, importer, analysis, ended)
        ended.wait()


def _main_job(port: Client) -> tuple[Project, Gate, Importer, Analysis]:
    farm = port.projects.create(NAME)
    gate, importer = _import(farm)
    cleaner = _clean(port, importer)
    analysis, factors = _analyse(port, farm, cleaner)
    with tempfile.TemporaryDirectory() as folder:
        archive = _export(port, farm, Path(folder))
        kinds.show(port, _console, factors, archive)
    rows.show(port, _console, farm, cleaner)
    return farm, gate, importer, analysis


def _import(farm: Project) -> tuple[Gate, Importer]:
    gate = farm.gates.create("scada")
    month.upload(gate, _console, "2014-03")
    importer = gate.importers.create("scada", parse=FARM / "parse.py")
    report = importer.run().report
    table = Table("file", "rows", "points kept", "stamps sent twice", "empty cells", title="Importer: what came in")
    for file in report["files"]:
        counts = (file["rows"], file["added"], file["duplicate_stamps"], file["empty_cells"])
        table.add_row(file["path"], *(f"{count:,}" for count in counts))
    _console.print(table)
    return gate, importer


def _clean(port: Client, importer: Importer) -> str:
    """Make the channels, print what came of them, and return the id of the cleaner that they are of."""
    cleaned = [
        (turbine, *each) for turbine in TURBINES for each in (("P_avg", "power", "kW"), ("Ws_avg", "wind", "m/s"))
    ]
    for turbine, raw, name, unit in cleaned:
        channel = importer.channels.create(
            f"{turbine} {raw}", name=f"{turbine} {name}", unit=unit, kind="mean", step="1h", clock="UTC", fill=2
        )
    cleaner: str = channel.cleaner
    series = eventually(lambda: _all(port, cleaner, len(cleaned)))
    made: dict[str, Any] = {}
    for run in reversed([*port.runs.list(of=cleaner)]):
        made |= {name: counts for name, counts in run.report.get("series", {}).items() if counts.get("kept")}
    table = Table(
        "series",
        "ten-minute points",
        "hours",
        "hours filled in",
        "hours without data",
        title="Cleaner: ten minutes to one hour",
    )
    for each in series:
        counts = made[each.name]
        table.add_row(each.name, *(f"{counts[name]:,}" for name in ("points", "kept", "interpolated", "missing")))
    _console.print(table)
    return cleaner


def _analyse(port: Client, farm: Project, cleaner: str) -> tuple[Analysis, pd.DataFrame]:
    analysis = farm.analyses.create(
        "capacity factor",
        inputs=[{"series": f"{turbine} power", "column": turbine, "of": cleaner} for turbine in TURBINES],
        outputs=list(TURBINES),
        script=(FARM / "capacity_factor.py").read_text(),
        input_step="1h",
        step="1d",
        clock=ZONE,
    )
    analysis.run()
    frame = framed(list(port.series.list(of=analysis.id)))
    table = Table("day", *frame.columns, title="Analysis: daily capacity factor (mean power / 2050 kW)")
    for day, row in frame.iterrows():
        table.add_row(f"{day:%Y-%m-%d}", *("" if np.isnan(value) else f"{value:6.1%}" for value in row))
    _console.print(table)
    _plot(frame)
    return analysis, frame


def _plot(frame: pd.DataFrame) -> None:
    figure = plotext.figure
    figure.clear()
    figure.plot_size(min(_console.width, 100), 16)
    figure.title("Capacity factor in March 2014, % by day")
    days = [day.day for day in pd.DatetimeIndex(frame.index)]
    for turbine in frame.columns:
        signal_ = figure.signal(days, (frame[turbine] * 100).tolist())
        signal_.lines()
        signal_.label(turbine)
        figure.draw(signal_)
    figure.show(colorless=not _console.is_terminal)


def _export(port: Client, farm: Project, folder: Path) -> Path:
    series = list(farm.series)
    made = port.export(series, publish={"identifier": "march"}, step="1h", clock=f"{ZONE} standard", layout="frame")
    published = port.files.get(made["file"])
    archive = port.files.download(made["file"], folder / published["name"])
    with zipfile.ZipFile(archive) as opened:
        name = opened.namelist()[0]
        frame = pd.read_csv(opened.open(name), index_col=0, parse_dates=True)
    _console.print(
        f"Export: {len(series)} series by the hour in {name} of {archive.name} ({published['size']:,} bytes): "
        f"{len(frame):,} rows x {frame.shape[1]} columns, {frame.index[0]} to {frame.index[-1]}\n"
    )
    return archive


def _explain(port: Client, analysis: Analysis) -> None:
    *_, series = port.series.list(of=analysis.id)
    _console.print(f"Where {series.name} of 15 March comes from:")
    for line in lineage_of(series.explain("2014-03-15T00:00:00Z").runs[:1], 1):
        _console.print(line)


def _all(port: Client, maker: str, count: int) -> list[Series] | None:
    """Return the series of what makes them, once so many are there."""
    series = list(port.series.list(of=maker))
    return series if len(series) == count else None
