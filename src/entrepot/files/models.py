"""Tables of published files, where they are stored, and the polls and tasks that made them."""

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, ForeignKey, Index, Integer, LargeBinary, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from entrepot.db import Base, Instant, Json, new_id, now


class _Record:
    """What all have: an order of creation, an id, an owner and a date."""

    number: Mapped[int] = mapped_column(BigInteger().with_variant(Integer, "sqlite"), primary_key=True, sort_order=-1)
    id: Mapped[str] = mapped_column(String(36), unique=True, default=new_id)
    organization_id: Mapped[str] = mapped_column(String(36), index=True)
    created: Mapped[datetime] = mapped_column(Instant, default=now)


class StorageConfig(_Record, Base):
    """Where files are stored; ``state`` is ``new``, ``valid``, ``invalid`` or ``deactivated``."""

    __tablename__ = "storage_config"

    #: ``local``, ``s3``, ``gs`` or ``az``: the scheme of the URL.
    type: Mapped[str] = mapped_column(String(10))
    url: Mapped[str] = mapped_column(Text)
    credentials_encrypted: Mapped[str | None] = mapped_column(Text)
    #: True for the server's own storage, of which each organization has one; only that is cleaned up.
    own: Mapped[bool] = mapped_column(default=False)
    signed_urls_enabled: Mapped[bool] = mapped_column(default=False)
    signed_urls_expiry: Mapped[float | None]
    state: Mapped[str] = mapped_column(String(20), default="new")
    #: The steps of the last test: each is null when it went well, else what went wrong.
    tested: Mapped[dict[str, Any] | None] = mapped_column(Json)


class PublishedFile(_Record, Base):
    """A file that was published; ``state`` is ``available``, ``consumed`` or ``expired``."""

    __tablename__ = "published_file"
    __table_args__ = (
        Index("ix_published_file_listed", "organization_id", "state", "number"),
        Index("ix_published_file_state_created", "state", "created"),
    )

    project_id: Mapped[str | None] = mapped_column(String(36), index=True)
    poll_id: Mapped[str] = mapped_column(String(36), index=True)
    task_id: Mapped[str] = mapped_column(String(36), index=True)
    storage_config_id: Mapped[str] = mapped_column(String(36), index=True)
    user_id: Mapped[str | None] = mapped_column(String(36))
    #: Says what is in it, e.g. ``ios_messages.messages``; need not be unique.
    identifier: Mapped[str] = mapped_column(String(500), index=True)
    #: The name under which it is downloaded.
    name: Mapped[str] = mapped_column(String(255))
    #: Where it is, below the URL of its storage config.
    path: Mapped[str] = mapped_column(String(200))
    type: Mapped[str | None] = mapped_column(String(100))
    size: Mapped[int] = mapped_column(BigInteger)
    md5: Mapped[str] = mapped_column(String(32), index=True)
    sha256: Mapped[str] = mapped_column(String(64))
    #: Digests of its leaves (:mod:`entrepot.files.leaves`); null: it was published before there were any.
    leaves: Mapped[bytes | None] = mapped_column(LargeBinary, deferred=True)
    state: Mapped[str] = mapped_column(String(10), default="available")
    consumed: Mapped[datetime | None] = mapped_column(Instant)
    deleted: Mapped[datetime | None] = mapped_column(Instant)
    signed_until: Mapped[datetime | None] = mapped_column(Instant)
    #: What consumers that got something else said its SHA-256 was, and when: a list of objects.
    mismatches: Mapped[list[dict[str, Any]]] = mapped_column(Json, default=list)


class Upload(_Record, Base):
    """A file on its way: its parts come one after the other, or it is being copied to a bucket.

    Its id becomes the file's.
    """

    __tablename__ = "upload"

    user_id: Mapped[str] = mapped_column(String(36))
    #: How many bytes it will have, where the client said so.
    size: Mapped[int | None] = mapped_column(BigInteger)
    description: Mapped[dict[str, Any]] = mapped_column(Json, default=dict)
    #: Where it is copied to, once it is.
    storage_config_id: Mapped[str | None] = mapped_column(String(36))
    path: Mapped[str | None] = mapped_column(String(200))
    touched: Mapped[datetime] = mapped_column(Instant, default=now, index=True)


class FileDefaults(Base):
    """What an organization uses where nothing else is said."""

    __tablename__ = "file_defaults"

    organization_id: Mapped[str] = mapped_column(ForeignKey("organization.id", ondelete="CASCADE"), primary_key=True)
    storage_config_id: Mapped[str | None] = mapped_column(String(36))


