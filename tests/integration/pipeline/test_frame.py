"""The frame around runs: how each of them ends that does not end well, and whom it tells."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from sqlalchemy import select

from entrepot import jobs, lineage
from entrepot.db import Database
from entrepot.events import Event, Notification
from entrepot.identity import projects
from entrepot.jobs.context import JobContext
from entrepot.jobs.execution import execute
from entrepot.jobs.registry import find
from entrepot.pipeline.configuration import get
from entrepot.pipeline.feeders import configuration as feeders
from entrepot.pipeline.feeders import feed_run
from entrepot.pipeline.generators import actions
from entrepot.pipeline.generators.finding import find_generator, series_by_name
from entrepot.pipeline.models import Feeder
from entrepot.scripts import Outcome, ScriptError
from tests.integration.pipeline.conftest import World, build_world, hours
from tests.support.pipeline_worker import InPlaceScripts


class Scripts(InPlaceScripts):
    """Scripts that are run in place, and refuse what is told them to."""

    wrong = ""

    def parse(self, *arguments: Any, **options: Any) -> Outcome[pd.DataFrame]:
        if self.wrong:
            raise ScriptError("raised", self.wrong, traceback="line 1")
        return super().parse(*arguments, **options)


@pytest.fixture
def world(database: Database, tmp_path: Path) -> World:
    return build_world(database, tmp_path / "data", Scripts())


def told(world: World, of: str) -> dict[str, str]:
    with world.database.read() as session:
        query = select(Notification).where(Notification.generator_id == of, Notification.resolved.is_(False))
        return {each.name: each.message for each in session.scalars(query)}


def last(world: World, of: str) -> lineage.Run:
    with world.database.read() as session:
        query = select(lineage.Run).where(lineage.Run.generator_id == of).order_by(lineage.Run.started_at.desc())
        run = session.scalars(query).first()
        assert run is not None
        return run


def claimed(world: World, of: str) -> JobContext:
    """Have a run asked for, and claimed as by a worker."""
    with world.database.write() as session:
        generator = find_generator(session, of)
        assert generator is not None
        actions.start(session, generator, "run")
    with world.database.write() as session:
        (job,) = jobs.queue.claim(session, "here", 60)
    return JobContext(job, world.database, world.settings, {"scripts": world.runner, "vault": world.vault})


def lock(world: World, of: str, name: str, *, locked: bool) -> None:
    with world.database.write() as session:
        series_by_name(session, of)[name].locked = locked


def test_a_run_that_a_lock_keeps_from_writing_fails_with_that_cause_and_tells(world: World) -> None:
    world.put("a.csv", hours("2024-01-01", 3, p=1))
    world.act(world.importer)
    lock(world, world.importer, "p", locked=True)
    world.put("b.csv", hours("2024-01-02", 3, p=1))
    job = world.act(world.importer)
    assert (job.status, job.error) == ("failed", "Series p is locked.")
    run = last(world, world.importer)
    assert (run.status, run.report["error"]) == ("failed", "Series p is locked.")
    assert (run.report["read"], run.report["added"]) == (0, 0), "what was undone is not reported"
    assert "Series p is locked." in told(world, world.importer)["Run failed"]
    lock(world, world.importer, "p", locked=False)
    assert world.act(world.importer).status == "finished"
    assert told(world, world.importer) == {}


def test_a_failure_and_the_end_of_its_job_are_one_transaction(world: World) -> None:
    world.runner.wrong = "ValueError: no"
    world.put("a.csv", hours("2024-01-01", 3, p=1))
    context = claimed(world, world.importer)
    handle = find("importer.run")
    assert handle is not None
    with pytest.raises(jobs.Failed, match="ValueError"):
        handle.handler(context)
    # The worker dies here.
    with world.database.read() as session:
        job = jobs.get(session, context.job.id)
        assert (job.status, "ValueError" in (job.error or "")) == ("failed", True)
        assert job.error_details["traceback"] == "line 1"
        failures = session.scalars(select(Event).where(Event.object_id == world.importer, Event.action == "failed"))
        assert len(list(failures)) == 1


def test_a_run_of_which_nothing_came_tells_its_report_as_others_that_fail(world: World) -> None:
    world.put("a.csv", "time,p\n2024-01-01,\n")
    job = world.act(world.importer)
    assert (job.status, job.result) == ("failed", None)
    assert job.error_details == last(world, world.importer).report
    assert job.error in told(world, world.importer)["Nothing read"]


@pytest.fixture
def feeder(world: World) -> str:
    """A feeder by a script."""
    with world.database.write() as session:
        feeder = feeders.create_feeder(session, world.principal, {"gate": world.gate})
        fields = {"script": "def feed(state, credentials):\n    pass\n"}
        feeders.set_source(session, world.principal, world.vault, world.settings, feeder.id, feeders.SCRIPT, fields)
        return feeder.id


def feed(world: World, feeder: str) -> JobContext:
    with world.database.write() as session:
        feeders.start(session, get(session, world.principal, Feeder, feeder))
    with world.database.write() as session:
        (job,) = jobs.queue.claim(session, "here", 60)
    context = JobContext(job, world.database, world.settings, {"scripts": world.runner, "vault": world.vault})
    execute(context)
    return context


@contextmanager
def scripted(monkeypatch: pytest.MonkeyPatch, act: Any) -> Iterator[None]:
    with monkeypatch.context() as patched:
        patched.setattr(feed_run, "run_script", act)
        yield


def test_a_feeders_run_that_is_stopped_is_not_left_running(
    world: World, feeder: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stopped(context: JobContext, *_: Any) -> None:
        context.stop(jobs.JobCancelled("Cancelled."))
        context.check()

    with scripted(monkeypatch, stopped):
        feed(world, feeder)
    run = last(world, feeder)
    assert (run.status, run.report["error"], run.report["fetched"]) == ("cancelled", "Cancelled.", [])

    def broken(*_: Any) -> None:
        raise ZeroDivisionError

    with scripted(monkeypatch, broken):
        context = feed(world, feeder)
    with world.database.read() as session:
        assert jobs.get(session, context.job.id).status == "pending", "it is no fault of the source's"
    assert last(world, feeder).report["error"] == "An error of the server stopped the run."
    assert told(world, feeder) == {}


def test_a_feeder_that_cannot_fetch_is_refused_to_whoever_asks_and_to_nobody_else(world: World, feeder: str) -> None:
    with world.database.write() as session:
        source = get(session, world.principal, Feeder, feeder).source_id
        feeders.remove_source(session, world.principal, feeders.SCRIPT, str(source))
        jobs.enqueue(session, "feeder.feed", {"id": feeder, "scheduled": True}, key=f"feeder:{feeder}")
    world.work()
    with world.database.read() as session:
        assert [one.count for one in jobs.idle.list_(session) if one.key == f"feeder:{feeder}"] == [1]
        assert session.scalar(select(lineage.Run.id).where(lineage.Run.generator_id == feeder)) is None
    feed(world, feeder)
    assert last(world, feeder).status == "refused"
    assert "Run of the feeder of gate gate was refused." in told(world, feeder)["Run failed"]


def test_a_run_in_a_project_that_is_being_deleted_ends_and_makes_nothing(world: World) -> None:
    world.put("a.csv", hours("2024-01-01", 3, p=1))
    context = claimed(world, world.importer)
    with world.database.write() as session:
        projects.vanish(session, projects.get_project(session, world.principal, world.project, "write"))
    execute(context)
    with world.database.read() as session:
        job = jobs.get(session, context.job.id)
        assert (job.status, job.error) == ("refused", "The importer was deleted.")
        assert series_by_name(session, world.importer) == {}
