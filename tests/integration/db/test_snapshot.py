"""A snapshot is one, of sessions and of statements alike."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import pytest
from sqlalchemy import func, select, text
from sqlalchemy.exc import DBAPIError

from entrepot.db import Database
from entrepot.db.driver import Among, fetch
from entrepot.errors import EntrepotError
from entrepot.identity.models import Organization

COUNT = select(func.count(Organization.id))


@pytest.mark.parametrize("opened", [Database.read, Database.snapshot])
def test_what_is_written_meanwhile_is_not_seen(
    database: Database, opened: Callable[[Database], AbstractContextManager[Any]]
) -> None:
    with opened(database) as reading:
        assert fetch(reading, COUNT, {}) == [(0,)]
        with database.write() as session:
            session.add(Organization(name="o"))
        assert fetch(reading, COUNT, {}) == [(0,)]
    with opened(database) as reading:
        assert fetch(reading, COUNT, {}) == [(1,)]


def test_a_list_is_one_parameter_however_long_it_is(database: Database) -> None:
    with database.write() as session:
        session.add_all(Organization(id=str(number), name=f"o{number}") for number in range(3))
    statement = select(Organization.name).where(Among(Organization.id, "ids")).order_by(Organization.name)
    with database.snapshot() as connection:
        for ids, names in (([], []), (["1"], ["o1"]), (["2", "0", "2", "none"], ["o0", "o2"])):
            assert [name for (name,) in fetch(connection, statement, {"ids": ids})] == names


def test_what_the_driver_raises_is_what_sqlalchemy_raises(database: Database) -> None:
    with pytest.raises((DBAPIError, EntrepotError)) as raised, database.snapshot() as connection:
        fetch(connection, text("SELECT nothing FROM nowhere"), {})
    assert isinstance(raised.value, DBAPIError)
    with database.snapshot() as connection:
        assert fetch(connection, COUNT, {}) == [(0,)]
