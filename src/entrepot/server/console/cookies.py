"""The cookie of who logged in, and what forms send back to show that they are the console's own."""

from collections.abc import Iterator

from starlette.requests import Request
from starlette.responses import Response

from entrepot.errors import Forbidden
from entrepot.server import origin
from entrepot.server.services import Services

COOKIE = "entrepot_session"
PATH = "/console"
#: What scripts of pages send back in place of a form's field.
HEADER = "x-form-token"
_FORM_PURPOSE = "console form"
#: Whatever else a browser was made to send.
_MOST_COOKIES, _LONGEST_COOKIE = 10, 200


def give(response: Response, request: Request, token: str) -> None:
    """Have a browser keep the token of a session."""
    response.set_cookie(
        COOKIE,
        token,
        max_age=int(_services(request).settings.session_hours * 3600),
        path=PATH,
        secure=_is_secure(request),
        httponly=True,
        samesite="lax",
    )


def forget(response: Response, request: Request) -> None:
    """Have a browser forget it."""
    response.delete_cookie(COOKIE, path=PATH, secure=_is_secure(request), httponly=True, samesite="lax")


def tokens(request: Request) -> list[str]:
    """Return what may be the token of a session: any page of this host can set a second cookie of that name."""
    return list(dict.fromkeys(_cookies(request)))[:_MOST_COOKIES]


def form_token(request: Request) -> str:
    """Return what a form of this session must send back, so that no other site can send it."""
    token = current(request)
    return _services(request).vault.sign(_FORM_PURPOSE, token) if token else ""


def require_own_form(request: Request, sent: str) -> None:
    """Raise Forbidden when a form was not this session's own, or came from another site."""
    origin.require_own(request)
    token = current(request)
    if token and not _services(request).vault.verify(_FORM_PURPOSE, token, sent):
        raise Forbidden("This form was not sent from the console: open the page again.")


def current(request: Request) -> str:
    """Return the token of the session by which the request's caller is known; empty when it is none."""
    return str(getattr(request.state, "console_session", ""))


def _cookies(request: Request) -> Iterator[str]:
    for header in request.headers.getlist("cookie"):
        for part in header.split(";"):
            name, _, value = part.strip().partition("=")
            if name == COOKIE and value.isascii() and 0 < len(value) <= _LONGEST_COOKIE:
                yield value


def _services(request: Request) -> Services:
    services: Services = request.app.state.services
    return services


def _is_secure(request: Request) -> bool:
    return request.url.scheme == "https" or (_services(request).settings.public_url or "").startswith("https:")
