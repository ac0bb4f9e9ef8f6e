"""The server at a glance, for administrators: what it does, what waits, what is short, and who is refused."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from starlette.responses import Response

import entrepot
from entrepot.server import state
from entrepot.server.api import account, audit
from entrepot.server.beats import SILENT_SECONDS
from entrepot.server.console.listing import Cell, Link, State, asks_csv
from entrepot.server.console.native import PageUnit
from entrepot.server.console.page import Page, render
from entrepot.server.console.thing import Table, table_as_csv
from entrepot.server.endpoint import Call
from entrepot.server.health import Health

_SECONDS = 5
_UNITS = ("bytes", "KB", "MB", "GB", "TB")
#: Where one sees what a limit counts.
_LISTS = {
    "points": "/console/explorer",
    "files": "/console/files",
    "file_bytes": "/console/files?sort=-bytes",
    "storage": "/console/files/storages",
    "works": "/console/works",
    "jobs": "/console/runs?status=pending",
}


@dataclass(frozen=True)
class ServerView:
    """What the page of the server shows.

    Attributes
    ----------
    seconds
        How often it is looked at again by itself.
    wrong
        What is wrong, in words; empty where nothing is.
    facts
        What there is to say, by name.
    tables
        Its parts with when they were last heard of, the queues by kind of job, what the organization has beside its
        limits, and who is refused because of wrong passwords.
    """

    seconds: int
    wrong: Sequence[str]
    facts: Sequence[tuple[str, Cell]]
    tables: Sequence[Table]


def _show(call: Call) -> Response:
    call.principal.require("admin")
    health: Health = call.request.app.state.health
    told = health.told(call.session)
    down = state.parts_down(call.services.settings.data_dir)
    tables = (_parts(told), _queues(told), _limits(call), _bans(call))
    if asks_csv(call):
        return table_as_csv(call, tables)
    view = ServerView(
        _SECONDS,
        _wrong(told, [*health.warnings, *health.storage_fails], down),
        _facts(told),
        tables,
    )
    return render(call, "server.html", view=view)


def _wrong(told: dict[str, Any], warnings: Sequence[str], down: Sequence[str]) -> list[str]:
    found = [f"{one} is not ready" for one in down]
    found += [
        f"{one['part']} was not heard of for {one['silent_seconds']:.0f} s"
        for one in told["parts"]
        if one["silent_seconds"] > SILENT_SECONDS
    ]
    if told["disk"]["short"] or "disk" in warnings:
        found.append("the disk is short of space")
    if told["key"] != "ok":
        found.append(f"the secret key: {told['key']}")
    if "storage" in warnings:
        found.append("the bucket of the setting storage_url does not answer")
    if "clock" in warnings:
        found.append("the clocks of this machine and of the database differ")
    if "read-only" in warnings:
        found.append("the server is being moved, or was: nothing new is taken")
    if told["database"]["locked"]:
        found.append("somebody locks the database")
    return found


def _facts(told: dict[str, Any]) -> list[tuple[str, Cell]]:
    disk, scripts, ahead = told["disk"], told["scripts"], told["clock"]["ahead_of_database_seconds"]
    left = f", for {disk['days_left']:g} days at the rate of the last one" if disk["days_left"] is not None else ""
    missing = f"; missing: {', '.join(scripts['missing'])}" if scripts["missing"] else ""
    return [
        ("Version", entrepot.__version__),
        ("Database", f"{told['database']['kind']}, {size(told['database']['bytes'] or 0)}"),
        ("Free", State("late" if disk["short"] else "good", f"{size(disk['free_bytes'])}{left}")),
        ("Users' scripts", f"kept apart: {scripts['name']}{missing}; they run as {scripts['user']}"),
        ("Secret key", State("good" if told["key"] == "ok" else "bad", told["key"])),
        ("Clock", datetime.fromisoformat(told["clock"]["now"])),
        ("Ahead of the database's", f"{ahead:g} s" if ahead is not None else ""),
    ]


def _parts(told: dict[str, Any]) -> Table:
    rows = [
        (
            one["part"],
            State("bad", "silent") if one["silent_seconds"] > SILENT_SECONDS else State("good", "lives"),
            datetime.fromisoformat(one["seen_at"]),
            datetime.fromisoformat(one["started_at"]),
            one["host"],
            str(one["pid"]),
            one["version"],
        )
        for one in told["parts"]
    ]
    columns = ("Part", "State", "Last heard of", "Since", "Host", "Process", "Version")
    return Table("Parts", columns, rows, "No part beats: nothing supervises this process.")


def _queues(told: dict[str, Any]) -> Table:
    rows = [
        (
            kind,
            _number(one["waiting"], kind=kind, status="pending"),
            f"{one['oldest_seconds']:,.0f} s" if one["waiting"] else "",
            _number(one["running"], kind=kind, status="running"),
            _number(one["failed"], kind=kind, status="failed", hours="1"),
        )
        for kind, one in sorted(told["jobs"].items())
    ]
    columns = ("Kind of job", "Wait", "The oldest, for", "Run", "Failed in an hour")
    return Table("Queues of all organizations", columns, rows, "Nothing waits, runs, or failed within the hour.")


def _number(count: int, **asked: str) -> Cell:
    return Link(f"{count:,}", f"/console/runs?{urlencode(asked)}") if count else 0


def _limits(call: Call) -> Table:
    rows: list[tuple[Cell, ...]] = [
        (
            one.name.replace("_", " "),
            Link(f"{one.used:,}", _LISTS[one.name]) if one.name in _LISTS else one.used,
            one.most if one.most is not None else "no limit",
        )
        for one in account.list_limits(PageUnit(call))
    ]
    return Table("What this organization has", ("What", "It has", "At most"), rows)


def _bans(call: Call) -> Table:
    found = audit.list_bans(PageUnit(call)).items
    rows = [(one.login, one.address or "anywhere", one.since, one.until) for one in found]
    columns = ("Login", "From", "Refused since", "Until")
    return Table("Members' logins that are refused after wrong passwords", columns, rows, "Nobody is refused.")


def size(count: int) -> str:
    """Return a number of bytes as people read it."""
    value, unit = float(count), 0
    while value >= 1000 and unit < len(_UNITS) - 1:
        value, unit = value / 1000, unit + 1
    return f"{value:,.0f} {_UNITS[unit]}" if value >= 100 or not unit else f"{value:.1f} {_UNITS[unit]}"


PAGES = (Page("GET", "/console/server", _show, "identity", "admin", write=False),)