class Poll(_Record, Base):
    """A request for data; ``state`` is ``pending``, ``processing`` or ``completed``."""

    __tablename__ = "poll"

    key_id: Mapped[str | None] = mapped_column(String(36))
    user_id: Mapped[str | None] = mapped_column(String(36))
    source_id: Mapped[str | None] = mapped_column(String(36), index=True)
    session_id: Mapped[str | None] = mapped_column(String(36), index=True)
    subscription_id: Mapped[str | None] = mapped_column(String(36), index=True)
    payload: Mapped[dict[str, Any]] = mapped_column(Json, default=dict)
    state: Mapped[str] = mapped_column(String(20), default="pending")
    started: Mapped[datetime | None] = mapped_column(Instant)
    completed: Mapped[datetime | None] = mapped_column(Instant)


class Task(_Record, Base):
    """A step of a poll, or the test of a configuration.

    ``state`` is ``pending``, ``processing``, ``succeeded``, ``failed`` or ``suspended``.
    """

    __tablename__ = "poll_task"

    key_id: Mapped[str | None] = mapped_column(String(36))
    type: Mapped[str] = mapped_column(String(100))
    poll_id: Mapped[str | None] = mapped_column(String(36), index=True)
    #: The work that fulfils it.
    work_id: Mapped[str | None] = mapped_column(String(100), index=True)
    #: The configuration that it tests.
    config_id: Mapped[str | None] = mapped_column(String(36))
    state: Mapped[str] = mapped_column(String(20), default="pending")
    error: Mapped[str | None] = mapped_column(Text)
    started: Mapped[datetime | None] = mapped_column(Instant)
    completed: Mapped[datetime | None] = mapped_column(Instant)


class RemoteUser(_Record, Base):
    """A user of whoever asks for data, not one of ours; ``state`` is ``active``, ``deactivated`` or ``blocked``."""

    __tablename__ = "remote_user"
    __table_args__ = (UniqueConstraint("organization_id", "identifier"),)

    key_id: Mapped[str | None] = mapped_column(String(36))
    identifier: Mapped[str] = mapped_column(String(300))
    state: Mapped[str] = mapped_column(String(20), default="active")


class RemoteSource(_Record, Base):
    """An account or a device that data comes from, or a part of one; ``state`` is ``unvalidated`` until it was used.

    Other states are ``active``, ``deactivated``, ``blocked`` and ``locked``.
    """

    __tablename__ = "remote_source"
    __table_args__ = (UniqueConstraint("organization_id", "user_id", "type", "identifier"),)

    user_id: Mapped[str] = mapped_column(String(36), index=True)
    #: The source that it is a part of, such as the account of a backup.
    parent_id: Mapped[str | None] = mapped_column(String(36), index=True)
    type: Mapped[str] = mapped_column(String(100))
    identifier: Mapped[str] = mapped_column(String(300))
    state: Mapped[str] = mapped_column(String(20), default="unvalidated")


class RemoteSession(_Record, Base):
    """Access to a source; ``state`` is ``pending``, ``active``, ``failed`` or ``expired``."""

    __tablename__ = "remote_session"

    key_id: Mapped[str | None] = mapped_column(String(36))
    user_id: Mapped[str] = mapped_column(String(36), index=True)
    source_id: Mapped[str] = mapped_column(String(36), index=True)
    state: Mapped[str] = mapped_column(String(20), default="pending")
    error: Mapped[str | None] = mapped_column(Text)
    expired: Mapped[datetime | None] = mapped_column(Instant)


class Subscription(_Record, Base):
    """A poll that is made again and again; ``state`` is ``active`` or ``deleted``."""

    __tablename__ = "subscription"

    key_id: Mapped[str | None] = mapped_column(String(36))
    source_id: Mapped[str | None] = mapped_column(String(36), index=True)
    session_id: Mapped[str | None] = mapped_column(String(36), index=True)
    payload: Mapped[dict[str, Any]] = mapped_column(Json, default=dict)
    interval: Mapped[float]
    start: Mapped[datetime | None] = mapped_column(Instant)
    end: Mapped[datetime | None] = mapped_column(Instant)
    state: Mapped[str] = mapped_column(String(20), default="active")


class Permissions(_Record, Base):
    """What a key may do, as its owner wrote it down; the key's own scopes are what counts."""

    __tablename__ = "key_permissions"

    key_id: Mapped[str | None] = mapped_column(String(36), index=True)
    scopes: Mapped[list[str]] = mapped_column(Json, default=list)
