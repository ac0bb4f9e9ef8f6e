"""Space that deletions freed is given back: in small steps as upkeep, and by `entrepot db vacuum`."""

import shutil
from collections.abc import Callable
from pathlib import Path

from sqlalchemy.orm import Session

from entrepot import jobs
from entrepot.db import vacuum
from entrepot.server.run.serve import alone
from entrepot.server.run.upgrade import require_unused
from entrepot.server.services import Services

VACUUM = "db.vacuum"


def schedule(session: Session) -> None:
    """Have space given back, hour by hour."""
    jobs.schedules.every(session, VACUUM, 3600, VACUUM, key=VACUUM)


@jobs.task(VACUUM)
def run(context: jobs.JobContext) -> dict[str, int]:
    """Give back what is free in an SQLite database, but for some, in steps that leave others as long as they take."""
    return {"pages": jobs.in_units(context, vacuum.give_back)}


def plan(services: Services) -> list[str]:
    """Return what `entrepot db vacuum` finds and would do, in sentences."""
    with services.database.read() as session:
        found = vacuum.standing(session)
    said = [f"the database has {_mib(found.bytes)}"]
    if services.database.dialect == "postgresql":
        return [*said, "runs VACUUM (ANALYZE), which makes room for what comes next; the server may run"]
    said[0] += f", {_mib(found.free_bytes)} of it free"
    if found.in_steps:
        return [*said, "gives back what is free, in small steps; the server may run, and does so itself hour by hour"]
    needed, free = found.bytes - found.free_bytes, _free(services)
    return [
        *said,
        "writes it anew beside itself, so that it gives back in small steps from then on; stop the server first",
        f"needs {_mib(needed)} on the disk, of which {_mib(free)} are free",
    ]


def vacuum_now(services: Services, tell: Callable[[str], None]) -> None:
    """Give back all that is free.

    Raises
    ------
    Conflict
        The database has to be written anew, and a server runs on it.
    OutOfSpace
        There is no room for that.
    """
    database = services.database
    with database.read() as session:
        before = vacuum.standing(session)
    if database.dialect == "postgresql":
        vacuum.vacuum_postgresql(database)
    elif before.in_steps:
        given = 1
        while given:
            with database.write() as session:
                given = vacuum.give_back(session, spare=False)
        if not vacuum.checkpoint(database):
            tell("others read it: the file itself gets smaller once they are done")
    else:
        with alone(services.settings.data_dir):
            require_unused(database)
            vacuum.rewrite(database, _free(services))
    with database.read() as session:
        after = vacuum.standing(session)
    tell(f"from {_mib(before.bytes)} to {_mib(after.bytes)}")


def _free(services: Services) -> int:
    return shutil.disk_usage(Path(services.database.engine.url.database or ".").parent).free


def _mib(size: int) -> str:
    return f"{size / 2**20:,.1f} MiB"
