"""How much there is to tell, and how much was told and is not over: for those who look after a server."""

from sqlalchemy import ColumnClause, func, literal_column, select
from sqlalchemy.orm import Session

from entrepot.db import now
from entrepot.events.models import Delivery, Mail, Notification, Webhook

_PENDING: ColumnClause[str] = literal_column("'pending'")  # spelled out, so that its index serves


def deliveries(session: Session) -> tuple[int, float]:
    """Return how many deliveries wait, and for how many seconds the oldest one does."""
    query = select(func.count(), func.min(Delivery.created_at)).where(Delivery.status == _PENDING)
    count, oldest = session.execute(query).one()
    return count, (now() - oldest).total_seconds() if oldest else 0.0


def webhooks(session: Session) -> dict[str, int]:
    """Return how many webhooks there are by status."""
    query = select(Webhook.status, func.count()).group_by(Webhook.status)
    return dict(session.execute(query).all())


def mails(session: Session) -> int:
    """Return how many mails wait."""
    return session.scalar(select(func.count()).select_from(Mail).where(Mail.status == _PENDING)) or 0


def notices(session: Session) -> dict[str, int]:
    """Return how many notifications are not resolved, by name."""
    query = select(Notification.name, func.count()).where(Notification.resolved.is_(False)).group_by(Notification.name)
    return dict(session.execute(query).all())
