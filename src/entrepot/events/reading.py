"""Reading the event log: on from a cursor, and as a list."""

from collections.abc import Callable, Collection, Sequence

from sqlalchemy import ColumnElement, exists, func, or_, select
from sqlalchemy.orm import Session

from entrepot.db import Database, keyset
from entrepot.errors import InvalidInput, NotFound
from entrepot.events import log
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
    publish(database)
    with database.read() as session:
        position = position_of(session, within, after)
        require_kept(session, position)
        order = keyset.along(Event.sequence)
        query = select(Event).where(within, Event.sequence.is_not(None), order > position)
        if types:
            query = query.where(_is_of(types))
        found = list(session.scalars(query.order_by(order).limit(limit)))
        # Where nothing happened the cursor moves on all the same, so that it does not come to lie in what is deleted.
        last = (
            found[-1].sequence
            if found
            else session.scalar(select(func.max(Event.sequence)).where(Event.sequence.is_not(None)))
        )
    return found, max(position, last or 0)


def publish(database: Database) -> None:
    """Publish what is committed, so that whoever looks at events after this sees what happened before it."""
    with database.read() as session:
        lacking = lacks(session)
    if lacking is not None:
        lacking(database)


def lacks(session: Session) -> Callable[[Database], None] | None:
    """Return what publishes that which is committed, where a snapshot has events that nobody can read yet."""
    return _publish if session.scalar(select(log.is_unpublished())) else None


def _publish(database: Database) -> None:
    waiting = True
    while waiting:
        with database.write() as session:
            waiting = dispatch(session) > 0


def get_event(session: Session, principal: Principal, event_id: str, types: Collection[str]) -> Event:
    """Return an event of the caller's organizations that is one of these: ``type`` or ``type.action`` each."""
    event: Event = records.find(session, principal, Event, "Event", event_id)
    if not {event.type, f"{event.type}.{event.action}"}.intersection(types):
        raise NotFound("Event not found.")
    return event


def list_events(session: Session, principal: Principal, wanted: records.Wanted) -> records.Page[Event]:
    """Return events of the caller's organization.

    They may be narrowed by how far they are (``status``), and by ``types`` (``type`` or ``type.action`` each), too.
    """
    return records.page(session, principal, Event, wanted, conditions=_CONDITIONS)


def deliveries_of(session: Session, events: Sequence[Event]) -> dict[int, list[Delivery]]:
    """Return the deliveries of events by the numbers of these."""
    found: dict[int, list[Delivery]] = {event.number: [] for event in events}
    for one in session.scalars(select(Delivery).where(Delivery.event_number.in_(found))):
        found[one.event_number].append(one)
    return found


def progress(deliveries: Sequence[Delivery]) -> str:
    """Return how far an event is on its way to all who are to be told: one of :data:`PROGRESS`."""
    found = {one.status for one in deliveries}
    return next((name for name in ("failed", "pending", "delivered") if name in found), "pending")


def _of_status(values: Sequence[str]) -> ColumnElement[bool]:
    def has(status: str) -> ColumnElement[bool]:
        return exists().where(Delivery.event_number == Event.number, Delivery.status == status)

    known = {
        "failed": has("failed"),
        "delivered": has("delivered") & ~has("failed") & ~has("pending"),
        "pending": ~has("failed") & (has("pending") | ~has("delivered")),
    }
    return or_(*(known[value] for value in values))


def _is_of(types: Sequence[str]) -> ColumnElement[bool]:
    def is_(name: str) -> ColumnElement[bool]:
        type_, dot, action = name.partition(".")
        return (Event.type == type_) & (Event.action == action) if dot else Event.type == type_

    return or_(*map(is_, types))


_CONDITIONS: records.Conditions = {"status": _of_status, "types": _is_of}


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
        return session.scalar(select(func.max(Event.sequence)).where(Event.sequence.is_not(None))) or 0
    query = select(Event.sequence).where(Event.id == after, within)
    sequence = session.scalar(query) if "\0" not in after else None
    if sequence is None:
        raise InvalidInput.field(
            "after", "A cursor that this server handed out, the id of an event that is still kept, or latest."
        )
    return sequence
