"""`entrepot db upgrade`: nobody else is at the database, a copy is made first, then the tables change."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import text

from entrepot.db import Database, migrate, now
from entrepot.errors import Conflict
from entrepot.server import backup, recognise
from entrepot.server.run.serve import alone
from entrepot.server.services import Services

FOLDER = "backups"
_PATIENCE_SECONDS = 3.0
_BYTES_A_SECOND = 30e6
#: Connections of an operator who looks at the database are no server.
_IN_USE = """
SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND usename = current_user
AND pid <> pg_backend_pid() AND coalesce(application_name, '') NOT IN ('psql', 'pg_dump')
"""


@dataclass(frozen=True)
class Plan:
    """What an upgrade will do.

    Attributes
    ----------
    steps
        What each migration changes; none: there is nothing to do.
    seconds
        About how long it takes: reading the database, and writing it once more.
    """

    found: str | None
    wanted: str | None
    steps: list[str]
    bytes: int
    seconds: float


def plan(services: Services) -> Plan:
    """Return what an upgrade of a database will do."""
    database = services.database
    size = _size(database)
    return Plan(migrate.current(database), migrate.head(), migrate.pending(database), size, size / _BYTES_A_SECOND * 2)


def run(services: Services, wanted: Plan, *, copy: bool, tell: Callable[[str], None]) -> None:
    """Upgrade; a copy of the database is in the data folder's ``backups`` before anything changes.

    Raises
    ------
    Conflict
        A server, or a worker, still runs on the database or in the data folder.
    """
    settings, database = services.settings, services.database
    if wanted.found is None:
        migrate.upgrade(database)
        if settings.secret_key is not None or settings.secret_key_file.exists():
            recognise.recognise(services)
        return
    recognise.open_vault(services)
    with alone(settings.data_dir):
        require_unused(database)
        if copy:
            folder = settings.data_dir / FOLDER
            folder.mkdir(mode=0o700, exist_ok=True)
            file = folder / f"before-upgrade-{now():%Y%m%dT%H%M%S}-from-{wanted.found}.tar.gz"
            backup.backup(services, file, files=False)
            tell(f"the database as it was: {file}")
            require_unused(database)
        migrate.upgrade(database)
        recognise.recognise(services)


def require_unused(database: Database) -> None:
    """Raise where any process of any version, on any machine, is connected to the database."""
    database.close()
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while used := (_is_used_sqlite if database.dialect == "sqlite" else _is_used_postgresql)(database):
        if time.monotonic() > deadline:
            raise Conflict(f"The database is in use{used}: stop every server and worker on it, then upgrade.")
        time.sleep(0.1)


def _is_used_postgresql(database: Database) -> str:
    with database.engine.connect() as connection:
        count = connection.execute(text(_IN_USE)).scalar_one()
    return f" by {count} connections" if count else ""


def _is_used_sqlite(database: Database) -> str:
    """Ask for the file exclusively: whoever has it open, be it idle, is in the way."""
    driver = database.engine.raw_connection()
    try:
        cursor = driver.cursor()
        cursor.execute("PRAGMA busy_timeout=0")
        cursor.execute("PRAGMA locking_mode=EXCLUSIVE")
        cursor.execute("BEGIN EXCLUSIVE")
        cursor.execute("SELECT count(*) FROM sqlite_master")
        cursor.execute("ROLLBACK")
    except Exception as error:
        if "locked" not in str(error):
            raise
        return " by another process"
    finally:
        driver.invalidate()
    return ""


def _size(database: Database) -> int:
    if database.dialect == "sqlite":
        file = Path(database.engine.url.database or "")
        return file.stat().st_size if file.exists() else 0
    with database.read() as session:
        return int(session.execute(text("SELECT pg_database_size(current_database())")).scalar_one())
