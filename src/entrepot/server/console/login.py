"""Logging in and out, and what pages look like to somebody."""

from ipaddress import ip_address
from urllib.parse import urlsplit

from anyio.to_thread import run_sync
from sqlalchemy import select
from sqlalchemy.orm import Session
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from entrepot.errors import NotFound, TooManyRequests, Unauthenticated, Unavailable
from entrepot.identity import Principal, User, sessions
from entrepot.server import origin
from entrepot.server.auth import Authenticator
from entrepot.server.bodies import Body
from entrepot.server.console import cookies, preferences
from entrepot.server.console.page import Page, fields_of, form, page, render
from entrepot.server.endpoint import Call, Endpoint, challenge
from entrepot.server.services import Services
from entrepot.server.streaming import StreamEndpoint

FIRST = "/console"
_OF_PROXIES = ("forwarded", "x-forwarded-for", "x-real-ip", "via")


def _ask(call: Call) -> Response:
    return page("login.html", message="", next=_wanted(call.query.get("next", "")), typed="")


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
        return page("login.html", error.status, headers, message=error.message, next=wanted, typed=login)
    response = RedirectResponse(wanted, 303)
    with services.database.write() as session:
        user = session.scalars(select(User).where(User.id == proved.id)).one()
        cookies.give(response, request, _begin(session, request, user))
    return response


def _begin(session: Session, request: Request, user: User) -> str:
    services: Services = request.app.state.services
    address, agent = origin.address_of(request), request.headers.get("user-agent", "")
    return sessions.begin(session, user, services.settings.session_hours, address=address, agent=agent)


def _follow(call: Call) -> Response:
    """Sign in whom a link of this machine is for, once."""
    request = call.request
    _require_this_machine(request)
    request.state.writes = True  # though it is a GET: no page of another site signs anybody in
    origin.require_own(request)
    found = sessions.follow_link(call.session, call.query.get("token", ""))
    if found is None:
        raise NotFound("This link was used already, or is older than ten minutes: log in, or make another.")
    user, path = found
    response = RedirectResponse(_wanted(path), 303)
    cookies.give(response, request, _begin(call.session, request, user))
    return response


def _require_this_machine(request: Request) -> None:
    """Raise unless a request comes from this machine, and asks for it by its own address, through no proxy."""
    names = (origin.address_of(request), request.url.hostname or "")
    if not all(map(_is_loopback, names)) or any(name in request.headers for name in _OF_PROXIES):
        raise NotFound("Links that sign in work on the server's own machine alone.")


def _is_loopback(name: str) -> bool:
    try:
        return name == "localhost" or ip_address(name).is_loopback
    except ValueError:
        return False


def _log_out(call: Call) -> Response:
    sessions.end(call.session, cookies.current(call.request))
    response = RedirectResponse("/console/login", 303)
    cookies.forget(response, call.request)
    return response


def _prefer(call: Call) -> Response:
    return render(call, "preferences.html", themes=preferences.THEMES, zones=sorted(preferences.zones()))


def _keep(call: Call) -> Response:
    return preferences.keep(call.request, RedirectResponse(_wanted(_came_from(call.request)), 303), call.content)


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
    Page("GET", "/console/link", _follow, "identity", "read", access="open", write=True),
    Page("GET", "/console/preferences", _prefer, "identity", "read", access="own"),
    Page("POST", "/console/preferences", _keep, "identity", "read", access="own", parse=form),
    Page("POST", "/console/logout", _log_out, "identity", "read", access="own", parse=form),
)
