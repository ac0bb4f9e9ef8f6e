"""Writing to the event log, in the transaction of the change itself."""

from typing import Any

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
