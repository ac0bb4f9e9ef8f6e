"""Statements on PostgreSQL's own protocol are what the driver's would be: values, errors, transactions and ends."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from entrepot.db import Database, wire
from entrepot.db.driver import on_driver
from entrepot.errors import Away, InvalidInput

TEXTS = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]))
KINDS: dict[str, st.SearchStrategy[Any]] = {
    "VARCHAR": TEXTS,
    "BIGINT": st.integers(-(2**63), 2**63 - 1),
    "DOUBLE PRECISION": st.floats(allow_nan=False),
    "BOOLEAN": st.booleans(),
    "BYTEA": st.binary(),
    "TIMESTAMP WITH TIME ZONE": st.datetimes(datetime(1900, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC)),
    "VARCHAR[]": st.lists(TEXTS | st.none()),
    "BIGINT[]": st.lists(st.integers(-(2**63), 2**63 - 1)),
}

#: Of arrays that go as the server has them, the class, the type and the elements.
ARRAYS: list[tuple[type[list[Any]], str, st.SearchStrategy[Any]]] = [
    (wire.Texts, "TEXT[]", TEXTS),
    (wire.Integers, "BIGINT[]", KINDS["BIGINT"]),
    (wire.Doubles, "DOUBLE PRECISION[]", KINDS["DOUBLE PRECISION"]),
    (wire.Booleans, "BOOLEAN[]", st.booleans()),
]


@pytest.fixture
def database_kind() -> str:
    """SQLite has no wire."""
    return "postgresql"


@pytest.fixture
def single(database: Database) -> Iterator[Database]:
    """The database with one connection."""
    single = Database(database.url, pool_size=1)
    yield single
    single.close()


def _ask(database: Database, statement: str, **parameters: Any) -> list[tuple[Any, ...]]:
    with database.write() as session:
        return on_driver(session.connection(), statement, parameters)


def test_values_come_back_as_they_were_given(single: Database) -> None:
    @settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
    @given(st.data())
    def check(data: st.DataObject) -> None:
        kind = data.draw(st.sampled_from(sorted(KINDS)))
        value = data.draw(KINDS[kind] | st.none())
        found = _ask(single, f"SELECT %(value)s::{kind}, '100%%', %(value)s::{kind} IS NULL", value=value)
        assert found == [(value, "100%", value is None)]

    check()


def test_long_arrays_come_back_as_they_were_given_however_they_are_sent(single: Database) -> None:
    @settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
    @given(st.data())
    def check(data: st.DataObject) -> None:
        array, kind, elements = data.draw(st.sampled_from(ARRAYS))
        values = data.draw(st.lists(elements | st.none()) | st.lists(elements) | st.lists(st.none()))
        assert _ask(single, f"SELECT %(value)s::{kind}", value=array(values)) == [(values,)]
        with single.write() as session:  # on the driver, where the wire is not used
            driver: Any = session.connection().connection.driver_connection
            assert driver.execute(f"SELECT %(value)s::{kind}", {"value": array(values)}).fetchall() == [(values,)]

    check()
    assert _ask(single, "SELECT %(value)s::DOUBLE PRECISION[]", value=wire.Doubles([1, 0.5])) == [([1.0, 0.5],)]


def test_a_nul_ends_no_text(single: Database) -> None:
    for value in ("a\0b", ["a\0b"], wire.Texts(["a\0b"])):
        with pytest.raises(InvalidInput):
            _ask(single, "SELECT %(value)s", value=value)


def test_a_statement_may_be_larger_than_what_the_socket_takes_at_once(single: Database) -> None:
    long = "é" * 8_000_000
    assert _ask(single, "SELECT %(value)s::VARCHAR, length(%(value)s::VARCHAR)", value=long) == [(long, 8_000_000)]


def test_what_is_prepared_outlives_a_rollback_at_which_the_driver_forgets_its_own(single: Database) -> None:
    for _ in range(wire.PREPARED_AT + 1):
        assert _ask(single, "SELECT %(value)s::BIGINT + 1", value=1) == [(2,)]
    for nested in (False, True, False, False, True, False):
        with single.write() as session:
            for _ in range(8):
                session.execute(text("SELECT 2"))  # prepared by the driver, which then has the server forget them all
            if nested:
                with pytest.raises(DBAPIError), session.begin_nested():
                    session.execute(text("SELECT 1/0"))
                assert on_driver(session.connection(), "SELECT %(value)s::BIGINT + 1", {"value": 1}) == [(2,)]
            session.rollback()
        assert _ask(single, "SELECT %(value)s::BIGINT + 1", value=1) == [(2,)]


def test_no_more_statements_are_kept_than_is_said(single: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wire, "MOST_PREPARED", 4)
    for _ in range(wire.PREPARED_AT):
        for number in range(3):
            assert _ask(single, f"SELECT {number} + %(value)s::BIGINT", value=1) == [(number + 1,)]
    for number in range(3, 20):
        for _ in range(wire.PREPARED_AT):
            assert _ask(single, f"SELECT {number} + %(value)s::BIGINT", value=1) == [(number + 1,)]
    kept = _ask(single, "SELECT count(*) FROM pg_prepared_statements WHERE name LIKE %(name)s", name="_entrepot%")
    assert kept == [(4,)]


def test_an_error_takes_back_the_transaction_that_came_with_it(single: Database) -> None:
    _ask(single, "CREATE TABLE wire_test (number BIGINT PRIMARY KEY)")
    insert = "INSERT INTO wire_test VALUES (%(number)s) RETURNING number"

    def insert_twice() -> None:
        with single.write() as session:
            for _ in range(2):
                on_driver(session.connection(), insert, {"number": 1})

    with pytest.raises(DBAPIError, match="duplicate"):
        insert_twice()
    assert _ask(single, "SELECT count(*) FROM wire_test") == [(0,)]
    _ask(single, insert, number=1)
    assert _ask(single, "SELECT number FROM wire_test") == [(1,)]


def test_a_snapshot_stays_one_and_writes_nothing(single: Database, database: Database) -> None:
    _ask(single, "CREATE TABLE wire_test (number BIGINT PRIMARY KEY)")
    with single.snapshot() as connection:
        assert on_driver(connection, "SELECT count(*) FROM wire_test", {}) == [(0,)]
        _ask(database, "INSERT INTO wire_test VALUES (%(number)s)", number=1)
        assert on_driver(connection, "SELECT count(*) FROM wire_test", {}) == [(0,)]
        with pytest.raises(DBAPIError, match="read-only"):
            on_driver(connection, "INSERT INTO wire_test VALUES (%(number)s)", {"number": 2})


def test_a_connection_that_is_ended_is_told_and_replaced(single: Database, database: Database) -> None:
    def be_ended() -> None:
        with single.write() as session:
            ((pid,),) = on_driver(session.connection(), "SELECT pg_backend_pid()", {})
            _ask(database, "SELECT pg_terminate_backend(%(pid)s)", pid=pid)
            on_driver(session.connection(), "SELECT pg_sleep(%(seconds)s)", {"seconds": 20.0})

    with pytest.raises(Away):
        be_ended()
    assert _ask(single, "SELECT 1") == [(1,)]


def test_a_plan_for_few_rows_is_made_anew_when_there_are_many(single: Database) -> None:
    _ask(single, "CREATE TABLE grown (number BIGINT PRIMARY KEY, filler TEXT)")
    _ask(single, "SET plan_cache_mode = force_generic_plan")
    statement = "INSERT INTO grown VALUES (%(number)s, repeat('x', 500)) RETURNING number"
    read = "SELECT number FROM grown WHERE number = %(number)s"
    for number in range(2000):
        _ask(single, statement, number=number)
        if not number % 10:
            _ask(single, read, number=number)
    (name,) = _ask(single, "SELECT name FROM pg_prepared_statements WHERE statement LIKE 'SELECT number FROM grown%%'")
    plan = _ask(single, f"EXPLAIN EXECUTE {name[0]}(7)")
    assert "Index" in plan[0][0], plan
