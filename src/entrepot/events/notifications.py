"""Notifications: raised once, listed until resolved."""

from sqlalchemy import delete, func, select, update
from sqlalchemy.orm import Session

from entrepot.errors import NotFound
from entrepot.events.models import Notification
from entrepot.identity import Principal, Right


def notify(
    session: Session,
    name: str,
    message: str,
    *,
    organization_id: str,
    project_id: str,
    generator_kind: str | None = None,
    generator_id: str | None = None,
) -> Notification:
    """Raise a notification; one of the same name that its generator still has open is refreshed instead."""
    query = select(Notification).where(
        Notification.project_id == project_id,
        Notification.generator_id == generator_id,
        Notification.name == name,
        Notification.resolved.is_(False),
    )
    notification = session.scalars(query.limit(1)).first()
    if notification is None:
        notification = Notification(
            name=name,
            organization_id=organization_id,
            project_id=project_id,
            generator_kind=generator_kind,
            generator_id=generator_id,
        )
        session.add(notification)
    notification.message = message
    session.flush()
    return notification


def get_notification(
    session: Session, principal: Principal, notification_id: str, right: Right = "read"
) -> Notification:
    """Return a notification of the caller's organizations."""
    notification = session.scalar(select(Notification).where(Notification.id == notification_id))
    if notification is None:
        raise NotFound("Notification not found.")
    principal.require(right, notification.organization_id, "Notification")
    return notification


def list_notifications(
    session: Session,
    principal: Principal,
    *,
    project_id: str | None = None,
    generator_id: str | None = None,
    resolved: bool | None = None,
    offset: int = 0,
    limit: int = 200,
) -> list[Notification]:
    """Return notifications that the caller may read, newest first."""
    query = select(Notification).where(Notification.organization_id.in_(list(principal.roles)))
    if project_id is not None:
        query = query.where(Notification.project_id == project_id)
    if generator_id is not None:
        query = query.where(Notification.generator_id == generator_id)
    if resolved is not None:
        query = query.where(Notification.resolved.is_(resolved))
    return list(session.scalars(query.order_by(Notification.pk.desc()).offset(offset).limit(limit)))


def count_unresolved(session: Session, generator_id: str) -> int:
    """Return how many notifications of a generator are open."""
    query = select(func.count()).where(Notification.generator_id == generator_id, Notification.resolved.is_(False))
    return session.scalar(query) or 0


def resolve(session: Session, generator_id: str, name: str) -> None:
    """Resolve what a generator has open under this name, because its cause is gone."""
    session.execute(
        update(Notification)
        .where(Notification.generator_id == generator_id, Notification.name == name)
        .values(resolved=True)
    )


def forget_project(session: Session, project_id: str) -> None:
    """Delete the notifications of a project that goes."""
    session.execute(delete(Notification).where(Notification.project_id == project_id))
