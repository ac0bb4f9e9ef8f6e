"""Logging in and out, and what the pages look like."""

from importlib.resources import files
from urllib.parse import urlsplit

from anyio.to_thread import run_sync
from sqlalchemy import select
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from entrepot.errors import TooManyRequests, Unauthenticated, Unavailable
from entrepot.identity import Principal, User, sessions
from entrepot.server import origin
from entrepot.server.auth import Authenticator
from entrepot.server.bodies import Body
from entrepot.server.console import cookies
from entrepot.server.console.page import Page, fields_of, form, page
from entrepot.server.endpoint import Call, Endpoint, challenge
from entrepot.server.services import Services
from entrepot.server.streaming import StreamEndpoint

FIRST = "/console"
_STYLE = (files("entrepot.server.console") / "static" / "console.css").read_bytes()


def _ask(call: Call) -> Response:
    return page("login.html", message="", next=_wanted(call.query.get("next", "")))


async def _log_in(request: Request, _: Principal) -> Response:
    # Whoever waits for a password to be checked holds nothing that others wait for.
    return await run_sync(_let_in, request, await Body.of(request.scope).read("small"))


def _let_in(request: Request, body: bytes) -> Response:
    origin.require_own(request)
    authenticator: Authenticator = request.app.state.authenticator
    services: Services = request.app.state.services
    fields = fields_of(body)
    login, wanted = fields.get("login", ""), _wanted(fields.get("next") or _came_from(request))
    try:
        proved = authenticator.by_password(login, fields.get("password", ""), origin.address_of(request))
    except (Unauthenticated, TooManyRequests, Unavailable) as error:
        headers = {name: value for name, value in challenge(error).items() if name == "retry-after"}
        return page("login.html", error.status, headers, message=error.message, next=wanted)
    response = RedirectResponse(wanted, 303)
    with services.database.write() as session:
        user = session.scalars(select(User).where(User.id == proved.id)).one()
        cookies.give(response, request, sessions.begin(session, user, services.settings.session_hours))
    return response


def _log_out(call: Call) -> Response:
    sessions.end(call.session, cookies.current(call.request))
    response = RedirectResponse("/console/login", 303)
    cookies.forget(response, call.request)
    return response


def _style(_: Call) -> Response:
    return Response(_STYLE, media_type="text/css", headers={"cache-control": "max-age=300"})


def _came_from(request: Request) -> str:
    """Return the page of this server on which the form was: where one has to log in, it takes that page's place."""
    address = urlsplit(request.headers.get("referer", ""))
    if address.netloc != request.headers.get("host") or address.path == "/console/login":
        return ""
    return f"{address.path}?{address.query}" if address.query else address.path


def _wanted(path: str) -> str:
    """Return the page to go on to: one of the console's."""
    return path if path.startswith("/console/") and "\\" not in path else FIRST


PAGES: tuple[Endpoint, ...] = (
    Page("GET", "/console/login", _ask, "identity", "read", access="open"),
    StreamEndpoint("POST", "/console/login", _log_in, "identity", "read", access="open", body="small"),
    Page("POST", "/console/logout", _log_out, "identity", "read", access="own", parse=form),
    Page("GET", "/console/static/console.css", _style, "identity", "read", access="open"),
)
