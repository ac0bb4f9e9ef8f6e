"""Projects of organizations."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import ColumnElement, select
from sqlalchemy.orm import InstrumentedAttribute, Session

from entrepot.db import advisory_lock
from entrepot.errors import Conflict, InvalidInput, NotFound
from entrepot.identity import records
from entrepot.identity.models import Organization, Project
from entrepot.identity.principal import Principal
from entrepot.identity.reach import Right
from entrepot.identity.users import check_name


def get_organization(
    session: Session, principal: Principal, organization_id: str, right: Right = "read"
) -> Organization:
    """Return an organization on which the caller has the right; NotFound when it is no member."""
    organization = session.get(Organization, organization_id)
    if organization is None:
        raise NotFound("Organization not found.")
    principal.require(right, organization.id, "Organization")
    return organization


def list_organizations(session: Session, principal: Principal, name: str | None = None) -> list[Organization]:
    """Return the caller's organizations by name."""
    query = select(Organization).where(Organization.id.in_(list(principal.roles))).order_by(Organization.name)
    if name is not None:
        query = query.where(Organization.name == name)
    return list(session.scalars(query))


def create_project(
    session: Session, principal: Principal, organization_id: str, name: str, description: str = ""
) -> Project:
    """Create a project; its name is unique in the organization."""
    get_organization(session, principal, organization_id, "write")
    name = check_name(name)
    _require_free(session, organization_id, name)
    project = Project(organization_id=organization_id, name=name, description=description)
    session.add(project)
    session.flush()
    return project


def rename_project(session: Session, project: Project, name: str) -> None:
    """Change the project's name."""
    name = check_name(name)
    if name != project.name:
        _require_free(session, project.organization_id, name)
        project.name = name
        session.flush()


def change_project(session: Session, project: Project, fields: Mapping[str, Any]) -> Project:
    """Change what else a project says of itself."""
    records.assign(project, fields)
    session.flush()
    return project


def get_project(session: Session, principal: Principal, project_id: str, right: Right = "read") -> Project:
    """Return a project on which the caller has the right; NotFound when it belongs to others."""
    project = session.get(Project, project_id)
    if project is None or project.deleting:
        raise NotFound("Project not found.")
    principal.require(right, project.organization_id, "Project", project.id)
    return project


def find_project(session: Session, principal: Principal, text: str, right: Right = "read") -> Project:
    """Return the project that an id or a name means.

    Raises
    ------
    InvalidInput
        There is none, or there are several of that name in the caller's organizations.
    """
    try:
        return get_project(session, principal, text, right)
    except NotFound:
        named = list_projects(session, principal, name=text)
        if len(named) > 1:
            ids = ", ".join(project.id for project in named)
            raise InvalidInput.field("project", f"Several are named {text!r}: give the id of one of {ids}.") from None
        if not named:
            raise InvalidInput.field("project", f"There is no project {text[:80]!r}.") from None
        return get_project(session, principal, named[0].id, right)


def list_projects(
    session: Session, principal: Principal, *, organization_id: str | None = None, name: str | None = None
) -> list[Project]:
    """Return the projects that the caller may read, by name."""
    query = select(Project).where(principal.within(Project), ~Project.deleting).order_by(Project.name, Project.id)
    if organization_id is not None:
        query = query.where(Project.organization_id == organization_id)
    if name is not None:
        query = query.where(Project.name == name)
    return list(session.scalars(query))


def vanish(session: Session, project: Project) -> None:
    """Make a project be gone for everybody, its name free, whatever is still to be deleted of it."""
    project.deleting = True
    project.name = project.id
    session.flush()


def deleting(session: Session) -> list[Project]:
    """Return the projects that are being emptied."""
    return list(session.scalars(select(Project).where(Project.deleting).order_by(Project.id)))


def is_kept(project_id: InstrumentedAttribute[str]) -> ColumnElement[bool]:
    """Tell whether what belongs to a project does not belong to one that is being deleted."""
    return project_id.not_in(select(Project.id).where(Project.deleting))


def _require_free(session: Session, organization_id: str, name: str) -> None:
    advisory_lock(session, "project", organization_id, name)  # two who want it at once take turns
    taken = select(Project.id).where(Project.organization_id == organization_id, Project.name == name)
    if session.scalar(taken):
        raise Conflict(f"A project named {name!r} exists in this organization.")
