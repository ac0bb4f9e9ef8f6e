"""One way to write a page: an endpoint that people reach by their session, and its template."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs

from jinja2 import Environment, PackageLoader, StrictUndefined
from sqlalchemy.orm import Session
from starlette.requests import Request
from starlette.responses import HTMLResponse

import entrepot
from entrepot.errors import InvalidInput
from entrepot.identity import Organization, Principal, sessions
from entrepot.server import origin
from entrepot.server.auth import principal_of
from entrepot.server.console import cookies
from entrepot.server.endpoint import Call, Endpoint, admit
from entrepot.server.services import Services

#: The bar at the top: what is written, and where it leads.
NAVIGATION = (
    ("Home", "/console"),
    ("Series", "/console/series"),
    ("Rows", "/console/rows"),
    ("Works", "/console/works"),
    ("Files", "/console/files"),
    ("Jobs", "/console/jobs"),
    ("Events", "/console/events"),
)
_HEADERS = {
    "content-security-policy": (
        "default-src 'none'; style-src 'self'; img-src 'self' data:; frame-src 'self'; form-action 'self'; "
        "base-uri 'none'; frame-ancestors 'none'"
    ),
    "cache-control": "no-store",
    "referrer-policy": "same-origin",
    "x-content-type-options": "nosniff",
}
_MOST_FIELDS = 50
_TEMPLATES = Environment(
    loader=PackageLoader("entrepot.server.console"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


@dataclass(frozen=True)
class Page(Endpoint):
    """A page: who asks is known by the session's cookie, or by credentials in headers as elsewhere."""

    def authenticate(self, request: Request, session: Session | None = None) -> Principal:
        """Return who sends the request and may ask this page."""
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
        return admit(principal_of(session, user), self.area, self.right, self.access)


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
    return fields


def render(call: Call, template: str, status: int = 200, **context: Any) -> HTMLResponse:
    """Return a page made of a template, with the bar and who is logged in."""
    organization = call.session.get(Organization, call.principal.organization_id)
    return page(
        template,
        status,
        path=call.request.url.path,
        login=call.principal.login,
        organization=organization.name if organization else "",
        form_token=cookies.form_token(call.request),
        **context,
    )


def page(template: str, status: int = 200, headers: Mapping[str, str] | None = None, **context: Any) -> HTMLResponse:
    """Return a page made of a template."""
    common = {"path": "", "login": "", "organization": "", "form_token": "", "navigation": NAVIGATION}
    text = _TEMPLATES.get_template(template).render(common | {"version": entrepot.__version__} | context)
    return HTMLResponse(text, status, headers={**_HEADERS, **(headers or {})})
