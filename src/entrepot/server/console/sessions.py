"""Sessions of people who logged in: a signed cookie, for a working day, or until the password changes."""

import hashlib
import time

from sqlalchemy import select
from sqlalchemy.orm import Session
from starlette.requests import Request
from starlette.responses import Response

from entrepot.errors import Forbidden, Unauthenticated
from entrepot.identity import Principal, User, Vault
from entrepot.server.auth import principal_of
from entrepot.server.services import Services

COOKIE = "entrepot_session"
PATH = "/console"
_SECONDS = 12 * 3600
_PURPOSE, _FORM_PURPOSE = "console session", "console form"


def begin(response: Response, request: Request, vault: Vault, user: User) -> None:
    """Let a user in who has proved to be it."""
    message = f"{user.id}.{int(time.time()) + _SECONDS}.{_password_mark(user)}"
    response.set_cookie(
        COOKIE,
        f"{message}.{vault.sign(_PURPOSE, message)}",
        max_age=_SECONDS,
        path=PATH,
        secure=_is_secure(request),
        httponly=True,
        samesite="lax",
    )


def end(response: Response, request: Request) -> None:
    """Forget a session."""
    response.delete_cookie(COOKIE, path=PATH, secure=_is_secure(request), httponly=True, samesite="lax")


def find_principal(session: Session, vault: Vault, cookie: str) -> Principal:
    """Return whose session a cookie is.

    Raises
    ------
    Unauthenticated
        It is none, or has ended: by time, by another password, or because the user may not come in any more.
    """
    message, _, signature = cookie.rpartition(".")
    if not vault.verify(_PURPOSE, message, signature):
        raise Unauthenticated("Please log in.")
    user_id, until, mark = message.split(".")
    user = session.scalar(select(User).where(User.id == user_id))
    if user is None or user.disabled or int(until) < time.time() or mark != _password_mark(user):
        raise Unauthenticated("Your session has ended: please log in again.")
    return principal_of(session, user)


def form_token(request: Request) -> str:
    """Return what a form of this session must send back, so that no other site can send it."""
    services: Services = request.app.state.services
    cookie = request.cookies.get(COOKIE, "")
    return services.vault.sign(_FORM_PURPOSE, cookie) if cookie else ""


def require_own_form(request: Request, token: str) -> None:
    """Raise Forbidden when a form was not this session's own, or came from another site."""
    site = request.headers.get("sec-fetch-site", "same-origin")
    services: Services = request.app.state.services
    cookie = request.cookies.get(COOKIE)
    own = cookie is None or services.vault.verify(_FORM_PURPOSE, cookie, token)
    if site not in ("same-origin", "none") or not own:
        raise Forbidden("This form was not sent from the console: open the page again.")


def _password_mark(user: User) -> str:
    return hashlib.sha256(user.password_hash.encode()).hexdigest()[:16]


def _is_secure(request: Request) -> bool:
    services: Services = request.app.state.services
    return request.url.scheme == "https" or (services.settings.public_url or "").startswith("https:")
