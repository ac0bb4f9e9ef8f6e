"""Addresses that guessed passwords: kept over restarts, shown to the operator, lifted by time or by hand."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from entrepot.db import now
from entrepot.errors import NotFound
from entrepot.identity.models import Ban


def ban(session: Session, address: str, login: str, until: datetime) -> None:
    """Refuse an address until an instant; bans that are over are forgotten."""
    session.execute(delete(Ban).where(Ban.until <= now()))
    session.merge(Ban(address=address, login=login[:300], until=until))
    session.flush()


def list_bans(session: Session) -> Sequence[Ban]:
    """Return the bans that hold, the newest first."""
    return session.scalars(select(Ban).where(Ban.until > now()).order_by(Ban.created.desc(), Ban.address)).all()


def lift(session: Session, address: str | None = None) -> int:
    """Lift the ban of an address, or of all, and return how many there were.

    Raises
    ------
    NotFound
        The address is not banned.
    """
    statement = delete(Ban) if address is None else delete(Ban).where(Ban.address == address)
    lifted = len(session.scalars(statement.returning(Ban.address)).all())
    if address is not None and not lifted:
        raise NotFound(f"{address} is not banned.")
    return lifted
