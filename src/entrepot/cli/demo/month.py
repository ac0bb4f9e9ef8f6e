"""A month's files on the gate; and the second month, which arrives while everything runs."""

import ftplib
import threading
from typing import Any

import pandas as pd
from rich.console import Console
from rich.progress import track
from rich.table import Table

from entrepot.cli.demo.farm import FARM, TURBINES, eventually, framed
from entrepot.client.analyses import Analysis
from entrepot.client.importing import Gate, Importer
from entrepot.client.native import Client

#: How long after each other the files of a month arrive, for who watches.
_PAUSE_SECONDS = 8


def upload(gate: Gate, console: Console, month: str) -> None:
    """Send a month's file of each turbine into its folder, by FTP."""
    for turbine in track(TURBINES, f"Uploading {month} by FTP", console=console):
        _send(gate, turbine, month)


def _send(gate: Gate, turbine: str, month: str) -> None:
    account = gate.account(password=True)
    with ftplib.FTP() as ftp:  # noqa: S321 - it never leaves this machine
        ftp.connect(account["host"], account["port"], timeout=60)
        ftp.login(account["login"], account["password"])
        if turbine not in ftp.nlst():
            ftp.mkd(turbine)
        with (FARM / turbine / f"{month}.csv").open("rb") as content:
            ftp.storbinary(f"STOR {turbine}/{month}.csv", content)


def _switch_on(importer: Importer, analysis: Analysis) -> None:
    importer.change(schedule="*/5 * * * * *", active=True)
    analysis.change(active=True)


def arrive(gate: Gate, importer: Importer, analysis: Analysis, ended: threading.Event) -> None:
    """Switch importer and analysis on, and send April, a turbine after the other, for who watches the console."""
    _switch_on(importer, analysis)
    for turbine in TURBINES:
        if ended.wait(_PAUSE_SECONDS):
            return
        _send(gate, turbine, "2014-04")


def show(port: Client, console: Console, gate: Gate, importer: Importer, analysis: Analysis) -> None:
    """Switch importer and analysis on, send April, and print what followed by itself."""
    _switch_on(importer, analysis)
    upload(gate, console, "2014-04")
    names = [f"{turbine}/2014-04.csv" for turbine in TURBINES]
    came = eventually(lambda: _imported(port, importer, names))
    factors = eventually(lambda: _factors(port, analysis))
    table = Table("file", "rows", "points kept", "March", "April", title="April arrived meanwhile: capacity factors")
    for turbine, name in zip(TURBINES, names, strict=True):
        months = (f"{factors[turbine][month]:.1%}" for month in ("2014-03", "2014-04"))
        table.add_row(name, f"{came[name]['rows']:,}", f"{came[name]['added']:,}", *months)
    console.print(table)
    # Nothing more comes.
    importer.refresh()
    importer.change(active=False)


def _imported(port: Client, importer: Importer, names: list[str]) -> dict[str, Any] | None:
    """Return what runs of the importer report of these files, once they have read all."""
    reports = [run.report for run in port.runs.list(of=importer.id)]
    found = {file["path"]: file for report in reports for file in report.get("files", ()) if file["path"] in names}
    return found if len(found) == len(names) else None


def _factors(port: Client, analysis: Analysis) -> pd.DataFrame | None:
    """Return each turbine's mean capacity factor by month, once all of April is there."""
    days = framed(list(port.series.list(of=analysis.id)))
    if days.dropna().index[-1] < pd.Timestamp("2014-04-29"):
        return None
    return days.groupby(pd.DatetimeIndex(days.index).strftime("%Y-%m")).mean()
