"""Every door (Basic, ``Token``, ``Bearer``, ``x-access-token``) ends in one Principal."""

import base64
import binascii
import hashlib
import hmac
import secrets
import threading
import time

from sqlalchemy import select
from sqlalchemy.orm import Session
from starlette.datastructures import Headers

from entrepot.errors import Unauthenticated
from entrepot.identity import Principal, User, keys, users

#: argon2 is slow on purpose; a password that was right stays so for as long, unless it changes.
_REMEMBER_SECONDS = 300.0
_REMEMBER_MOST = 10_000


class Authenticator:
    """Turns the headers of a request into a :class:`~entrepot.identity.Principal`."""

    def __init__(self) -> None:
        self._salt = secrets.token_bytes(32)
        self._right: dict[bytes, float] = {}
        self._lock = threading.Lock()

    def authenticate(self, session: Session, headers: Headers) -> Principal:
        """Return who sends these headers.

        Raises
        ------
        Unauthenticated
            There are no credentials, or wrong ones.
        """
        if token := headers.get("x-access-token"):
            return self.by_token(session, token)
        scheme, _, value = headers.get("authorization", "").partition(" ")
        match scheme.lower():
            case "basic":
                return self.by_password(session, *_basic(value.strip()))
            case "token" | "bearer":
                return self.by_token(session, value.strip())
        raise Unauthenticated("Authentication credentials were not provided.")

    def by_token(self, session: Session, token: str) -> Principal:
        """Return the principal of an API key's token."""
        principal = keys.find_principal(session, token)
        if principal is None:
            raise Unauthenticated("Invalid token.")
        return principal

    def by_password(self, session: Session, login: str, password: str) -> Principal:
        """Return the principal of a login and its password."""
        user = session.scalar(select(User).where(User.login == login))
        if not self._password_matches(user, password):
            raise Unauthenticated("Invalid username/password.")
        assert user is not None
        return principal_of(session, user)

    def _password_matches(self, user: User | None, password: str) -> bool:
        if user is None or user.disabled:
            return users.password_matches(user, password)
        proof = hmac.digest(self._salt, f"{user.password_hash}\0{password}".encode(), hashlib.sha256)
        with self._lock:
            if self._right.get(proof, 0.0) > time.monotonic():
                return True
        if not users.password_matches(user, password):
            return False
        with self._lock:
            if len(self._right) >= _REMEMBER_MOST:
                self._right.clear()
            self._right[proof] = time.monotonic() + _REMEMBER_SECONDS
        return True


def principal_of(session: Session, user: User) -> Principal:
    """Return the principal of a user who proved to be it, in all its organizations."""
    roles = users.memberships(session, user.id)
    if not roles:
        raise Unauthenticated("This user is a member of no organization.")
    return Principal(user_id=user.id, login=user.login, organization_id=next(iter(roles)), roles=roles)


def _basic(value: str) -> tuple[str, str]:
    try:
        raw = base64.b64decode(value, validate=True)
    except (binascii.Error, ValueError):
        raise Unauthenticated("Invalid basic header.") from None
    try:
        text = raw.decode()
    except UnicodeDecodeError:
        # Some clients encode credentials as latin-1.
        text = raw.decode("latin-1")
    login, _, password = text.partition(":")
    return login, password
