"""The queue: deposit, withdraw, report, delete, recover; on both databases."""

import time
from collections.abc import Callable
from pathlib import Path
from threading import Barrier, Thread
from typing import Any

import pytest
from sqlalchemy import select, update

from entrepot import jobs, lineage
from entrepot.db import Database, now
from entrepot.errors import Conflict, Forbidden, InvalidInput, TooLarge
from entrepot.events import Event, reading
from entrepot.identity import Principal
from entrepot.identity.models import Role
from entrepot.jobs import testing
from entrepot.settings import Settings
from entrepot.works import audit, queue
from entrepot.works.document import dumps, loads
from entrepot.works.models import Work
from entrepot.works.withdraw import withdraw

Make = Callable[..., dict[str, Any]]
ALL: dict[str, Any] = {}


def _take(database: Database, writer: Principal, query: Any, **options: Any) -> list[dict[str, Any]]:
    with database.write() as session:
        return withdraw(session, writer, query, **options)


def _put(database: Database, writer: Principal, *documents: dict[str, Any], **options: Any) -> list[str]:
    with database.write() as session:
        return queue.deposit(session, writer, documents, **options)


def _update(database: Database, writer: Principal, *documents: dict[str, Any]) -> bool:
    with database.write() as session:
        return queue.update_documents(session, writer, documents)


def _see(database: Database, writer: Principal, query: Any = ALL, *args: Any, **options: Any) -> list[dict[str, Any]]:
    with database.read() as session:
        return queue.view(session, writer, query, *args, **options)


def test_what_was_sent_comes_back(database: Database, writer: Principal, make_work: Make) -> None:
    text = (
        '{"zeta": 1, "pipeline": "sum", "site": "local", "user": "mé", "parameters": {"b": 1.0, "a": 1, "n": null,'
        ' "big": 123456789012345678901234567890, "tiny": 1e-300, "huge": 1e300, "minus": -0.0, "nul": "a\\u0000b",'
        ' "lone": "\\ud800", "smile": "\\ud83d\\ude00", "deep": [[], {}, [1, 1.5, true]]},'
        ' "creation": 1795229848.7978415, "tags": ["x", "y"], "event": [1, 2]}'
    )
    sent = loads(text)
    _put(database, writer, sent)
    for seen in (_see(database, writer)[0], _take(database, writer, ALL)[0], _see(database, writer)[0]):
        assert dumps({key: seen[key] for key in sent}) == dumps(sent)
        assert list(seen)[: len(sent)] == list(sent)
        assert seen["config"]["archive"]["results"] is True
        assert seen["stop"] is None
        assert seen["notify"]["slack"]["channel_id"] is None


def test_the_most_urgent_comes_first_then_the_oldest(database: Database, writer: Principal, make_work: Make) -> None:
    ids = _put(
        database, writer,
        make_work(creation=20.0), make_work(creation=10.0), make_work(priority=5, creation=30.0),
        make_work("other", priority=4, creation=1), make_work(priority=3, creation=10.0),
    )  # fmt: skip
    both = {"pipeline": {"$in": ["sum", "other", "none"]}}
    taken = [_take(database, writer, both)[0]["id"] for _ in range(5)]
    assert taken == [ids[2], ids[3], ids[1], ids[4], ids[0]]
    assert _take(database, writer, both) == []
    assert _take(database, writer, {"pipeline": "sum"}) == []


def test_batches_are_withdrawn_in_order(database: Database, writer: Principal, make_work: Make) -> None:
    given = [make_work(f"p{number % 3}", priority=1 + number % 5, creation=number) for number in range(30)]
    ids = _put(database, writer, *given)
    expected = sorted(range(30), key=lambda number: (-(1 + number % 5), number))
    taken = _take(database, writer, {"pipeline": {"$in": ["p0", "p1", "p2"]}}, limit=12)
    assert [work["id"] for work in taken] == [ids[number] for number in expected[:12]]
    rest = _take(database, writer, {}, limit=100)
    assert [work["id"] for work in rest] == [ids[number] for number in expected[12:]]


QUERIES: list[dict[str, Any]] = [
    {"pipeline": {"$in": ["sum"]}, "site": "here", "priority": 4, "user": "u"},
    {"pipeline": {"$in": ["sum", "b"]}, "event": {"$in": [7]}, "tags": {"$in": ["t"]}},
    {"pipeline": {"$in": ["sum"]}, "config.parent": {"$in": ["parent"]}},
    {"parameters.a.b": {"$gt": 1}},
    {"parameters.name": {"$regex": "^(ab)+c?$"}},
    {"$or": [{"tags": "t"}, {"event": 9}], "pipeline": "sum"},
    {"parameters.big": 2**70},
]


