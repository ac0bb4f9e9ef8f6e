"""Tables of sites, locations, model definitions, result sets and their rows.

Ids are integers that count within an organization, so that they tell nothing of others. JSON is kept as the text that
came in, so that it goes out the same.
"""

from datetime import datetime

from sqlalchemy import (
    BigInteger,
    Boolean,
    Double,
    ForeignKeyConstraint,
    Index,
    Integer,
    LargeBinary,
    String,
    Text,
    UniqueConstraint,
)
from sqlalchemy import text as sql
from sqlalchemy.orm import Mapped, mapped_column

from entrepot.db import Base, Instant, now
from entrepot.db.types import Packed

# Sorted and compared by code point on every database.
_Word = Text().with_variant(Text(collation="C"), "postgresql")


class _Owned:
    organization_id: Mapped[str] = mapped_column(String(36), primary_key=True)
    id: Mapped[int] = mapped_column(Integer, primary_key=True)


def _own(table: str, column: str, target: str) -> ForeignKeyConstraint:
    """Return the reference of a column to something of the same organization."""
    return ForeignKeyConstraint(
        ["organization_id", column], [f"{target}.organization_id", f"{target}.id"], name=f"fk_{table}_{column}"
    )


def _listed(table: str) -> Index:
    """Return the index that gives a page of a list by name, however long the list is."""
    return Index(f"ix_{table}_listed", "organization_id", "name", "id")


class LastId(Base):
    """The last id that an organization gave to a row of a table: none comes back."""

    __tablename__ = "last_id"

    organization_id: Mapped[str] = mapped_column(String(36), primary_key=True)
    table: Mapped[str] = mapped_column(String(30), primary_key=True)
    last: Mapped[int] = mapped_column(BigInteger)


class Site(_Owned, Base):
    """A site, such as a wind farm."""

    __tablename__ = "site"
    __table_args__ = (UniqueConstraint("organization_id", "name"),)

    name: Mapped[str] = mapped_column(_Word)
    slug: Mapped[str] = mapped_column(_Word)
    description: Mapped[str | None] = mapped_column(_Word)
    active: Mapped[bool] = mapped_column(Boolean, default=True)
    extra: Mapped[str | None] = mapped_column(Text)


class Location(_Owned, Base):
    """A place of a site, such as a turbine; `northing` and `easting` are its latitude and longitude in degrees."""

    __tablename__ = "location"
    __table_args__ = (
        UniqueConstraint("organization_id", "site_id", "name"),
        _listed("location"),
        _own("location", "site_id", "site"),
    )

    site_id: Mapped[int] = mapped_column(Integer)
    name: Mapped[str] = mapped_column(_Word)
    slug: Mapped[str] = mapped_column(_Word)
    description: Mapped[str | None] = mapped_column(_Word)
    northing: Mapped[float | None] = mapped_column(Double)
    easting: Mapped[float | None] = mapped_column(Double)
    #: Height above the sea in metres; below it, the water's depth.
    elevation: Mapped[float | None] = mapped_column(Double)
    extra: Mapped[str | None] = mapped_column(Text)


class ModelDefinition(_Owned, Base):
    """A model of a site that result sets are made for: as designed, as built ..."""

    __tablename__ = "model_definition"
    __table_args__ = (
        UniqueConstraint("organization_id", "site_id", "name"),
        _listed("model_definition"),
        _own("model_definition", "site_id", "site"),
    )

    site_id: Mapped[int] = mapped_column(Integer)
    name: Mapped[str] = mapped_column(_Word)
    description: Mapped[str | None] = mapped_column(_Word)
    extra: Mapped[str | None] = mapped_column(Text)


class ResultSet(_Owned, Base):
    """What rows belong to; known by name, model definition, instant and location (none being one too)."""

    __tablename__ = "result_set"
    __table_args__ = (
        Index(
            "uq_result_set_identity",
            "organization_id",
            "model_definition_id",
            "name",
            "made_at",
            sql("coalesce(location_id, 0)"),
            unique=True,
        ),
        _listed("result_set"),
        _own("result_set", "model_definition_id", "model_definition"),
        _own("result_set", "location_id", "location"),
    )

    name: Mapped[str] = mapped_column(_Word)
    model_definition_id: Mapped[int] = mapped_column(Integer)
    location_id: Mapped[int | None] = mapped_column(Integer)
    source_type: Mapped[str | None] = mapped_column(_Word)
    source: Mapped[str | None] = mapped_column(_Word)
    description: Mapped[str | None] = mapped_column(_Word)
    made_by: Mapped[str | None] = mapped_column(_Word)
    made_at: Mapped[datetime] = mapped_column(Instant, default=now)
    extra: Mapped[str | None] = mapped_column(Text)
    slug: Mapped[str] = mapped_column(_Word)
    #: Neither the set nor any of its rows may change.
    locked: Mapped[bool] = mapped_column(Boolean, default=False)


