"""Sessions of people who logged in to the console: each a row, ended by signing out, by time, or by a new password.

Everybody sees and ends their own; administrators those of their organizations' members.

A link signs somebody in without a password, once: whoever may read the data folder makes one.
"""

import hashlib
import secrets
from collections.abc import Iterable
from datetime import timedelta
from typing import Any

from sqlalchemy import ColumnElement, Select, delete, select
from sqlalchemy.orm import Session

from entrepot.db import now
from entrepot.errors import NotFound
from entrepot.identity import audit, keys
from entrepot.identity.models import ConsoleSession, Membership, SignInLink, User
from entrepot.identity.principal import Principal

#: How long a link that signs somebody in can be followed.
LINK_LASTS = timedelta(minutes=10)


def begin(session: Session, user: User, hours: float, *, address: str = "", agent: str = "") -> str:
    """Begin a session of a user who proved to be it, and return its token, which cannot be had again.

    Parameters
    ----------
    address, agent
        Where it begins, and in which program, as that says itself.
    """
    token = f"{secrets.token_urlsafe(9)}.{secrets.token_urlsafe(32)}"
    audit.signing_in(session, user, address)
    session.add(
        ConsoleSession(
            token_sha256=token_sha256(token),
            user_id=user.id,
            address=address[:50],
            agent=agent[:300],
            expires_at=now() + timedelta(hours=hours),
        )
    )
    session.flush()
    return token


def under_way(session: Session, principal: Principal, user_id: str | None = None) -> Select[Any]:
    """Return the query of a user's sessions that go on: the caller's own, or for administrators a member's.

    Raises
    ------
    NotFound
        The caller may not know of this user's.
    """
    whose = user_id or principal.user_id
    query = select(ConsoleSession).where(ConsoleSession.user_id == whose, ConsoleSession.expires_at > now())
    if whose == principal.user_id:
        return query
    organization_id = principal.organization_id
    is_own = keys.administers(principal, organization_id)
    if not is_own or session.get(Membership, (whose, organization_id)) is None:
        raise NotFound("Member not found.")
    return query


def end_one(session: Session, principal: Principal, session_id: str) -> None:
    """End a session: one of the caller's own, or a member's for administrators.

    Raises
    ------
    NotFound
        There is none of this id that the caller may end.
    """
    principal.require_current()
    found = session.scalar(select(ConsoleSession).where(ConsoleSession.id == session_id))
    if found is None:
        raise NotFound("Session not found.")
    under_way(session, principal, found.user_id)
    session.delete(found)
    session.flush()


def find(session: Session, tokens: Iterable[str]) -> tuple[str, User] | None:
    """Return the first of the tokens that is one of a session under way, and whose it is."""
    by_digest = {token_sha256(token): token for token in tokens}
    query = (
        select(ConsoleSession.token_sha256, User)
        .join(User, User.id == ConsoleSession.user_id)
        .where(
            ConsoleSession.token_sha256.in_(list(by_digest)),
            ConsoleSession.expires_at > now(),
            User.disabled.is_(False),
        )
    )
    for digest, user in session.execute(query.limit(1)) if by_digest else ():
        return by_digest[digest], user
    return None


def make_link(session: Session, user: User, path: str) -> str:
    """Return the secret of a link that leads its first visitor, as this user, to a page; it works for ten minutes."""
    token = secrets.token_urlsafe(32)
    expires = now() + LINK_LASTS
    session.add(SignInLink(token_sha256=token_sha256(token), user_id=user.id, path=path, expires_at=expires))
    session.flush()
    return token


def follow_link(session: Session, token: str) -> tuple[User, str] | None:
    """Use up a link, and return whom it signs in, and to which page; None where there is none, or no more."""
    used = delete(SignInLink).where(SignInLink.token_sha256 == token_sha256(token), SignInLink.expires_at > now())
    found = session.execute(used.returning(SignInLink.user_id, SignInLink.path)).one_or_none()
    user = session.get(User, found.user_id) if found is not None else None
    return None if found is None or user is None or user.disabled else (user, found.path)


def end(session: Session, token: str) -> None:
    """End a session."""
    _end(session, ConsoleSession.token_sha256 == token_sha256(token))


def end_all(session: Session, user_id: str) -> int:
    """End all sessions of a user, and return how many there were."""
    session.execute(delete(SignInLink).where(SignInLink.user_id == user_id))
    return _end(session, ConsoleSession.user_id == user_id)


def prune(session: Session, limit: int) -> int:
    """Delete sessions that are over, at most `limit` of them, and return how many."""
    session.execute(delete(SignInLink).where(SignInLink.expires_at <= now()))
    over = select(ConsoleSession.token_sha256).where(ConsoleSession.expires_at <= now()).limit(limit)
    gone = delete(ConsoleSession).where(ConsoleSession.token_sha256.in_(over)).returning(ConsoleSession.token_sha256)
    return len(session.scalars(gone, execution_options={"synchronize_session": False}).all())


def _end(session: Session, which: ColumnElement[bool]) -> int:
    """End sessions one by one, so that the audit log tells of each."""
    found = session.scalars(select(ConsoleSession).where(which)).all()
    for one in found:
        session.delete(one)
    session.flush()
    return len(found)


def token_sha256(token: str) -> str:
    """Return what is stored of a session's token."""
    return hashlib.sha256(token.encode(errors="replace")).hexdigest()
