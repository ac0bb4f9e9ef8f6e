"""A short unit of work is one transaction, whether its statements are its own or a session's."""

import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from entrepot.db import Database
from entrepot.db.driver import fetch
from entrepot.events import log
from entrepot.events.models import Event
from entrepot.jobs.models import Job

EVENTS = select(func.count()).select_from(Event)


def _write(session: Session) -> int:
    """Write an event by a statement and one by a session, and see both."""
    log.emit_many(session, "thing", "made", {"a": {}}, organization_id="o")
    log.emit(session, "thing", "made", "b", organization_id="o")
    assert fetch(session, EVENTS, {}) == [(2,)]
    return session.scalar(EVENTS) or 0


def test_what_a_statement_and_a_session_write_is_committed_together(database: Database) -> None:
    assert database.together(_write) == 2
    with database.read() as session:
        assert session.scalar(EVENTS) == 2


@pytest.mark.parametrize("by_session", [False, True])
def test_an_error_takes_back_both(database: Database, by_session: bool) -> None:
    def fail(session: Session) -> None:
        if by_session:
            _write(session)
        log.emit_many(session, "thing", "made", {"c": {}}, organization_id="o")
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        database.together(fail)
    with database.read() as session:
        assert session.scalar(EVENTS) == 0
    assert database.together(_write) == 2


def test_somebody_who_listens_is_told_though_nobody_asked_for_a_session(database: Database) -> None:
    database.together(lambda session: log.listened(session, True))
    with database.read() as session:
        assert session.scalar(select(func.count()).where(Job.kind == log.DISPATCH)) == 1
