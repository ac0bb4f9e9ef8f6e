"""A replica of PostgreSQL for long reads: asked only once it has all that was acknowledged before the question."""

import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Protocol, TypeVar

import structlog
from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from entrepot.errors import InvalidInput, Unavailable

#: How long a read waits for a replica that is behind, before the first server is asked instead.
_PATIENCE_SECONDS = 0.5
_LOOK_SECONDS = 0.02
#: For how long a replica that failed, or was behind, is not asked.
_REST_SECONDS = 10.0
_WRITTEN = text("SELECT pg_current_wal_flush_lsn()::text")
_HAS = text("SELECT pg_is_in_recovery() AND pg_last_wal_replay_lsn() >= CAST(:written AS pg_lsn)")
_CLUSTER = text("SELECT system_identifier FROM pg_control_system()")

T = TypeVar("T")
_log = structlog.get_logger("entrepot.database")


class Readable(Protocol):
    """A database, as far as it is read from."""

    def snapshot(self) -> AbstractContextManager[Connection]:
        """Open one snapshot to read from by statements alone."""

    def read(self) -> AbstractContextManager[Session]:
        """Open one snapshot to read from."""

    def close(self) -> None:
        """Close every connection."""


class Replica:
    """A read-only copy of a database, which follows it at some distance.

    Parameters
    ----------
    database
        The copy.
    """

    def __init__(self, database: Readable) -> None:
        self._database = database
        self._rests_until = 0.0

    def require_of(self, primary: Readable) -> None:
        """Raise where the copy answers, and is one of another database; one that is away may come later.

        Raises
        ------
        InvalidInput
            It is no replica of this database.
        """
        try:
            with primary.snapshot() as here, self._database.snapshot() as there:
                if here.scalar(_CLUSTER) == there.scalar(_CLUSTER) and there.scalar(text("SELECT pg_is_in_recovery()")):
                    return
        except (Unavailable, DBAPIError) as error:
            _log.warning("the replica for long reads does not answer", error=str(error))
            return
        raise InvalidInput.field("database_read_url", "This is no replica of the server of database_url.")

    def read(self, primary: Readable, function: Callable[[Session], T]) -> tuple[T] | None:
        """Return what a function finds in the copy; None where that fails, or lacks what was acknowledged by now."""
        if time.monotonic() < self._rests_until:
            return None
        try:
            with primary.snapshot() as connection:
                written = str(connection.scalar(_WRITTEN))
            if self._follows(written):
                with self._database.read() as session:
                    return (function(session),)
            said = "is behind"
        except (Unavailable, DBAPIError) as error:
            said = str(error)
        self._rests_until = time.monotonic() + _REST_SECONDS
        _log.warning("long reads go to the first server: the replica is no help", cause="replica", error=said)
        return None

    def _follows(self, written: str) -> bool:
        until = time.monotonic() + _PATIENCE_SECONDS
        while not (has := self._has(written)) and time.monotonic() < until:
            time.sleep(_LOOK_SECONDS)
        return has

    def _has(self, written: str) -> bool:
        with self._database.snapshot() as connection:
            return bool(connection.scalar(_HAS, {"written": written}))

    def close(self) -> None:
        """Close every connection."""
        self._database.close()
