"""Deleting projects with everything in them: gone at once for everybody, and emptied in the background.

There may be so much in a project that to delete it in one go would keep all other writers waiting. So it is deleted in
units, each of which takes a moment and leaves as long a one to others; whatever ends the job, the next one goes on.
"""

import time
from collections.abc import Iterator
from typing import Any

import structlog
from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session

from entrepot import jobs
from entrepot.errors import Locked
from entrepot.events import notifications
from entrepot.identity import Principal, Project
from entrepot.identity import projects as all_projects
from entrepot.identity.projects import get_project
from entrepot.pipeline.gates.configuration import remove_home
from entrepot.pipeline.generators import invalidations
from entrepot.pipeline.generators.finding import forget_generator
from entrepot.pipeline.models import Analysis, Channel, Cleaner, Gate, ImportedFile, Importer
from entrepot.series.discarding import delete_some
from entrepot.series.models import Series

EMPTY = "projects.empty"
_EVERY_SECONDS = 3600.0
_AT_ONCE = 200

log = structlog.get_logger(__name__)


def delete_project(session: Session, principal: Principal, project_id: str) -> None:
    """Delete a project: it is gone, with its schedules and jobs; what is in it follows, unit by unit."""
    project = get_project(session, principal, project_id, "write")
    held = select(Series.name).where(Series.project_id == project.id, Series.locked).limit(1)
    if (name := session.scalar(held)) is not None:
        raise Locked(f"Series {name} is locked.")
    all_projects.vanish(session, project)
    jobs.schedules.remove_of_project(session, project.id)
    jobs.cancel_all(session, project.organization_id, project.id)
    jobs.idle.forget(session, project_id=project.id)
    notifications.forget_project(session, project.id)
    for gate in session.scalars(select(Gate).where(Gate.project_id == project.id)):
        remove_home(session, gate)
    jobs.enqueue(session, EMPTY, key=EMPTY, coalesce=EMPTY)


def schedule(session: Session) -> None:
    """Have what is being deleted deleted to the end, whatever became of the job that was to do it."""
    jobs.schedules.every(session, EMPTY, _EVERY_SECONDS, EMPTY, key=EMPTY)


@jobs.task(EMPTY, max_attempts=100)
def empty(context: jobs.JobContext) -> dict[str, int]:
    """Delete what is in projects that are being deleted, and these themselves."""
    with context.database.read() as session:
        found = [(project.id, project.organization_id) for project in all_projects.deleting(session)]
    for project_id, organization_id in found:
        with context.unit() as session:  # what was begun while it vanished
            jobs.cancel_all(session, organization_id, project_id)
        for _ in _emptied(context, project_id):
            context.check()
        with context.unit() as session:
            jobs.idle.forget(session, project_id=project_id)
            notifications.forget_project(session, project_id)
            session.execute(delete(Project).where(Project.id == project_id))
        log.info("project deleted", project=project_id)
    return {"projects": len(found)}


def _emptied(context: jobs.JobContext, project_id: str) -> Iterator[None]:
    """Delete what is in a project in units, and leave as much time to others as each took."""
    with context.database.read() as session:
        total = session.scalar(select(func.count()).where(Series.project_id == project_id)) or 0
    done = 0
    for part in (delete_some, _some_channels, _some_generators, _some_files):
        while True:
            began = time.monotonic()
            with context.unit() as session:
                deleted = part(session, project_id)
                if part is delete_some:
                    done += max(deleted, 0)
                    context.progress(done, total, "Deleting series.")
            if not deleted:
                break
            yield
            time.sleep(time.monotonic() - began)


def _some_channels(session: Session, project_id: str) -> int:
    found = session.scalars(select(Channel).where(Channel.project_id == project_id).limit(_AT_ONCE)).all()
    for channel in found:
        invalidations.forget(session, channel.id)
    session.execute(delete(Channel).where(Channel.number.in_([one.number for one in found])))
    return len(found)


def _some_generators(session: Session, project_id: str) -> int:
    for model in (Analysis, Cleaner):
        found: Any = session.scalars(select(model).where(model.project_id == project_id).limit(20)).all()
        for generator in found:
            if model is Analysis:
                invalidations.forget(session, generator.id)
            forget_generator(session, generator.id)
            session.execute(delete(model).where(model.id == generator.id))
        if found:
            return len(found)
    return 0


def _some_files(session: Session, project_id: str) -> int:
    """Delete what importers know of files, and those who know of none."""
    importer = session.scalar(select(Importer).where(Importer.project_id == project_id).limit(1))
    if importer is None:
        return 0
    known = select(ImportedFile.path).where(ImportedFile.importer_id == importer.id).limit(1000)
    gone = delete(ImportedFile).where(ImportedFile.importer_id == importer.id, ImportedFile.path.in_(known))
    if not session.execute(gone.returning(ImportedFile.path)).all():
        forget_generator(session, importer.id)
        session.execute(delete(Importer).where(Importer.id == importer.id))
    return 1
