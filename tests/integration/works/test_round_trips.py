"""What workers ask all day is one statement each, which PostgreSQL does not plan anew."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest
from psycopg.pq import TransactionStatus
from sqlalchemy import text
from sqlalchemy.orm import Session

from entrepot.db import Database, wire
from entrepot.errors import Conflict
from entrepot.events import log, reading, styles, webhooks
from entrepot.events.models import Webhook
from entrepot.identity import Principal, limits
from entrepot.jobs.scheduler import Scheduler
from entrepot.requests import fulfilment
from entrepot.works import queue
from entrepot.works.withdraw import withdraw

QUERIES: list[dict[str, Any]] = [{"pipeline": {"$in": ["p0", "p1", "p2"]}}, {"pipeline": "p0"}]


@pytest.fixture
def database_kind() -> str:
    """SQLite has no round trips."""
    return "postgresql"


@pytest.fixture
def single(database: Database) -> Iterator[Database]:
    """The database with one connection, which keeps the statements that it has prepared."""
    single = Database(database.url, pool_size=1)
    yield single
    single.close()


@contextmanager
def counted(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Give the statements that are executed within the block."""
    executed: list[str] = []
    execute, on_wire = psycopg.Cursor.execute, wire.execute

    def counting(self: Any, query: Any, *arguments: Any, **options: Any) -> Any:
        executed.append(str(query))
        return execute(self, query, *arguments, **options)

    def counting_on_wire(connection: Any, text: str, *arguments: Any, **options: Any) -> Any:
        if (found := on_wire(connection, text, *arguments, **options)) is not None:
            executed.append(text)
        return found

    with monkeypatch.context() as patched:
        patched.setattr(psycopg.Cursor, "execute", counting)
        patched.setattr(wire, "execute", counting_on_wire)
        yield executed


def _round(database: Database, writer: Principal, works: list[dict[str, Any]], query: dict[str, Any]) -> None:
    with database.write() as session:
        queue.deposit(session, writer, works)
    with database.write() as session:
        taken = withdraw(session, writer, query, limit=len(works), lease_seconds=60.0)
    with database.write() as session:
        queue.heartbeat(session, writer, taken[0]["id"], taken[0]["attempt"], 60.0)
    done = [one | {"status": "success", "stop": one["start"] + 1, "results": {"a": 1}} for one in taken]
    with database.write() as session:
        assert queue.update_documents(session, writer, done)


@pytest.mark.parametrize("query", QUERIES, ids=["several", "one"])
@pytest.mark.parametrize("count", [1, 20])
def test_each_is_one_statement_with_its_events_and_its_run(
    single: Database, writer: Principal, make_work: Callable[..., Any], monkeypatch: pytest.MonkeyPatch,
    query: dict[str, Any], count: int,
) -> None:  # fmt: skip
    works = [make_work("p0", tags=["a"], event=[1]) for _ in range(count)]
    _round(single, writer, works, query)
    with counted(monkeypatch) as executed:
        _round(single, writer, works, query)
    assert len(executed) == 4, executed
    reading.publish(single)
    with single.read() as session:
        counts = session.execute(text("SELECT action, count(*) FROM event WHERE type = 'work' GROUP BY action"))
        assert dict(counts.all()) == dict.fromkeys(("deposited", "withdrawn", "success"), 2 * count)
        runs = session.scalar(text("SELECT count(*) FROM run JOIN lineage ON run_id = run.id AND direction = 'out'"))
        assert runs == 2 * count


@pytest.mark.parametrize("count", [1, 20])
def test_each_is_kept_once_its_statement_is_done(
    single: Database, writer: Principal, make_work: Callable[..., Any], count: int
) -> None:
    def run(verb: Callable[[Session], Any], *, with_it: bool = True) -> Any:
        def unit(session: Session) -> Any:
            result = verb(session)
            driver: Any = session.connection().connection.driver_connection
            assert (driver.info.transaction_status == TransactionStatus.IDLE) is with_it
            return result

        return single.at_once(unit)

    def reports(works: list[dict[str, Any]], **said: Any) -> list[dict[str, Any]]:
        return [one | {"status": "success", "results": {"a": 1}} | said for one in works]

    single.together(lambda session: limits.is_limited(session, writer.organization_id, "works"))  # asked now and then
    run(lambda session: queue.deposit(session, writer, [make_work("p0", tags=["a"]) for _ in range(count)]))
    taken = run(lambda session: withdraw(session, writer, QUERIES[0], limit=count))
    run(lambda session: queue.heartbeat(session, writer, taken[0]["id"], 1, 60.0))
    assert run(lambda session: queue.update_documents(session, writer, reports(taken, tags=["b"])))
    with pytest.raises(Conflict):
        run(lambda session: queue.heartbeat(session, writer, taken[0]["id"], 1, 60.0))
    with single.read() as session:
        assert [queue.count(session, writer, {"tags": tag}) for tag in "ab"] == [0, count]
    # Somebody is to be told of these within the same transaction.
    slack = {"slack": {"channel_id": "C1"}}
    assert run(lambda session: queue.update_documents(session, writer, reports(taken, notify=slack)), with_it=False)
    run(lambda session: queue.deposit(session, writer, [make_work(fulfilment.PIPELINE)]))
    run(lambda session: withdraw(session, writer, {"pipeline": fulfilment.PIPELINE}), with_it=False)
    run(lambda session: withdraw(session, writer, {}), with_it=False)
    with single.read() as session:
        assert [queue.count(session, writer, {"tags": tag}) for tag in "ab"] == [count, 0]
        assert session.scalar(text("SELECT count(*) FROM job WHERE kind LIKE 'requests.%'")) == 1


