"""Tables of runs, what they read and what they made."""

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, ForeignKey, Index, Integer, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from entrepot.db import Base, Instant, Json, now
from entrepot.db.partial import partial


class Run(Base):
    """One run of something that makes results; its id is the id of the job that ran it."""

    __tablename__ = "run"
    __table_args__ = (
        Index("ix_run_generator", "generator_id", "started_at"),
        Index("ix_run_listed", "organization_id", "started_at", "id"),
        Index("ix_run_reviewed", "reviewed_at", "started_at"),
        # Of works, how many of which pipeline ended lately.
        partial(
            "ix_run_works_ended",
            "organization_id",
            "ended_at",
            "generator_id",
            where="generator_kind = 'work'",
        ),
        partial("ix_run_project_id", "project_id", where="project_id IS NOT NULL"),
    )

    id: Mapped[str] = mapped_column(String(36), primary_key=True)
    organization_id: Mapped[str] = mapped_column(String(36))
    project_id: Mapped[str | None] = mapped_column(String(36))
    #: What ran: ``importer``, ``cleaner``, ``analysis``, ``upload`` ... and its id; of works, their pipeline.
    generator_kind: Mapped[str] = mapped_column(String(20))
    generator_id: Mapped[str] = mapped_column(Text)
    user_id: Mapped[str | None] = mapped_column(String(36))
    script_sha256: Mapped[str | None] = mapped_column(String(64))
    started_at: Mapped[datetime] = mapped_column(Instant, default=now)
    ended_at: Mapped[datetime | None] = mapped_column(Instant)
    status: Mapped[str] = mapped_column(String(20), default="running")
    report: Mapped[dict[str, Any]] = mapped_column(Json, default=dict)
    #: When it was found that what it made is still there, though runs as old are not kept.
    reviewed_at: Mapped[datetime | None] = mapped_column(Instant)


class Link(Base):
    """A result that a run read or made: a file, an interval of a series, a document, a row."""

    __tablename__ = "lineage"
    __table_args__ = (
        Index("ix_lineage_result", "kind", "result_id", "direction", "start"),
        Index("ix_lineage_run", "run_id"),
    )

    number: Mapped[int] = mapped_column(BigInteger().with_variant(Integer, "sqlite"), primary_key=True)
    run_id: Mapped[str] = mapped_column(ForeignKey("run.id", ondelete="CASCADE"))
    direction: Mapped[str] = mapped_column(String(4))  #: ``in`` or ``out``
    kind: Mapped[str] = mapped_column(String(20))  #: ``gate file``, ``series``, ``row``, ``work``, ``file``
    result_id: Mapped[str] = mapped_column(String(400))
    #: For series: the interval, half-open, in microseconds since the epoch.
    start: Mapped[int | None] = mapped_column(BigInteger)
    stop: Mapped[int | None] = mapped_column(BigInteger)
    detail: Mapped[dict[str, Any]] = mapped_column(Json, default=dict)
