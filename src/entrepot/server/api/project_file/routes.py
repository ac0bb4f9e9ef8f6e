"""A project as a file: exported, planned, applied."""

from dataclasses import replace
from typing import Any

from sqlalchemy import select
from starlette.responses import Response

from entrepot.db import advisory_lock
from entrepot.db.undone import undone
from entrepot.identity import Project, projects
from entrepot.pipeline.runs.forecast import Before
from entrepot.server.api.project_file import changes, current
from entrepot.server.api.project_file.making import Making
from entrepot.server.api.project_file.models import Again, ApplyRequest, Change, Differing, ProjectFile, Told
from entrepot.server.api.routing import NativeRouter, Unit
from entrepot.server.endpoint import Json

router = NativeRouter(tags=["projects"])


@router.serve("GET", "/schemas/project", area="series", right="read")
def get_schema(_unit: Unit) -> Response:
    """Return the JSON Schema of a project's file, for editors."""
    return Json(ProjectFile.model_json_schema())


@router.serve("GET", "/projects/{project_id}/file", area="series", right="read")
def export_project(unit: Unit, project_id: str) -> ProjectFile:
    """Return a project as a file: all that makes it, without its data and without secrets."""
    project = projects.get_project(unit.session, unit.principal, project_id)
    _require_rows(unit, "read")
    unit.principal = replace(unit.principal, organization_id=project.organization_id)
    return current.read(unit, project)[0]


@router.serve("POST", "/projects/plan", area="series", right="write", body="large")
def plan(unit: Unit, given: ApplyRequest) -> Told:
    """Tell what applying a file would make, change and remove, and what would be computed again; nothing is done."""
    # What would be done is done, so that the plan is no second opinion on it, and is undone.
    with undone(unit.session):
        return _apply(unit, given).model_copy(update={"secrets_made": {}})


@router.serve("POST", "/projects/apply", area="series", right="write", body="large")
def apply(unit: Unit, given: ApplyRequest) -> Told:
    """Make a project what a file says, all of it or nothing; one that there is not is made."""
    return _apply(unit, given)


def _apply(unit: Unit, given: ApplyRequest) -> Told:
    wanted = current.normal(given.file)
    if wanted.sites or wanted.result_sets or any(one.into for one in wanted.analyses.values()):
        _require_rows(unit, "write")
    advisory_lock(unit.session, "project file", unit.principal.organization_id, wanted.project)
    project, is_new = _project(unit, wanted)
    before = Before.of(unit.session, project.id)
    now, ids = current.read(unit, project)
    current.read_shared(unit, wanted, now, ids)
    changes.keep_secrets(now, wanted)
    steps = changes.steps(now, wanted)
    making = Making(unit, project, wanted, ids, given.secrets)
    making.take(steps)
    told = [Change(action=step.action, kind=step.kind, name=step.name, fields=step.fields()) for step in steps]
    if is_new:
        told.insert(0, Change(action="made", kind="project", name=project.name))
    elif "description" in wanted.model_fields_set and (wanted.description or "") != project.description:
        differing = Differing(before=project.description, after=wanted.description or "")
        told.insert(0, Change(action="changed", kind="project", name=project.name, fields={"description": differing}))
        project.description = wanted.description or ""
    forecast = before.forecast(unit.session)
    return Told(
        project=project.name,
        changes=told,
        files_read_again=forecast.files,
        computed_again=Again.all_of(forecast),
        secrets_missing=making.missing,
        secrets_made=making.made,
    )


def _project(unit: Unit, wanted: ProjectFile) -> tuple[Project, bool]:
    """Return the project of a file's name in the caller's organization, and whether it was made."""
    own = unit.principal.organization_id
    query = select(Project.id).where(Project.organization_id == own, Project.name == wanted.project, ~Project.deleting)
    found = unit.session.scalar(query)
    if found is not None:
        return projects.get_project(unit.session, unit.principal, found, "write"), False
    made = projects.create_project(unit.session, unit.principal, own, wanted.project, wanted.description or "")
    return made, True


def _require_rows(unit: Unit, right: Any) -> None:
    unit.principal.require_scope("rows", right)