class Row(_Owned, Base):
    """Two or three vectors of equal length, each with a name and a unit, as little-endian doubles."""

    __tablename__ = "result_row"
    __table_args__ = (
        Index("ix_result_row_result_set", "organization_id", "result_set_id", "name"),
        Index("ix_result_row_site", "organization_id", "site_id"),
        Index("ix_result_row_location", "organization_id", "location_id"),
        _listed("result_row"),
        _own("result_row", "result_set_id", "result_set"),
        _own("result_row", "site_id", "site"),
        _own("result_row", "location_id", "location"),
    )

    result_set_id: Mapped[int] = mapped_column(Integer)
    site_id: Mapped[int | None] = mapped_column(Integer)
    location_id: Mapped[int | None] = mapped_column(Integer)
    name1: Mapped[str] = mapped_column(_Word)
    name2: Mapped[str] = mapped_column(_Word)
    name3: Mapped[str | None] = mapped_column(_Word)
    unit1: Mapped[str] = mapped_column(_Word)
    unit2: Mapped[str] = mapped_column(_Word)
    unit3: Mapped[str | None] = mapped_column(_Word)
    values1: Mapped[bytes] = mapped_column(Packed)
    values2: Mapped[bytes] = mapped_column(Packed)
    values3: Mapped[bytes | None] = mapped_column(Packed)
    name: Mapped[str] = mapped_column(_Word)
    description: Mapped[str | None] = mapped_column(_Word)
    about: Mapped[str | None] = mapped_column(Text)
    extra: Mapped[str | None] = mapped_column(Text)
    slug: Mapped[str] = mapped_column(_Word)
    locked: Mapped[bool] = mapped_column(Boolean, default=False)


class _Part(_Owned):
    """What a structure is made of, or what measures it: a JSON object, beside what it refers to."""

    fields: Mapped[str] = mapped_column(Text)


class Material(_Part, Base):
    """A material."""

    __tablename__ = "material"


class Subassembly(_Part, Base):
    """A part of a structure: its tower, its transition piece, its monopile."""

    __tablename__ = "subassembly"
    __table_args__ = (
        _own("subassembly", "location_id", "location"),
        _own("subassembly", "model_definition_id", "model_definition"),
    )

    location_id: Mapped[int] = mapped_column(Integer)
    model_definition_id: Mapped[int | None] = mapped_column(Integer)


class BuildingBlock(_Part, Base):
    """A can, a lumped mass or a distributed mass of a subassembly."""

    __tablename__ = "building_block"
    __table_args__ = (
        _own("building_block", "subassembly_id", "subassembly"),
        _own("building_block", "material_id", "material"),
    )

    subassembly_id: Mapped[int] = mapped_column(Integer)
    material_id: Mapped[int | None] = mapped_column(Integer)


class SensorType(_Part, Base):
    """A type of sensors."""

    __tablename__ = "sensor_type"


class Sensor(_Part, Base):
    """A sensor."""

    __tablename__ = "sensor"


class SensorCalibration(_Part, Base):
    """A calibration of a sensor."""

    __tablename__ = "sensor_calibration"


class Signal(_Part, Base):
    """What a sensor measures."""

    __tablename__ = "signal"
    __table_args__ = (_own("signal", "site_id", "site"), _own("signal", "location_id", "location"))

    site_id: Mapped[int | None] = mapped_column(Integer)
    location_id: Mapped[int | None] = mapped_column(Integer)


class SignalHistory(_Part, Base):
    """Since when a signal has which state, and comes from which sensor."""

    __tablename__ = "signal_history"


class SignalCalibration(_Part, Base):
    """A calibration of a signal."""

    __tablename__ = "signal_calibration"


class DerivedSignal(_Part, Base):
    """What is computed of signals."""

    __tablename__ = "derived_signal"
    __table_args__ = (_own("derived_signal", "site_id", "site"), _own("derived_signal", "location_id", "location"))

    site_id: Mapped[int | None] = mapped_column(Integer)
    location_id: Mapped[int | None] = mapped_column(Integer)


class DerivedSignalHistory(_Part, Base):
    """Since when a derived signal has which state, and comes from which signals."""

    __tablename__ = "derived_signal_history"


class DerivedSignalCalibration(_Part, Base):
    """A calibration of a derived signal."""

    __tablename__ = "derived_signal_calibration"


class Attachment(Base):
    """A file that is attached to a part, under the name of one of its fields: a datasheet, a picture."""

    __tablename__ = "attachment"

    organization_id: Mapped[str] = mapped_column(String(36), primary_key=True)
    #: The table of the part.
    kind: Mapped[str] = mapped_column(String(30), primary_key=True)
    part_id: Mapped[int] = mapped_column(Integer, primary_key=True)
    field: Mapped[str] = mapped_column(String(50), primary_key=True)
    #: The name under which it is downloaded.
    name: Mapped[str] = mapped_column(String(255))
    size: Mapped[int] = mapped_column(BigInteger)
    sha256: Mapped[str] = mapped_column(String(64))
    content: Mapped[bytes] = mapped_column(LargeBinary, deferred=True)
    created_at: Mapped[datetime] = mapped_column(Instant, default=now)
