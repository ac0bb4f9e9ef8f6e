"""Writes that come at once share a transaction, and nothing else: not their faults, and not their answers."""

import errno
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextvars import ContextVar
from typing import Any

import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from entrepot.db import Database
from entrepot.db.engine import write_by
from entrepot.errors import Conflict, OutOfSpace, Unavailable
from entrepot.identity.models import Organization
from tests.support.deadline import eventually


@pytest.fixture
def database_kind() -> str:
    """Only SQLite lets in one writer at a time."""
    return "sqlite"


def add(name: str) -> Callable[[Session], str]:
    def work(session: Session) -> str:
        session.add(Organization(name=name))
        session.flush()
        return name

    return work


def kept(database: Database) -> set[str]:
    with database.read() as session:
        return set(session.scalars(select(Organization.name)))


def at_once(database: Database, works: list[Callable[[Session], str]]) -> list[object]:
    """Return what came of works that all waited for one that held the turn."""
    held, go_on = threading.Event(), threading.Event()

    def hold() -> None:
        with database.write() as session:
            session.connection()
            held.set()
            go_on.wait(30)

    def come(work: Callable[[Session], str]) -> object:
        try:
            return database.together(work)
        except Exception as error:
            return error

    with ThreadPoolExecutor(len(works) + 1) as pool:
        holding = pool.submit(hold)
        held.wait(30)
        found = [pool.submit(come, work) for work in works]
        assert database._together is not None
        together = database._together
        eventually(lambda: len(together._waiting) == len(works))
        go_on.set()
        holding.result()
        return [one.result() for one in found]


def test_what_waits_is_committed_at_once(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    commits, commit = [], database.engine.dialect.do_commit

    def counted(connection: Any) -> None:
        commits.append(connection)
        commit(connection)

    monkeypatch.setattr(database.engine.dialect, "do_commit", counted)
    names = [f"o{number}" for number in range(12)]
    assert at_once(database, [add(name) for name in names]) == names
    assert len(commits) == 2, "of the one that held the turn, and of all the others"
    assert kept(database) == set(names)


def test_one_that_fails_takes_back_itself_alone(database: Database) -> None:
    def wrong(session: Session) -> str:
        add("lost")(session)
        raise Conflict("no")

    found = at_once(database, [add("a"), wrong, add("b"), add("a"), add("c")])
    assert [type(one) for one in found].count(str) == 3
    assert sum(isinstance(one, Conflict) for one in found) == 1
    assert kept(database) == {"a", "b", "c"}


def test_a_commit_that_fails_is_told_to_all_and_keeps_nothing(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(connection: object) -> None:
        raise OSError(errno.ENOSPC, "full")

    def break_disk(_session: Session) -> str:
        monkeypatch.setattr(database.engine.dialect, "do_commit", full)
        return "broken"

    found = at_once(database, [break_disk, add("a"), add("b")])
    monkeypatch.undo()
    assert [type(one) for one in found] == [OutOfSpace] * 3
    assert kept(database) == set()


def test_whoever_waited_long_enough_leaves_though_another_goes_on_waiting(database: Database) -> None:
    sqlite: Any = database.engine.dialect.dbapi  # of one library: locks of a process know no two
    other = sqlite.connect(str(database.engine.url.database), isolation_level=None, check_same_thread=False)
    other.execute("BEGIN IMMEDIATE")
    patient = Database(database.url, patience=20)
    together = patient._together
    assert together is not None

    def hurry() -> None:
        write_by.set(time.monotonic() + 0.2)
        patient.together(add("hurried"))

    with ThreadPoolExecutor(2) as pool:
        leading = pool.submit(patient.together, add("patient"))
        eventually(lambda: len(together._waiting) == 1)
        with pytest.raises(Unavailable):
            pool.submit(hurry).result(10)
        assert not leading.done()
        other.execute("ROLLBACK")
        assert leading.result(30) == "patient"
    assert kept(database) == {"patient"}
    patient.close()
    other.close()


def test_each_works_with_what_is_bound_to_its_own_thread(database: Database) -> None:
    whose: ContextVar[str] = ContextVar("whose", default="nobody's")

    def work(session: Session) -> str:
        session.scalar(select(func.count()).select_from(Organization))
        return whose.get()

    def bound(name: str) -> Callable[[Session], str]:
        return lambda session: f"{name}: {work(session)}"

    with ThreadPoolExecutor(8) as pool:

        def come(name: str) -> str:
            whose.set(name)
            return database.together(bound(name))

        names = [str(number) for number in range(40)]
        assert list(pool.map(come, names)) == [f"{name}: {name}" for name in names]
