"""Column types give back what they were given, on both databases."""

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from sqlalchemy import Column, MetaData, Table, insert, select

from entrepot.db import Database, Instant, Json


def round_trip(database: Database, column_type: Any, value: Any) -> Any:
    table = Table("kept", MetaData(), Column("value", column_type))
    table.create(database.engine)
    with database.write() as session:
        session.execute(insert(table).values(value=value))
    with database.read() as session:
        return session.execute(select(table.c.value)).scalar_one()


@pytest.mark.parametrize(
    "value", [1, 1.0, 12345678901234567890, "1", "", True, None, [], {}, [1, None, {"a": "é"}], {"b": 1, "a": [0.1]}]
)
def test_json(database: Database, value: Any) -> None:
    kept = round_trip(database, Json, value)
    assert kept == value
    assert type(kept) is type(value)


def test_instants_are_utc_to_the_microsecond(database: Database) -> None:
    instant = datetime(2026, 3, 29, 2, 30, 0, 123456, tzinfo=timezone(timedelta(hours=2)))
    kept = round_trip(database, Instant, instant)
    assert kept == instant
    assert kept.tzinfo is UTC
