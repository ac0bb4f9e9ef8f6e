"""Statements on the driver itself: what an error leaves behind, and what that keeps waiting."""

import gc
import threading
import time
from typing import Any

import pytest
from sqlalchemy.exc import DBAPIError

from entrepot.db import Database
from entrepot.db.driver import on_driver
from tests.support.deadline import eventually


def test_an_error_that_is_collected_waits_for_nobody(database: Database, database_kind: str) -> None:
    """Collecting holds Python's own lock: were a cursor to wait for its connection then, the whole process would."""
    if database_kind != "sqlite":
        pytest.skip("others have no connection that one thread waits for in another's statement")
    gc.collect()
    gc.freeze()  # below, the error alone is collected: to look through all else may take a second by itself
    sqlite: Any = database.engine.dialect.dbapi  # of one library: locks of a process know no two
    other = sqlite.connect(str(database.engine.url.database), isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with database.engine.connect() as connection:
        driver = connection.connection.driver_connection
        assert driver is not None
        driver.execute("PRAGMA busy_timeout=0")
        kept: list[object] = []
        try:
            on_driver(connection, "BEGIN IMMEDIATE")
        except DBAPIError as error:
            kept += [error, kept]  # as errors do whose frames know them: gone when they are collected, and not before
        assert kept
        driver.execute("PRAGMA busy_timeout=3000")
        begun = threading.Event()

        def wait() -> None:
            begun.set()
            with pytest.raises(DBAPIError):
                on_driver(connection, "BEGIN IMMEDIATE")

        waiting = threading.Thread(target=wait)
        waiting.start()
        begun.wait(10)
        began = time.monotonic()
        eventually(lambda: time.monotonic() - began > 0.3, 10)  # it waits for the lock by now
        collecting = time.monotonic()
        del kept
        gc.collect()
        assert time.monotonic() - collecting < 1, "it waited for the other thread's statement"
        waiting.join()
    other.close()
