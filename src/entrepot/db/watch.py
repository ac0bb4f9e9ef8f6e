"""Notices that PostgreSQL has stopped answering, and ends the waiting of those who hear nothing more from it."""

import contextlib
import os
import socket
import threading
import time
from collections.abc import Iterator
from typing import Any
from weakref import WeakSet

import structlog
from sqlalchemy import Engine, event

from entrepot.errors import Away

log = structlog.get_logger("entrepot.database")

#: Connections are made within these seconds or not at all.
CONNECT_SECONDS = 4
#: From so long a use of a connection on it is made sure that the server still takes others.
_LONG_SECONDS = 3.0
_LOOK_SECONDS = 0.5


class Watch:
    """Looks whether the server of an engine answers, while somebody waits for it.

    A server that is frozen keeps its connections: no limit that it enforces itself ends a statement, and the network
    is well. What it does not do is take new ones; so that is tried, and where it fails the engine's own are shut.

    Attributes
    ----------
    frozen
        Whether the server does not answer, so that nobody else need try.
    """

    def __init__(self, engine: Engine) -> None:
        self.frozen = False
        self._engine = engine
        self._used: dict[object, float] = {}
        self._connections: WeakSet[Any] = WeakSet()
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()
        event.listen(engine, "connect", self._connected)

    @contextlib.contextmanager
    def using(self) -> Iterator[None]:
        """Watch while somebody uses the database, from before there is a connection.

        Raises
        ------
        Away
            It is frozen.
        """
        if self.frozen:
            raise Away
        unit = object()
        self._used[unit] = time.monotonic()
        if self._thread is None:
            with self._lock:
                if self._thread is None:
                    self._thread = threading.Thread(target=self._run, daemon=True, name="database-watch")
                    self._thread.start()
        try:
            yield
        finally:
            del self._used[unit]

    def close(self) -> None:
        """Look no longer."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join()

    def _connected(self, connection: Any, _record: Any) -> None:
        self._connections.add(connection)

    def _run(self) -> None:
        looked = time.monotonic()
        while not self._stop.wait(_LOOK_SECONDS):
            now = time.monotonic()
            oldest = min(list(self._used.values()), default=now)
            if not self.frozen and (now - oldest < _LONG_SECONDS or now - looked < _LONG_SECONDS):
                continue
            answers = self._answers()
            looked = time.monotonic()
            if answers == self.frozen:
                self.frozen = not answers
                log.warning("the database answers again" if answers else "the database is frozen")
            if not answers:
                self._shut()

    def _answers(self) -> bool:
        dialect: Any = self._engine.dialect
        arguments, options = dialect.create_connect_args(self._engine.url)
        driver = dialect.loaded_dbapi
        try:
            driver.connect(*arguments, **options | {"connect_timeout": CONNECT_SECONDS}).close()
        except driver.errors.ConnectionTimeout:
            return False
        except driver.Error:  # it refuses, and so answers
            return True
        return True

    def _shut(self) -> None:
        """Make those who wait for an answer hear that there comes none."""
        for connection in list(self._connections):
            with (
                contextlib.suppress(Exception),  # it is closed already
                socket.socket(fileno=os.dup(connection.pgconn.socket)) as ours,
            ):
                ours.shutdown(socket.SHUT_RDWR)