def test_any_filter_can_be_withdrawn_by(database: Database, writer: Principal, make_work: Make) -> None:
    wanted = make_work(
        site="here", priority=4, user="u", event=[7, 8], tags=["s", "t"], config={"parent": "parent"},
        parameters={"a": [{"b": 2}], "name": "ababc", "big": 2**70},
    )  # fmt: skip
    _put(database, writer, *(make_work(priority=5, parameters={"a": {"b": 1}, "name": "abab!"}) for _ in range(20)))
    for query in QUERIES:
        (wanted_id,) = _put(database, writer, wanted)
        assert [work["id"] for work in _take(database, writer, query)] == [wanted_id], query
        assert _take(database, writer, query) == []
    assert _take(database, writer, {"pipeline": "sum", "status": "running"}) == []


def test_withdrawing_says_so_to_queries(database: Database, writer: Principal, make_work: Make) -> None:
    _put(database, writer, make_work())
    before = time.time()
    (work,) = _take(database, writer, ALL)
    assert (work["status"], work["attempt"], work["stop"]) == ("running", 1, None)
    assert before <= work["start"] <= time.time()
    for query in (
        {"status": "running", "attempt": 1},
        {"status": {"$type": "string"}, "attempt": {"$type": "int"}, "start": {"$type": "double"}},
        {"stop": {"$type": "null"}},
        {"$expr": {"$lt": ["$attempt", "$retries"]}},
        {"start": work["start"]},
        {"status": {"$regex": "ing$"}},
    ):
        assert [one["id"] for one in _see(database, writer, query)] == [work["id"]], query
    assert _see(database, writer, {"status": "queued"}) == []


def test_a_work_is_done_in_a_round_trip(database: Database, writer: Principal, make_work: Make) -> None:
    (work_id,) = _put(database, writer, make_work("complete", inputs=[{"kind": "file", "id": "f1", "sha256": "00"}]))
    (work,) = _take(database, writer, {"pipeline": {"$in": ["complete"]}})
    assert _update(database, writer, {**work, "status": "success", "results": {"sum": 18}, "stop": time.time()})
    reading.publish(database)
    with database.read() as session:
        assert list(queue.status(session, writer, "complete").items()) == [
            ("total", 1), ("queued", 0), ("running", 0), ("success", 1), ("failure", 0)
        ]  # fmt: skip
        assert queue.status(session, writer, "unknown")["total"] == 0
        assert queue.pipelines(session, writer) == ["complete"]
        (run,) = lineage.explain(session, "work", work_id)
        assert (run["generator"]["id"], run["status"], run["inputs"][0]["id"]) == ("complete", "success", "f1")
        actions = list(session.scalars(select(Event.action).where(Event.object_id == work_id).order_by(Event.number)))
        assert actions == ["deposited", "withdrawn", "success"]
    assert _see(database, writer, {"results.sum": {"$gte": 18}})[0]["status"] == "success"


def test_deposits_are_all_or_nothing(database: Database, writer: Principal, make_work: Make) -> None:
    with pytest.raises(InvalidInput, match="priority"):
        _put(database, writer, make_work(), make_work(priority=6))
    assert _see(database, writer) == []
    ids = _put(database, writer, make_work(id="a" * 24), keep_ids=True)
    assert ids == ["a" * 24]
    with pytest.raises(Conflict, match="a" * 24):
        _put(database, writer, make_work(id="b" * 24), make_work(id="a" * 24), keep_ids=True)
    assert [one["id"] for one in _see(database, writer)] == ids
    assert _put(database, writer, make_work(id="a" * 24)) != ids
    assert _put(database, writer) == []


BAD: list[tuple[dict[str, Any], str]] = [
    ({"pipeline": None}, "pipeline"), ({"pipeline": "a b"}, "pipeline"), ({"pipeline": "x" * 129}, "pipeline"),
    ({"site": None}, "site"), ({"user": 3}, "user"), ({"priority": "x"}, "priority"), ({"priority": 2.5}, "priority"),
    ({"timeout": 0}, "timeout"), ({"retries": 6}, "retries"), ({"tags": "t"}, "tags"), ({"tags": [1]}, "tags"),
    ({"event": [[1]]}, "event"), ({"event": ["1a"]}, "event"), ({"results": []}, "results"), ({"config": 1}, "config"),
    ({"config": {"parent": 1}}, "config.parent"), ({"creation": "now"}, "creation"), ({"inputs": [1]}, "inputs"),
    ({"function": "f", "command": ["c"]}, "function"), ({"attempt": -1}, "attempt"), ({"user": "a\0"}, "user"),
    ({"creation": float("inf")}, "creation"), ({"priority": None, "attempt": "x"}, "attempt"),
]  # fmt: skip


