"""A guard in the database itself: while it stands nobody writes, whichever process, version or door they come by.

It is a trigger on every table that refuses with a sentence. One that is to stand for a moment only has an end in it, so
that nothing stays shut when whoever closed it is killed.
"""

import time
from collections.abc import Iterable

from sqlalchemy import text

from entrepot.db import triggers
from entrepot.db.driver import on_driver
from entrepot.db.engine import Database
from entrepot.db.types import now
from entrepot.errors import Moved

_NAME = "entrepot_guard"
#: What is written, and taken back, to hear what a guard says.
_TRIED = text("INSERT INTO lease (name, holder, until) VALUES ('entrepot_guard', '', :until)")
_EVENTS = ("insert", "update", "delete")


def close(database: Database, tables: Iterable[str], sentence: str, seconds: float | None = None) -> None:
    """Refuse all writes with a sentence from now on; those that were under way have ended when this returns.

    Parameters
    ----------
    seconds
        For how long; None: for good, as of a database that was moved.

    Raises
    ------
    Unavailable
        Some writer takes too long to end; what is closed by then stays so until :func:`open_`, or its end.
    """
    said = f"entrepot {'moved' if seconds is None else 'read-only'}: {sentence}".replace("'", "''")
    if database.dialect == "sqlite":
        _close_sqlite(database, tables, said, seconds)
    else:
        _close_postgresql(database, tables, said, seconds)


def open_(database: Database) -> None:
    """Let everybody write again."""
    if database.dialect == "sqlite":
        with database.write() as session:
            triggers.drop_sqlite(session.connection(), _NAME)
        return
    with database.write() as session:
        if session.scalar(text("SELECT count(*) FROM pg_proc WHERE proname = :name"), {"name": _NAME}):
            # To take the triggers away would take every table's lock; one that does nothing costs next to nothing.
            on_driver(session.connection(), _function("NULL"))


def remove(database: Database) -> None:
    """Leave nothing of a guard."""
    open_(database)
    if database.dialect == "postgresql":
        with database.write() as session:
            on_driver(session.connection(), f"DROP FUNCTION IF EXISTS {_NAME}() CASCADE")


def moved(database: Database) -> str | None:
    """Return what a guard that stands for good says; None where there is none.

    Raises
    ------
    ReadOnly
        One stands for a moment.
    """
    try:
        with database.write() as session:
            session.execute(_TRIED, {"until": now()})
            session.rollback()
    except Moved as error:
        return error.message
    return None


def _close_sqlite(database: Database, tables: Iterable[str], said: str, seconds: float | None) -> None:
    # One transaction: whoever writes has ended before it begins, and sees it afterwards.
    with database.write() as session:
        connection = session.connection()
        triggers.drop_sqlite(connection, _NAME)
        when = ""
        if seconds is not None:
            when = f" WHEN CAST(strftime('%s', 'now') AS INTEGER) < {int(time.time() + seconds)}"
        for table in tables:
            for event in _EVENTS:
                on_driver(
                    connection,
                    f'CREATE TRIGGER "{_NAME}_{event}_{table}" BEFORE {event} ON "{table}"{when} '
                    f"BEGIN SELECT RAISE(ABORT, '{said}'); END",
                )


def _close_postgresql(database: Database, tables: Iterable[str], said: str, seconds: float | None) -> None:
    with database.write() as session:
        until = "'infinity'"
        if seconds is not None:
            until = f"'{session.scalar(text('SELECT clock_timestamp()')).timestamp() + seconds}'"
            until = f"to_timestamp({until}::float8)"
        on_driver(session.connection(), _function(until, said))
    for table in tables:
        # A transaction each, whose lock waits for those that write to the table: to hold several would be to stand in
        # the way of one that wants two of them in another order. Who wrote to a table before cannot to the next.
        with database.write() as session:
            triggers.wait_briefly(session.connection())
            on_driver(
                session.connection(),
                f'CREATE OR REPLACE TRIGGER {_NAME} BEFORE INSERT OR UPDATE OR DELETE OR TRUNCATE ON "{table}" '
                f"FOR EACH STATEMENT EXECUTE FUNCTION {_NAME}()",
            )


def _function(until: str, said: str = "") -> str:
    """Return what makes the function that the triggers call; until NULL it refuses nothing."""
    return f"""
    CREATE OR REPLACE FUNCTION {_NAME}() RETURNS trigger LANGUAGE plpgsql AS $guard$
    BEGIN
      IF clock_timestamp() < {until}::timestamptz THEN
        RAISE EXCEPTION USING ERRCODE = '25006', MESSAGE = '{said}';
      END IF;
      RETURN NULL;
    END $guard$
    """
