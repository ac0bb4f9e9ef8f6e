"""Tables of the series store."""

from datetime import datetime

from sqlalchemy import (
    DDL,
    BigInteger,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    String,
    Text,
    UniqueConstraint,
    event,
)
from sqlalchemy.orm import Mapped, mapped_column, relationship

from entrepot.db import Base, Instant, new_id, now
from entrepot.db.partial import partial

# SQLite numbers rows by itself only where the column is INTEGER, whose values have 64 bits there anyway.
Key = BigInteger().with_variant(Integer, "sqlite")


#: Organization and project of series that nobody has any more: what is left is deleted in the background.
DISCARDED = "discarded"


class Series(Base):
    """Values over time, with their unit, their clock, and (in its `head`) a summary of the points.

    Times are microseconds since 1970 in UTC; of a series whose clock is unknown, they are its stamps as delivered
    (see :mod:`.second_pass`).
    """

    __tablename__ = "series"
    __table_args__ = (
        UniqueConstraint("generator_id", "name"),
        # Series pushed directly have no generator, and SQL holds nulls to be distinct.
        partial("uq_series_direct", "project_id", "name", unique=True, where="generator_id IS NULL"),
        partial("ix_series_damaged", "number", where="damage IS NOT NULL"),
        # Words are looked for in the index itself: it has all texts, in the order in which series are listed.
        Index("ix_series_listed", "organization_id", "name", "id", "title"),
        {"sqlite_autoincrement": True},  # clients keep keys: that of a deleted series must not come back
    )

    number: Mapped[int] = mapped_column(Key, primary_key=True)
    id: Mapped[str] = mapped_column(String(36), unique=True, default=new_id)
    organization_id: Mapped[str] = mapped_column(String(36), index=True)
    project_id: Mapped[str] = mapped_column(String(36), index=True)
    generator_kind: Mapped[str] = mapped_column(String(16))
    generator_id: Mapped[str | None] = mapped_column(String(36))
    name: Mapped[str] = mapped_column(String(255))
    unit: Mapped[str] = mapped_column(String(255), default="")
    title: Mapped[str] = mapped_column(String(255), default="")
    clock: Mapped[str | None] = mapped_column(String(8))
    timezone: Mapped[str | None] = mapped_column(String(64))
    step: Mapped[str | None] = mapped_column(String(32))
    day_begins: Mapped[int] = mapped_column(BigInteger, default=0)  # on its clock, in microseconds after midnight
    rule: Mapped[str] = mapped_column(String(8), default="mean")
    kind: Mapped[str | None] = mapped_column(String(16))
    pushed: Mapped[bool] = mapped_column(default=False)  # whether clients write its points, rather than runs
    locked: Mapped[bool] = mapped_column(default=False)
    created_at: Mapped[datetime] = mapped_column(Instant, default=now)

    damage: Mapped[str | None] = mapped_column(Text)  # why points of it cannot be read; None: all can

    head: Mapped["SeriesHead"] = relationship(lazy="joined", innerjoin=True, passive_deletes=True)

    @property
    def count(self) -> int:
        """How many points there are."""
        return self.head.count

    @property
    def first(self) -> int | None:
        """The time of the first point."""
        return self.head.first

    @property
    def last(self) -> int | None:
        """The time of the last point."""
        return self.head.last

    @property
    def last_value(self) -> float | None:
        """The value of the last point."""
        return self.head.last_value

    @property
    def width(self) -> int:
        """The width of a chunk's window."""
        return self.head.width

    @property
    def tail(self) -> int:
        """How many points wait to be folded."""
        return self.head.tail


class SeriesHead(Base):
    """What every write changes of a series: a narrow row without an index, beside the wide one that has many."""

    __tablename__ = "series_head"
    # Room for new versions of the rows of a page, so that PostgreSQL writes them in place.
    __table_args__ = ({"postgresql_with": {"fillfactor": 50}},)

    series: Mapped[int] = mapped_column(Key, ForeignKey("series.number", ondelete="CASCADE"), primary_key=True)
    count: Mapped[int] = mapped_column(BigInteger, default=0)
    first: Mapped[int | None] = mapped_column(BigInteger)
    last: Mapped[int | None] = mapped_column(BigInteger)
    last_value: Mapped[float | None]
    width: Mapped[int] = mapped_column(BigInteger, default=0)  # of a chunk's window; 0 while there is no chunk
    tail: Mapped[int] = mapped_column(Integer, default=0)  # rows of SeriesTail
    written_at: Mapped[int | None] = mapped_column(BigInteger)  # when points last changed, microseconds since 1970


class SeriesLabel(Base):
    """A key and a value by which series are found."""

    __tablename__ = "series_label"
    __table_args__ = (Index("ix_series_label_found", "key", "value", "series"),)

    series: Mapped[int] = mapped_column(Key, ForeignKey("series.number", ondelete="CASCADE"), primary_key=True)
    key: Mapped[str] = mapped_column(String(100), primary_key=True)
    value: Mapped[str] = mapped_column(String(300))


class SeriesChunk(Base):
    """The points of one window of time, sorted, unique by time, compressed (see :mod:`entrepot.series.codec`)."""

    __tablename__ = "series_chunk"

    series: Mapped[int] = mapped_column(Key, ForeignKey("series.number", ondelete="CASCADE"), primary_key=True)
    bucket: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)  # the window's start
    count: Mapped[int] = mapped_column(Integer)
    first: Mapped[int] = mapped_column(BigInteger)
    last: Mapped[int] = mapped_column(BigInteger)
    sums: Mapped[bytes | None] = mapped_column(
        LargeBinary
    )  # see entrepot.series.sums; before the data, to be read alone
    extremes: Mapped[bytes | None] = mapped_column(LargeBinary)  # see entrepot.series.extremes
    data: Mapped[bytes] = mapped_column(LargeBinary)


class SeriesTail(Base):
    """A point that waits to be folded into a chunk; where both have one of the same time, this one counts."""

    __tablename__ = "series_tail"
    __table_args__ = ({"sqlite_with_rowid": False},)

    series: Mapped[int] = mapped_column(Key, ForeignKey("series.number", ondelete="CASCADE"), primary_key=True)
    time: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    value: Mapped[float]
    tag: Mapped[str | None] = mapped_column(String(255))


event.listen(
    SeriesChunk.__table__,
    "after_create",
    # Compressed already, so that PostgreSQL need not try.
    DDL("ALTER TABLE series_chunk ALTER COLUMN data SET STORAGE EXTERNAL").execute_if(  # type: ignore[no-untyped-call]
        dialect="postgresql"
    ),
)
