"""The archive: deposit, query, update, lock, delete; on both databases."""

from collections.abc import Callable
from threading import Barrier, Thread
from typing import Any

import pytest
from sqlalchemy import select

from entrepot import lineage
from entrepot.db import Database
from entrepot.errors import Conflict, EntrepotError, Forbidden, InvalidInput, Locked, NotFound, TooLarge
from entrepot.events import Event, reading
from entrepot.identity import Principal
from entrepot.identity.models import Role
from entrepot.works import archive
from entrepot.works.document import dumps, loads

Make = Callable[..., dict[str, Any]]


def _put(database: Database, who: Principal, *documents: dict[str, Any]) -> list[str]:
    with database.write() as session:
        return archive.deposit(session, who, documents)


def _update(database: Database, who: Principal, *documents: dict[str, Any]) -> None:
    with database.write() as session:
        archive.update_documents(session, who, documents)


def _see(database: Database, who: Principal, query: Any, *args: Any, **options: Any) -> list[dict[str, Any]]:
    with database.read() as session:
        return archive.view(session, who, query, *args, **options)


def _done(make_work: Make, work_id: str | None, pipeline: str = "p", **fields: Any) -> dict[str, Any]:
    return make_work(pipeline, id=work_id, status="success", **fields)


def test_what_was_sent_comes_back(database: Database, writer: Principal, make_work: Make) -> None:
    text = (
        '{"results": {"b": 1.0, "a": 1, "n": null, "big": 123456789012345678901234567890, "huge": 1e300,'
        ' "nul": "\\u0000", "lone": "\\ud800", "smile": "\\ud83d\\ude00"}, "pipeline": "p", "status": "success",'
        ' "id": "verbatim id", "creation": 1795229848.7978415, "site": "s", "user": "u", "tags": [],'
        ' "event": [1, 2], "zeta": [1, 1.0]}'
    )
    sent = loads(text)
    assert _put(database, writer, sent) == ["verbatim id"]
    (seen,) = _see(database, writer, {"pipeline": "p"})
    assert dumps({key: seen[key] for key in sent}) == dumps(sent)
    assert list(seen)[: len(sent)] == list(sent)
    with database.read() as session:
        (whole,) = archive.view_texts(session, writer, {"id": "verbatim id"})
        assert loads(whole) == seen
        (run,) = lineage.explain(session, "work", "verbatim id")
        assert (run["generator"], run["status"]) == ({"kind": "work", "id": "p"}, "success")


def test_deposits_are_all_or_nothing(database: Database, writer: Principal, make_work: Make) -> None:
    (made,) = _put(database, writer, _done(make_work, None))
    assert len(made) == 24
    for bad, error in (
        ([_done(make_work, "a"), _done(make_work, made)], Conflict),
        ([_done(make_work, "a"), _done(make_work, "a")], Conflict),
        ([_done(make_work, "a"), make_work("p", status="running")], InvalidInput),
        ([_done(make_work, "a"), _done(make_work, "")], InvalidInput),
        ([_done(make_work, "a"), _done(make_work, "b", results={"x": "y" * 4_000_000})], TooLarge),
    ):
        with pytest.raises(error):
            _put(database, writer, *bad)
    assert [one["id"] for one in _see(database, writer, {})] == [made]
    assert _put(database, writer, _done(make_work, made, "other"), _done(make_work, "a")) == [made, "a"]
    assert _put(database, writer) == []
    with database.read() as session:
        assert archive.status(session, writer) == {"other": 1, "p": 2}
        assert archive.count(session, writer, {"pipeline": "unknown"}) == 0


