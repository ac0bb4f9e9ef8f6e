"""Tables of the job queue: jobs, schedules and the leases of those who must be alone."""

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, Index, Integer, String, Text, text
from sqlalchemy.orm import Mapped, mapped_column

from entrepot.db import Base, Instant, Json, new_id, now
from entrepot.db.partial import partial

#: How the `coalesce` of a schedule's jobs begins.
SCHEDULED = "schedule:"


class Job(Base):
    """A piece of work: done at least once, with an effect exactly once.

    ``status`` is ``pending`` or ``running``, and in the end ``finished``, ``refused``, ``failed`` (by a script or by
    data), ``cancelled`` or ``server_error``.
    """

    __tablename__ = "job"
    __table_args__ = (
        Index("ix_job_organization_id_number", "organization_id", "number"),
        partial(
            "ix_job_turn",
            "kind",
            "tenant",
            text("priority DESC"),
            "place",
            "run_at",
            "number",
            where="status = 'pending'",
        ),
        partial("ix_job_ready", "ready_at", where="status = 'pending'"),
        partial("ix_job_running", "kind", "tenant", where="status = 'running'"),
        partial("ix_job_key_order", "key", "run_at", "number", where="status IN ('pending', 'running')"),
        # Two jobs of one key never run at once: the database itself refuses it.
        partial("uq_job_running_key", "key", unique=True, where="status = 'running'"),
        partial("ix_job_key_ended", "key", "kind", "number", where="ended_at IS NOT NULL"),
        partial("ix_job_coalesce", "coalesce", where="status = 'pending'"),
        partial("ix_job_lease_until", "lease_until", where="status = 'running'"),
    )

    number: Mapped[int] = mapped_column(BigInteger().with_variant(Integer, "sqlite"), primary_key=True)
    id: Mapped[str] = mapped_column(String(36), unique=True, default=new_id)
    kind: Mapped[str] = mapped_column(String(100))
    payload: Mapped[Any | None] = mapped_column(Json)
    status: Mapped[str] = mapped_column(String(20), default="pending")
    organization_id: Mapped[str | None] = mapped_column(String(36))
    project_id: Mapped[str | None] = mapped_column(String(36))
    user_id: Mapped[str | None] = mapped_column(String(36))
    parent_id: Mapped[str | None] = mapped_column(String(36), index=True)
    key: Mapped[str | None] = mapped_column(String)
    coalesce: Mapped[str | None] = mapped_column(String)
    priority: Mapped[int] = mapped_column(default=0)
    tenant: Mapped[str] = mapped_column(String(80), default="/")  # organization and project: who takes turns
    place: Mapped[int] = mapped_column(default=0)  # how many jobs of the same key waited when it came
    max_attempts: Mapped[int | None]
    deadline_at: Mapped[datetime | None] = mapped_column(Instant)

    created_at: Mapped[datetime] = mapped_column(Instant, default=now)
    run_at: Mapped[datetime] = mapped_column(Instant)
    ready_at: Mapped[datetime] = mapped_column(Instant)
    started_at: Mapped[datetime | None] = mapped_column(Instant)
    ended_at: Mapped[datetime | None] = mapped_column(Instant, index=True)

    attempt: Mapped[int] = mapped_column(default=0)
    fence: Mapped[int] = mapped_column(default=0)
    worker: Mapped[str | None] = mapped_column(String)
    lease_until: Mapped[datetime | None] = mapped_column(Instant)
    cancel_requested: Mapped[bool] = mapped_column(default=False)

    progress_done: Mapped[int] = mapped_column(BigInteger, default=0)
    progress_total: Mapped[int] = mapped_column(BigInteger, default=0)
    progress_message: Mapped[str] = mapped_column(String, default="")
    output: Mapped[str] = mapped_column(Text, default="")
    result: Mapped[Any | None] = mapped_column(Json)
    error: Mapped[str | None] = mapped_column(Text)
    error_details: Mapped[Any | None] = mapped_column(Json)
    traceback: Mapped[str | None] = mapped_column(Text)

    created_now = True
    """False on a job that :func:`entrepot.jobs.enqueue` found waiting already. Not stored."""

    @property
    def scheduled(self) -> bool:
        """Whether a schedule had it made, rather than somebody or something that happened."""
        return (self.coalesce or "").startswith(SCHEDULED)


