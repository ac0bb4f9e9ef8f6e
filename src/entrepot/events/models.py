"""Tables of events, webhooks and their deliveries, notifications, and the mails that tell of them."""

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, ForeignKey, Index, Integer, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from entrepot.db import Base, Instant, Json, keyset, new_id, now, ordered_id
from entrepot.db.partial import partial
from entrepot.identity.records import by_number


class Event(Base):
    """One thing that happened to a result or a run.

    ``number`` is given when the event is written, ``sequence`` once that is committed (see :mod:`.log`): readers go
    by ``sequence``, into which nothing is ever inserted behind them. The indexes that readers go by have no entry for
    what these do not see yet, and ids are in order of time: an event costs little, as one comes with each small thing.
    """

    __tablename__ = "event"
    __table_args__ = (
        partial("ix_event_unpublished", "number", where="sequence IS NULL"),
        partial("uq_event_sequence", "sequence", unique=True, where="sequence IS NOT NULL"),
        keyset.listed("event", "organization_id", "sequence", where="sequence IS NOT NULL"),
        partial("ix_event_project", "project_id", "number", where="project_id IS NOT NULL"),
    )

    number: Mapped[int] = mapped_column(BigInteger().with_variant(Integer, "sqlite"), primary_key=True)
    sequence: Mapped[int | None] = mapped_column(BigInteger)
    id: Mapped[str] = mapped_column(String(36), unique=True, default=ordered_id)
    organization_id: Mapped[str] = mapped_column(String(36))
    project_id: Mapped[str | None] = mapped_column(String(36))
    #: What it happened to (``series``, ``work``, ``file``, ``row``, ``run`` ...) and its id.
    type: Mapped[str] = mapped_column(String(40))
    object_id: Mapped[str] = mapped_column(String(100), index=True)
    action: Mapped[str] = mapped_column(String(40))
    data: Mapped[dict[str, Any]] = mapped_column(Json, default=dict)
    user_id: Mapped[str | None] = mapped_column(String(36))
    created_at: Mapped[datetime] = mapped_column(Instant, default=now)


class Written(Base):
    """The events of one statement, until they are published: one row that no index but its number's tells of.

    Each is ``[object_id, action, data]``. Of one object they are numbered in the order of what happened to it: whoever
    writes one has the object's row.
    """

    __tablename__ = "event_written"

    number: Mapped[int] = mapped_column(BigInteger().with_variant(Integer, "sqlite"), primary_key=True)
    organization_id: Mapped[str] = mapped_column(String(36))
    type: Mapped[str] = mapped_column(String(40))
    user_id: Mapped[str | None] = mapped_column(String(36))
    created_at: Mapped[datetime] = mapped_column(Instant)
    count: Mapped[int] = mapped_column(Integer)
    events: Mapped[list[list[Any]]] = mapped_column(Json)


class Webhook(Base):
    """An address that events are sent to; ``status`` is ``new``, ``valid``, ``invalid`` or ``deactivated``."""

    __tablename__ = "webhook"
    __table_args__ = (by_number("webhook"),)

    number: Mapped[int] = mapped_column(BigInteger().with_variant(Integer, "sqlite"), primary_key=True)
    id: Mapped[str] = mapped_column(String(36), unique=True, default=new_id)
    organization_id: Mapped[str] = mapped_column(String(36))
    url: Mapped[str] = mapped_column(Text)
    #: How requests look and are signed: a name of `entrepot.events.styles`.
    style: Mapped[str] = mapped_column(String(20))
    secret_encrypted: Mapped[str] = mapped_column(Text)
    #: The secret before the last rotation, with which requests are signed as well until then.
    former_secret_encrypted: Mapped[str | None] = mapped_column(Text)
    former_secret_until: Mapped[datetime | None] = mapped_column(Instant)
    #: ``type`` or ``type.action`` of the events that are sent; null: all.
    types: Mapped[list[str] | None] = mapped_column(Json)
    #: Whether it gets, of its style, what no key directs elsewhere.
    is_default: Mapped[bool] = mapped_column(default=False)
    status: Mapped[str] = mapped_column(String(20), default="new")
    created_at: Mapped[datetime] = mapped_column(Instant, default=now)
    #: When it was created or last activated: it is told of what happens from then on.
    active_since: Mapped[datetime] = mapped_column(Instant, default=now)
    #: Whether it was slow to answer of late: it is sent to by slots apart.
    slow: Mapped[bool] = mapped_column(default=False)
    #: Since when nothing came through; null: it does.
    failing_since: Mapped[datetime | None] = mapped_column(Instant)
    #: Until then nothing is tried: it asked for that, or nobody answered soon, so many times in a row.
    paused_until: Mapped[datetime | None] = mapped_column(Instant)
    pauses: Mapped[int] = mapped_column(default=0)