def test_documents_are_found_newest_first(database: Database, writer: Principal, make_work: Make) -> None:
    _put(
        database, writer,
        *(_done(make_work, f"{number:024x}", event=[number, number + 1], tags=["even"] * (number % 2 == 0),
                results={"dm": number / 2, "name": f"n{number}"}) for number in range(10)),
    )  # fmt: skip

    def ids(query: dict[str, Any], **options: Any) -> list[int]:
        return [int(one["id"], 16) for one in _see(database, writer, {"pipeline": "p", **query}, **options)]

    assert ids({}) == list(range(9, -1, -1))
    assert ids({}, skip=1, limit=2) == [8, 7]
    assert ids({"event": [3, 4]}) == [3]
    assert ids({"event": [3]}) == []
    assert ids({"event": 3}) == [3, 2]
    assert ids({"event": {"$in": [3, 9.0]}, "tags": {"$ne": "even"}}) == [9, 3]
    assert ids({"results.dm": {"$gt": 2.5}, "tags": "even"}) == [8, 6]
    assert ids({"results.name": {"$regex": "^n[78]$"}}, sort=[("creation", 1), ("id", 1)]) == [7, 8]
    assert ids({"id": {"$in": [f"{number:024x}" for number in range(500)]}}, limit=1) == [9]
    projected = _see(database, writer, {"event": 0}, {"event": 1, "results.dm": 1, "plots": 1})
    assert projected == [{"event": [0, 1], "results": {"dm": 0.0}, "plots": None}]


def test_a_lock_holds_against_updates_and_deletion(database: Database, writer: Principal, make_work: Make) -> None:
    _put(database, writer, _done(make_work, "a", results={"dm": 1.0}), _done(make_work, "b"), _done(make_work, "c"))
    before = {one["id"]: one for one in _see(database, writer, {})}
    locked = {**before["a"], "results": {"dm": 1.0, "locked": True}}
    _update(database, writer, locked)
    with database.write() as session:
        assert archive.lock(session, writer, "p", ["a", "b"]) == 1
    assert [one["id"] for one in _see(database, writer, {"results.locked": True})] == ["b", "a"]

    for refused in (
        {**locked, "results": {"dm": 2.0, "locked": True}}, {**locked, "results": {"dm": 1, "locked": True}},
        {**locked, "results": {"dm": 1.0, "locked": 0}}, {**locked, "results": {}}, {**locked, "tags": ["x"]},
    ):  # fmt: skip
        with pytest.raises(Locked):
            _update(database, writer, {**before["c"], "tags": ["changed"]}, refused)
    for ids in (["a"], ["c", "a"], ["c", "unknown", "b"]):
        with pytest.raises(Locked), database.write() as session:
            archive.delete_ids(session, writer, "p", ids)
    with pytest.raises(Locked), database.write() as session:
        archive.delete_found(session, writer, archive.matching(session, writer, {"pipeline": "p"}))
    with pytest.raises(NotFound):
        _update(database, writer, {**before["c"], "tags": ["changed"]}, {**before["c"], "id": "unknown"})
    with pytest.raises(NotFound), database.write() as session:
        archive.lock(session, writer, "p", ["c", "unknown"])
    assert _see(database, writer, {"id": {"$in": ["a", "c"]}}) == [before["c"], locked]

    _update(database, writer, {**locked, "results": {"locked": True, "dm": 1.0}})
    _update(database, writer, {**locked, "results": {"dm": 3.0, "locked": False}})
    assert _see(database, writer, {"id": "a"})[0]["results"] == {"dm": 3.0, "locked": False}
    with database.write() as session:
        assert archive.unlock(session, writer, "p", ["a", "b"]) == 1
        assert archive.delete_ids(session, writer, "p", ["a", "unknown"]) == 1
        assert archive.delete_found(session, writer, archive.matching(session, writer, {"pipeline": "p"})) == 2
        assert archive.delete_ids(session, writer, "p", ["unknown"]) == 0
        assert lineage.explain(session, "work", "a") == []
    reading.publish(database)
    with database.read() as session:
        query = select(Event.action).where(Event.object_id == "b").order_by(Event.number)
        assert list(session.scalars(query)) == ["archived", "locked", "unlocked", "deleted"]


