"""Deleting projects with everything in them."""

from sqlalchemy import select
from sqlalchemy.orm import Session

from entrepot.events import notifications
from entrepot.identity import Principal
from entrepot.identity.projects import get_project
from entrepot.pipeline import actions
from entrepot.pipeline.gates import remove_home
from entrepot.pipeline.models import Gate


def delete_project(session: Session, principal: Principal, project_id: str) -> None:
    """Delete a project: series, generators, gates with their files, notifications."""
    project = get_project(session, principal, project_id, "write")
    actions.project_deleted(session, project.id)
    for gate in session.scalars(select(Gate).where(Gate.project_id == project.id)):
        remove_home(session, gate)
    notifications.forget_project(session, project.id)
    session.delete(project)
    session.flush()
