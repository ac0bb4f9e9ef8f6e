"""Tables of published files, and of where they are stored."""

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, ForeignKey, Index, LargeBinary, String, Text, text
from sqlalchemy.orm import Mapped, mapped_column

from entrepot.db import Base, Instant, Json, now
from entrepot.identity.records import Owned, by_number


class Storage(Owned, Base):
    """Where files are stored; ``status`` is ``new``, ``valid``, ``invalid`` or ``deactivated``."""

    __tablename__ = "storage"

    #: ``local``, ``s3``, ``gs`` or ``az``: the scheme of the URL.
    type: Mapped[str] = mapped_column(String(10))
    url: Mapped[str] = mapped_column(Text)
    credentials_encrypted: Mapped[str | None] = mapped_column(Text)
    #: True for the server's own storage, of which each organization has one; only that is cleaned up.
    own: Mapped[bool] = mapped_column(default=False)
    signed: Mapped[bool] = mapped_column(default=False)
    signed_for: Mapped[float | None]
    status: Mapped[str] = mapped_column(String(20), default="new")
    #: The steps of the last test: each is null when it went well, else what went wrong.
    tested: Mapped[dict[str, Any] | None] = mapped_column(Json)


class PublishedFile(Owned, Base):
    """A file that was published; ``status`` is ``available``, ``consumed`` or ``expired``."""

    __tablename__ = "published_file"
    __table_args__ = (
        by_number("published_file"),
        Index("ix_published_file_listed", "organization_id", "status", text("(number + 0)")),
        Index("ix_published_file_status_created", "status", "created_at"),
        Index("ix_published_file_storage", "storage_id", "status", "number"),
    )

    project_id: Mapped[str | None] = mapped_column(String(36), index=True)
    request_id: Mapped[str] = mapped_column(String(36), index=True)
    step_id: Mapped[str] = mapped_column(String(36), index=True)
    storage_id: Mapped[str] = mapped_column(String(36))
    user_id: Mapped[str | None] = mapped_column(String(36))
    #: Says what is in it, e.g. ``ios_messages.messages``; need not be unique.
    identifier: Mapped[str] = mapped_column(String(500), index=True)
    #: The name under which it is downloaded.
    name: Mapped[str] = mapped_column(String(255))
    #: Where it is, below the URL of its storage.
    path: Mapped[str] = mapped_column(String(200))
    type: Mapped[str | None] = mapped_column(String(100))
    size: Mapped[int] = mapped_column(BigInteger)
    md5: Mapped[str] = mapped_column(String(32), index=True)
    sha256: Mapped[str] = mapped_column(String(64))
    #: Digests of its leaves (:mod:`entrepot.files.leaves`); null: it was published before there were any.
    leaves: Mapped[bytes | None] = mapped_column(LargeBinary, deferred=True)
    status: Mapped[str] = mapped_column(String(10), default="available")
    consumed_at: Mapped[datetime | None] = mapped_column(Instant)
    expired_at: Mapped[datetime | None] = mapped_column(Instant)
    signed_until: Mapped[datetime | None] = mapped_column(Instant)
    #: What consumers that got something else said its SHA-256 was, and when: a list of objects.
    mismatches: Mapped[list[dict[str, Any]]] = mapped_column(Json, default=list)
    #: Whether it may neither be consumed nor expire (:mod:`entrepot.locks`).
    locked: Mapped[bool] = mapped_column(default=False)


class FileFetch(Base):
    """How often somebody fetched a file, however many times: one row."""

    __tablename__ = "file_fetch"
    __table_args__ = (Index("ix_file_fetch_reader", "reader", "file_number"),)

    file_number: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    #: The user's id; empty for whoever had a signed address.
    reader: Mapped[str] = mapped_column(String(36), primary_key=True)
    count: Mapped[int] = mapped_column(default=1)
    first_at: Mapped[datetime] = mapped_column(Instant, default=now)
    last_at: Mapped[datetime] = mapped_column(Instant, default=now)
    #: From where, the last time.
    address: Mapped[str] = mapped_column(String(50), default="")


class Upload(Owned, Base):
    """A file on its way: its parts come one after the other, or it is being copied to a bucket.

    Its id becomes the file's.
    """

    __tablename__ = "upload"

    user_id: Mapped[str] = mapped_column(String(36))
    #: How many bytes it will have, where the client said so.
    size: Mapped[int | None] = mapped_column(BigInteger)
    description: Mapped[dict[str, Any]] = mapped_column(Json, default=dict)
    #: Where it is copied to, once it is.
    storage_id: Mapped[str | None] = mapped_column(String(36))
    path: Mapped[str | None] = mapped_column(String(200))
    touched_at: Mapped[datetime] = mapped_column(Instant, default=now, index=True)


class FileDefaults(Base):
    """What an organization uses where nothing else is said."""

    __tablename__ = "file_defaults"

    organization_id: Mapped[str] = mapped_column(ForeignKey("organization.id", ondelete="CASCADE"), primary_key=True)
    storage_id: Mapped[str | None] = mapped_column(String(36))
