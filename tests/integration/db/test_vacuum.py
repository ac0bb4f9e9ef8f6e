"""What deletions freed goes back to the disk: in small steps, or by writing a database anew that was not made so."""

import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from entrepot.db import Database, migrate, vacuum
from entrepot.db.engine import BUSY_TIMEOUT_SECONDS
from entrepot.errors import OutOfSpace

ROWS, BYTES = 2400, 4000


@pytest.fixture
def sqlite(tmp_path: Path) -> Iterator[Database]:
    database = Database(f"sqlite:///{tmp_path}/entrepot.db")
    yield database
    database.close()


def _fill(database: Database) -> None:
    with database.write() as session:
        session.execute(text("CREATE TABLE page (number INTEGER PRIMARY KEY, data BLOB)"))
        rows = [{"n": number, "d": os.urandom(BYTES)} for number in range(ROWS)]
        session.execute(text("INSERT INTO page VALUES (:n, :d)"), rows)


def _delete(database: Database) -> None:
    with database.write() as session:
        session.execute(text("DELETE FROM page WHERE number % 8 > 0"))


def _size(database: Database) -> int:
    assert vacuum.checkpoint(database)
    return Path(database.engine.url.database or "").stat().st_size


def _numbers(database: Database) -> list[int]:
    with database.read() as session:
        return list(session.scalars(text("SELECT number FROM page ORDER BY number")))


def test_a_new_database_gives_back_in_steps(sqlite: Database) -> None:
    _fill(sqlite)
    _delete(sqlite)
    full = _size(sqlite)
    steps: list[int] = []
    while not steps or steps[-1]:
        with sqlite.write() as session:
            steps.append(vacuum.give_back(session, spare=False))
    assert len(steps) > 3
    assert max(steps) <= vacuum.STEP + 5  # and what pages say where pages are
    assert _size(sqlite) < full / 4
    assert _numbers(sqlite) == list(range(0, ROWS, 8))


def test_some_is_kept_for_what_comes_next(sqlite: Database) -> None:
    _fill(sqlite)
    _delete(sqlite)
    given = -1
    while given:
        with sqlite.write() as session:
            given = vacuum.give_back(session)
    with sqlite.read() as session:
        found = vacuum.standing(session)
    assert 0 < found.free_bytes < 0.8 * found.bytes
    with sqlite.write() as session:
        assert vacuum.give_back(session) == 0


def test_who_reads_for_long_does_not_have_it_keep_writers_waiting(sqlite: Database) -> None:
    _fill(sqlite)
    with sqlite.read() as reading:
        reading.execute(text("SELECT count(*) FROM page")).one()
        _delete(sqlite)
        began = time.monotonic()
        assert not vacuum.checkpoint(sqlite)
        assert time.monotonic() - began < BUSY_TIMEOUT_SECONDS / 2
        with sqlite.write() as session:  # with the patience that every connection has
            assert session.execute(text("PRAGMA busy_timeout")).scalar_one() == BUSY_TIMEOUT_SECONDS * 1000
    assert vacuum.checkpoint(sqlite)


@pytest.fixture
def older(tmp_path: Path) -> Iterator[Database]:
    """A database as they were made before, with the page of someone's settings."""
    import sqlite3

    path = tmp_path / "entrepot.db"
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("CREATE TABLE was (here INTEGER)")
    connection.close()
    path.chmod(0o600)
    database = Database(f"sqlite:///{path}")
    migrate.upgrade(database)
    _fill(database)
    _delete(database)
    yield database
    database.close()


def test_an_older_database_is_written_anew_and_gives_back_from_then_on(older: Database) -> None:
    with older.read() as session:
        assert not vacuum.standing(session).in_steps
    with older.write() as session:
        assert vacuum.give_back(session) == 0
    full = _size(older)
    vacuum.rewrite(older, free_bytes=10**12)
    with older.read() as session:
        found = vacuum.standing(session)
    assert (found.in_steps, found.free_bytes) == (True, 0)
    assert _size(older) < full / 4
    assert _numbers(older) == list(range(0, ROWS, 8))
    assert migrate.current(older) == migrate.head()
    path = Path(older.engine.url.database or "")
    assert path.stat().st_mode & 0o777 == 0o600
    assert {file.name for file in path.parent.iterdir()} <= {path.name, f"{path.name}-wal", f"{path.name}-shm"}


def test_what_does_not_fit_beside_itself_is_refused_with_numbers(older: Database) -> None:
    before = _size(older)
    with pytest.raises(OutOfSpace, match=r"bytes are needed, 1,000 are free"):
        vacuum.rewrite(older, free_bytes=1000)
    assert _size(older) == before


def test_postgresql_makes_room_while_others_go_on(database: Database, database_kind: str) -> None:
    with database.read() as session:
        found = vacuum.standing(session)
    assert found.bytes > 0
    if database_kind == "postgresql":
        vacuum.vacuum_postgresql(database)
        with database.read() as session:
            assert session.scalar(text("SELECT last_vacuum IS NOT NULL FROM pg_stat_user_tables WHERE relname = 'job'"))


def test_a_crash_amid_leaves_the_old_database(older: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    def crash(*_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(vacuum, "_replace", crash)
    with pytest.raises(KeyboardInterrupt):
        vacuum.rewrite(older, free_bytes=10**12)
    assert _numbers(older) == list(range(0, ROWS, 8))
    monkeypatch.undo()
    vacuum.rewrite(older, free_bytes=10**12)  # what the other one left is in nobody's way
    assert _numbers(older) == list(range(0, ROWS, 8))
