"""Column types and defaults shared by every table."""

import time
import uuid
from datetime import UTC, datetime
from typing import Any

import orjson
from sqlalchemy import JSON, DateTime, Dialect, LargeBinary, MetaData, Text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.orm import DeclarativeBase
from sqlalchemy.types import TypeDecorator


class Base(DeclarativeBase):
    """Parent of every table; names constraints the same way on every database."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(column_0_N_label)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_name)s",
            "pk": "pk_%(table_name)s",
        }
    )


class Instant(TypeDecorator[datetime]):
    """An instant to the microsecond: aware UTC datetimes in Python, on every database."""

    impl = DateTime(timezone=True)
    cache_ok = True

    @property
    def python_type(self) -> type[datetime]:
        """What values are in Python."""
        return datetime

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Store in UTC; SQLite keeps no zone."""
        if value is None:
            return None
        if value.tzinfo is None:
            message = "naive datetime where an instant is expected"
            raise ValueError(message)
        value = value.astimezone(UTC)
        return value.replace(tzinfo=None) if dialect.name == "sqlite" else value

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Return an aware datetime in UTC."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class Json(TypeDecorator[Any]):
    """A JSON value: text on SQLite, ``jsonb`` on PostgreSQL (which does not keep the order of keys)."""

    impl = JSON(none_as_null=True)
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> Any:
        """Return ``JSONB`` on PostgreSQL."""
        return dialect.type_descriptor(JSONB(none_as_null=True) if dialect.name == "postgresql" else self.impl)


@compiles(Json, "sqlite")
def _declare_text(_type: Json, _compiler: Any, **_options: Any) -> str:
    # In a column declared JSON, SQLite would turn the text of a lone number into a number.
    return "TEXT"


class Body(TypeDecorator[str]):
    """JSON text for the database to search in: ``jsonb`` on PostgreSQL, where it is written but never read back."""

    impl = Text
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> Any:
        """Return ``JSONB`` on PostgreSQL."""
        return dialect.type_descriptor(JSONB() if dialect.name == "postgresql" else Text())

    def process_bind_param(self, value: str | None, dialect: Dialect) -> Any:
        """Hand the text over as it is: it is encoded already."""
        return orjson.Fragment(value) if value is not None and dialect.name == "postgresql" else value


class Packed(LargeBinary):
    """Bytes as they are: the drivers need none of the wrapping that costs more than packing a vector."""

    cache_ok = True

    def bind_processor(self, dialect: Dialect) -> None:
        """Hand bytes over."""

    def result_processor(self, dialect: Dialect, coltype: object) -> None:
        """Take bytes."""


def read_instant(value: datetime | str) -> datetime:
    """Return an instant as the drivers have it: SQLite's as text, in UTC."""
    if isinstance(value, str):
        return datetime.fromisoformat(value).replace(tzinfo=UTC)
    return value.astimezone(UTC)


def new_id() -> str:
    """Return a fresh identifier: a random UUID as text."""
    return str(uuid.uuid4())


def ordered_id() -> str:
    """Return a fresh identifier that follows those of earlier milliseconds (UUID 7): its index grows at the end."""
    return ordered_id_stem() + str(uuid.uuid4())[15:]


def ordered_id_stem() -> str:
    """Return what such identifiers of this millisecond begin with; the rest is that of any random UUID."""
    instant = f"{time.time_ns() // 1_000_000:012x}"
    return f"{instant[:8]}-{instant[8:]}-7"


def now() -> datetime:
    """Return the current instant, aware, in UTC."""
    return datetime.now(UTC)
