"""Runs that came by themselves and found nothing leave a count, and no row of any kind."""

import pytest
from sqlalchemy import func, select, update

from entrepot import jobs
from entrepot.db import Base, now
from entrepot.events import Notification
from entrepot.events.models import Event
from entrepot.jobs import schedules
from entrepot.lineage import Link, Run
from entrepot.pipeline.generators.finding import enqueue_run, find_generator
from entrepot.pipeline.importing import configuration as importers
from entrepot.pipeline.models import Importer
from entrepot.pipeline.runs import projects
from tests.integration.pipeline.conftest import World, hours

ROWS: tuple[type[Base], ...] = (jobs.Job, Run, Link, Event, Notification)


def _rows(world: World) -> dict[str, int]:
    with world.database.read() as session:
        return {one.__tablename__: session.scalar(select(func.count()).select_from(one)) or 0 for one in ROWS}


def _counts(world: World) -> dict[tuple[str, str], int]:
    with world.database.read() as session:
        return {(one.kind, one.key): one.count for one in jobs.idle.list_(session)}


def _tick(world: World) -> list[jobs.Job]:
    with world.database.write() as session:
        session.execute(update(jobs.Schedule).values(next_at=now()))
        schedules.fire_due(session, now())
    return world.work()


@pytest.fixture
def every_minute(world: World) -> World:
    world.configure(active=True, schedule="0 * * * * *")
    world.work()
    return world


def test_an_import_that_found_no_file_leaves_a_count(every_minute: World) -> None:
    world = every_minute
    before, counted = _rows(world), _counts(world).get(("importer.run", f"generator:{world.importer}"), 0)
    for _ in range(3):
        assert [job.status for job in _tick(world)] == ["finished"]
    assert _rows(world) == before
    assert _counts(world)["importer.run", f"generator:{world.importer}"] == counted + 3
    with world.database.read() as session:
        importer = find_generator(session, world.importer)
        assert isinstance(importer, Importer)
        assert importer.last_run_at is not None
        assert importer.runs_without_file == 3


def test_an_import_that_found_a_file_leaves_its_row_and_begins_the_count_anew(every_minute: World) -> None:
    world, key = every_minute, ("importer.run", f"generator:{every_minute.importer}")
    _tick(world)
    world.put("a.csv", hours("2024-01-01", 3, power=1.0))
    before = _rows(world)
    imported = next(job for job in _tick(world) if job.kind == "importer.run")
    assert imported.result["added"] == 3
    assert _rows(world)["run"] > before["run"]
    assert key not in _counts(world)
    _tick(world)
    assert _counts(world)[key] == 1
    assert world.report(world.importer)["added"] == 3


def test_a_file_that_changed_and_is_not_read_again_is_told_once(every_minute: World) -> None:
    world = every_minute
    world.configure(reads_changed=False)
    world.put("a.csv", hours("2024-01-01", 3, power=1.0))
    _tick(world)
    world.put("a.csv", hours("2024-01-01", 4, power=2.0))
    _tick(world)
    assert world.report(world.importer)["changed"] == ["a.csv"]
    before = _rows(world)
    _tick(world)
    assert _rows(world) == before


@pytest.mark.parametrize("fails", [True, False])
def test_runs_that_fail_or_are_asked_for_leave_their_rows(every_minute: World, fails: bool) -> None:
    world = every_minute
    if fails:
        world.configure(folder="/nowhere")
        runs = [job for job in _tick(world) if job.kind == "importer.run"]
        assert [job.status for job in runs] == ["refused"]
    else:
        assert world.act(world.importer).status == "finished"
    with world.database.read() as session:
        runs_ = session.scalars(select(Run).where(Run.generator_id == world.importer)).all()
    assert [run.status for run in runs_] == ["refused" if fails else "finished"]


def test_a_run_that_was_cut_leaves_its_row(every_minute: World) -> None:
    world = every_minute
    with world.database.write() as session:
        session.execute(update(jobs.Schedule).values(next_at=now()))
        (job,) = schedules.fire_due(session, now())
        job.fence = 1  # somebody had it before
    world.work()
    with world.database.read() as session:
        assert session.get(Run, job.id) is not None
        assert jobs.get(session, job.id).fence == 2


def test_cleaners_and_analyses_with_nothing_to_do_leave_counts(world: World) -> None:
    world.channel("power", step="1H", clock="utc", timezone="UTC")
    world.put("a.csv", hours("2024-01-01", 48, power=1.0))
    world.act(world.importer)
    script = "def analyze(df, **tools):\n    return df.rename(columns={'x': 'out'})\n"
    config = {"input_step": "1H", "step": "1H", "clock": "utc", "timezone": "UTC", "script": script}
    analysis = world.analysis("a", {"x": (world.cleaner, "power-cleaned")}, ["out"], **config)
    world.act(analysis)
    before = _rows(world)
    for generator_id in (world.cleaner, analysis):
        with world.database.write() as session:
            generator = find_generator(session, generator_id)
            assert generator is not None
            enqueue_run(session, generator)
    world.work()
    assert _rows(world) == before
    kinds = {kind for kind, key in _counts(world) if key != f"generator:{world.importer}"}
    assert kinds >= {"cleaner.run", "analysis.run"}


def test_an_importer_without_a_gate_is_passed_over_without_a_row(every_minute: World) -> None:
    world = every_minute
    with world.database.write() as session:
        session.execute(update(Importer).values(gate_id=None))
    before = _rows(world)
    _tick(world)
    assert _rows(world) == before


def test_counts_go_with_what_they_are_of(every_minute: World) -> None:
    world = every_minute
    _tick(world)
    with world.database.write() as session:
        importers.delete_importer(session, world.principal, world.importer)
    assert not any(key == f"generator:{world.importer}" for _, key in _counts(world))
    with world.database.write() as session:
        jobs.enqueue(session, "importer.run", {"id": world.importer}, project_id=world.project, coalesce="schedule:x")
        projects.delete_project(session, world.principal, world.project)
    with world.database.read() as session:
        assert not jobs.idle.list_(session, jobs.Idle.project_id == world.project)