def test_bad_works_are_refused_by_field(database: Database, writer: Principal, make_work: Make) -> None:
    for fields, name in BAD:
        with pytest.raises(InvalidInput) as caught:
            _put(database, writer, make_work(), {**make_work(), **fields})
        assert list(caught.value.fields) == [name]
    assert _see(database, writer) == []


def test_results_have_a_cap(database: Database, writer: Principal, make_work: Make) -> None:
    large = {"text": "é" * 2_000_000}
    with pytest.raises(TooLarge) as caught:
        _put(database, writer, make_work(results=large))
    assert "results" in caught.value.fields
    _put(database, writer, make_work())
    (work,) = _take(database, writer, ALL)
    assert _update(database, writer, {**work, "status": "success", "results": large})
    (stored,) = _see(database, writer)
    assert (stored["status"], stored["results"]) == ("success", None)


def test_a_repeated_deposit_is_the_same_one(database: Database, writer: Principal, make_work: Make) -> None:
    body = [make_work(creation=1795229848.5, id=None), make_work(creation=1795229849.5)]
    first = _put(database, writer, *body)
    assert _put(database, writer, *body) == first
    assert len(_see(database, writer)) == 2
    assert _put(database, writer, *body[:1]) != first[:1]
    assert _put(database, writer, make_work()) != _put(database, writer, make_work())


def test_whoever_was_given_up_changes_nothing(database: Database, writer: Principal, make_work: Make) -> None:
    _put(database, writer, make_work(timeout=1), make_work("other"))
    (late,) = _take(database, writer, {"pipeline": "sum"})
    with database.write() as session:
        session.execute(update(Work).where(Work.id == late["id"]).values(start=late["start"] - 7200))
    with database.write() as session:
        assert (audit.requeue(session, writer.organization_id), audit.expire(session, writer.organization_id)) == (0, 1)
    (expired,) = _see(database, writer, {"status": "failure"})
    assert expired["stop"] >= late["start"]
    with database.write() as session:
        assert audit.requeue(session) == 1
    (again,) = _take(database, writer, {"pipeline": "sum"})
    assert (again["id"], again["attempt"]) == (late["id"], 2)
    (other,) = _see(database, writer, {"pipeline": "other"})
    done = {"status": "success", "results": {"by": "late"}}
    assert not _update(database, writer, {**late, **done}, {**other, "tags": ["seen"]})
    assert _see(database, writer, {"id": late["id"]}) == [again]
    assert [one["id"] for one in _see(database, writer, {"tags": "seen"})] == [other["id"]]
    assert _update(database, writer, {**again, **done})
    assert not _update(database, writer, {**again, "id": "f" * 24})


def test_failures_are_tried_as_often_as_they_may(database: Database, writer: Principal, make_work: Make) -> None:
    _put(database, writer, make_work(retries=2), make_work("once", retries=0))
    for attempt in (1, 2):
        (work,) = _take(database, writer, {"pipeline": "sum"})
        assert work["attempt"] == attempt
        _update(database, writer, {**work, "status": "failure"})
        with database.write() as session:
            assert audit.requeue(session, writer.organization_id) == 2 - attempt
    final = {"status": "failure", "$expr": {"$gte": ["$attempt", "$retries"]}}
    assert len(_see(database, writer, final)) == 1
    with database.write() as session:
        assert queue.retry(session, writer, [work["id"], work["id"], "unknown"]) == 1
    (work,) = _take(database, writer, {"pipeline": "sum"})
    assert (work["attempt"], work["stop"]) == (1, None)
    assert len(_take(database, writer, {"pipeline": "once"})) == 1


def test_a_lease_lapses_without_heartbeats(database: Database, writer: Principal, make_work: Make) -> None:
    _put(database, writer, make_work())
    (work,) = _take(database, writer, ALL, lease_seconds=-1)
    with database.write() as session:
        queue.heartbeat(session, writer, work["id"], 1, 60)
        assert audit.expire(session) == 0
        queue.heartbeat(session, writer, work["id"], 1, -1)
        assert audit.expire(session) == 1
    with pytest.raises(Conflict), database.write() as session:
        queue.heartbeat(session, writer, work["id"], 1, 60)


