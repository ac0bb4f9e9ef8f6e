"""A replica for long reads: what it tells is never older than what was acknowledged, and its end ends nothing."""

from collections.abc import Iterator

import pytest
from sqlalchemy import func, select, text
from sqlalchemy.orm import Session

from entrepot.bounds.budget import Budget
from entrepot.db import Database, migrate
from entrepot.errors import InvalidInput
from entrepot.identity.models import Organization
from entrepot.series import paging
from tests.support.postgres import Cluster


@pytest.fixture(scope="module")
def standby(postgres: Cluster) -> Iterator[Cluster]:
    made = Cluster(primary=postgres, hot_standby="on", recovery_min_apply_delay="0")
    yield made
    made.stop()


@pytest.fixture
def database(postgres: Cluster, standby: Cluster) -> Iterator[Database]:
    name = postgres.create()
    made = Database(postgres.url(name), read_url=standby.url(name))
    migrate.upgrade(made)
    yield made
    made.close()
    postgres.drop(name)


def server(session: Session) -> str:
    return "replica" if session.scalar(text("SELECT pg_is_in_recovery()")) else "first"


def count(session: Session) -> tuple[str, int]:
    return server(session), session.scalars(select(func.count()).select_from(Organization)).one()


def add(database: Database, name: str) -> None:
    with database.write() as session:
        session.add(Organization(name=name))


def test_a_long_read_finds_all_that_was_acknowledged_before(database: Database) -> None:
    for number in range(20):
        add(database, f"{number}")
        assert database.read_long(count) == ("replica", number + 1)


def test_a_replica_that_is_behind_is_not_asked(database: Database, standby: Cluster) -> None:
    standby.execute("SELECT pg_wal_replay_pause()")
    try:
        add(database, "later")
        assert database.read_long(count) == ("first", 1)
        assert database.read_long(count) == ("first", 1), "it is not waited for each time"
    finally:
        standby.execute("SELECT pg_wal_replay_resume()")


def test_what_fails_at_the_replica_is_read_at_the_first_server(database: Database) -> None:
    asked: list[str] = []

    def find(session: Session) -> str:
        asked.append(server(session))
        if asked == ["replica"]:
            session.execute(text("SELECT pg_terminate_backend(pg_backend_pid())"))
        return asked[-1]

    add(database, "one")
    assert database.read_long(find) == "first"
    assert asked == ["replica", "first"]


def test_pages_of_points_come_from_the_replica(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    where: list[str] = []
    first_page = paging.first_page

    def looked(session: Session, **given: int | None) -> object:
        where.append(server(session))
        return first_page(session, **given)

    monkeypatch.setattr(paging, "first_page", looked)
    assert list(paging.pages(database, 1, None, None, None, Budget(1, 1, 60, "read", lambda: None))) == []
    assert where == ["replica"]


def test_another_database_is_no_replica(database: Database, postgres: Cluster, standby: Cluster) -> None:
    assert database.replica is not None
    database.replica.require_of(database)
    itself = Database(database.url, read_url=database.url)
    assert itself.replica is not None
    with pytest.raises(InvalidInput, match="no replica"):
        itself.replica.require_of(itself)
    itself.close()
    away = Database(database.url, read_url=standby.url("nowhere"))
    assert away.replica is not None
    away.replica.require_of(away)  # it may come later
    away.close()
