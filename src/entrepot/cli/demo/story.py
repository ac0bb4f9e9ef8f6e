"""What the demo does and prints."""

import io
import signal
import threading
import time
import zipfile
from importlib.resources import files
from typing import Any

import numpy as np
import pandas as pd
import plotext
from rich.console import Console
from rich.table import Table

from entrepot.cli.demo import kinds, month, rows
from entrepot.cli.demo.server import Server, running
from entrepot.errors import Unavailable

OVBP = "/ovbp/api/v2"
TURBINES = ("R80711", "R80721", "R80736", "R80790")
_FARM = files("entrepot.cli.demo") / "wind_farm"
_WAIT_SECONDS = 300
_console = Console()


def tell(port: int, ftp_port: int, *, leave: bool) -> None:
    """Run the demo; stay up until Ctrl-C unless told to leave."""
    began = time.monotonic()
    _console.rule("[bold]Entrepot: a wind farm, from files to results")
    _console.print("Data: La Haute Borne wind farm, ENGIE, Licence Ouverte / Open Licence 2.0 (Etalab); 2014.\n")
    _console.print("Starting a server on a fresh data folder ...")
    with running(port, ftp_port) as server:
        _main_job(server)
        _console.rule(f"[bold]Done in {time.monotonic() - began:.0f} s")
        _console.print(f"Server:   {server.url}  (API: {server.url}/docs)")
        _console.print(f"Console:  {server.url}/console")
        _console.print(f"Login:    {server.login}   Password: {server.password}")
        if not leave:
            _console.print("\nThe server stays up; Ctrl-C ends it and removes its data.")
            _wait_for_interrupt()


def _main_job(server: Server) -> None:
    organization = server.get(f"{OVBP}/oteams/organizations/")["data"][0]
    project = server.post(f"{OVBP}/oteams/projects/", {"organization": organization["id"], "name": "La Haute Borne"})
    gate, importer, cleaner = _import(server, project["odata"])
    _clean(server, cleaner)
    analysis, factors = _analyse(server, project["odata"], cleaner)
    archive = _export(server, project["odata"])
    kinds.show(server, _console, factors, archive)
    rows.show(server, _console, project["odata"], cleaner)
    month.show(server, _console, gate, importer, analysis)
    _explain(server, analysis)


def _import(server: Server, project: str) -> tuple[str, str, str]:
    gate = server.post(f"{OVBP}/odata/gates/", {"project": project, "name": "scada", "comment": ""})
    account: str = gate["ftp_account"]["id"]
    month.upload(server, _console, account, "2014-03")
    fields = {"project": project, "name": "scada", "gate": gate["id"], "parse_script": (_FARM / "parse.py").read_text()}
    importer = server.post(f"{OVBP}/odata/importers/", fields)
    report = server.run(f"{OVBP}/odata/importers/{importer['id']}/action/", {"name": "run"})["result"]
    table = Table("file", "rows", "points kept", "stamps sent twice", "empty cells", title="Importer: what came in")
    for file in report["files"]:
        counts = (file["rows"], file["added"], file["duplicate_stamps"], file["empty_cells"])
        table.add_row(file["path"], *(f"{count:,}" for count in counts))
    _console.print(table)
    cleaner: str = server.get(f"{OVBP}/odata/cleaners/", project=project, name="scada")["data"][0]["id"]
    return account, str(importer["id"]), cleaner


def _clean(server: Server, cleaner: str) -> None:
    cleaned = [
        (turbine, *each) for turbine in TURBINES for each in (("P_avg", "power", "kW"), ("Ws_avg", "wind", "m/s"))
    ]
    for turbine, raw, name, unit in cleaned:
        fields = {
            "cleaner": cleaner,
            "external_name": f"{turbine} {raw}",
            "name": f"{turbine} {name}",
            "freq": "1H",
            "input_unit_type": "mean",
            "unit_type": "mean",
            "clock": "gmt",
            "timezone": "Europe/Paris",
            "unit": unit,
            "interpolate_limit": 2,
        }
        server.post(f"{OVBP}/odata/unitcleaners/", fields)
    series = _eventually(lambda: _all(server, cleaner, len(cleaned)))
    made: dict[str, Any] = {}
    for run in reversed(server.get("/api/v1/runs", of=cleaner)["items"]):
        made |= {name: counts for name, counts in run["report"].get("series", {}).items() if counts.get("kept")}
    table = Table(
        "series",
        "ten-minute points",
        "hours",
        "hours filled in",
        "hours without data",
        title="Cleaner: ten minutes to one hour",
    )
    for each in series:
        counts = made[each["name"]]
        table.add_row(each["name"], *(f"{counts[name]:,}" for name in ("points", "kept", "interpolated", "missing")))
    _console.print(table)


