"""Small writes that come at once are committed together: one sync for all of them, each told when it is on disk."""

import threading
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from contextvars import copy_context
from typing import Any, TypeVar

from sqlalchemy import Connection, Engine
from sqlalchemy.orm import Session

from entrepot.db.brief import briefly
from entrepot.db.faults import naming
from entrepot.errors import Unavailable

#: Writes in one transaction; the first of them waits for the last.
MOST = 32

T = TypeVar("T")


class _Write:
    """A write that waits to be done, and what came of it."""

    def __init__(self, run: Callable[[Session], Any]) -> None:
        self.run = run
        self.done = threading.Event()
        self.result: Any = None
        self.error: Exception | None = None


def _in_context(function: Callable[[Session], Any]) -> Callable[[Session], Any]:
    """Return a function as whoever calls it from another thread shall: with what is bound to this one's log lines."""
    context = copy_context()
    return lambda session: context.run(function, session)


class Together:
    """Does the writes of a database that lets in one writer at a time.

    Whoever has the turn does what the others wait with, too, each in a savepoint: one that fails takes back itself.

    Parameters
    ----------
    turn
        Waits for the turn of this process; raises Unavailable where it does not come in time.
    """

    def __init__(self, engine: Engine, turn: Callable[[], AbstractContextManager[None]]) -> None:
        self._engine = engine
        self._turn = turn
        self._waiting: list[_Write] = []
        self._lock = threading.Lock()

    def write(self, function: Callable[[Session], T]) -> T:
        """Return what a function returns within a unit of work, once that is committed."""
        own = _Write(_in_context(function))
        with self._lock:
            self._waiting.append(own)
        try:
            with self._turn():
                while not own.done.is_set():
                    self._do()
        except Exception:
            with self._lock:
                if own in self._waiting:
                    self._waiting.remove(own)
                    raise
            own.done.wait()  # somebody does it at this moment
        if own.error is not None:
            raise own.error
        result: T = own.result
        return result

    def _do(self) -> None:
        writes: list[_Write] = []
        try:
            with naming(), self._engine.connect() as connection, connection.begin():
                # Only now that the database is ours: until then, whoever has waited long enough can leave.
                with self._lock:
                    writes, self._waiting = self._waiting[:MOST], self._waiting[MOST:]
                self._do_all(writes, connection)
        except BaseException as error:
            told = error if isinstance(error, Exception) else Unavailable("The server ends.")
            for write in writes:
                write.error = write.error or told
            if not writes or told is not error:
                raise
        finally:
            for write in writes:
                write.done.set()

    def _do_all(self, writes: list[_Write], connection: Connection) -> None:
        for write in writes:
            try:
                with naming(), connection.begin_nested() if len(writes) > 1 else nullcontext():
                    write.result = briefly(connection, write.run)
            except Exception as error:
                write.error = error
                driver: Any = connection.connection.driver_connection
                # What is alone has no savepoint: all of it is taken back, as where the database did so itself.
                if len(writes) == 1 or not driver.in_transaction:
                    raise
