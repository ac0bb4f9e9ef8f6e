"""Whoever opens a new database beside others waits, and does not fail."""

import sqlite3
from pathlib import Path
from typing import Any

import pytest

from entrepot.db import engine


class _BesideOthers(sqlite3.Connection):
    """A connection that is refused WAL as often as SQLite refuses it to who opens a new database beside others."""

    refusals = 3

    def execute(self, sql: str, *arguments: Any) -> sqlite3.Cursor:
        if "journal_mode" in sql and self.refusals:
            self.refusals -= 1
            raise sqlite3.OperationalError("database is locked")
        return super().execute(sql, *arguments)


def test_who_opens_a_new_database_beside_others_gets_its_journal(tmp_path: Path) -> None:
    connection = sqlite3.connect(tmp_path / "new.db", factory=_BesideOthers)
    engine._keep_wal(connection)
    assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    connection.close()


def test_one_that_stays_locked_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "BUSY_TIMEOUT_SECONDS", 0)
    monkeypatch.setattr(_BesideOthers, "refusals", 1_000_000)
    connection = sqlite3.connect(tmp_path / "new.db", factory=_BesideOthers)
    with pytest.raises(sqlite3.OperationalError, match="locked"):
        engine._keep_wal(connection)
    connection.close()
