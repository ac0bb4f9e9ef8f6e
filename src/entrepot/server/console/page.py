"""One way to write a page: an endpoint that people reach by their session, and its template."""

import gzip
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, urlencode

from jinja2 import Environment, PackageLoader, StrictUndefined
from sqlalchemy import Connection
from sqlalchemy.orm import Session
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

import entrepot
from entrepot.errors import EntrepotError, InvalidInput
from entrepot.identity import Organization, Principal, sessions
from entrepot.server import origin
from entrepot.server.auth import principal_of
from entrepot.server.console import bundle, cookies
from entrepot.server.console.preferences import Preferences
from entrepot.server.endpoint import Call, Endpoint, ErrorRenderer, admit
from entrepot.server.problems import problem
from entrepot.server.services import Services


@dataclass(frozen=True)
class Place:
    """A line of the navigation: what is written, where it leads, the letter that goes there after ``g``, for whom."""

    name: str
    address: str
    key: str
    of_administrators: bool = False


NAVIGATION = (
    Place("Overview", "/console", "o"),
    Place("Projects", "/console/projects", "p"),
    Place("Explorer", "/console/explorer", "e"),
    Place("Runs", "/console/runs", "r"),
    Place("Works", "/console/works", "w"),
    Place("Rows", "/console/rows", "t"),
    Place("Files", "/console/files", "f"),
    Place("Events", "/console/events", "v"),
    Place("Lineage", "/console/lineage", "l"),
    Place("Notifications", "/console/notifications", "n"),
    Place("People", "/console/people", "m"),
    Place("Server", "/console/server", "s", of_administrators=True),
)
_HEADERS = {
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; "
        "frame-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "cache-control": "no-store",
    "referrer-policy": "same-origin",
    "x-content-type-options": "nosniff",
}
_MOST_FIELDS = 50
_LONG, _LEVEL = 4096, 5
_TEMPLATES = Environment(
    loader=PackageLoader("entrepot.server.console"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


_USUAL = Preferences()


@dataclass(frozen=True)
class Frame:
    """What a page has around its own content.

    Attributes
    ----------
    path, query
        Of the page, by which the navigation says where one is, and the parameters in its address.
    login, organization
        Who is logged in; empty where nobody is.
    administers
        Whether that one administers the organization, whom the navigation leads to more.
    form_token
        What forms send back.
    preferences
        Of the browser.
    """

    path: str = ""
    query: tuple[tuple[str, str], ...] = ()
    login: str = ""
    organization: str = ""
    administers: bool = False
    form_token: str = ""
    preferences: Preferences = _USUAL

    @property
    def places(self) -> tuple[Place, ...]:
        """Where the navigation leads."""
        return tuple(one for one in NAVIGATION if self.administers or not one.of_administrators)

    def csv(self, table: int = 0) -> str:
        """Return where a table of the page is had as CSV."""
        kept = [(name, value) for name, value in self.query if name not in ("format", "table", "page")]
        return f"?{urlencode([*kept, ('format', 'csv'), *([('table', str(table))] if table else [])])}"

    def is_in(self, place: Place) -> bool:
        """Tell whether the page is, or lies below, one that the navigation names."""
        return self.path == place.address or (
            place.address != NAVIGATION[0].address and self.path.startswith(f"{place.address}/")
        )


@dataclass(frozen=True)
class Page(Endpoint):
    """A page: who asks is known by the session's cookie, or by credentials in headers as elsewhere."""

    def authenticate(self, request: Request, session: Session | Connection | None = None) -> Principal:
        """Return who sends the request and may ask this page."""
        assert not isinstance(session, Connection), "pages are not lean"
        if session is None:
            services: Services = request.app.state.services
            request.app.state.authenticator.prove(request)
            with services.database.read() as own:
                return self.authenticate(request, own)
        found = sessions.find(session, cookies.tokens(request))
        if found is None:
            return super().authenticate(request, session)
        origin.require_own(request)
        request.state.console_session, user = found
        request.app.state.noted.session(sessions.token_sha256(request.state.console_session))
        return admit(principal_of(session, user), self.area, self.right, self.access)


@dataclass(frozen=True)
class Data(Page):
    """What a page's script asks for: admitted as the page is, refused in the words of the interface."""

    def routes(self, errors: ErrorRenderer) -> list[Route]:
        """Return the routes; errors are problems, whatever pages make of theirs."""
        return super().routes(_problem)


def _problem(error: EntrepotError) -> Response:
    answer = problem(error)
    if "www-authenticate" in answer.headers:
        del answer.headers["www-authenticate"]  # browsers would ask for a password by themselves
    return answer


def fields_of(body: bytes) -> dict[str, str]:
    """Return the fields of a form."""
    try:
        found = parse_qs(body.decode(), keep_blank_values=True, max_num_fields=_MOST_FIELDS)
    except ValueError:
        raise InvalidInput(f"This is not a form, or one of more than {_MOST_FIELDS} fields.") from None
    return {name: values[-1] for name, values in found.items()}


def form(request: Request, body: bytes) -> dict[str, str]:
    """Return the fields of a form that this session's own page sent; for `Page.parse`."""
    fields = fields_of(body)
    cookies.require_own_form(request, fields.pop("form_token", ""))
    # Browsers end the lines of what is typed as letters did: a script that nobody changed would be another one.
    return {name: value.replace("\r\n", "\n") for name, value in fields.items()}


def may(call: Call, area: str) -> bool:
    """Tell whether what the caller comes with reads this area; a session reads all that its user may."""
    return call.principal.reach.allows(area, "read")


def administers(call: Call) -> bool:
    """Tell whether the caller administers its organization, and comes with nothing narrower."""
    return call.principal.can("admin") and call.principal.reach.allows("identity", "admin")


def render(call: Call, template: str, status: int = 200, **context: Any) -> HTMLResponse:
    """Return a page made of a template, with the navigation and who is logged in."""
    organization = call.session.get(Organization, call.principal.organization_id)
    frame = Frame(
        path=call.request.url.path,
        query=tuple(call.query.multi_items()),
        login=call.principal.login,
        organization=organization.name if organization else "",
        administers=administers(call),
        form_token=cookies.form_token(call.request),
        preferences=Preferences.of(call.request),
    )
    return _packed(call.request, page(template, status, frame=frame, **context))


def _packed(request: Request, response: HTMLResponse) -> HTMLResponse:
    """Pack a page that is long, where the browser unpacks it; requests of other sites never come so far."""
    response.headers["vary"] = "accept-encoding, cookie"
    if len(response.body) > _LONG and "gzip" in request.headers.get("accept-encoding", ""):
        response.body = gzip.compress(response.body, _LEVEL, mtime=0)
        response.headers.update({"content-encoding": "gzip", "content-length": str(len(response.body))})
    return response


def page(
    template: str,
    status: int = 200,
    headers: Mapping[str, str] | None = None,
    *,
    frame: Frame | None = None,
    **context: Any,
) -> HTMLResponse:
    """Return a page made of a template."""
    frame = frame or Frame()
    common: dict[str, Any] = {
        "frame": frame,
        "at": frame.preferences.at,
        "assets": bundle.addresses(),
        "version": entrepot.__version__,
    }
    text = _TEMPLATES.get_template(template).render(common | context)
    return HTMLResponse(text, status, headers={**_HEADERS, **(headers or {})})
