"""Tails are folded in the background, for as long as there are any, though writers ask only when one begins."""

from pathlib import Path

import numpy as np
import pytest
from sqlalchemy import select, update

from entrepot import jobs
from entrepot.db import Database, now
from entrepot.events import Notification
from entrepot.events.models import Event
from entrepot.jobs.models import Job
from entrepot.jobs.testing import run_pending
from entrepot.series import codec, folding, store
from entrepot.series.codec import DamagedChunk
from entrepot.series.models import Series, SeriesChunk, SeriesHead
from entrepot.settings import Settings

KIND = store.FOLD


def run_now(database: Database, folder: Path) -> list[int]:
    jobs.load(["entrepot.series.folding"])
    with database.write() as session:
        jobs.enqueue(session, KIND, {}, run_at=now())
    return [job.result["folded"] for job in run_pending(database, Settings(data_dir=folder))]


def waiting(database: Database) -> int:
    with database.read() as session:
        return len(session.scalars(select(Job).where(Job.kind == KIND, Job.status == "pending")).all())


def test_the_job_asks_again_while_tails_are_written_to(database: Database, tmp_path: Path) -> None:
    with database.write() as session:
        series = store.create_series(
            session, organization_id="o", project_id="p", generator_kind="direct", generator_id=None, name="s"
        )
        store.append(session, series.number, [1, 2, 3], [1.0, 2.0, 3.0])
    assert waiting(database) == 1
    with database.write() as session:
        store.append(session, series.number, [4], [4.0])  # to a tail that is there
    assert waiting(database) == 1
    assert run_now(database, tmp_path) == [0]  # four rows, just written
    assert waiting(database) == 1
    with database.write() as session:
        session.execute(update(SeriesHead).values(written_at=SeriesHead.written_at - 3_600_000_000))
        session.execute(update(Job).where(Job.status == "pending").values(status="cancelled"))
    assert run_now(database, tmp_path) == [1]
    assert waiting(database) == 0
    with database.read() as session:
        assert session.get_one(Series, series.number).tail == 0
        assert store.read(session, series.number).values.tolist() == [1.0, 2.0, 3.0, 4.0]


def damaged_series(database: Database) -> list[int]:
    """Six series with chunks and a tail each, of which the first one's chunk is damaged."""
    with database.write() as session:
        pks = [
            store.create_series(
                session, organization_id="o", project_id="p", generator_kind="direct", generator_id=None, name=f"s{n}"
            ).number
            for n in range(6)
        ]
        for pk in pks:
            store.append(session, pk, list(range(300)), [1.0] * 300)
            store.append(session, pk, [400], [2.0])
        session.execute(update(SeriesChunk).where(SeriesChunk.series == pks[0]).values(data=b"rubbish"))
        session.execute(update(SeriesHead).values(written_at=SeriesHead.written_at - 3_600_000_000))
    return pks


def state(database: Database) -> list[tuple[int, bool]]:
    with database.read() as session:
        query = select(SeriesHead.tail, Series.damage.is_not(None)).join(Series).order_by(Series.number)
        return [(tail, bool(damaged)) for tail, damaged in session.execute(query)]


def test_a_damaged_chunk_stops_no_other_series_from_being_folded(database: Database, tmp_path: Path) -> None:
    damaged_series(database)
    run_now(database, tmp_path)
    assert state(database) == [(1, True)] + [(0, False)] * 5
    with database.read() as session:
        (notice,) = session.scalars(select(Notification)).all()
        assert (notice.name, notice.subject, notice.project_id) == ("Series damaged", "s0", "p")
        assert "series s0 from 1970-01-01" in notice.message
        assert session.scalars(select(Event.action).where(Event.type == "series")).all() == ["damaged"]
    assert run_now(database, tmp_path) == [0], "it is not tried again and again"


def test_a_write_to_six_series_of_which_one_is_damaged_is_kept_whole(database: Database, tmp_path: Path) -> None:
    pks = damaged_series(database)
    late = list(range(100, 400))
    with database.write() as session:
        written = store.append_many(session, {pk: (late, [9.0] * 300) for pk in pks})
    assert [one.changed.size for one in written.values()] == [300] * 6
    assert state(database) == [(301, True)] + [(0, False)] * 5
    with database.read() as session:
        for pk in pks[1:]:
            assert store.read(session, pk, 100, 400).values.tolist() == [9.0] * 300
        assert store.read(session, pks[0], 360_000_000).values.size == 0, "what is not damaged can be read"
        with pytest.raises(DamagedChunk, match="series s0"):
            store.read(session, pks[0])
    with database.write() as session:  # and once more, now that it is known
        store.append(session, pks[0], [100, 500], [7.0, 7.0])
    assert state(database)[0] == (302, True)


def test_a_series_that_is_restored_is_taken_back_with_what_came_meanwhile(database: Database, tmp_path: Path) -> None:
    pks = damaged_series(database)
    run_now(database, tmp_path)
    with database.write() as session:
        store.append(session, pks[0], [100, 500], [7.0, 7.0])
        assert store.heal(session) == 0
        good = session.scalars(select(SeriesChunk.data).where(SeriesChunk.series == pks[1])).first()
        points = codec.decode(good)
        session.execute(update(SeriesChunk).where(SeriesChunk.series == pks[0]).values(data=codec.encode(points[:300])))
    with database.write() as session:
        assert store.heal(session) == 1
    with database.read() as session:
        series = session.get_one(Series, pks[0])
        assert (series.damage, series.count, series.first, series.last) == (None, 302, 0, 500)
        assert store.check(session, pks[0]) == []
        assert session.scalars(select(Notification.resolved)).all() == [True]


def test_a_full_tail_is_folded_whole_whatever_windows_its_rows_are_of(database: Database) -> None:
    """So a writer folds once in ten writes of a hundred, and not each time once the tail has rows of other days."""
    step, day = 6_000_000, 86_400_000_000
    before, tails = np.arange(1500) * step, []
    with database.write() as session:
        series = store.create_series(
            session, organization_id="o", project_id="p", generator_kind="direct", generator_id=None, name="s"
        )
        store.append(session, series.number, before[:600], np.ones(600))
        for part in np.split(before[600:], 9):
            store.append(session, series.number, part, np.ones(100))
    for part in np.split(day + np.arange(2000) * step, 20):
        with database.write() as session:
            store.append(session, series.number, part, np.ones(100))
        with database.read() as session:
            tails.append(session.get_one(Series, series.number).tail)
    assert tails == [1000, *range(100, 1001, 100), *range(100, 901, 100)]
    with database.read() as session:
        assert len(store.read(session, series.number)) == 3500


def test_the_clock_asks_for_folding(database: Database) -> None:
    """Not only whoever begins a tail: the job that was to fold may have been lost, or given up."""
    damaged_series(database)
    with database.write() as session:
        session.execute(update(Job).where(Job.kind == KIND).values(status="server_error"))
        folding.schedule(session)
    with database.write() as session:
        jobs.schedules.fire_due(session, now())
    assert waiting(database) == 1
