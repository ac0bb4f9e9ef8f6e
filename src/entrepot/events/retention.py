"""How long events are kept: the log is cut at its beginning, and whoever asks for what is gone is told so."""

from datetime import datetime, timedelta

from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session

from entrepot import jobs
from entrepot.db import now
from entrepot.errors import InvalidInput
from entrepot.events.models import Delivery, Event

PRUNE = "events.prune"
_AT_ONCE = 1000


class Gone(InvalidInput):
    """What is asked for was there, and is no longer kept."""

    status = 410
    code = "gone"


def require_kept(session: Session, after: int) -> None:
    """Raise unless everything after a sequence is still there; 0 means the beginning, wherever that is.

    Raises
    ------
    Gone
        Some of it was deleted.
    """
    first = session.scalar(select(func.min(Event.sequence)))
    if after and first is not None and after < first - 1:
        raise Gone.field(
            "after", "Some events after this are no longer kept: leave it out to begin with the first that is."
        )


def prune(session: Session, before: datetime, limit: int = _AT_ONCE) -> int:
    """Delete the oldest events as far as they are from before an instant, with their deliveries; return how many.

    The newest event is always kept: sequences are counted on from it.
    """
    oldest = select(Event.sequence, Event.created).where(Event.sequence.is_not(None)).order_by(Event.sequence)
    last = session.scalar(select(func.max(Event.sequence)))
    gone = None
    for sequence, created in session.execute(oldest.limit(limit)):
        if created >= before or sequence == last:
            break
        gone = sequence
    if gone is None:
        return 0
    positions = select(Event.position).where(Event.sequence <= gone)
    session.execute(
        delete(Delivery).where(Delivery.event_position.in_(positions)),
        execution_options={"synchronize_session": False},
    )
    deleted = delete(Event).where(Event.sequence <= gone).returning(Event.position)
    return len(session.scalars(deleted, execution_options={"synchronize_session": False}).all())


@jobs.task(PRUNE)
def run(context: jobs.JobContext) -> dict[str, int]:
    """Delete the events, and the deliveries of them, that were kept for long enough."""
    before = now() - timedelta(days=context.settings.event_retention_days)
    deleted = 0
    while True:
        context.check()
        with context.unit() as session:
            part = prune(session, before)
        if not part:
            return {"deleted": deleted}
        deleted += part


def schedule(session: Session) -> None:
    """Have old events deleted, hour by hour."""
    jobs.schedules.every(session, PRUNE, 3600, PRUNE, key=PRUNE)
