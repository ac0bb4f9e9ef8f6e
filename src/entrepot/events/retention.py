"""How long events, and what was told of them, are kept.

The log is cut at its beginning, and whoever asks for what is gone is told so.
"""

from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from sqlalchemy import Select, delete, func, select
from sqlalchemy.orm import Session

from entrepot import jobs
from entrepot.db import now
from entrepot.errors import InvalidInput
from entrepot.events.models import Delivery, Event, Mail, Notification

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
    first = session.scalar(select(func.min(Event.sequence)).where(Event.sequence.is_not(None)))
    if after and first is not None and after < first - 1:
        raise Gone.field(
            "after", "Some events after this are no longer kept: leave it out to begin with the first that is."
        )


def prune(session: Session, before: datetime, limit: int = _AT_ONCE) -> int:
    """Delete the oldest events as far as they are from before an instant, with their deliveries; return how many.

    The newest event is always kept: sequences are counted on from it.
    """
    oldest = select(Event.sequence, Event.created_at).where(Event.sequence.is_not(None)).order_by(Event.sequence)
    last = session.scalar(select(func.max(Event.sequence)).where(Event.sequence.is_not(None)))
    gone = None
    for sequence, created in session.execute(oldest.limit(limit)):
        if created >= before or sequence == last:
            break
        gone = sequence
    if gone is None:
        return 0
    numbers = select(Event.number).where(Event.sequence <= gone)
    session.execute(
        delete(Delivery).where(Delivery.event_number.in_(numbers)),
        execution_options={"synchronize_session": False},
    )
    deleted = delete(Event).where(Event.sequence <= gone).returning(Event.number)
    return len(session.scalars(deleted, execution_options={"synchronize_session": False}).all())


def prune_deliveries(session: Session, before: datetime, limit: int = _AT_ONCE) -> int:
    """Delete the oldest deliveries that ended, as far as they are from before an instant; return how many."""
    old = select(Delivery.number).where(Delivery.created_at < before, Delivery.status != "pending")
    return _delete(session, Delivery, Delivery.number, old.order_by(Delivery.created_at).limit(limit))


def prune_notifications(session: Session, before: datetime, limit: int = _AT_ONCE) -> int:
    """Delete notifications that were resolved before an instant; return how many."""
    old = select(Notification.number).where(Notification.resolved_at < before, Notification.resolved.is_(True))
    return _delete(session, Notification, Notification.number, old.limit(limit))


def prune_mails(session: Session, before: datetime, limit: int = _AT_ONCE) -> int:
    """Delete mails from before an instant that were sent or given up; return how many."""
    old = select(Mail.number).where(Mail.created_at < before, Mail.status != "pending")
    return _delete(session, Mail, Mail.number, old.order_by(Mail.created_at).limit(limit))


def _delete(session: Session, model: type[Any], key: Any, which: Select[Any]) -> int:
    gone = delete(model).where(key.in_(which)).returning(key)
    return len(session.scalars(gone, execution_options={"synchronize_session": False}).all())


@jobs.task(PRUNE)
def run(context: jobs.JobContext) -> dict[str, int]:
    """Delete events, deliveries, resolved notifications and mails that were kept for long enough."""
    settings, instant = context.settings, now()
    kept: tuple[tuple[str, float, Callable[..., int]], ...] = (
        ("deliveries", settings.delivery_retention_days, prune_deliveries),
        ("events", settings.event_retention_days, prune),
        ("notifications", settings.notification_retention_days, prune_notifications),
        ("mails", settings.mail_retention_days, prune_mails),
    )
    return {
        what: jobs.in_units(context, partial(part, before=instant - timedelta(days=days))) for what, days, part in kept
    }


def schedule(session: Session) -> None:
    """Have old events deleted, hour by hour."""
    jobs.schedules.every(session, PRUNE, 3600, PRUNE, key=PRUNE)
