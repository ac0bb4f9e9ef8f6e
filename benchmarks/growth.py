"""What a month of importers that look every minute leaves: `python benchmarks/growth.py [--postgres URL]`.

Everything happens in this process, on a clock that is moved by hand: schedules fire, jobs are claimed and run as by a
worker, upkeep comes hour by hour by its own schedules. Scripts are called in place, as what they cost is not the
question. Of each day so many minutes are lived through as are asked for (`--minutes`), each of them whole: every
importer looks. The first day may be lived through for longer (`--first`). Every day some importers find a file, and
every fifth day one finds one that its script refuses, minute by minute: these are the rows of the month, and what
retention is for, which is shortened so that a month shows its level (`--kept`). A minute in which nothing is found is
to leave nothing, however many follow.
"""

import argparse
import importlib
import os
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import closing
from datetime import UTC, datetime, timedelta
from itertools import takewhile
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pandas as pd
from sqlalchemy import func, select

from entrepot import jobs
from entrepot.db import Database, migrate, types, vacuum
from entrepot.events.models import Event
from entrepot.identity import Principal, Role, Vault, projects, users
from entrepot.jobs import schedules
from entrepot.jobs.testing import run_pending
from entrepot.lineage import Link, Run
from entrepot.pipeline.gates import configuration as gates
from entrepot.pipeline.generators import actions
from entrepot.pipeline.importing import configuration as importers
from entrepot.scripts import ScriptError, Several
from entrepot.server.handlers import HANDLERS, SCHEDULES
from entrepot.server.logs import configure_logging
from entrepot.settings import Settings

BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
#: What issue 13 found: each look left a job, a run and an event.
BEFORE_BYTES_A_DAY = 0.9e9
TABLES = {"jobs": jobs.Job, "counts": jobs.Idle, "runs": Run, "lineage": Link, "events": Event}


class Clock:
    """The instant that everything in this process takes for now."""

    def __init__(self) -> None:
        self.instant = BEGIN
        types.__dict__["_instant"] = lambda: self.instant
        # In place: columns and modules hold the function itself.
        types.now.__code__ = compile("def now():\n    return _instant()", __file__, "exec").co_consts[0]


class Scripts:
    """Parses in place: a line is a stamp and a value."""

    def parse(self, _script: str, content: bytes, path: str, *_: Any, **__: Any) -> Any:
        """Return the frame of a file."""
        if b"broken" in content:
            raise ScriptError("raised", f"{path} is broken", traceback="Traceback ...\n" * 20)
        rows = [line.split(",") for line in content.decode().splitlines()]
        frame = pd.DataFrame({"power": [float(value) for _, value in rows]}, pd.DatetimeIndex([at for at, _ in rows]))
        return SimpleNamespace(value=frame, output="", notes=[])

    def parse_several(self, script: str, files: list[tuple[bytes, str]], *_: Any, **__: Any) -> Any:
        """Return the frames of files up to one that is refused, which goes alone."""
        whole = list(takewhile(lambda file: b"broken" not in file[0], files))
        return Several([(self.parse(script, *file).value, []) for file in whole], alone=len(whole) < len(files))


