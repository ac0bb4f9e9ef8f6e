"""Projects of the caller's organizations."""

from datetime import UTC, datetime, time
from typing import Annotated

from fastapi import Query
from pydantic import Field
from sqlalchemy import select

from entrepot.identity import Project, projects
from entrepot.pipeline.projects import delete_project as delete
from entrepot.server.api.nouns import (
    NOT_KEPT,
    Kept,
    Name,
    Named,
    Noun,
    Page,
    Sought,
    Text,
    called,
    column,
    listed,
    worded,
)
from entrepot.server.api.routing import NativeRouter, Unit

router = NativeRouter(tags=["projects"])


class ProjectChanges(Noun):
    """What is to change of a project."""

    name: Name = ""
    description: Annotated[Text, column("comment")] = ""
    mails: Annotated[
        bool, column("mail_alerts_activated"), Field(description="Whether members are told of notifications by mail.")
    ] = False


class ProjectRequest(ProjectChanges):
    """A new project."""

    name: Name
    organization: Annotated[str | None, NOT_KEPT, Field(description="Id; by default the caller's own.")] = None


class ProjectShown(Noun):
    """A project."""

    id: str
    name: str
    description: Annotated[str, column("comment")]
    mails: Annotated[bool, column("mail_alerts_activated")]
    organization: Annotated[str, column("organization_id")]
    created_at: Annotated[datetime, Kept(("creation_date",), lambda day: datetime.combine(day, time(), tzinfo=UTC))]


@router.serve("GET", "/projects", area="series", right="read")
def list_projects(
    unit: Unit,
    asked: Sought,
    name: Named = None,
    organization: Annotated[str | None, Query(description="Id of the organization.")] = None,
) -> Page[ProjectShown]:
    """List projects by name."""
    query = select(Project).where(unit.principal.within(Project), ~Project.deleting, *worded(asked.q, Project.name))
    if name is not None:
        query = query.where(called(Project.name, name))
    if organization is not None:
        query = query.where(Project.organization_id == organization)
    return listed(unit, query, (Project.name, Project.id), asked, lambda rows: map(ProjectShown.showing, rows))


@router.serve("POST", "/projects", area="series", right="write", status=201)
def create_project(unit: Unit, given: ProjectRequest) -> ProjectShown:
    """Create a project in an organization, by default the caller's own."""
    organization_id = given.organization or unit.principal.organization_id
    project = projects.create_project(unit.session, unit.principal, organization_id, given.name, given.description)
    projects.change_project(unit.session, project, given.kept("name"))
    return ProjectShown.showing(project)


@router.serve("GET", "/projects/{project_id}", area="series", right="read")
def get_project(unit: Unit, project_id: str) -> ProjectShown:
    """Return a project."""
    return ProjectShown.showing(projects.get_project(unit.session, unit.principal, project_id))


@router.serve("PATCH", "/projects/{project_id}", area="series", right="write")
def change_project(unit: Unit, project_id: str, given: ProjectChanges) -> ProjectShown:
    """Change a project's name or description."""
    project = projects.get_project(unit.session, unit.principal, project_id, "write")
    if "name" in given.model_fields_set:
        projects.rename_project(unit.session, project, given.name)
    projects.change_project(unit.session, project, given.kept("name"))
    return ProjectShown.showing(project)


@router.serve("DELETE", "/projects/{project_id}", area="series", right="write", status=204)
def delete_project(unit: Unit, project_id: str) -> None:
    """Delete a project with all that is in it: it is gone at once, and emptied in the background."""
    delete(unit.session, unit.principal, project_id)
