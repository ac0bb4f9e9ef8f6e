"""Configuring gates."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from entrepot import jobs
from entrepot.errors import InvalidInput
from entrepot.identity import Principal, Vault, ftp
from entrepot.identity.projects import get_project
from entrepot.lineage import results
from entrepot.pipeline.configuration import assign, check_choices, get, new_name, remove
from entrepot.pipeline.gates import files as gate_files
from entrepot.pipeline.gates.files import AFTER_IMPORT
from entrepot.pipeline.gates.homes import open_home
from entrepot.pipeline.models import Gate
from entrepot.settings import Settings


def gate_home(gate_id: str) -> str:
    """Return a gate's folder, below the data folder."""
    return f"gates/{gate_id}"


def create_gate(
    session: Session, principal: Principal, vault: Vault, project_id: str, name: str, description: str = ""
) -> Gate:
    """Create a gate with its FTP account."""
    project = get_project(session, principal, project_id, "write")
    gate = Gate(
        name=new_name(session, Gate, name, project_id=project.id),
        description=description,
        project_id=project.id,
        organization_id=project.organization_id,
        feeder=None,
    )
    session.add(gate)
    session.flush()
    ftp.ensure_account(session, vault, gate.organization_id, gate_home(gate.id))
    return gate


def quota_of(gate: Gate) -> gate_files.Quota:
    """Return the most that a gate takes."""
    return gate_files.Quota(gate.quota_bytes, gate.quota_files)


def quota_of_home(session: Session, home: str) -> gate_files.Quota:
    """Return the most that the gate of this folder takes."""
    gate = session.scalar(select(Gate).where(Gate.id == home.removeprefix(gate_home(""))))
    return quota_of(gate) if gate is not None else gate_files.NO_QUOTA


def update_gate(session: Session, principal: Principal, gate_id: str, fields: Mapping[str, Any]) -> Gate:
    """Change a gate.

    Parameters
    ----------
    fields
        Any of ``name``, ``description``, ``quota_bytes`` and ``quota_files`` (None: any number), ``quarantine``,
        ``after_import`` (``keep``, ``move`` or ``delete``).
    """
    gate = get(session, principal, Gate, gate_id, "write")
    values = dict(fields)
    check_choices(values, {"after_import": AFTER_IMPORT})
    for name in ("quota_bytes", "quota_files"):
        if not 0 <= (values.get(name) or 0) < 2**31 * (2**31 if name == "quota_bytes" else 1):
            raise InvalidInput.field(name, "This is out of range.")
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


@results.found_by("gate file")
def found(session: Session, settings: Settings, _organization_id: str, ids: Sequence[str]) -> list[str]:
    """Return those files, named by gate and path, that lie on their gates."""
    by_gate = defaultdict[str, list[str]](list)
    for id_ in ids:
        gate_id, _, path = id_.partition("/")
        by_gate[gate_id].append(path)
    return [
        f"{gate_id}/{path}"
        for gate_id, paths in by_gate.items()
        for path in open_home(settings, session, gate_home(gate_id)).existing(paths)
    ]


def remove_home(session: Session, gate: Gate) -> None:
    """End a gate's account, and have its files removed once the unit of work has ended well."""
    ftp.remove_account(session, gate_home(gate.id))
    jobs.enqueue(
        session, "gate.remove_files", {"id": gate.id}, organization_id=gate.organization_id, project_id=gate.project_id
    )


@jobs.task("gate.remove_files")
def remove_files(context: jobs.JobContext) -> None:
    """Remove the files of a gate that was deleted."""
    payload: Any = context.job.payload
    open_home(context.settings, context.database, gate_home(payload["id"])).destroy()