def test_what_a_statement_wrote_is_read_work_by_work_in_order_and_within_the_minute(
    single: Database, writer: Principal, make_work: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    with single.write() as session:
        session.add(
            Webhook(
                organization_id=writer.organization_id,
                url="https://example.org/",
                style=styles.STANDARD,
                secret_encrypted="",
            )
        )
    # As if the process died once its statement was committed.
    monkeypatch.setattr(log, "listened", lambda *_: None)
    ids = single.at_once(lambda session: queue.deposit(session, writer, [make_work("p0") for _ in range(7)]))
    single.at_once(lambda session: withdraw(session, writer, QUERIES[1], limit=3))
    single.at_once(lambda session: withdraw(session, writer, QUERIES[1], limit=4))
    with single.write() as session:
        assert session.scalar(text("SELECT count(*) FROM event_written")) == 3
        assert not session.scalar(text("SELECT count(*) FROM job"))
        webhooks.schedule(session)
    assert [job.kind for job in Scheduler(single).tick()] == [log.DISPATCH]
    with single.write() as session:
        assert webhooks.dispatch(session) == 14
    with single.read() as session:
        told = session.execute(
            text("SELECT object_id, action FROM event WHERE type = 'work' AND sequence > 0 ORDER BY sequence")
        ).all()
        assert not session.scalar(text("SELECT count(*) FROM event_written"))
        assert session.scalar(text("SELECT count(*) FROM webhook_delivery")) == 14
    assert [action for _, action in told] == ["deposited"] * 7 + ["withdrawn"] * 7
    assert [one for one, _ in told[:7]] == ids
    assert {one for one, _ in told[7:]} == set(ids)


def test_a_unit_that_fails_keeps_nothing(
    single: Database, writer: Principal, make_work: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    single.at_once(lambda session: queue.deposit(session, writer, [make_work(id="a" * 24)], keep_ids=True))
    twice = [make_work(id="b" * 24), make_work(id="a" * 24)]
    monkeypatch.setattr(queue, "_refuse_taken", lambda *_: None)  # as if both came at the same moment
    with pytest.raises(Conflict):
        single.at_once(lambda session: queue.deposit(session, writer, twice, keep_ids=True))
    reading.publish(single)
    with single.read() as session:
        assert session.scalar(text("SELECT count(*) FROM event")) == 1
        assert queue.count(session, writer, {}) == 1
    assert single.at_once(lambda session: queue.deposit(session, writer, [make_work()]))


@pytest.mark.parametrize("query", QUERIES, ids=["several", "one"])
def test_none_is_planned_anew(
    single: Database, writer: Principal, make_work: Callable[..., Any], query: dict[str, Any]
) -> None:
    with single.write() as session:
        queue.deposit(session, writer, [make_work(f"p{number % 5}") for number in range(2000)])
    with single.engine.connect() as connection:
        connection.execution_options(isolation_level="AUTOCOMMIT").execute(text("ANALYZE"))
    for number in range(25):
        _round(single, writer, [make_work("p0")], query)
        if number == 14:
            before = _planned(single)
    anew = {name: count - before[name] for name, count in _planned(single).items() if count > before[name]}
    assert not anew


def _planned(database: Database) -> dict[str, int]:
    """Return how often each prepared statement that writes was planned."""
    with database.read() as session:
        found = session.execute(text("SELECT statement, custom_plans FROM pg_prepared_statements")).all()
    return {row.statement: row.custom_plans for row in found if "UPDATE" in row.statement or "INSERT" in row.statement}
