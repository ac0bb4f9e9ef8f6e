"""Who waits for several things waits for as long as one may, and not for as long as each may."""

import time

import pytest
from sqlalchemy import text

from entrepot.db import Database
from entrepot.db.engine import write_by
from entrepot.errors import Unavailable


def test_who_waited_for_a_turn_waits_for_a_lock_as_long_as_is_left(database: Database) -> None:
    waits = Database(database.url, patience=20)
    try:
        with database.engine.connect() as other, other.begin():
            other.execute(text("UPDATE organization SET name = name"))
            if database.dialect == "postgresql":
                other.execute(text("LOCK TABLE organization IN EXCLUSIVE MODE"))
            turn = write_by.set(time.monotonic() + 0.3)
            began = time.monotonic()
            try:
                with pytest.raises(Unavailable), waits.write() as session:
                    session.execute(text("LOCK TABLE organization IN EXCLUSIVE MODE"))
            finally:
                write_by.reset(turn)
            assert time.monotonic() - began < 5
    finally:
        waits.close()
