"""Tables of requests for data and their steps, whose data is asked for, and through what."""

from datetime import datetime
from typing import Any

from sqlalchemy import String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from entrepot.db import Base, Instant, Json
from entrepot.identity.records import Owned, by_number


class DataRequest(Owned, Base):
    """A request for data; ``status`` is ``pending``, ``processing``, ``completed``, ``failed`` or ``cancelled``."""

    __tablename__ = "data_request"

    key_id: Mapped[str | None] = mapped_column(String(36))
    user_id: Mapped[str | None] = mapped_column(String(36))
    source_id: Mapped[str | None] = mapped_column(String(36), index=True)
    session_id: Mapped[str | None] = mapped_column(String(36), index=True)
    subscription_id: Mapped[str | None] = mapped_column(String(36), index=True)
    payload: Mapped[dict[str, Any]] = mapped_column(Json, default=dict)
    status: Mapped[str] = mapped_column(String(20), default="pending")
    started_at: Mapped[datetime | None] = mapped_column(Instant)
    ended_at: Mapped[datetime | None] = mapped_column(Instant)


class RequestStep(Owned, Base):
    """A step of a request, or the test of a storage or a webhook.

    ``status`` is ``pending``, ``processing``, ``succeeded``, ``failed`` or ``suspended``.
    """

    __tablename__ = "request_step"

    key_id: Mapped[str | None] = mapped_column(String(36))
    type: Mapped[str] = mapped_column(String(100))
    request_id: Mapped[str | None] = mapped_column(String(36), index=True)
    #: The work that fulfils it.
    work_id: Mapped[str | None] = mapped_column(String(100), index=True)
    #: The storage or webhook that it tests.
    target_id: Mapped[str | None] = mapped_column(String(36))
    status: Mapped[str] = mapped_column(String(20), default="pending")
    error: Mapped[str | None] = mapped_column(Text)
    started_at: Mapped[datetime | None] = mapped_column(Instant)
    ended_at: Mapped[datetime | None] = mapped_column(Instant)


class RemoteUser(Owned, Base):
    """A user of whoever asks for data, not one of ours; ``status`` is ``active``, ``deactivated`` or ``blocked``."""

    __tablename__ = "remote_user"
    __table_args__ = (by_number("remote_user"), UniqueConstraint("organization_id", "identifier"))

    key_id: Mapped[str | None] = mapped_column(String(36))
    identifier: Mapped[str] = mapped_column(String(300))
    status: Mapped[str] = mapped_column(String(20), default="active")


class RemoteSource(Owned, Base):
    """An account or a device that data comes from, or a part of one; ``status`` is ``unvalidated`` until it was used.

    It may be ``active``, ``deactivated``, ``blocked`` and ``locked``.
    """

    __tablename__ = "remote_source"
    __table_args__ = (
        by_number("remote_source"),
        UniqueConstraint("organization_id", "user_id", "type", "identifier"),
    )

    user_id: Mapped[str] = mapped_column(String(36), index=True)
    #: The source that it is a part of, such as the account of a backup.
    parent_id: Mapped[str | None] = mapped_column(String(36), index=True)
    type: Mapped[str] = mapped_column(String(100))
    identifier: Mapped[str] = mapped_column(String(300))
    status: Mapped[str] = mapped_column(String(20), default="unvalidated")


class RemoteSession(Owned, Base):
    """Access to a source; ``status`` is ``pending``, ``active``, ``failed`` or ``expired``."""

    __tablename__ = "remote_session"

    key_id: Mapped[str | None] = mapped_column(String(36))
    user_id: Mapped[str] = mapped_column(String(36), index=True)
    source_id: Mapped[str] = mapped_column(String(36), index=True)
    status: Mapped[str] = mapped_column(String(20), default="pending")
    error: Mapped[str | None] = mapped_column(Text)
    expired_at: Mapped[datetime | None] = mapped_column(Instant)


class Subscription(Owned, Base):
    """A request that is made again and again; ``status`` is ``active`` or ``deleted``."""

    __tablename__ = "subscription"

    key_id: Mapped[str | None] = mapped_column(String(36))
    source_id: Mapped[str | None] = mapped_column(String(36), index=True)
    session_id: Mapped[str | None] = mapped_column(String(36), index=True)
    payload: Mapped[dict[str, Any]] = mapped_column(Json, default=dict)
    interval: Mapped[float]
    starts_at: Mapped[datetime | None] = mapped_column(Instant)
    ends_at: Mapped[datetime | None] = mapped_column(Instant)
    status: Mapped[str] = mapped_column(String(20), default="active")


class Permissions(Owned, Base):
    """What a key may do, as its owner wrote it down; the key's own scopes are what counts."""

    __tablename__ = "key_permissions"

    key_id: Mapped[str | None] = mapped_column(String(36), index=True)
    scopes: Mapped[list[str]] = mapped_column(Json, default=list)
