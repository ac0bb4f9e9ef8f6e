"""Projects and series are gone at once, and emptied in units that whoever comes next goes on with."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from sqlalchemy import func, select, text, update
from sqlalchemy.orm import Session

from entrepot import jobs
from entrepot.db import Database
from entrepot.errors import NotFound
from entrepot.identity import Principal, Role, users
from entrepot.identity import projects as all_projects
from entrepot.identity.models import Project
from entrepot.jobs.models import Schedule
from entrepot.jobs.testing import run_pending
from entrepot.pipeline.generators import catalog
from entrepot.pipeline.importing import configuration as importers
from entrepot.pipeline.models import Importer
from entrepot.pipeline.runs import projects
from entrepot.series import discarding, store
from entrepot.series.heads import hold
from entrepot.series.models import Series, SeriesChunk, SeriesTail
from entrepot.settings import Settings
from tests.support.deadline import eventually


@pytest.fixture
def owner(database: Database) -> Principal:
    with database.write() as session:
        organization = users.create_organization(session, "o")
        user, _ = users.create_user(session, "u")
        users.set_member(session, user, organization, Role.ADMIN)
        return Principal(user.id, "u", organization.id, {organization.id: Role.ADMIN})


@pytest.fixture
def project_id(database: Database, owner: Principal) -> str:
    """A project with an importer that is scheduled and has a job, and fifty series with points."""
    with database.write() as session:
        project = all_projects.create_project(session, owner, owner.organization_id, "p")
        importer = importers.create_importer(session, owner, {"project": project.id, "name": "i"})
        jobs.schedules.set(session, f"importer:{importer.id}", "0 0 0 * * *", "UTC", "t", project_id=project.id)
        jobs.enqueue(session, "importer.run", organization_id=owner.organization_id, project_id=project.id)
        for number in range(50):
            whose = {"organization_id": owner.organization_id, "project_id": project.id}
            series = store.create_series(
                session, generator_kind="direct", generator_id=None, name=f"s{number}", **whose
            )
            store.append(session, series.number, list(range(300)), [1.0] * 300)
            store.append(session, series.number, [400], [1.0])
        return project.id


def left(database: Database) -> list[int]:
    tables = (Series, SeriesChunk, SeriesTail, Project, Importer)
    with database.read() as session:
        return [session.scalar(select(func.count()).select_from(table)) or 0 for table in tables]


def test_a_project_is_gone_at_once_and_emptied_in_units(
    database: Database, owner: Principal, project_id: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(discarding, "_AT_ONCE", 7)
    monkeypatch.setattr(discarding, "_MOST_CHUNKS", 5)
    units: list[int] = []
    delete_some = discarding.delete_some

    def counted(session: object, of: str) -> int:
        units.append(delete_some(session, of))  # type: ignore[arg-type]
        return units[-1]

    monkeypatch.setattr(projects, "delete_some", counted)
    with database.write() as session:
        projects.delete_project(session, owner, project_id)
    with database.write() as session:
        assert all_projects.list_projects(session, owner) == []
        assert catalog.list_series(session, owner) == []
        with pytest.raises(NotFound):
            all_projects.get_project(session, owner, project_id)
        with pytest.raises(NotFound):
            projects.delete_project(session, owner, project_id)
        assert session.scalars(select(Schedule)).all() == []
        assert [job.status for job in jobs.list_(session, kind="importer.run")] == ["cancelled"]
        all_projects.create_project(session, owner, owner.organization_id, "p")  # its name is free
    run_pending(database, Settings(data_dir=tmp_path))
    assert left(database) == [0, 0, 0, 1, 0]
    assert max(units) <= 7
    assert -1 in units, "points of what is large go in units of their own"


def test_an_emptying_that_was_stopped_is_gone_on_with(
    database: Database, owner: Principal, project_id: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(discarding, "_AT_ONCE", 10)
    rounds: list[int] = []

    def killed(session: object, of: str) -> int:
        if rounds:
            raise OSError("killed")
        rounds.append(discarding.delete_some(session, of))  # type: ignore[arg-type]
        return rounds[0]

    with monkeypatch.context() as patched:
        patched.setattr(projects, "delete_some", killed)
        with database.write() as session:
            projects.delete_project(session, owner, project_id)
        run_pending(database, Settings(data_dir=tmp_path))
    assert left(database)[0] == 40
    with database.write() as session:  # as the clock does, whatever became of the job
        jobs.enqueue(session, projects.EMPTY)
    run_pending(database, Settings(data_dir=tmp_path))
    assert left(database) == [0, 0, 0, 0, 0]


@pytest.mark.parametrize("database_kind", ["postgresql"])
def test_who_writes_to_series_that_are_deleted_is_waited_for(
    database: Database, owner: Principal, project_id: str
) -> None:
    def touch(session: Session, series: int) -> None:
        session.execute(update(SeriesChunk).where(SeriesChunk.series == series).values(count=SeriesChunk.count))

    def waits() -> bool:
        waiting = text("SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'")
        with database.read() as session:
            return session.scalar(waiting) == 1

    with database.write() as session:
        numbers = session.scalars(select(Series.number).order_by(Series.number)).all()
    with ThreadPoolExecutor(1) as pool, database.write() as session:
        hold(session, [numbers[0], numbers[-1]])
        touch(session, numbers[-1])
        with database.write() as other:
            deleting = pool.submit(discarding.delete_some, other, project_id)
            eventually(waits)
            touch(session, numbers[0])  # whose points the other would have had in hand
            session.commit()
            assert deleting.result(30) == len(numbers)
    assert left(database)[:3] == [0, 0, 0]


def test_a_series_that_is_discarded_is_nobodys_and_its_name_is_free(
    database: Database, owner: Principal, project_id: str, tmp_path: Path
) -> None:
    with database.write() as session:
        (series,) = catalog.list_series(session, owner, name="s1")
        id_, pk = series.id, series.number
        store.delete_series(session, pk)
        with pytest.raises(NotFound):
            catalog.get_series(session, owner, id_)
        with pytest.raises(NotFound):
            store.append(session, pk, [1], [1.0])
        whose = {"organization_id": owner.organization_id, "project_id": project_id}
        store.create_series(session, generator_kind="direct", generator_id=None, name="s1", **whose)
    run_pending(database, Settings(data_dir=tmp_path))
    assert left(database)[:3] == [50, 49, 49]
