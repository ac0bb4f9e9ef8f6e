"""Configuring gates, and deleting what projects hold."""

import shutil
from collections.abc import Mapping
from typing import Any

from sqlalchemy.orm import Session

from entrepot import jobs
from entrepot.identity import Principal, Vault, ftp
from entrepot.identity.projects import get_project
from entrepot.pipeline.configuration import assign, get, new_name, remove
from entrepot.pipeline.models import Gate


def gate_home(gate_id: str) -> str:
    """Return a gate's folder, below the data folder."""
    return f"gates/{gate_id}"


def create_gate(
    session: Session, principal: Principal, vault: Vault, project_id: str, name: str, comment: str = ""
) -> Gate:
    """Create a gate with its FTP account."""
    project = get_project(session, principal, project_id, "write")
    gate = Gate(
        name=new_name(session, Gate, name, project_id=project.id),
        comment=comment,
        project_id=project.id,
        organization_id=project.organization_id,
        feeder=None,
    )
    session.add(gate)
    session.flush()
    ftp.ensure_account(session, vault, gate.organization_id, gate_home(gate.id))
    return gate


def update_gate(session: Session, principal: Principal, gate_id: str, fields: Mapping[str, Any]) -> Gate:
    """Change a gate's ``name`` or ``comment``."""
    gate = get(session, principal, Gate, gate_id, "write")
    values = dict(fields)
    if "name" in values:
        values["name"] = new_name(session, Gate, values["name"], gate.name, project_id=gate.project_id)
    assign(gate, values)
    session.flush()
    return gate


def delete_gate(session: Session, principal: Principal, gate_id: str) -> None:
    """Delete a gate with its account, its feeder and its files; importers that read it are left without one."""
    gate = get(session, principal, Gate, gate_id, "write")
    remove_home(session, gate)
    remove(session, gate)


def remove_home(session: Session, gate: Gate) -> None:
    """End a gate's account, and have its files removed once the unit of work has ended well."""
    ftp.remove_account(session, gate_home(gate.id))
    jobs.enqueue(session, "gate.remove_files", {"id": gate.id}, organization_id=gate.organization_id)


@jobs.task("gate.remove_files")
def remove_files(context: jobs.JobContext) -> None:
    """Remove the files of a gate that was deleted."""
    payload: Any = context.job.payload
    shutil.rmtree(context.settings.data_dir / gate_home(payload["id"]), ignore_errors=True)
