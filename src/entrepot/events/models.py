"""Tables of events and notifications."""

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, Index, Integer, String
from sqlalchemy.orm import Mapped, mapped_column

from entrepot.db import Base, Instant, Json, new_id, now


class Event(Base):
    """One thing that happened to a result or a run; ``position`` orders the log of the whole server."""

    __tablename__ = "event"

    position: Mapped[int] = mapped_column(BigInteger().with_variant(Integer, "sqlite"), primary_key=True)
    id: Mapped[str] = mapped_column(String(36), unique=True, default=new_id)
    organization_id: Mapped[str] = mapped_column(String(36), index=True)
    project_id: Mapped[str | None] = mapped_column(String(36))
    #: What it happened to (``series``, ``work``, ``file``, ``row``, ``run`` ...) and its id.
    type: Mapped[str] = mapped_column(String(40))
    object_id: Mapped[str] = mapped_column(String(100), index=True)
    action: Mapped[str] = mapped_column(String(40))
    data: Mapped[dict[str, Any]] = mapped_column(Json, default=dict)
    user_id: Mapped[str | None] = mapped_column(String(36))
    created: Mapped[datetime] = mapped_column(Instant, default=now)


class Notification(Base):
    """Something that a person should look at, until somebody resolves it."""

    __tablename__ = "notification"
    __table_args__ = (Index("ix_notification_project_resolved", "project_id", "resolved"),)

    pk: Mapped[int] = mapped_column(primary_key=True)
    id: Mapped[str] = mapped_column(String(36), unique=True, default=new_id)
    organization_id: Mapped[str] = mapped_column(String(36), index=True)
    project_id: Mapped[str] = mapped_column(String(36))
    generator_kind: Mapped[str | None] = mapped_column(String(20))
    generator_id: Mapped[str | None] = mapped_column(String(36), index=True)
    #: What kind of thing it is, in words: ``Analysis obsolete``, ``Run failed`` ...
    name: Mapped[str] = mapped_column(String(100))
    message: Mapped[str] = mapped_column(default="")
    resolved: Mapped[bool] = mapped_column(default=False)
    read: Mapped[bool] = mapped_column(default=False)
    created: Mapped[datetime] = mapped_column(Instant, default=now)
