"""What a database knows of the server that it belongs to: its key, its folders, and whether it speaks to others."""

from datetime import datetime

from sqlalchemy import String, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from entrepot.db.types import Base, Instant, now

_ONLY = 1


class Installation(Base):
    """The one row of a database about its own server.

    Attributes
    ----------
    key_check
        What tells the secret key with which stored credentials are encrypted from others; it does not give it away.
    store
        What stands in a file of each folder in which the server keeps files.
    quiet_since
        Since when nobody is called: set where a backup was restored, until ``entrepot resume``.
    """

    __tablename__ = "installation"

    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False, default=_ONLY)
    key_check: Mapped[str | None] = mapped_column(String(64))
    store: Mapped[str | None] = mapped_column(String(64))
    quiet_since: Mapped[datetime | None] = mapped_column(Instant)


def find(session: Session) -> Installation | None:
    """Return the row; None in a database in which nothing was noted yet."""
    return session.get(Installation, _ONLY)


def find_or_make(session: Session) -> Installation:
    """Return the row, made when there is none; it stays locked until the unit of work ends."""
    if found := session.get(Installation, _ONLY, with_for_update=True):
        return found
    made = Installation()
    session.add(made)
    session.flush()
    return made


def is_quiet(session: Session) -> bool:
    """Tell whether nobody is to be called: no webhook, no mail, no feeder's source."""
    return session.scalar(select(Installation.quiet_since)) is not None


def silence(session: Session) -> None:
    """Have nobody called any more, and the folders recognised anew: this is a copy of another server."""
    row = find_or_make(session)
    row.quiet_since, row.store = now(), None


def resume(session: Session) -> bool:
    """Have others called again; False when they were called all the time."""
    row = find_or_make(session)
    was_quiet, row.quiet_since = row.quiet_since is not None, None
    return was_quiet
