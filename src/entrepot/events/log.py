"""Writing to the event log, in the transaction of the change itself."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import insert
from sqlalchemy.orm import Session

from entrepot.events.models import Event


def emit(
    session: Session,
    type_: str,
    action: str,
    object_id: str,
    *,
    organization_id: str,
    project_id: str | None = None,
    data: dict[str, Any] | None = None,
    user_id: str | None = None,
) -> Event:
    """Record that something happened; it is known to the world if and only if the unit of work commits."""
    event = Event(
        type=type_,
        action=action,
        object_id=object_id,
        organization_id=organization_id,
        project_id=project_id,
        data=data or {},
        user_id=user_id,
    )
    session.add(event)
    return event


def emit_many(
    session: Session,
    type_: str,
    action: str,
    objects: Mapping[str, dict[str, Any]],
    *,
    organization_id: str,
    project_id: str | None = None,
    user_id: str | None = None,
) -> None:
    """Record that the same happened to many objects, each with data of its own, in their order."""
    common = {
        "type": type_,
        "action": action,
        "organization_id": organization_id,
        "project_id": project_id,
        "user_id": user_id,
    }
    if objects:
        session.execute(insert(Event), [common | {"object_id": id_, "data": d} for id_, d in objects.items()])
