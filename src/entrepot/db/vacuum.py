"""Giving back the space of what was deleted.

SQLite keeps the pages that deletions free, for what comes next, unless it is told to give them back: some at a time
where the database was made for that (``auto_vacuum``), or by writing all of it anew. PostgreSQL does it by itself.
"""

import os
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import text
from sqlalchemy.orm import Session

from entrepot.db.engine import Database
from entrepot.errors import EntrepotError, OutOfSpace

#: Pages that are moved in one unit of work: a moment for whoever waits.
STEP = 500
#: Free pages up to this share of all, or so many, are kept for what comes next.
_SPARE_SHARE, _SPARE_PAGES = 0.05, 1000
_INCREMENTAL = 2
_ASIDE = ".vacuum"
_CHECKPOINT_MILLISECONDS = 1000


@dataclass(frozen=True)
class Standing:
    """How much a database takes, how much of that is free, and whether that can be given back some at a time."""

    bytes: int
    free_bytes: int
    in_steps: bool


def standing(session: Session) -> Standing:
    """Return how a database stands."""
    if session.get_bind().dialect.name == "postgresql":
        size = session.execute(text("SELECT pg_database_size(current_database())")).scalar_one()
        return Standing(int(size), 0, in_steps=True)
    size, pages, free = (_pragma(session, name) for name in ("page_size", "page_count", "freelist_count"))
    return Standing(pages * size, free * size, in_steps=_pragma(session, "auto_vacuum") == _INCREMENTAL)


def give_back(session: Session, *, spare: bool = True) -> int:
    """Give back some free pages of SQLite, and return how many; 0: there are none to give back.

    Parameters
    ----------
    spare
        Keep some of them for what comes next.
    """
    if session.get_bind().dialect.name != "sqlite" or _pragma(session, "auto_vacuum") != _INCREMENTAL:
        return 0
    pages, free = _pragma(session, "page_count"), _pragma(session, "freelist_count")
    wanted = min(free - (max(_SPARE_PAGES, int(pages * _SPARE_SHARE)) if spare else 0), STEP)
    if wanted <= 0:
        return 0
    # Of the driver: each step of this statement moves a page, though none returns a row.
    driver = session.connection().connection.driver_connection
    assert driver is not None
    driver.execute(f"PRAGMA incremental_vacuum({int(wanted)})").fetchall()
    return pages - _pragma(session, "page_count")


def checkpoint(database: Database) -> bool:
    """Bring what was written into SQLite's own file, which gets its new size by that; tell whether all of it was.

    Whoever reads for long, as Litestream does, keeps it from that; writers wait for a second of it at most.
    """
    driver = database.engine.raw_connection()  # it cannot be done in a transaction
    try:
        cursor = driver.cursor()
        cursor.execute(f"PRAGMA busy_timeout={_CHECKPOINT_MILLISECONDS}")
        (busy, *_) = cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        return not busy
    finally:
        driver.invalidate()


def rewrite(database: Database, free_bytes: int) -> None:
    """Write an SQLite database anew, without what is free in it, so that it gives back by steps from then on.

    Nobody else may use it. Whenever this ends, the database is the old or the new one.

    Raises
    ------
    OutOfSpace
        It does not fit beside itself.
    """
    path = Path(database.engine.url.database or "")
    with database.read() as session:
        found = standing(session)
    if (needed := found.bytes - found.free_bytes) > free_bytes:
        raise OutOfSpace(f"It is written anew beside itself: {needed:,} bytes are needed, {free_bytes:,} are free.")
    aside = path.with_name(path.name + _ASIDE)
    aside.unlink(missing_ok=True)
    if not checkpoint(database):
        raise EntrepotError("The database is in use: stop every server and worker on it.")
    driver = database.engine.raw_connection()
    try:
        cursor = driver.cursor()
        cursor.execute("PRAGMA auto_vacuum=INCREMENTAL")
        cursor.execute("VACUUM INTO ?", (str(aside),))
    finally:
        driver.invalidate()
        database.close()
    _replace(path, aside)


def vacuum_postgresql(database: Database) -> None:
    """Have PostgreSQL make room and look at its tables, while everybody goes on."""
    with database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("VACUUM (ANALYZE)"))


def _replace(path: Path, aside: Path) -> None:
    copy = Database(f"sqlite:///{aside}")
    try:
        with copy.read() as session:
            if (said := session.execute(text("PRAGMA quick_check")).scalar_one()) != "ok":
                raise EntrepotError(f"The database is damaged ({said}): nothing was changed. Run `entrepot check`.")
    finally:
        checkpoint(copy)
        copy.close()
    aside.chmod(path.stat().st_mode & 0o777)
    _sync(aside)
    for old in (path, aside):
        for suffix in ("-wal", "-shm"):
            old.with_name(old.name + suffix).unlink(missing_ok=True)
    aside.replace(path)
    _sync(path.parent)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _pragma(session: Session, name: str) -> int:
    return int(session.execute(text(f"PRAGMA {name}")).scalar_one())
