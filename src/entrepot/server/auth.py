"""Every door (Basic, ``Token``, ``Bearer``, ``x-access-token``) ends in one Principal."""

import base64
import binascii
import hashlib
import hmac
import secrets
import threading
import time

import structlog
from sqlalchemy import Connection, Row, bindparam, select
from sqlalchemy.orm import Session
from starlette.requests import Request

from entrepot.errors import EntrepotError, TooManyRequests, Unauthenticated
from entrepot.identity import Principal, User, bans, keys, users
from entrepot.server import origin
from entrepot.server.passwords import PasswordChecks
from entrepot.server.services import Services

log = structlog.get_logger("entrepot.http")

#: argon2 is slow on purpose; a password that was right stays so for as long, unless it changes.
_REMEMBER_SECONDS = 300.0
_REMEMBER_MOST = 10_000


class Authenticator:
    """Turns a request into the :class:`~entrepot.identity.Principal` that sends it."""

    def __init__(self, services: Services) -> None:
        self._database = services.database
        settings = services.settings
        self._limits = bans.Limits(settings.login_max_failures, settings.login_ban_seconds, settings.login_known_days)
        self._checks = PasswordChecks()
        self._salt = secrets.token_bytes(32)
        self._right: dict[bytes, float] = {}
        self._expected: dict[tuple[str, str], float] = {}
        self._lock = threading.Lock()

    def prove(self, request: Request) -> None:
        """Check the password that comes with a request, if one does; :meth:`authenticate` tells what came of it.

        To be called where nothing of the database is held: whoever waits for a check keeps nobody else waiting.
        """
        scheme, _, value = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "basic" or request.headers.get("x-access-token") or hasattr(request.state, "proved"):
            return
        try:
            origin.require_own(request)
            request.state.proved = self.by_password(*_basic(value.strip()), origin.address_of(request))
        except EntrepotError as error:
            request.state.proved = error

    def authenticate(self, session: Session | Connection, request: Request) -> Principal:
        """Return who sends a request by the credentials in its headers; a password was proved before.

        Raises
        ------
        Unauthenticated
            There are no credentials, or wrong ones.
        Forbidden
            A page of another site had a browser send the password that it keeps.
        TooManyRequests, Unavailable
            Too many wrong passwords came before, or too many are being checked.
        """
        token = token_of(request)
        if token is not None:
            principal = self.by_token(session, token)
            self._expect(request, token)
            return principal
        scheme = request.headers.get("authorization", "").partition(" ")[0]
        if scheme.lower() == "basic":
            self.prove(request)
            proved: User | EntrepotError = request.state.proved
            if isinstance(proved, EntrepotError):
                raise proved
            user = session.execute(_NOW, {"user_id": proved.id}).one_or_none()
            if user is None or user.disabled or user.password_hash != proved.password_hash:
                raise Unauthenticated("Invalid username/password.")
            return principal_of(session, user)
        raise Unauthenticated("Authentication credentials were not provided.")

    def expects(self, request: Request) -> bool:
        """Tell whether a request comes with a key that was good a moment ago, and from where it was.

        Its body may be read, then. Whether the key still is good, is seen in the transaction of what it is used for.
        """
        token = token_of(request)
        if token is None or "cookie" in request.headers:  # a page is for the session of its cookie first
            return False
        return self._expected.get((keys.token_sha256(token), origin.address_of(request)), 0.0) > time.monotonic()

    def _expect(self, request: Request, token: str) -> None:
        if len(self._expected) >= _REMEMBER_MOST:
            self._expected.clear()
        self._expected[keys.token_sha256(token), origin.address_of(request)] = time.monotonic() + _REMEMBER_SECONDS

    def by_token(self, session: Session | Connection, token: str) -> Principal:
        """Return the principal of an API key's token."""
        principal = keys.find_principal(session, token)
        if principal is None:
            raise Unauthenticated("Invalid token.")
        return principal

    def by_password(self, login: str, password: str, address: str) -> User:
        """Return the user of a login and its password, which come from an address."""
        with self._database.read() as session:
            attempt = bans.look(session, self._limits, address, login)
            user = session.scalar(select(User).where(User.login == login))
        if attempt.wait:
            raise TooManyRequests(f"Too many failed logins; try again in {attempt.wait} s.", attempt.wait)
        proof = self._proof(user, password, address)
        if not self._remembers(proof):
            if not self._checks.matches(user, password, bans.network_of(address)):
                self._note_failure(address, login)
                raise Unauthenticated("Invalid username/password.")
            if attempt.notable:
                with self._database.write() as own:
                    bans.succeeded(own, self._limits, address, login)
            self._remember(proof)
        if user is None or user.disabled:
            raise Unauthenticated("Invalid username/password.")
        return user

    def _note_failure(self, address: str, login: str) -> None:
        with self._database.write() as session:
            refused = bans.failed(session, self._limits, address, login)
        log.warning("login failed", login=login[:300], address=address, refused=refused)

    def _proof(self, user: User | None, password: str, address: str) -> bytes:
        stored = user.password_hash if user is not None and not user.disabled else secrets.token_hex()
        message = f"{stored}\0{bans.network_of(address)}\0{password}".encode(errors="replace")
        return hmac.digest(self._salt, message, hashlib.sha256)

    def _remembers(self, proof: bytes) -> bool:
        with self._lock:
            return self._right.get(proof, 0.0) > time.monotonic()

    def _remember(self, proof: bytes) -> None:
        with self._lock:
            if len(self._right) >= _REMEMBER_MOST:
                self._right.clear()
            self._right[proof] = time.monotonic() + _REMEMBER_SECONDS


_NOW = select(User.id, User.login, User.disabled, User.password_hash).where(User.id == bindparam("user_id"))


def token_of(request: Request) -> str | None:
    """Return the token that a request came with; None when it came with none."""
    if token := request.headers.get("x-access-token"):
        return token
    scheme, _, value = request.headers.get("authorization", "").partition(" ")
    return value.strip() if scheme.lower() in ("token", "bearer") else None


def principal_of(session: Session | Connection, user: User | Row[str, str, bool, str]) -> Principal:
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
