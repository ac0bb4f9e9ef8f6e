"""The log's order: nothing is ever put in behind a reader."""

import random
import threading
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select, update

from entrepot import jobs
from entrepot.db import Database, new_id, now
from entrepot.errors import InvalidInput
from entrepot.events import emit, reading, retention
from entrepot.events.models import Delivery, Event
from entrepot.events.retention import Gone
from entrepot.jobs.testing import run_pending
from entrepot.settings import Settings


def read(
    database: Database, organizations: list[str], after: int | str | None, **options: Any
) -> tuple[list[Event], int]:
    return reading.read(database, Event.organization_id.in_(organizations), after, **options)


def _emit(database: Database, organization_id: str, object_id: str, action: str = "made") -> None:
    with database.write() as session:
        emit(session, "file", action, object_id, organization_id=organization_id)


def test_a_late_commit_is_not_skipped(database: Database) -> None:
    organization = new_id()
    if database.dialect == "sqlite":
        _emit(database, organization, "only")
        assert [event.object_id for event in read(database, [organization], None)[0]] == ["only"]
        return
    with database.write() as early:
        emit(early, "file", "made", "early", organization_id=organization)
        early.flush()
        _emit(database, organization, "late")
        first, cursor = read(database, [organization], None)
        assert [event.object_id for event in first] == ["late"]
    rest, _ = read(database, [organization], cursor)
    assert [event.object_id for event in rest] == ["early"]


def test_readers_beside_writers_see_everything_once(database: Database) -> None:
    organization, writers, each = new_id(), 4, 40
    seen: list[str] = []
    done = threading.Event()

    def write(name: int) -> None:
        chance = random.Random(name)
        for number in range(each):
            with database.write() as session:
                emit(session, "file", "made", f"{name}:{number}", organization_id=organization)
                session.flush()
                if chance.random() < 0.2:
                    emit(session, "file", "checked", f"{name}:{number}", organization_id=organization)

    def follow() -> None:
        cursor: int | None = None
        while True:
            last = done.is_set()
            events, cursor = read(database, [organization], cursor, types=["file.made"], limit=7)
            seen.extend(event.object_id for event in events)
            if last and not events:
                return

    threads = [threading.Thread(target=write, args=(name,)) for name in range(writers)]
    reader = threading.Thread(target=follow)
    for thread in [*threads, reader]:
        thread.start()
    for thread in threads:
        thread.join()
    done.set()
    reader.join(60)
    assert not reader.is_alive()
    assert sorted(seen) == sorted(f"{name}:{number}" for name in range(writers) for number in range(each))
    for name in range(writers):
        own = [one for one in seen if one.startswith(f"{name}:")]
        assert own == [f"{name}:{number}" for number in range(each)], "in order"


def test_cursors_and_tenants(database: Database) -> None:
    mine, other = new_id(), new_id()
    for number in range(5):
        _emit(database, mine, str(number))
        _emit(database, other, f"other {number}")
    events, cursor = read(database, [mine], None, limit=3)
    assert [event.object_id for event in events] == ["0", "1", "2"]
    assert [event.object_id for event in read(database, [mine], cursor)[0]] == ["3", "4"]
    assert [event.object_id for event in read(database, [mine], events[0].id, limit=1)[0]] == ["1"]
    _, latest = read(database, [mine], "latest")
    assert read(database, [mine], latest) == ([], latest)
    theirs: Any = read(database, [other], None)[0][0]
    for wrong in (theirs.id, "x", "", "-1", "\0", "9" * 30):
        with pytest.raises(InvalidInput):
            read(database, [mine], wrong)


def test_what_was_rolled_back_never_was(database: Database) -> None:
    organization = new_id()
    with database.write() as session:
        emit(session, "file", "made", "never", organization_id=organization)
        session.flush()
        session.rollback()
    assert read(database, [organization], None)[0] == []


def test_old_events_go_and_readers_are_told(database: Database) -> None:
    mine, quiet = new_id(), new_id()
    _emit(database, quiet, "once")
    for number in range(6):
        _emit(database, mine, str(number))
    events, _ = read(database, [mine], None)
    sequences = [event.sequence or 0 for event in events]
    _, idle = read(database, [quiet], sequences[0])
    assert idle == sequences[-1], "who waits for nothing moves on with the log"
    with database.write() as session:
        old = now() - timedelta(days=100)
        session.execute(update(Event).where(Event.sequence <= sequences[3]).values(created_at=old))
        session.add(Delivery(webhook_id=new_id(), event_number=events[0].number, object_key="x"))
    with database.write() as session:
        assert retention.prune(session, now() - timedelta(days=90), limit=3) == 3
        assert retention.prune(session, now() - timedelta(days=90), limit=3) == 2
        assert retention.prune(session, now() - timedelta(days=90), limit=3) == 0
    with database.read() as session:
        assert session.scalars(select(Delivery)).all() == []
    assert [event.object_id for event in read(database, [mine], None)[0]] == ["4", "5"]
    assert [event.object_id for event in read(database, [mine], sequences[3])[0]] == ["4", "5"]
    assert read(database, [quiet], idle) == ([], idle)
    with pytest.raises(Gone) as raised:
        read(database, [mine], sequences[1])
    assert "no longer kept" in raised.value.fields["after"][0]
    with pytest.raises(InvalidInput):
        read(database, [mine], events[0].id)
    with database.write() as session:
        session.execute(update(Event).values(created_at=old))
    with database.write() as session:
        assert retention.prune(session, now()) == 1
    _emit(database, mine, "next")
    (event,), _ = read(database, [mine], sequences[-1])
    assert event.object_id == "next", "sequences are counted on"


def test_the_job_that_cuts_the_log(database: Database, settings: Settings) -> None:
    organization = new_id()
    for number in range(3):
        _emit(database, organization, str(number))
    read(database, [organization], None)
    with database.write() as session:
        session.execute(update(Event).values(created_at=now() - timedelta(days=91)))
        jobs.enqueue(session, retention.PRUNE)
    (job,) = run_pending(database, settings)
    assert (job.status, job.result) == ("finished", {"deliveries": 0, "events": 2, "notifications": 0, "mails": 0})
    with database.write() as session:
        retention.schedule(session)
