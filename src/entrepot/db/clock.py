"""The database's clock: what several machines agree on, whatever their own clocks say."""

from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import DateTime, func, select
from sqlalchemy.orm import Session

from entrepot.db.types import now


def current(session: Session) -> Any:
    """Return the instant of the database as a value for statements; on SQLite, this machine's."""
    if session.get_bind().dialect.name == "postgresql":
        return func.clock_timestamp(type_=DateTime(timezone=True))
    return now()


def read(session: Session) -> datetime:
    """Return the instant of the database."""
    instant = current(session)
    return instant if isinstance(instant, datetime) else session.scalars(select(instant)).one().astimezone(UTC)


def skew(session: Session) -> timedelta:
    """Return how far this machine's clock is ahead of the database's."""
    before = now()
    return before - read(session)
