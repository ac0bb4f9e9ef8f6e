"""Writing to the event log, in the transaction of the change itself, and reading it in an order that holds.

Transactions commit in another order than that in which they wrote: on PostgreSQL, an event may appear behind others
that somebody has read already. So a second number, ``sequence``, is given to what is committed, by one transaction at a
time (:func:`publish`); whoever reads on from a sequence misses nothing and gets nothing twice.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, cast

from sqlalchemy import ColumnElement, Table, delete, exists, func, or_, select, update
from sqlalchemy import event as listeners
from sqlalchemy.orm import Session

from entrepot import jobs
from entrepot.db import advisory_lock, now, ordered_id
from entrepot.db.driver import Among, add_rows, fetch, word
from entrepot.events.models import Event, Webhook, Written

_events, _written = cast("Table", Event.__table__), cast("Table", Written.__table__)
_webhook = cast("Table", Webhook.__table__).c
#: The kind of job that publishes and addresses what was written.
DISPATCH = "events.dispatch"
#: Of what status a webhook is sent events.
ACTIVE = ("new", "valid")
_LISTENING = (
    select(_webhook.number)
    .where(Among(_webhook.organization_id, "organizations"), _webhook.status.in_(map(word, ACTIVE)))
    .limit(1)
)
_ORGANIZATIONS = "organizations with events"
_LISTENED = "events that somebody listens to"
_reactions: list[tuple[str, str, Callable[[str, Mapping[str, Any]], bool]]] = []


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
    wrote(session, organization_id)
    react_to(session, type_, action, object_id, organization_id, event.data)
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
        "created_at": now(),
    }
    if objects:
        wrote(session, organization_id)
        rows = [common | {"id": ordered_id(), "object_id": id_, "data": data} for id_, data in objects.items()]
        add_rows(session, _events, rows)


def react(type_: str, kind: str, concerns: Callable[[str, Mapping[str, Any]], bool]) -> None:
    """Have a job done whenever something happens to an object of a type, in the transaction of the event.

    Parameters
    ----------
    kind
        The kind of job; its payload is ``{"id", "action", "organization_id"}``, in order for each object.
    concerns
        Tells from an event's action and data whether it matters.
    """
    if not any(known == kind for _, known, _ in _reactions):
        _reactions.append((type_, kind, concerns))


def react_to(
    session: Session, type_: str, action: str, object_id: str, organization_id: str, data: Mapping[str, Any]
) -> None:
    """Enqueue the jobs that an event calls for, for whoever writes events without :func:`emit`."""
    for of, kind, concerns in _reactions:
        if of == type_ and concerns(action, data):
            payload = {"id": object_id, "action": action, "organization_id": organization_id}
            jobs.enqueue(session, kind, payload, organization_id=organization_id, key=f"{kind}:{object_id}")


def concerned(type_: str, action: str, data: Mapping[str, Any]) -> bool:
    """Tell whether an event calls for jobs."""
    return any(of == type_ and concerns(action, data) for of, _, concerns in _reactions)


def listened(session: Session, listening: bool) -> None:
    """Have what was written sent after the commit, somebody having been found to listen."""
    session.info[_LISTENED] = session.info.get(_LISTENED, False) or listening


def is_unpublished() -> ColumnElement[bool]:
    """Tell whether there are events that nobody can read yet."""
    return or_(exists().where(Event.sequence.is_(None)), exists().select_from(_written))


def publish(session: Session, limit: int = 1000) -> Sequence[Event]:
    """Give the next sequences to events that are committed, and return these in their order."""
    advisory_lock(session, DISPATCH)
    _take_apart(session, limit)
    last = session.scalar(select(func.max(Event.sequence)).where(Event.sequence.is_not(None))) or 0
    unpublished = select(Event.number).where(Event.sequence.is_(None)).order_by(Event.number).limit(limit).subquery()
    numbered = select(
        unpublished.c.number, (func.row_number().over(order_by=unpublished.c.number) + last).label("sequence")
    ).subquery()
    statement = update(Event).values(sequence=numbered.c.sequence).where(Event.number == numbered.c.number)
    published = session.scalars(
        statement.returning(Event), execution_options={"synchronize_session": False, "populate_existing": True}
    ).all()
    return sorted(published, key=lambda event: event.sequence or 0)


def _take_apart(session: Session, limit: int) -> None:
    """Make events of what statements wrote in one row each (PostgreSQL): so many, and the rest of the last row."""
    if session.get_bind().dialect.name != "postgresql":
        return
    before = func.sum(_written.c.count).over(order_by=_written.c.number) - _written.c.count
    few = select(_written.c.number, before.label("before")).order_by(_written.c.number).limit(limit).subquery()
    taken = delete(_written).where(_written.c.number.in_(select(few.c.number).where(few.c.before < limit)))
    rows = session.execute(taken.returning(*_written.c)).all()
    entries = [
        {
            "id": ordered_id(),
            "created_at": row.created_at,
            "type": row.type,
            "action": action,
            "object_id": object_id,
            "organization_id": row.organization_id,
            "user_id": row.user_id,
            "data": data,
        }
        for row in sorted(rows, key=lambda row: row.number)
        for object_id, action, data in row.events
    ]
    add_rows(session, _events, entries)


def wrote(session: Session, organization_id: str) -> None:
    """Have what was written sent after the commit, if somebody listens."""
    session.info.setdefault(_ORGANIZATIONS, set()).add(organization_id)


@listeners.listens_for(Session, "before_commit")
def _dispatch_later(session: Session) -> None:
    organization_ids, listening = session.info.pop(_ORGANIZATIONS, None), session.info.pop(_LISTENED, False)
    if organization_ids and not listening:
        listening = bool(fetch(session, _LISTENING, {"organizations": list(organization_ids)}))
    if listening:
        jobs.enqueue(session, DISPATCH, coalesce=DISPATCH)
