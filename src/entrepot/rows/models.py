"""Tables of sites, locations, model definitions, analyses and their rows.

Ids are integers, unique on the server. JSON is kept as the text that came in, so that it goes out the same.
"""

from datetime import datetime

from sqlalchemy import Boolean, Dialect, Double, ForeignKey, Index, Integer, LargeBinary, String, Text, UniqueConstraint
from sqlalchemy import text as sql
from sqlalchemy.orm import Mapped, mapped_column

from entrepot.db import Base, Instant, now

# Sorted and compared by code point on every database.
_Word = Text().with_variant(Text(collation="C"), "postgresql")


class Packed(LargeBinary):
    """Bytes as they are: the drivers need none of the wrapping that costs more than packing a vector."""

    cache_ok = True

    def bind_processor(self, dialect: Dialect) -> None:
        """Hand bytes over."""

    def result_processor(self, dialect: Dialect, coltype: object) -> None:
        """Take bytes."""


_AUTOINCREMENT = {"sqlite_autoincrement": True}  # an id never comes back


class _Owned:
    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    organization_id: Mapped[str] = mapped_column(String(36), index=True)


class Site(_Owned, Base):
    """A site, such as a wind farm."""

    __tablename__ = "site"
    __table_args__ = (UniqueConstraint("organization_id", "title"), _AUTOINCREMENT)

    title: Mapped[str] = mapped_column(_Word)
    slug: Mapped[str] = mapped_column(_Word)
    description: Mapped[str | None] = mapped_column(_Word)
    active: Mapped[bool] = mapped_column(Boolean, default=True)
    additional_data: Mapped[str | None] = mapped_column(Text)


class Location(_Owned, Base):
    """A place of a site, such as a turbine; `northing` and `easting` are its latitude and longitude in degrees."""

    __tablename__ = "location"
    __table_args__ = (UniqueConstraint("site_id", "title"), _AUTOINCREMENT)

    site_id: Mapped[int] = mapped_column(ForeignKey("site.id"))
    title: Mapped[str] = mapped_column(_Word)
    slug: Mapped[str] = mapped_column(_Word)
    description: Mapped[str | None] = mapped_column(_Word)
    northing: Mapped[float | None] = mapped_column(Double)
    easting: Mapped[float | None] = mapped_column(Double)
    #: Height above the sea in metres; below it, the water's depth.
    elevation: Mapped[float | None] = mapped_column(Double)
    additional_data: Mapped[str | None] = mapped_column(Text)


class ModelDefinition(_Owned, Base):
    """A model of a site that analyses are made for: as designed, as built ..."""

    __tablename__ = "model_definition"
    __table_args__ = (UniqueConstraint("site_id", "title"), _AUTOINCREMENT)

    site_id: Mapped[int] = mapped_column(ForeignKey("site.id"))
    title: Mapped[str] = mapped_column(_Word)
    description: Mapped[str | None] = mapped_column(_Word)
    additional_data: Mapped[str | None] = mapped_column(Text)


class RowAnalysis(_Owned, Base):
    """What rows belong to; identified by name, model definition, timestamp and location (none being one too)."""

    __tablename__ = "row_analysis"
    __table_args__ = (
        Index(
            "uq_row_analysis_identity",
            "model_definition_id",
            "name",
            "timestamp",
            sql("coalesce(location_id, 0)"),
            unique=True,
        ),
        _AUTOINCREMENT,
    )

    name: Mapped[str] = mapped_column(_Word)
    model_definition_id: Mapped[int] = mapped_column(ForeignKey("model_definition.id"))
    location_id: Mapped[int | None] = mapped_column(ForeignKey("location.id"))
    source_type: Mapped[str | None] = mapped_column(_Word)
    source: Mapped[str | None] = mapped_column(_Word)
    description: Mapped[str | None] = mapped_column(_Word)
    user: Mapped[str | None] = mapped_column(_Word)
    timestamp: Mapped[datetime] = mapped_column(Instant, default=now)
    additional_data: Mapped[str | None] = mapped_column(Text)
    slug: Mapped[str] = mapped_column(_Word)
    #: Neither the analysis nor any of its rows may change.
    locked: Mapped[bool] = mapped_column(Boolean, default=False)


class Row(_Owned, Base):
    """Two or three vectors of equal length, each with a name and a unit, as little-endian doubles."""

    __tablename__ = "result_row"
    __table_args__ = (Index("ix_result_row_analysis", "analysis_id", "short_description"), _AUTOINCREMENT)

    #: Without an index of its own, which planners would take for the better one.
    organization_id: Mapped[str] = mapped_column(String(36))
    analysis_id: Mapped[int] = mapped_column(ForeignKey("row_analysis.id"))
    site_id: Mapped[int | None] = mapped_column(ForeignKey("site.id"), index=True)
    location_id: Mapped[int | None] = mapped_column(ForeignKey("location.id"), index=True)
    name_col1: Mapped[str] = mapped_column(_Word)
    name_col2: Mapped[str] = mapped_column(_Word)
    name_col3: Mapped[str | None] = mapped_column(_Word)
    units_col1: Mapped[str] = mapped_column(_Word)
    units_col2: Mapped[str] = mapped_column(_Word)
    units_col3: Mapped[str | None] = mapped_column(_Word)
    value_col1: Mapped[bytes] = mapped_column(Packed)
    value_col2: Mapped[bytes] = mapped_column(Packed)
    value_col3: Mapped[bytes | None] = mapped_column(Packed)
    short_description: Mapped[str] = mapped_column(_Word)
    description: Mapped[str | None] = mapped_column(_Word)
    related_object: Mapped[str | None] = mapped_column(Text)
    additional_data: Mapped[str | None] = mapped_column(Text)
    slug: Mapped[str] = mapped_column(_Word)
    locked: Mapped[bool] = mapped_column(Boolean, default=False)
    #: When a bulk request brought the row, until it came again by itself: see :func:`entrepot.rows.results.create`.
    bulk_at: Mapped[datetime | None] = mapped_column(Instant)
