"""Many works: the board, facets, causes of failures, what a query reads, and changing all that match; on both."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select, update

from entrepot import jobs, locks
from entrepot.db import Database
from entrepot.errors import Conflict, Forbidden, InvalidInput, Locked
from entrepot.events import Event, reading
from entrepot.identity import Principal, Role, User, users
from entrepot.identity.models import Organization
from entrepot.jobs import testing
from entrepot.pipeline.runs import locking  # noqa: F401 - it knows how works are locked
from entrepot.settings import Settings
from entrepot.works import archive, audit, board, changes, facets, failures, fields, queue
from entrepot.works.collection import ARCHIVE, QUEUE
from entrepot.works.document import instant
from entrepot.works.withdraw import withdraw

Make = Callable[..., dict[str, Any]]


@pytest.fixture
def member(database: Database, writer: Principal) -> Principal:
    """The writer, whom the server knows as a member: a run acts with the rights that are left."""
    with database.write() as session:
        user = session.get_one(User, writer.user_id)
        users.set_member(session, user, session.get_one(Organization, writer.organization_id), Role.WRITER)
    return writer


def put(database: Database, who: Principal, *works: dict[str, Any]) -> list[str]:
    with database.write() as session:
        return queue.deposit(session, who, works)


def fail(database: Database, who: Principal, *errors: Any, pipeline: str = "sum", **more: Any) -> list[str]:
    """Have as many works of a pipeline fail, for good, each with an error."""
    put(database, who, *({"pipeline": pipeline, "site": "s", "user": "u"} for _ in errors))
    with database.write() as session:
        taken = withdraw(session, who, {"pipeline": pipeline}, limit=len(errors))
        done = [
            one
            | {
                "status": "failure",
                "attempt": 2,
                "stop": time.time(),
                "results": error if isinstance(error, dict | None) else {"error": error},
            }
            | more
            for one, error in zip(taken, errors, strict=True)
        ]
        assert queue.update_documents(session, who, done)
    return [one["id"] for one in taken]


def events(database: Database, who: Principal, action: str) -> list[str]:
    reading.publish(database)
    with database.read() as session:
        query = select(Event.object_id).where(Event.organization_id == who.organization_id, Event.action == action)
        return sorted(session.scalars(query))


def run(database: Database, folder: Path) -> jobs.Job:
    (job,) = [one for one in testing.run_pending(database, Settings(data_dir=folder)) if one.kind == changes.KIND]
    return job


def start(database: Database, who: Principal, place: str, action: str, query: Any) -> None:
    with database.write() as session:
        changes.start(session, who, place, action, query)


def test_the_board_counts_by_pipeline_and_status_and_tells_of_the_oldest(
    database: Database, writer: Principal, stranger: Principal, make_work: Make
) -> None:
    ago = time.time() - 7200
    put(database, writer, make_work("a", creation=ago), make_work("a"), make_work("b"))
    put(database, stranger, make_work("a"), make_work("theirs"))
    fail(database, writer, "x", "y", pipeline="c")
    with database.write() as session:
        (taken,) = withdraw(session, writer, {"pipeline": "b"})
        session.execute(update(QUEUE.table).where(QUEUE.table.c.id == taken["id"]).values(start=ago))
        archive.deposit(session, writer, [make_work("d", status="success", stop=time.time() - 60)])
        archive.deposit(session, writer, [make_work("e", status="success", stop=ago)])
    with database.read() as session:
        found = {one.pipeline: one for one in board.board(session, writer)}
    assert {name: one.counts for name, one in found.items()} == {
        "a": {"queued": 2, "running": 0, "success": 0, "failure": 0},
        "b": {"queued": 0, "running": 1, "success": 0, "failure": 0},
        "c": {"queued": 0, "running": 0, "success": 0, "failure": 2},
        "d": dict.fromkeys(queue.STATUSES, 0),
    }
    assert [found[name].ended for name in "abcd"] == [0, 0, 2, 1]
    assert found["a"].oldest_created_at == instant(ago)
    assert found["b"].oldest_started_at == instant(ago)
    assert found["c"].oldest_created_at is None


def test_facets_count_the_works_that_match_whoever_decides_the_query(
    database: Database, writer: Principal, stranger: Principal, make_work: Make
) -> None:
    put(
        database,
        writer,
        *(
            make_work("a", user=f"u{n % 2}", tags=["all", f"n{n % 3}"], parameters={"n": n, "many": [n, n + 1]})
            for n in range(9)
        ),
    )
    put(database, stranger, make_work("a", user="theirs", parameters={"n": 5}))
    with database.read() as session:
        for query, count in (
            ({}, 9),
            ({"tags": "n0"}, 3),
            ({"parameters.n": {"$gte": 4}}, 5),
            ({"$expr": {"$eq": [{"$size": "$parameters.many"}, 2]}}, 9),  # which the matcher decides
        ):
            found = facets.facets(QUEUE, session, writer, query)
            assert (found.count, found.more) == (count, False), query
            assert found.fields["pipeline"] == [("a", count)], query
            assert sum(one for _, one in found.fields["user"]) == count, query
            assert found.fields["tags"][0][1] == count, query
        assert facets.facets(QUEUE, session, writer, {"parameters.n": {"$gt": 7}}).fields["user"] == [("u0", 1)]
        assert facets.facets(ARCHIVE, session, writer, {}).count == 0
        with pytest.raises(InvalidInput):
            facets.facets(QUEUE, session, writer, {"$where": "1"})


def test_errors_that_differ_in_numbers_ids_and_paths_are_one_cause_which_a_query_finds(
    database: Database, writer: Principal
) -> None:
    fail(
        database, writer,
        *(f"beam {n} has no /data/{n}/raw.h5 (at {n}.5 m/s)" for n in range(4)),
        *(f"beam {n} has no /data/{n}/raw.h5 (at {n}.5 m/s), again" for n in range(2)),
        "KeyError: 'a.b*c' [x]\nmore", "KeyError: 'a.b*c' [x]", "KeyError: 'aXbbc' [x]",
        "Traceback (most recent call last):\n  File 3\nValueError: bad 7\n",
        "Traceback (most recent call last):\n  File 4\nValueError: bad 8",
        None, {"error": {"code": 3}}, {"other": 1}, "", "z" * 250, "z" * 250 + "!", "\\ ^$ (?i)",
        "work 65fc4dae5ffde0e8dbeebc61 is gone", "work 5f2e0c9d8b7a6f5e4d3c2b1a is gone",
    )  # fmt: skip
    fail(database, writer, "beam 9 has no /x (at 1 m/s)", pipeline="other")
    with database.read() as session:
        found = failures.failures(QUEUE, session, writer, {})
        assert (found.count, found.more) == (21, False)
        counts = {one.error: one.count for one in found.items if one.error}
        assert counts == {
            "beam <number> has no <path> (at <number> m/s)": 5,
            "beam <number> has no <path> (at <number> m/s), again": 2,
            "KeyError: 'a.b*c' [x]": 2, "KeyError: 'aXbbc' [x]": 1, "ValueError: bad <number>": 2, "z" * 200: 2,
            "\\ ^$ (?i)": 1, "work <id> is gone": 2,
        }  # fmt: skip
        assert found.items[0].pipelines == {"sum": 4, "other": 1}
        assert found.items[0].example_pipeline == "other"
        assert sorted(one.count for one in found.items if not one.error) == [1, 3]
        for one in found.items:
            assert queue.count(session, writer, one.query) == one.count, one
        narrowed = failures.failures(QUEUE, session, writer, {"pipeline": "other"})
        assert [(one.count, one.pipelines) for one in narrowed.items] == [(1, {"other": 1})]


def test_a_query_tells_of_how_many_documents_it_must_read(
    database: Database, writer: Principal, make_work: Make
) -> None:
    put(database, writer, *(make_work(name, tags=["t"], parameters={"n": 1}) for name in ("a", "a", "b")))
    with database.read() as session:
        read = {
            name: queue.explain(session, writer, query)["documents"]
            for name, query in {
                "columns": {"pipeline": "a", "tags": "t"},
                "narrowed": {"pipeline": "a", "parameters.n": 1},
                "either": {"$or": [{"pipeline": "b"}, {"parameters.n": 1}]},
                "all": {"parameters.n": {"$gt": 0}},
            }.items()
        }
    assert read == {"columns": 0, "narrowed": 2, "either": 3, "all": 3}


def test_fields_are_those_that_all_works_have_and_those_of_the_latest(
    database: Database, writer: Principal, stranger: Principal, make_work: Make
) -> None:
    put(database, writer, make_work(parameters={"beam": [{"gain": 1}], "a.b": 1, "$x": 1}))
    put(database, stranger, make_work(parameters={"theirs": 1}))
    with database.read() as session:
        found = fields.fields(QUEUE, session, writer)
    assert tuple(found[: len(fields.KNOWN)]) == fields.KNOWN
    assert {"parameters.beam", "parameters.beam.gain"} <= set(found)
    assert not {"parameters.a.b", "parameters.$x", "parameters.theirs"} & set(found)


def test_a_cancelled_work_fails_for_good_and_its_worker_is_told(
    database: Database, writer: Principal, make_work: Make
) -> None:
    waiting, running = put(database, writer, make_work(priority=1), make_work(priority=5))
    with database.write() as session:
        (taken,) = withdraw(session, writer, {}, lease_seconds=60)
        assert taken["id"] == running
        assert queue.cancel(session, writer, [waiting, running, "unknown"]) == 2
        assert queue.cancel(session, writer, [waiting, running]) == 0
    with database.write() as session:
        assert audit.requeue(session) == 0
        with pytest.raises(Conflict):
            queue.heartbeat(session, writer, running, taken["attempt"], 60)
        assert not queue.update_documents(session, writer, [taken | {"status": "success", "results": {"late": 1}}])
        for one in (waiting, running):
            work = queue.get(session, writer, one)
            assert (work["status"], work["results"]) == ("failure", None)
            assert work["attempt"] >= work["retries"]
        assert queue.count(session, writer, {"status": "failure", "attempt": {"$gte": 2}}) == 2
    assert events(database, writer, "cancelled") == sorted([waiting, running])
    with database.write() as session:
        assert queue.retry(session, writer, [waiting]) == 1
        assert [one["id"] for one in withdraw(session, writer, {})] == [waiting]


def test_a_run_changes_all_that_match_some_at_a_time_and_nothing_that_came_later(
    database: Database, member: Principal, stranger: Principal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(changes, "_AT_ONCE", 3)
    wanted = fail(database, member, *("x" for _ in range(8)))
    others = fail(database, member, "x", pipeline="other")
    theirs = fail(database, stranger, "x")
    start(database, member, "queue", "retry", {"pipeline": "sum"})
    later = fail(database, member, "x", stop=time.time() + 60)
    job = run(database, tmp_path)
    assert (job.status, job.result) == ("finished", {"changed": 8, "seen": 8})
    assert (job.progress_done, job.progress_total) == (8, 9)
    with database.read() as session:
        assert {queue.get(session, member, one)["status"] for one in wanted} == {"queued"}
        assert {queue.get(session, member, one)["status"] for one in (*others, *later)} == {"failure"}
        assert queue.get(session, stranger, theirs[0])["status"] == "failure"
    assert events(database, member, "requeued") == sorted(wanted)


def test_a_run_that_dies_goes_on_and_changes_nothing_twice(
    database: Database, member: Principal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(changes, "_AT_ONCE", 2)
    wanted = fail(database, member, *("x" for _ in range(5)))
    start(database, member, "queue", "retry", {})
    change, parts = changes.change, iter((True, True, False))

    def dying(*arguments: Any) -> int:
        if not next(parts, True):
            raise RuntimeError("the worker is gone")
        return change(*arguments)

    monkeypatch.setattr(changes, "change", dying)
    testing.run_pending(database, Settings(data_dir=tmp_path))
    assert len(events(database, member, "requeued")) == 4
    with database.write() as session:  # one of them fails again before the run goes on
        (taken,) = withdraw(session, member, {})
        queue.update_documents(session, member, [taken | {"status": "failure", "attempt": 2, "stop": time.time() + 9}])
        session.execute(update(jobs.Job).values(run_at=jobs.Job.created_at, ready_at=jobs.Job.created_at))
    assert run(database, tmp_path).result == {"changed": 1, "seen": 1}
    assert events(database, member, "requeued") == sorted(wanted)


def test_a_run_acts_with_the_rights_that_are_left(database: Database, member: Principal, tmp_path: Path) -> None:
    (failed,) = fail(database, member, "x")
    start(database, member, "queue", "delete", {})
    with database.write() as session:
        user = session.get_one(User, member.user_id)
        users.set_member(session, user, session.get_one(Organization, member.organization_id), Role.READER)
    testing.run_pending(database, Settings(data_dir=tmp_path))
    with database.read() as session:
        assert queue.get(session, member, failed)["id"] == failed
        assert session.scalars(select(jobs.Job.status).where(jobs.Job.kind == changes.KIND)).one() != "finished"
    reader = Principal(member.user_id, "r", member.organization_id, {member.organization_id: Role.READER})
    with database.write() as session, pytest.raises(Forbidden):
        changes.start(session, reader, "queue", "delete", {})


def test_archived_works_are_locked_unlocked_and_deleted_by_a_query_but_for_locked_ones(
    database: Database, member: Principal, make_work: Make, tmp_path: Path
) -> None:
    with database.write() as session:
        given = [make_work(name, id=f"{name}{n}", status="success", tags=[f"n{n}"]) for name in "ab" for n in range(3)]
        archive.deposit(session, member, given)
        locks.lock(session, member, "work", "a/a2", why="published")
    for action, query, changed, left in (
        ("lock", {"tags": {"$in": ["n0", "n2"]}}, 3, 6),
        ("delete", {}, 2, 4),
        ("unlock", {"pipeline": "a"}, 2, 4),
        ("delete", {}, 2, 2),
    ):
        start(database, member, "archive", action, query)
        assert run(database, tmp_path).result == {"changed": changed, "seen": changed}, action
        with database.read() as session:
            assert archive.count(session, member, {}) == left
    with database.write() as session:
        assert list(session.scalars(select(locks.Lock.target))) == []
        with pytest.raises(Locked):
            archive.delete_ids(session, member, "b", ["b0"])
        for place, action in (("queue", "lock"), ("archive", "retry"), ("attic", "delete")):
            with pytest.raises(InvalidInput):
                changes.start(session, member, place, action, {})
        with pytest.raises(InvalidInput):
            changes.start(session, member, "queue", "delete", {"$where": "1"})
