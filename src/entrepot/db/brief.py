"""Units of work that are short: statements on a connection, and a session only for whoever needs one."""

from collections.abc import Callable
from functools import cached_property
from typing import Any, TypeVar, cast

from sqlalchemy import Connection
from sqlalchemy.orm import Session

T = TypeVar("T")

#: Under this, `info` says on whose behalf a unit acts, which asks for nothing to be done at its commit.
ACTOR = "actor"


class Brief:
    """What a session is to those who have statements of their own executed; to others, a session that is made for them.

    To begin and end a session costs more than a short statement.

    Parameters
    ----------
    ends
        Whether a verb's last statement is the unit's, and may be committed with it.
    """

    def __init__(self, connection: Connection, *, ends: bool = False) -> None:
        self._connection = connection
        self._ends = ends
        self.info: dict[Any, Any] = {}

    @cached_property
    def _session(self) -> Session:
        session = Session(
            self._connection, expire_on_commit=False, join_transaction_mode="rollback_only", info=self.info
        )
        self.info = session.info
        return session

    @property
    def _has_session(self) -> bool:
        return "_session" in self.__dict__

    @property
    def ends(self) -> bool:
        """Whether a verb's last statement may be committed with it: nobody has anything else to write."""
        return self._ends and not self._has_session

    def __getattr__(self, name: str) -> Any:
        return getattr(self._session, name)

    def connection(self) -> Connection:
        """Return the connection."""
        return self._connection

    def get_bind(self) -> Connection:
        """Return what tells of the database."""
        return self._connection

    def flush(self) -> None:
        """Write what a session holds, if there is one."""
        if self._has_session:
            self._session.flush()

    def finish(self) -> None:
        """Do what is to be done before the connection's transaction is committed."""
        if self._has_session or any(value for name, value in self.info.items() if name != ACTOR):
            with self._session:
                self._session.commit()

    def discard(self) -> None:
        """Let go of what a session holds."""
        if self._has_session:
            self._session.close()


def briefly(connection: Connection, function: Callable[[Session], T], *, ends: bool = False) -> T:
    """Return what a function returns within a transaction that a connection is in, and has yet to end."""
    unit = Brief(connection, ends=ends)
    try:
        result = function(cast("Session", unit))
        unit.finish()
    finally:
        unit.discard()
    return result