class Idle(Base):
    """How many jobs of a kind and key came by themselves, one after the other, and found nothing to do; and the last.

    ``number``, ``id`` and the three instants are those of the last one.
    """

    __tablename__ = "idle_job"
    #: And none of `ended_at` alone, along which a list would walk through those of others.
    __table_args__ = (Index("ix_idle_job_listed", "organization_id", "ended_at", "id"),)

    kind: Mapped[str] = mapped_column(String(100), primary_key=True)
    key: Mapped[str] = mapped_column(String, primary_key=True)
    organization_id: Mapped[str | None] = mapped_column(String(36))
    project_id: Mapped[str | None] = mapped_column(String(36), index=True)
    count: Mapped[int] = mapped_column(BigInteger)
    #: When the first of them began.
    since: Mapped[datetime] = mapped_column(Instant)
    number: Mapped[int] = mapped_column(BigInteger)
    id: Mapped[str] = mapped_column(String(36), unique=True)
    created_at: Mapped[datetime] = mapped_column(Instant)
    started_at: Mapped[datetime | None] = mapped_column(Instant)
    ended_at: Mapped[datetime] = mapped_column(Instant)


class Turn(Base):
    """When an organization, or a project, last had a job claimed in a pool."""

    __tablename__ = "job_turn"

    pool: Mapped[str] = mapped_column(String(20), primary_key=True)
    holder: Mapped[str] = mapped_column(String(80), primary_key=True)
    taken_at: Mapped[datetime] = mapped_column(Instant)


class Schedule(Base):
    """A job that is enqueued again and again: at the times of a cron, or every so many seconds."""

    __tablename__ = "schedule"

    name: Mapped[str] = mapped_column(String(300), primary_key=True)
    cron: Mapped[str] = mapped_column(String, default="")
    timezone: Mapped[str] = mapped_column(String, default="UTC")
    seconds: Mapped[float | None]
    kind: Mapped[str] = mapped_column(String(100))
    payload: Mapped[Any | None] = mapped_column(Json)
    key: Mapped[str | None] = mapped_column(String)
    coalesce: Mapped[str] = mapped_column(String)
    priority: Mapped[int] = mapped_column(default=0)
    organization_id: Mapped[str | None] = mapped_column(String(36))
    project_id: Mapped[str | None] = mapped_column(String(36))
    user_id: Mapped[str | None] = mapped_column(String(36))
    enabled: Mapped[bool] = mapped_column(default=True)
    next_at: Mapped[datetime] = mapped_column(Instant, index=True)
    #: When it was found out when it fires next: a clock that was ahead then is told by that.
    planned_at: Mapped[datetime] = mapped_column(Instant, default=now, index=True)
    last_at: Mapped[datetime | None] = mapped_column(Instant)


class Lease(Base):
    """The right to be the only one who does something, until it runs out."""

    __tablename__ = "lease"

    name: Mapped[str] = mapped_column(String(100), primary_key=True)
    holder: Mapped[str] = mapped_column(String(36))
    until: Mapped[datetime] = mapped_column(Instant)


class Beat(Base):
    """When a part of a server last said that it lives; `holder` is its machine, its supervisor and its name."""

    __tablename__ = "beat"

    holder: Mapped[str] = mapped_column(String(200), primary_key=True)
    part: Mapped[str] = mapped_column(String(40))
    host: Mapped[str] = mapped_column(String(100))
    pid: Mapped[int]
    version: Mapped[str] = mapped_column(String(40))
    started_at: Mapped[datetime] = mapped_column(Instant)
    seen_at: Mapped[datetime] = mapped_column(Instant)