def test_a_lock_holds_against_sixteen_racing_clients(database: Database, writer: Principal, make_work: Make) -> None:
    _put(database, writer, _done(make_work, "a", results={"dm": 0}))
    (plain,) = _see(database, writer, {})
    barrier, order, errors = Barrier(16), list[tuple[str, int]](), list[BaseException]()

    def attempt(number: int) -> None:
        try:
            barrier.wait()
            for round_ in range(5):
                value = number * 100 + round_
                with database.write() as session:
                    match number % 4:
                        case 0:
                            archive.lock(session, writer, "p", ["a"])
                        case 1:
                            archive.delete_ids(session, writer, "p", ["a"] if number == 1 and round_ == 4 else ["none"])
                        case _:
                            archive.update_documents(session, writer, [{**plain, "results": {"dm": value}}])
                    # Appended before the commit: whoever was refused is not listed, whoever was let in is.
                    order.append(("lock" if number % 4 == 0 else "change", value))
        except (Locked, NotFound):
            pass
        except BaseException as error:
            errors.append(error)

    threads = [Thread(target=attempt, args=(number,)) for number in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors
    found = _see(database, writer, {})
    if not found:  # it was deleted before anybody locked it
        return
    reading.publish(database)
    with database.read() as session:
        query = select(Event.action).where(Event.object_id == "a").order_by(Event.number)
        actions = list(session.scalars(query))
    assert actions.count("locked") == 1
    assert actions[-1] == "locked", "nothing changes it once it is locked"
    assert found[0]["results"]["locked"] is True


def test_documents_belong_to_an_organization(
    database: Database, writer: Principal, stranger: Principal, make_work: Make
) -> None:
    _put(database, writer, _done(make_work, "a"))
    _put(database, stranger, _done(make_work, "a", results={"theirs": True}))
    with pytest.raises(EntrepotError), database.write() as session:
        archive.lock(session, stranger, "p", ["b"])
    with database.write() as session:
        assert archive.delete_ids(session, stranger, "p", ["a"]) == 1
    assert len(_see(database, writer, {})) == 1
    assert _see(database, stranger, {}) == []
    reader = Principal(writer.user_id, "reader", writer.organization_id, {writer.organization_id: Role.READER})
    assert len(_see(database, reader, {})) == 1
    for forbidden in (archive.lock, archive.unlock, archive.delete_ids):
        with pytest.raises(Forbidden), database.write() as session:
            forbidden(session, reader, "p", ["a"])
    with pytest.raises(Forbidden):
        _put(database, reader, _done(make_work, "b"))


def test_lineage_belongs_to_an_organization(
    database: Database, writer: Principal, stranger: Principal, make_work: Make
) -> None:
    odd = {"nul": "\0", "lone": "\ud800", "big": 10**40, "sha256": "00"}
    for who, site in ((writer, "here"), (stranger, "there")):
        _put(database, who, _done(make_work, "a", site=site, inputs=[{"kind": "work", "id": "b", **odd}]))
        _put(database, who, _done(make_work, "b", site=site, products=["\0"], plots=["/plot.png"]))
    with database.read() as session:
        for who, site in ((writer, "here"), (stranger, "there")):
            (run,) = lineage.explain(session, "work", "a", within=who.within(lineage.Run))
            (read,) = run["inputs"]
            assert (read["id"], read["sha256"], set(odd) & set(read)) == ("b", "00", {"sha256"})
            assert len(read["made_by"]) == 1
            (record,) = session.scalars(select(lineage.Run.report).where(lineage.Run.id == run["run"]))
            assert record["site"] == site
    with database.write() as session:
        assert archive.delete_ids(session, stranger, "p", ["b"]) == 1
        assert len(lineage.explain(session, "work", "b", within=writer.within(lineage.Run))) == 1
        assert lineage.explain(session, "work", "b", within=stranger.within(lineage.Run)) == []


def test_many_are_replaced_at_once(database: Database, writer: Principal, make_work: Make) -> None:
    numbers = range(40)
    _put(database, writer, *(_done(make_work, f"{n:02}", tags=["t", "u"], event=[n, 100]) for n in numbers))
    new = [_done(make_work, f"{n:02}", tags=["t"] if n % 2 else ["t", "u"], event=[n], priority=n % 5) for n in numbers]
    # One of them twice: the last counts.
    _update(database, writer, *new, {**new[1], "user": "else"})
    assert len(_see(database, writer, {"tags": "t"})) == 40
    assert {one["id"] for one in _see(database, writer, {"tags": "u"})} == {f"{n:02}" for n in numbers if n % 2 == 0}
    assert _see(database, writer, {"event": 100}) == []
    assert [one["user"] for one in _see(database, writer, {"event": {"$in": [1, 2.0]}})] == ["me", "else"]
    reading.publish(database)
    with database.read() as session:
        counts = select(Event.action).where(Event.type == "archived work")
        assert sorted(session.scalars(counts)) == ["archived"] * 40 + ["updated"] * 41
