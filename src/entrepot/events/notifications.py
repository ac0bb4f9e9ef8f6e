"""Notifications: raised once, listed until resolved."""

from sqlalchemy import ColumnElement, delete, func, select
from sqlalchemy.orm import Session

from entrepot import jobs
from entrepot.db import advisory_lock, keyset, now
from entrepot.errors import NotFound
from entrepot.events.log import emit
from entrepot.events.models import Notification
from entrepot.identity import Principal, Project, Right

#: The kind of job that mails what a project's members are to know (:mod:`entrepot.events.mail`).
MAIL = "notices.mail"


def notify(
    session: Session,
    name: str,
    message: str,
    *,
    organization_id: str,
    project_id: str,
    generator_kind: str | None = None,
    generator_id: str | None = None,
    subject: str | None = None,
    origin: str = "",
) -> Notification:
    """Raise a notification; one of the same name and subject that its generator still has open is refreshed instead.

    Parameters
    ----------
    name
        What kind of thing it is, in words.
    message
        What is wrong, in a sentence.
    subject
        What of the generator it is about, where that is not all of it.
    origin
        Where the trouble comes from, in words: what has one origin is mailed together.
    """
    advisory_lock(session, "notification", project_id, generator_id or "", name, subject or "")
    query = select(Notification).where(
        Notification.project_id == project_id,
        Notification.generator_id == generator_id,
        Notification.name == name,
        Notification.subject == subject,
        Notification.resolved.is_(False),
    )
    notification = session.scalars(query.limit(1)).first()
    if notification is not None:
        notification.message = message
        session.flush()
        return notification
    notification = Notification(
        name=name,
        message=message,
        organization_id=organization_id,
        project_id=project_id,
        generator_kind=generator_kind,
        generator_id=generator_id,
        subject=subject,
        origin=origin,
    )
    session.add(notification)
    session.flush()
    _emit(session, notification, "raised")
    mail_later(session, project_id)
    return notification


def mail_later(session: Session, project_id: str) -> None:
    """Have a project's open notifications mailed, if it sends mails, when it is time."""
    project = session.get(Project, project_id)
    if project is not None and project.mails:
        jobs.enqueue(
            session,
            MAIL,
            {"project": project.id},
            organization_id=project.organization_id,
            project_id=project.id,
            key=f"{MAIL}:{project.id}",
            coalesce=f"{MAIL}:{project.id}",
        )


def get_notification(
    session: Session, principal: Principal, notification_id: str, right: Right = "read"
) -> Notification:
    """Return a notification of the caller's organizations."""
    notification = session.scalar(select(Notification).where(Notification.id == notification_id))
    if notification is None:
        raise NotFound("Notification not found.")
    principal.require(right, notification.organization_id, "Notification", notification.project_id)
    return notification


def list_notifications(
    session: Session,
    principal: Principal,
    *,
    project_id: str | None = None,
    generator_id: str | None = None,
    resolved: bool | None = None,
    read: bool | None = None,
    offset: int = 0,
    limit: int = 200,
) -> list[Notification]:
    """Return notifications that the caller may read, newest first."""
    query = select(Notification).where(principal.within(Notification))
    if project_id is not None:
        query = query.where(Notification.project_id == project_id)
    if generator_id is not None:
        query = query.where(Notification.generator_id == generator_id)
    if resolved is not None:
        query = query.where(Notification.resolved.is_(resolved))
    if read is not None:
        query = query.where(Notification.read.is_(read))
    return list(session.scalars(query.order_by(keyset.along(Notification.number).desc()).offset(offset).limit(limit)))


def count_unresolved(session: Session, generator_id: str) -> int:
    """Return how many notifications of a generator are open."""
    query = select(func.count()).where(Notification.generator_id == generator_id, Notification.resolved.is_(False))
    return session.scalar(query) or 0


def resolve(session: Session, generator_id: str, name: str, *, subject: str | None = None) -> None:
    """Resolve what a generator has open under this name, because its cause is gone."""
    same = Notification.name == name, Notification.subject == subject
    _resolve(session, Notification.generator_id == generator_id, *same)


def resolve_all(session: Session, generator_id: str) -> None:
    """Resolve all that a generator has open, because it is deleted."""
    _resolve(session, Notification.generator_id == generator_id)


def change(
    session: Session,
    principal: Principal,
    notification_id: str,
    *,
    resolved: bool | None = None,
    read: bool | None = None,
) -> Notification:
    """Say that a notification is resolved or has been read, or is not."""
    notification = get_notification(session, principal, notification_id, "write")
    if resolved is not None and resolved != notification.resolved:
        _mark_resolved(session, notification, resolved=resolved, user_id=principal.user_id)
    if read is not None and read != notification.read:
        notification.read = read
        if read:
            _emit(session, notification, "read", principal.user_id)
    session.flush()
    return notification


def settle(session: Session, notification: Notification) -> None:
    """Resolve a notification, because its cause is gone."""
    _mark_resolved(session, notification, resolved=True)


def open_ones(session: Session, name: str) -> list[Notification]:
    """Return all open notifications of a name, whosesoever they are."""
    return list(
        session.scalars(select(Notification).where(Notification.name == name, Notification.resolved.is_(False)))
    )


def _resolve(session: Session, *conditions: ColumnElement[bool]) -> None:
    for notification in session.scalars(select(Notification).where(*conditions, Notification.resolved.is_(False))):
        _mark_resolved(session, notification, resolved=True)


def _mark_resolved(session: Session, notification: Notification, *, resolved: bool, user_id: str | None = None) -> None:
    notification.resolved, notification.resolved_at = resolved, now() if resolved else None
    session.flush()
    _emit(session, notification, "resolved" if resolved else "raised", user_id)


def _emit(session: Session, notification: Notification, action: str, user_id: str | None = None) -> None:
    data = {
        "name": notification.name,
        "message": notification.message,
        "generator": notification.generator_id,
        "subject": notification.subject,
        "origin": notification.origin,
    }
    emit(
        session,
        "notification",
        action,
        notification.id,
        organization_id=notification.organization_id,
        project_id=notification.project_id,
        data=data,
        user_id=user_id or None,
    )


def forget_project(session: Session, project_id: str) -> None:
    """Delete the notifications of a project that goes."""
    session.execute(delete(Notification).where(Notification.project_id == project_id))
