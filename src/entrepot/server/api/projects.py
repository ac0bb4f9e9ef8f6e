"""Projects of the caller's organizations."""

from datetime import date
from typing import Annotated

from fastapi import Query
from pydantic import BaseModel, ConfigDict

from entrepot.identity import projects
from entrepot.server.api.routing import NativeRouter, Unit

router = NativeRouter(tags=["projects"])


class Project(BaseModel):
    """A project."""

    model_config = ConfigDict(from_attributes=True)

    id: str
    organization_id: str
    name: str
    comment: str
    creation_date: date


class ProjectRequest(BaseModel):
    """What a new project is to be."""

    model_config = ConfigDict(extra="forbid")

    name: str
    comment: str = ""
    organization_id: str | None = None


@router.serve("GET", "/projects", area="series", right="read")
def list_projects(
    unit: Unit,
    name: Annotated[str | None, Query(description="Exact name.")] = None,
    organization_id: str | None = None,
) -> list[Project]:
    """List projects by name."""
    found = projects.list_projects(unit.session, unit.principal, organization_id=organization_id, name=name)
    return [Project.model_validate(project) for project in found]


@router.serve("POST", "/projects", area="series", right="write", status=201)
def create_project(unit: Unit, request_: ProjectRequest) -> Project:
    """Create a project in an organization, by default the caller's own."""
    organization_id = request_.organization_id or unit.principal.organization_id
    project = projects.create_project(unit.session, unit.principal, organization_id, request_.name, request_.comment)
    return Project.model_validate(project)


@router.serve("GET", "/projects/{project_id}", area="series", right="read")
def get_project(unit: Unit, project_id: str) -> Project:
    """Return a project."""
    return Project.model_validate(projects.get_project(unit.session, unit.principal, project_id))
