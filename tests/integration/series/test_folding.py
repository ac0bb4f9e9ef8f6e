"""Tails are folded in the background, for as long as there are any, though writers ask only when one begins."""

from pathlib import Path

from sqlalchemy import select, update

from entrepot import jobs
from entrepot.db import Database, now
from entrepot.jobs.models import Job
from entrepot.jobs.testing import run_pending
from entrepot.series import store
from entrepot.series.models import Series
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
        store.append(session, series.pk, [1, 2, 3], [1.0, 2.0, 3.0])
    assert waiting(database) == 1
    with database.write() as session:
        store.append(session, series.pk, [4], [4.0])  # to a tail that is there
    assert waiting(database) == 1
    assert run_now(database, tmp_path) == [0]  # four rows, just written
    assert waiting(database) == 1
    with database.write() as session:
        session.execute(update(Series).values(written=Series.written - 3_600_000_000))
        session.execute(update(Job).where(Job.status == "pending").values(status="cancelled"))
    assert run_now(database, tmp_path) == [1]
    assert waiting(database) == 0
    with database.read() as session:
        assert session.get_one(Series, series.pk).tail == 0
        assert store.read(session, series.pk).values.tolist() == [1.0, 2.0, 3.0, 4.0]
