"""A month's files on the gate; and the second month, which arrives while everything runs."""

import io
import time
from importlib.resources import files
from typing import Any

import pandas as pd
from rich.console import Console
from rich.progress import track
from rich.table import Table

from entrepot.cli.demo.server import Server
from entrepot.errors import Unavailable

OVBP = "/ovbp/api/v2"
TURBINES = ("R80711", "R80721", "R80736", "R80790")
_FARM = files("entrepot.cli.demo") / "wind_farm"
_WAIT_SECONDS = 120


def upload(server: Server, console: Console, account: str, month: str) -> None:
    """Send a month's file of each turbine into its folder, by FTP."""
    with server.ftp("gate_ftp_accounts", account) as ftp:
        there = set(ftp.nlst())
        for turbine in track(TURBINES, f"Uploading {month} by FTP", console=console):
            if turbine not in there:
                ftp.mkd(turbine)
            content = (_FARM / turbine / f"{month}.csv").read_bytes()
            ftp.storbinary(f"STOR {turbine}/{month}.csv", io.BytesIO(content))


def show(server: Server, console: Console, account: str, importer: str, analysis: str) -> None:
    """Switch importer and analysis on, send April, and print what followed by itself."""
    server.patch(f"/api/v1/importers/{importer}", {"schedule": "*/5 * * * * *", "active": True})
    server.patch(f"{OVBP}/odata/analyses/{analysis}/active/", {"value": True})
    upload(server, console, account, "2014-04")
    names = [f"{turbine}/2014-04.csv" for turbine in TURBINES]
    came = _wait(lambda: _imported(server, importer, names))
    factors = _wait(lambda: _factors(server, analysis))
    table = Table("file", "rows", "points kept", "March", "April", title="April arrived meanwhile: capacity factors")
    for turbine, name in zip(TURBINES, names, strict=True):
        months = (f"{factors.loc[month, turbine]:.1%}" for month in ("2014-03", "2014-04"))
        table.add_row(name, f"{came[name]['rows']:,}", f"{came[name]['added']:,}", *months)
    console.print(table)
    # Nothing more comes.
    server.patch(f"/api/v1/importers/{importer}", {"active": False})


def _imported(server: Server, importer: str, names: list[str]) -> dict[str, Any] | None:
    """Return what runs of the importer report of these files, once they have read all."""
    runs = server.get("/api/v1/runs", of=importer, limit=50)["items"]
    found = {file["path"]: file for run in runs for file in run["report"].get("files", ()) if file["path"] in names}
    return found if len(found) == len(names) else None


def _factors(server: Server, analysis: str) -> pd.DataFrame | None:
    """Return each turbine's mean capacity factor by month, once all of April is there."""
    days = server.frame(analysis)
    if days.index[-1] < pd.Timestamp("2014-04-29"):
        return None
    return days.groupby(pd.DatetimeIndex(days.index).strftime("%Y-%m")).mean()


def _wait(look: Any) -> Any:
    deadline = time.monotonic() + _WAIT_SECONDS
    while time.monotonic() < deadline:
        if (found := look()) is not None:
            return found
        time.sleep(0.2)
    raise Unavailable(f"Nothing came out in {_WAIT_SECONDS} s.")