class Month:
    """Importers, and the days that they live through."""

    def __init__(self, database: Database, folder: Path, importers_: int, kept: int) -> None:
        self.clock, self.database = Clock(), database
        self.settings = Settings(
            data_dir=folder,
            run_retention_days=kept,
            job_retention_days=kept,
            event_retention_days=kept,
            delivery_retention_days=kept,
        )
        Vault.create(self.settings.secret_key_file)
        self.services: dict[str, Any] = {"scripts": Scripts(), "vault": Vault.open(self.settings.secret_key_file)}
        migrate.upgrade(database)
        jobs.load(HANDLERS)
        with database.write() as session:
            organization = users.create_organization(session, "Openergy")
            user, _ = users.create_user(session, "ada")
            users.set_member(session, user, organization, Role.ADMIN)
            ada = Principal(user.id, user.login, organization.id, {organization.id: Role.ADMIN})
            project = projects.create_project(session, ada, organization.id, "farm")
            self.gates = [self._importer(session, ada, project.id, number) for number in range(importers_)]
            for name in SCHEDULES:
                importlib.import_module(name).schedule(session)
            schedules.every(session, "jobs.prune", 3600, "jobs.prune")

    def _importer(self, session: Any, ada: Principal, project_id: str, number: int) -> Path:
        gate = gates.create_gate(session, ada, self.services["vault"], project_id, f"gate {number}")
        fields = {"project": project_id, "name": f"scada {number}", "gate": gate.id, "parse": "def parse(): ..."}
        importer = importers.create_importer(session, ada, fields)
        importers.update_importer(session, ada, importer.id, {"schedule": "0 * * * * *"})
        actions.set_active(session, importer, True)
        folder = self.settings.data_dir / gates.gate_home(gate.id)
        folder.mkdir(parents=True)
        return folder

    def tick(self) -> int:
        """Move on to the next full minute, have everything done that is due, and return how many jobs that were."""
        self.clock.instant = self.clock.instant.replace(second=0, microsecond=0) + timedelta(minutes=1, seconds=1)
        done = 0
        while True:
            with self.database.write() as session:
                fired = schedules.fire_due(session, self.clock.instant)
            part = run_pending(self.database, self.settings, self.services, limit=1_000_000)
            done += len(part)
            if not fired:
                return done

    def receive(self, day: int, files: int) -> None:
        """Put a file onto some gates; every fifth day the last one's is refused, until it is mended the day after."""
        hours = pd.date_range(self.clock.instant.replace(tzinfo=None), periods=24, freq="h")
        content = "".join(f"{hour.isoformat()},{day}\n" for hour in hours)
        for gate in self.gates[:files]:
            (gate / f"{self.clock.instant:%Y%m%d}.csv").write_text(content)
        for file in self.gates[files - 1].glob("*.csv") if files else ():
            if day % 5 == 4 and file.stem == f"{self.clock.instant:%Y%m%d}":
                file.write_text("broken")
            elif file.read_text() == "broken":
                file.write_text(content)

    def standing(self) -> dict[str, int]:
        """Return the rows of what is written by itself, and the bytes of the database without what is free in it."""
        if self.database.dialect == "postgresql":
            vacuum.vacuum_postgresql(self.database)  # as its own upkeep would have by then
        else:
            vacuum.checkpoint(self.database)
        with self.database.read() as session:
            rows = {
                name: session.scalar(select(func.count()).select_from(table)) or 0 for name, table in TABLES.items()
            }
            found = vacuum.standing(session)
        return rows | {"bytes": found.bytes - found.free_bytes, "file": found.bytes}


def live(month: Month, args: argparse.Namespace) -> None:
    """Live through the days and print how each ends."""
    names = [*TABLES, "bytes", "file"]
    print(f"{'day':>4} {'looks':>9} " + " ".join(f"{name:>11}" for name in names) + f" {'s':>7}")
    sizes: list[int] = []
    for day in range(args.days):
        began, looks, start = time.monotonic(), 0, month.clock.instant
        month.receive(day, args.files)
        for minute in range(args.first if day == 0 else args.minutes):
            looks += month.tick()
            if day == 0 and minute in (0, args.first - 1):
                print(f"     minute {minute}: {month.standing()}", file=sys.stderr)
        month.clock.instant = start + timedelta(days=1)
        found = month.standing()
        sizes.append(found["bytes"])
        row = " ".join(f"{found[name]:>11,}" for name in names)
        print(f"{day:>4} {looks:>9,} {row} {time.monotonic() - began:>7.1f}", flush=True)
    _say(sizes, args)


def _say(sizes: Sequence[int], args: argparse.Namespace) -> None:
    before = sizes[1 : max(args.kept - 1, 2)]
    after = sizes[min(args.kept + 3, len(sizes) - 1) :]
    grown = (before[-1] - sizes[0]) / max(len(before), 1)
    print(f"before retention: {grown:,.0f} bytes a day ({BEFORE_BYTES_A_DAY:,.0f} when each look left its rows)")
    daily = (after[-1] - after[0]) / max(len(after) - 1, 1)
    print(f"after {args.kept} days: level {after[-1]:,} bytes, {daily:,.0f} bytes a day, what is imported among them")


def main() -> None:
    """Run it on SQLite, or on an empty PostgreSQL database."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--postgres", help="URL of an empty database.")
    parser.add_argument("--importers", type=int, default=1000)
    parser.add_argument("--days", type=int, default=30)
    parser.add_argument("--minutes", type=int, default=2, help="Minutes of each day that are lived through.")
    parser.add_argument("--first", type=int, default=10, help="Minutes of the first day.")
    parser.add_argument("--files", type=int, default=20, help="Importers that find a file, each day.")
    parser.add_argument("--kept", type=int, default=7, help="Days of all retentions.")
    args = parser.parse_args()
    os.environ.pop("ENTREPOT_DATA_DIR", None)
    configure_logging("error", "console")
    with tempfile.TemporaryDirectory(prefix="entrepot-growth-") as folder:
        url = args.postgres or f"sqlite:///{folder}/entrepot.db"
        with closing(Database(url, synchronous="NORMAL")) as database:
            live(Month(database, Path(folder), args.importers, args.kept), args)


if __name__ == "__main__":
    main()