def test_the_server_recovers_by_itself(
    database: Database, writer: Principal, stranger: Principal, make_work: Make, tmp_path: Path
) -> None:
    for who in (writer, stranger):
        _put(database, who, make_work())
        _take(database, who, ALL, lease_seconds=-1)
    with database.write() as session:
        audit.schedule(session)
        jobs.schedules.fire_due(session, now())
    (job,) = testing.run_pending(database, Settings(data_dir=tmp_path))
    assert job.result == {"expired": 2, "requeued": 2}
    assert _take(database, writer, ALL)[0]["attempt"] == 2


def test_stale_works_are_counted(database: Database, writer: Principal, make_work: Make) -> None:
    _put(database, writer, make_work(creation=time.time() - 8 * 86400), make_work())
    with database.read() as session:
        assert audit.stale(session, writer.organization_id, 7.0) == 1
        assert audit.stale(session, writer.organization_id, 9.0) == 0


def test_works_are_deleted_by_id_and_by_query(database: Database, writer: Principal, make_work: Make) -> None:
    ids = _put(database, writer, *(make_work(event=[number], tags=["t"]) for number in range(5)))
    with database.write() as session:
        assert queue.delete_ids(session, writer, [ids[0], ids[0], "unknown"]) == 1
        assert queue.delete_ids(session, writer, ["unknown"]) == 0
        assert (
            queue.delete_ids(session, writer, queue.matching(session, writer, {"tags": "t", "event": {"$gte": 1}})[:2])
            == 2
        )
    assert [one["id"] for one in _see(database, writer)] == ids[3:]


def test_views_are_projected_and_paged(database: Database, writer: Principal, make_work: Make) -> None:
    ids = _put(
        database, writer, *(make_work(parameters={"n": number}, priority=1 + number % 5) for number in range(10))
    )
    assert _see(database, writer, {}, {"id": True, "_id": False}, skip=2, limit=3) == [{"id": one} for one in ids[2:5]]
    regex = {"user": {"$not": {"$regex": "x"}}, "parameters.n": {"$mod": [2, 1]}}
    assert [one["id"] for one in _see(database, writer, regex, skip=1, limit=2)] == [ids[3], ids[5]]
    with database.read() as session:
        assert queue.count(session, writer, regex) == 5
        assert queue.explain(session, writer, {"pipeline": "sum"})["exact"]
    by_priority = _see(database, writer, {}, {"priority": 1}, sort=[("priority", -1)], limit=3)
    assert [one["priority"] for one in by_priority] == [5, 5, 4]
    with pytest.raises(InvalidInput):
        _see(database, writer, {}, sort=[("results", 1)])


def test_works_belong_to_an_organization(
    database: Database, writer: Principal, stranger: Principal, make_work: Make
) -> None:
    (work_id,) = _put(database, writer, make_work(id="a" * 24), keep_ids=True)
    assert _put(database, stranger, make_work(id="a" * 24), keep_ids=True) == [work_id]
    (theirs,) = _take(database, stranger, ALL)
    assert _take(database, stranger, ALL) == []
    assert _update(database, stranger, {**theirs, "status": "failure", "attempt": 9})
    with database.write() as session:
        assert queue.delete_ids(session, stranger, [work_id]) == 1
    assert [one["status"] for one in _see(database, writer)] == ["queued"]
    reader = Principal(writer.user_id, "reader", writer.organization_id, {writer.organization_id: Role.READER})
    with pytest.raises(Forbidden):
        _take(database, reader, ALL)


def test_many_withdraw_at_once_and_none_gets_anothers(database: Database, writer: Principal, make_work: Make) -> None:
    pipelines = ["a", "b", "c"]
    ids = _put(database, writer, *(make_work(pipelines[number % 3]) for number in range(60)))
    barrier, taken, errors = Barrier(8), list[str](), list[BaseException]()

    def work(number: int) -> None:
        try:
            barrier.wait()
            query = {"pipeline": {"$in": pipelines}} if number % 2 else {"pipeline": pipelines[number % 3]}
            while found := _take(database, writer, query, limit=1 + number % 3):
                taken.extend(one["id"] for one in found)
        except BaseException as error:
            errors.append(error)

    threads = [Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors
    assert sorted(taken) == sorted(ids)
