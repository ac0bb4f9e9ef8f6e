"""The claim primitive on a table of its own, with candidates as a work queue has them."""

import threading

import pytest
from sqlalchemy import Column, Integer, MetaData, Select, String, Table, func, insert, literal, select, union_all

from entrepot.db import Database
from entrepot.db.claim import claim, hold

work = Table(
    "claimed_work",
    MetaData(),
    Column("id", Integer, primary_key=True),
    Column("pipeline", String),
    Column("priority", Integer),
    Column("status", String, default="queued"),
    Column("attempt", Integer, default=0),
    Column("fence", Integer, default=0),
)
queued = work.c.status == "queued"


@pytest.fixture
def queue(database: Database) -> Database:
    work.create(database.engine)
    with database.write() as session:
        rows = [{"id": n, "pipeline": f"p{n % 5}", "priority": n % 3} for n in range(60)]
        session.execute(insert(work), rows)
    return database


def best() -> Select[tuple[int]]:
    return select(work.c.id).where(queued).order_by(work.c.priority.desc(), work.c.id)


def best_of(pipelines: list[str], candidates: int) -> Select[tuple[int]]:
    """Probe each pipeline by itself, then take the best of their best."""
    wanted = union_all(*(select(literal(name).label("pipeline")) for name in pipelines)).subquery("wanted")
    mine = work.alias()
    head = (
        select(mine.c.id)
        .where(mine.c.pipeline == wanted.c.pipeline, mine.c.status == "queued")
        .order_by(mine.c.priority.desc(), mine.c.id)
        .limit(candidates)
        .correlate(wanted)
    )
    return (
        select(work.c.id)
        .select_from(wanted.join(work, work.c.id.in_(head)))
        .where(queued)
        .order_by(work.c.priority.desc(), work.c.id)
    )


def test_the_best_rows_are_taken_and_changed(queue: Database) -> None:
    with queue.write() as session:
        rows = claim(session, work, best(), {"status": "running", "attempt": work.c.attempt + 1}, limit=3)
    assert sorted(row["id"] for row in rows) == [2, 5, 8]
    assert {(row["status"], row["attempt"], row["fence"]) for row in rows} == {("running", 1, 1)}
    with queue.read() as session:
        taken = select(func.count()).where(work.c.status == "running")
        assert session.execute(taken.select_from(work)).scalar_one() == 3


def test_none_left_is_none(queue: Database) -> None:
    with queue.write() as session:
        assert len(claim(session, work, best(), {"status": "running"}, limit=100)) == 60
        assert list(claim(session, work, best(), {"status": "running"})) == []


def test_a_rollback_gives_back(queue: Database) -> None:
    with queue.write() as session:
        claim(session, work, best(), {"status": "running"})
        session.rollback()
    with queue.write() as session:
        assert claim(session, work, best(), {"status": "running"})[0]["id"] == 2


def test_candidates_may_be_probed_by_pipeline(queue: Database) -> None:
    with queue.write() as session:
        rows = claim(session, work, best_of(["p1", "p3", "none"], 8), {"status": "running"}, limit=2)
    assert sorted(row["id"] for row in rows) == [8, 11]


@pytest.mark.parametrize("by_pipeline", [False, True])
def test_claimants_at_once_share_without_doubles_and_find_none_empty(queue: Database, by_pipeline: bool) -> None:
    claimed: list[int] = []
    together = threading.Barrier(6)

    def run() -> None:
        together.wait(20)
        for _ in range(10):
            with queue.write() as session:
                candidates = best_of([f"p{n}" for n in range(5)], 6) if by_pipeline else best()
                rows = claim(session, work, candidates, {"status": "running"})
            claimed.extend(row["id"] for row in rows)

    threads = [threading.Thread(target=run) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(claimed) == list(range(60))


def test_holding_needs_the_number_of_the_last_claim(queue: Database) -> None:
    running = work.c.status == "running"
    with queue.write() as session:
        (first,) = claim(session, work, best(), {"status": "running"})
        assert hold(session, work, first["id"], first["fence"], running, {"status": "queued"})
        (second,) = claim(session, work, best(), {"status": "running"})
    assert (second["id"], second["fence"]) == (first["id"], first["fence"] + 1)
    with queue.write() as session:
        assert not hold(session, work, first["id"], first["fence"], running, {"status": "stale"})
        assert hold(session, work, second["id"], second["fence"], running, {"status": "done"})
        assert not hold(session, work, second["id"], second["fence"], running, {"status": "twice"})
    with queue.read() as session:
        assert session.execute(select(work.c.status).where(work.c.id == first["id"])).scalar_one() == "done"
