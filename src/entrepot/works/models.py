"""Tables of the queue and of the archive."""

from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Double,
    ForeignKey,
    Index,
    Integer,
    PrimaryKeyConstraint,
    String,
    Text,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column

from entrepot.db import Base
from entrepot.db.partial import partial
from entrepot.db.types import Body

_Key = BigInteger().with_variant(Integer, "sqlite")
# Queries compare by code point, and an index serves them only where it sorts so too.
_Word = Text().with_variant(Text(collation="C"), "postgresql")


class _Document:
    """A work's document, and the columns that hold copies of its fields for the database to select by.

    ``body`` is what `entrepot.works.query.searchable` made of the document; ``document`` is its text as it is given
    back. Where the two are the same, one is None: of archived works ``document`` (SQLite), which are searched often; of
    those in the queue ``body``, which come and go. Instants are seconds since 1970, as in the document.
    """

    number: Mapped[int] = mapped_column(_Key, primary_key=True)
    organization_id: Mapped[str] = mapped_column(String(36))
    id: Mapped[str] = mapped_column(_Word)
    pipeline: Mapped[str] = mapped_column(_Word)
    site: Mapped[str | None] = mapped_column(_Word)
    user: Mapped[str | None] = mapped_column(_Word)
    status: Mapped[str] = mapped_column(_Word)
    priority: Mapped[int] = mapped_column(BigInteger)
    creation: Mapped[float] = mapped_column(Double)
    start: Mapped[float | None] = mapped_column(Double)
    stop: Mapped[float | None] = mapped_column(Double)
    attempt: Mapped[int] = mapped_column(BigInteger)
    retries: Mapped[int] = mapped_column(BigInteger)
    timeout: Mapped[float] = mapped_column(Double)
    parent: Mapped[str | None] = mapped_column(_Word)
    locked: Mapped[bool] = mapped_column(Boolean)
    document: Mapped[str | None] = mapped_column(Text)
    body: Mapped[str | None] = mapped_column(Body)
    opaque: Mapped[bool] = mapped_column(Boolean)


def _few(name: str, flag: str, *columns: str) -> Index:
    """Index the few rows that have a flag; SQLite, which does not see that a query asks for these alone, has it all."""
    return Index(name, flag, *columns, postgresql_where=text(flag))


class Work(_Document, Base):
    """A work in the queue.

    ``status``, ``start``, ``stop`` and ``attempt`` count, whatever the document's text says: the queue changes them
    without rewriting it. Its indexes are few, for each is written at every change: what waits, runs or has ended is
    found by one of its own.
    """

    __tablename__ = "work"
    __table_args__ = (
        Index("uq_work_id", "organization_id", "id", unique=True),
        partial(
            "ix_work_queued",
            "organization_id", "pipeline", text("priority DESC"), "creation", "id",
            where="status = 'queued'",
        ),
        partial(
            "ix_work_queued_parent",
            "organization_id", "parent", text("priority DESC"), "creation",
            where="status = 'queued' AND parent IS NOT NULL",
        ),
        partial("ix_work_running", "organization_id", "start", where="status = 'running'"),
        partial(
            "ix_work_ended",
            "organization_id", "pipeline", "status",
            where="status <> 'queued' AND status <> 'running'",
        ),
        Index("ix_work_listed", "organization_id", "number"),
        partial("ix_work_parent", "organization_id", "parent", where="parent IS NOT NULL"),
        _few("ix_work_opaque", "opaque", "organization_id"),
        {"sqlite_autoincrement": True},  # numbers tell the order of deposits: none may come back
    )  # fmt: skip

    #: Raised by every claim; see :mod:`entrepot.db.claim`.
    fence: Mapped[int] = mapped_column(BigInteger, default=0)
    #: For claimants that keep their claim by heartbeats: the instant at which it lapses before its timeout.
    lease_until: Mapped[float | None] = mapped_column(Double)


class Archived(_Document, Base):
    """A finished work."""

    __tablename__ = "archived_work"
    __table_args__ = (
        Index("uq_archived_work_id", "organization_id", "pipeline", "id", unique=True),
        Index("ix_archived_work_id", "organization_id", "id"),
        # With the number, by which tags know a document: so those of a status that have a tag are counted by indexes.
        Index("ix_archived_work_status", "organization_id", "status", "pipeline", "number"),
        Index("ix_archived_work_priority", "organization_id", "pipeline", "priority"),
        Index("ix_archived_work_creation", "organization_id", "pipeline", "creation"),
        Index("ix_archived_work_created", "organization_id", "creation"),
        Index("ix_archived_work_site", "organization_id", "site"),
        Index("ix_archived_work_user", "organization_id", "user"),
        partial("ix_archived_work_parent", "organization_id", "parent", where="parent IS NOT NULL"),
        _few("ix_archived_work_locked", "locked", "organization_id", "pipeline", "id"),
        _few("ix_archived_work_opaque", "opaque", "organization_id"),
        {"sqlite_autoincrement": True},
    )


class _Tag:
    value: Mapped[str] = mapped_column(_Word)


class _Event:
    value: Mapped[float] = mapped_column(Double)


def _owner(table: str) -> Any:
    return mapped_column(_Key, ForeignKey(f"{table}.number", ondelete="CASCADE"), index=True)


def _side() -> Any:
    # The value first: by it documents are looked for.
    return (PrimaryKeyConstraint("value", "number"), {"sqlite_with_rowid": False})


class WorkTag(_Tag, Base):
    """A tag of a work in the queue."""

    __tablename__ = "work_tag"
    __table_args__ = _side()
    number: Mapped[int] = _owner("work")


class WorkEvent(_Event, Base):
    """An event number of a work in the queue."""

    __tablename__ = "work_event"
    __table_args__ = _side()
    number: Mapped[int] = _owner("work")


class ArchivedTag(_Tag, Base):
    """A tag of a finished work."""

    __tablename__ = "archived_work_tag"
    __table_args__ = _side()
    number: Mapped[int] = _owner("archived_work")


class ArchivedEvent(_Event, Base):
    """An event number of a finished work."""

    __tablename__ = "archived_work_event"
    __table_args__ = _side()
    number: Mapped[int] = _owner("archived_work")


class Deposit(Base):
    """A deposit of the last minute: a client that repeats it, having heard no answer, gets the same ids."""

    __tablename__ = "work_deposit"

    digest: Mapped[str] = mapped_column(String(64), primary_key=True)
    ids: Mapped[str] = mapped_column(Text)
    deposited_at: Mapped[float] = mapped_column(Double, index=True)
