"""Reading the event log: on from a cursor, and as a list."""

from collections.abc import Collection, Sequence
from typing import Any

from sqlalchemy import ColumnElement, exists, func, or_, select
from sqlalchemy.orm import Session

from entrepot.db import Database
from entrepot.errors import InvalidInput, NotFound
from entrepot.events.models import Delivery, Event
from entrepot.events.retention import require_kept
from entrepot.events.webhooks import dispatch
from entrepot.identity import Principal, records

#: How far an event may be on its way.
PROGRESS = ("failed", "delivered", "pending")


def read(
    database: Database,
    within: ColumnElement[bool],
    after: int | str | None,
    *,
    types: Sequence[str] = (),
    limit: int = 100,
) -> tuple[list[Event], int]:
    """Return events that came after a cursor, oldest first, and the cursor to go on from.

    Parameters
    ----------
    within
        Which events there are for the reader, as :meth:`entrepot.identity.Principal.within` says.
    after
        A sequence, the id of an event, ``latest`` for what is yet to come, None for the first.
    types
        ``type`` or ``type.action`` of the events wanted; none: all.

    Raises
    ------
    InvalidInput
        The cursor is none.
    Gone
        Events after it are no longer kept.
    """
    with database.read() as session:
        waiting = session.scalar(select(exists().where(Event.sequence.is_(None))))
    while waiting:
        with database.write() as session:
            waiting = dispatch(session) > 0
    with database.read() as session:
        position = position_of(session, within, after)
        require_kept(session, position)
        query = select(Event).where(within, Event.sequence > position)
        if types:
            query = query.where(or_(*(_is_of(name) for name in types)))
        found = list(session.scalars(query.order_by(Event.sequence).limit(limit)))
        # Where nothing happened the cursor moves on all the same, so that it does not come to lie in what is deleted.
        last = found[-1].sequence if found else session.scalar(select(func.max(Event.sequence)))
    return found, max(position, last or 0)


def get_event(session: Session, principal: Principal, event_id: str, types: Collection[str]) -> Event:
    """Return an event of the caller's organizations that is about one of these types of things."""
    event: Event = records.find(session, principal, Event, "Event", event_id)
    if event.type not in types:
        raise NotFound("Event not found.")
    return event


def list_events(session: Session, principal: Principal, wanted: records.Wanted) -> records.Page[Event]:
    """Return events of the caller's organization, which may be narrowed by how far they are (``state``) too."""
    return records.page(session, principal, Event, wanted, order="position", conditions={"state": _of_state})


def deliveries_of(session: Session, events: Sequence[Event]) -> dict[int, list[Delivery]]:
    """Return the deliveries of events by the positions of these."""
    found: dict[int, list[Delivery]] = {event.position: [] for event in events}
    for one in session.scalars(select(Delivery).where(Delivery.event_position.in_(found))):
        found[one.event_position].append(one)
    return found


def progress(deliveries: Sequence[Delivery]) -> str:
    """Return how far an event is on its way to all who are to be told: one of :data:`PROGRESS`."""
    states = {one.state for one in deliveries}
    return next((name for name in ("failed", "pending", "delivered") if name in states), "pending")


def _of_state(values: Sequence[str]) -> ColumnElement[bool]:
    def has(state: str) -> ColumnElement[bool]:
        return exists().where(Delivery.event_position == Event.position, Delivery.state == state)

    known = {
        "failed": has("failed"),
        "delivered": has("delivered") & ~has("failed") & ~has("pending"),
        "pending": ~has("failed") & (has("pending") | ~has("delivered")),
    }
    return or_(*(known[value] for value in values))


def _is_of(name: str) -> Any:
    type_, dot, action = name.partition(".")
    return (Event.type == type_) & (Event.action == action) if dot else Event.type == type_


def position_of(session: Session, within: ColumnElement[bool], after: int | str | None) -> int:
    """Return the sequence after which to read on.

    Raises
    ------
    InvalidInput
        It is text, and neither ``latest`` nor the id of an event within that is still kept.
    """
    if after is None or isinstance(after, int):
        return after or 0
    if after == "latest":
        return session.scalar(select(func.max(Event.sequence))) or 0
    query = select(Event.sequence).where(Event.id == after, within)
    sequence = session.scalar(query) if "\0" not in after else None
    if sequence is None:
        raise InvalidInput.field(
            "after", "A cursor that this server handed out, the id of an event that is still kept, or latest."
        )
    return sequence