class Delivery(Base):
    """An event on its way to a webhook; ``status`` is ``pending``, ``delivered`` or ``failed``."""

    __tablename__ = "webhook_delivery"
    __table_args__ = (
        partial("ix_webhook_delivery_pending", "webhook_id", "object_key", "number", where="status = 'pending'"),
        keyset.listed("webhook_delivery", "webhook_id", "number"),
        partial("ix_webhook_delivery_failed", "webhook_id", "number", where="status = 'failed'"),
        Index("ix_webhook_delivery_created", "created_at"),
    )

    number: Mapped[int] = mapped_column(BigInteger().with_variant(Integer, "sqlite"), primary_key=True)
    webhook_id: Mapped[str] = mapped_column(String(36))
    event_number: Mapped[int] = mapped_column(ForeignKey("event.number"), index=True)
    #: Deliveries of one webhook and object come in order.
    object_key: Mapped[str] = mapped_column(String(150))
    status: Mapped[str] = mapped_column(String(10), default="pending")
    attempts: Mapped[int] = mapped_column(default=0)
    next_at: Mapped[datetime] = mapped_column(Instant, default=now)
    created_at: Mapped[datetime] = mapped_column(Instant, default=now)
    delivered_at: Mapped[datetime | None] = mapped_column(Instant)
    #: The attempts so far: ``{"at", "seconds", "status", "error"}`` each.
    log: Mapped[list[dict[str, Any]]] = mapped_column(Json, default=list)


class Notification(Base):
    """Something that a person should look at, until somebody resolves it."""

    __tablename__ = "notification"
    __table_args__ = (
        by_number("notification"),
        Index("ix_notification_project_resolved", "project_id", "resolved"),
    )

    number: Mapped[int] = mapped_column(primary_key=True)
    id: Mapped[str] = mapped_column(String(36), unique=True, default=new_id)
    organization_id: Mapped[str] = mapped_column(String(36))
    project_id: Mapped[str] = mapped_column(String(36))
    generator_kind: Mapped[str | None] = mapped_column(String(20))
    generator_id: Mapped[str | None] = mapped_column(String(36), index=True)
    #: What kind of thing it is, in words: ``Analysis obsolete``, ``Run failed`` ...
    name: Mapped[str] = mapped_column(String(100))
    message: Mapped[str] = mapped_column(default="")
    #: What of its generator it is about, where that is not all of it: the name of a series.
    subject: Mapped[str | None] = mapped_column(String(300))
    #: Where the trouble comes from, in words (``gate logger``): notices of one origin are mailed together.
    origin: Mapped[str] = mapped_column(String(400), default="")
    resolved: Mapped[bool] = mapped_column(default=False)
    read: Mapped[bool] = mapped_column(default=False)
    created_at: Mapped[datetime] = mapped_column(Instant, default=now)
    resolved_at: Mapped[datetime | None] = mapped_column(Instant)
    #: When a mail that tells of it was written.
    mailed_at: Mapped[datetime | None] = mapped_column(Instant)


class Mail(Base):
    """A mail on its way to one person; ``status`` is ``pending``, ``sent`` or ``failed``."""

    __tablename__ = "mail"
    __table_args__ = (partial("ix_mail_pending", "next_at", where="status = 'pending'"),)

    number: Mapped[int] = mapped_column(BigInteger().with_variant(Integer, "sqlite"), primary_key=True)
    id: Mapped[str] = mapped_column(String(36), unique=True, default=new_id)
    organization_id: Mapped[str] = mapped_column(String(36), index=True)
    project_id: Mapped[str] = mapped_column(String(36))
    recipient: Mapped[str] = mapped_column(Text)
    subject: Mapped[str] = mapped_column(Text)
    body: Mapped[str] = mapped_column(Text)
    status: Mapped[str] = mapped_column(String(10), default="pending")
    attempts: Mapped[int] = mapped_column(default=0)
    next_at: Mapped[datetime] = mapped_column(Instant, default=now)
    created_at: Mapped[datetime] = mapped_column(Instant, default=now)
    sent_at: Mapped[datetime | None] = mapped_column(Instant)
    #: Why the last attempt failed.
    error: Mapped[str | None] = mapped_column(Text)
