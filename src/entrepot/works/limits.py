"""How long the database may take to decide a query: a while to read, an instant where others wait for a writer."""

import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from entrepot.works.query.steps import Steps, too_slow

READ_SECONDS = 30.0
WRITE_SECONDS = 2.0
"""For queries that documents are read for within a transaction that writes."""

_OPERATIONS_BETWEEN_LOOKS = 10_000
_CANCELLED = "57014"


@contextmanager
def limited(session: Session, quick: bool) -> Iterator[Steps]:
    """End a query that takes too long, and give the steps that its matcher may take.

    Parameters
    ----------
    quick
        Whether no document is read for it. PostgreSQL is not told then, which would cost more than the query.

    Raises
    ------
    InvalidInput
        It took too long.
    """
    connection = session.connection()
    reading = connection.get_execution_options().get("postgresql_readonly") or connection.get_execution_options().get(
        "entrepot_read"
    )
    seconds = READ_SECONDS if reading else WRITE_SECONDS
    steps = Steps(seconds)
    if connection.dialect.name == "sqlite":
        guard: Any = _sqlite(connection.connection.dbapi_connection, seconds)
    else:
        guard = nullcontext() if quick else _postgresql(session, seconds)
    try:
        with guard:
            yield steps
    except OperationalError as error:
        if getattr(error.orig, "sqlstate", None) == _CANCELLED or str(error.orig) == "interrupted":
            raise too_slow(seconds) from None
        raise


@contextmanager
def _sqlite(connection: Any, seconds: float) -> Iterator[None]:
    until = time.monotonic() + seconds
    connection.set_progress_handler(lambda: time.monotonic() > until, _OPERATIONS_BETWEEN_LOOKS)
    try:
        yield
    finally:
        connection.set_progress_handler(None, 0)


@contextmanager
def _postgresql(session: Session, seconds: float) -> Iterator[None]:
    def set_to(value: Any) -> None:
        session.execute(select(func.set_config("statement_timeout", value, True)))

    before = session.scalar(select(func.current_setting("statement_timeout")))
    set_to(f"{seconds * 1000:.0f}")
    try:
        yield
    except GeneratorExit:  # whoever looks for a few has them
        set_to(before)
        raise
    set_to(before)