def _analyse(server: Server, project: str, cleaner: str) -> tuple[str, pd.DataFrame]:
    analysis: str = server.post(f"{OVBP}/odata/analyses/", {"project": project, "name": "capacity factor"})["id"]
    for turbine in TURBINES:
        column = {"analysis": analysis, "input_series_generator": cleaner, "input_series_name": f"{turbine} power"}
        server.post(f"{OVBP}/odata/analysis_inputs/", {**column, "column_name": turbine})
        server.post(f"{OVBP}/odata/analysis_outputs/", {"analysis": analysis, "name": turbine, "resample_rule": "mean"})
    config = {
        "analysis": analysis,
        "input_freq": "1H",
        "output_freq": "1D",
        "clock": "dst",
        "output_timezone": "Europe/Paris",
        "script": (_FARM / "capacity_factor.py").read_text(),
    }
    server.post(f"{OVBP}/odata/analysis_configs/", config)
    server.run(f"{OVBP}/odata/analyses/{analysis}/action/", {"name": "run"})
    frame = server.frame(analysis)
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


def _export(server: Server, project: str) -> bytes:
    series = server.get(f"{OVBP}/odata/series/", project=project)["data"]
    body = {
        "series": [each["id"] for each in series],
        "start": None,
        "end": None,
        "out_freq": "1H",
        "clock": "tzt",
        "out_mode": "dataframe",
        "sep": ",",
        "decimal": ".",
        "time_grouper": None,
        "with_tags": False,
        "in_start_mode": "right",
        "in_end_mode": "left",
    }
    server.run(f"{OVBP}/odata/series/export/", body)
    me = server.get(f"{OVBP}/oteams/users/me/")
    account = server.get(f"{OVBP}/odata/users/{me['odata']}/")["ftp_account"]
    with server.ftp("user_ftp_accounts", account) as ftp:
        ftp.cwd("series_exports")
        newest = max(ftp.nlst())
        archive = io.BytesIO()
        ftp.retrbinary(f"RETR {newest}", archive.write)
    with zipfile.ZipFile(archive) as opened:
        name = opened.namelist()[0]
        frame = pd.read_csv(opened.open(name), index_col=0, parse_dates=True)
    _console.print(
        f"Export: {len(series)} series by the hour in {name} of {newest} ({archive.tell():,} bytes): "
        f"{len(frame):,} rows x {frame.shape[1]} columns, {frame.index[0]} to {frame.index[-1]}\n"
    )
    return archive.getvalue()


def _explain(server: Server, analysis: str) -> None:
    series = server.get(f"{OVBP}/odata/series/", generator=analysis)["data"][-1]
    runs = server.get(f"/api/v1/lineage/series/{series['id']}", at="2014-03-15T00:00:00Z")
    _console.print(f"Where {series['name']} of 15 March comes from:")
    _print_lineage(runs, 1)


def _print_lineage(runs: list[dict[str, Any]], depth: int) -> None:
    for run in runs[:1]:
        _console.print("   " * depth + f"{run['generator']['kind']} run {run['run'][:8]}")
        seen = set()
        for each in run["inputs"]:
            if each["kind"] == "gate file":
                _console.print(
                    "   " * (depth + 1) + f"file {each['id'].partition('/')[2]}, SHA-256 {each['sha256'][:16]}…"
                )
            elif each["made_by"] and each["made_by"][0]["run"] not in seen:
                seen.add(each["made_by"][0]["run"])
                _print_lineage(each["made_by"], depth + 1)


def _all(server: Server, generator: str, count: int) -> list[dict[str, Any]] | None:
    series: list[dict[str, Any]] = server.get(f"{OVBP}/odata/series/", generator=generator)["data"]
    return sorted(series, key=lambda each: str(each["name"])) if len(series) == count else None


def _eventually(look: Any) -> Any:
    deadline = time.monotonic() + _WAIT_SECONDS
    while time.monotonic() < deadline:
        if found := look():
            return found
        time.sleep(0.1)
    raise Unavailable(f"Nothing came out in {_WAIT_SECONDS} s.")


def _wait_for_interrupt() -> None:
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    stop.wait()
