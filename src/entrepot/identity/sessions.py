"""Sessions of people who logged in to the console: each a row, ended by signing out, by time, or by a new password."""

import hashlib
import secrets
from collections.abc import Iterable
from datetime import timedelta

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from entrepot.db import now
from entrepot.identity.models import ConsoleSession, User


def begin(session: Session, user: User, hours: float) -> str:
    """Begin a session of a user who proved to be it, and return its token, which cannot be had again."""
    token = f"{secrets.token_urlsafe(9)}.{secrets.token_urlsafe(32)}"
    session.add(ConsoleSession(token_sha256=_sha256(token), user_id=user.id, expires=now() + timedelta(hours=hours)))
    session.flush()
    return token


def find(session: Session, tokens: Iterable[str]) -> tuple[str, User] | None:
    """Return the first of the tokens that is one of a session under way, and whose it is."""
    by_digest = {_sha256(token): token for token in tokens}
    query = (
        select(ConsoleSession.token_sha256, User)
        .join(User, User.id == ConsoleSession.user_id)
        .where(
            ConsoleSession.token_sha256.in_(list(by_digest)),
            ConsoleSession.expires > now(),
            User.disabled.is_(False),
        )
    )
    for digest, user in session.execute(query.limit(1)) if by_digest else ():
        return by_digest[digest], user
    return None


def end(session: Session, token: str) -> None:
    """End a session."""
    session.execute(delete(ConsoleSession).where(ConsoleSession.token_sha256 == _sha256(token)))


def end_all(session: Session, user_id: str) -> int:
    """End all sessions of a user, and return how many there were."""
    ended = delete(ConsoleSession).where(ConsoleSession.user_id == user_id).returning(ConsoleSession.token_sha256)
    return len(session.scalars(ended).all())


def prune(session: Session, limit: int) -> int:
    """Delete sessions that are over, at most `limit` of them, and return how many."""
    over = select(ConsoleSession.token_sha256).where(ConsoleSession.expires <= now()).limit(limit)
    gone = delete(ConsoleSession).where(ConsoleSession.token_sha256.in_(over)).returning(ConsoleSession.token_sha256)
    return len(session.scalars(gone, execution_options={"synchronize_session": False}).all())


def _sha256(token: str) -> str:
    return hashlib.sha256(token.encode(errors="replace")).hexdigest()
