"""Where a request comes from: an address, and a page of this site or of another.

Browsers send what they keep (a cookie, a password typed before) with requests that pages of other sites begin; those
must not change anything here.
"""

from urllib.parse import urlsplit

from starlette.requests import Request

from entrepot.errors import Forbidden, NotJson
from entrepot.server.services import Services

_SAFE = ("GET", "HEAD", "OPTIONS")


def address_of(request: Request) -> str:
    """Return the address of who sends a request: behind a proxy on this machine, the one that the proxy names."""
    return request.client.host if request.client else ""


def require_own(request: Request) -> None:
    """Raise unless a request that changes something comes from a page of this site, or from no page.

    Raises
    ------
    Forbidden
        A page of another site made a browser send it.
    """
    if request.method in _SAFE and not getattr(request.state, "writes", False):
        return
    site, origin = request.headers.get("sec-fetch-site"), request.headers.get("origin")
    if site is not None:
        own = site in ("same-origin", "none")
    else:
        own = origin is None or _host(origin) in _own_hosts(request)
    if not own:
        raise Forbidden("A page of another site sent this: send it from here, or with an API key.")


def require_json(request: Request) -> None:
    """Raise NotJson unless a request says that its body is JSON: pages of other sites cannot, unasked."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json" and not (kind.startswith("application/") and kind.endswith("+json")):
        raise NotJson


def _own_hosts(request: Request) -> set[str]:
    services: Services = request.app.state.services
    public = _host(services.settings.public_url or "")
    return {host for host in (request.headers.get("host", "").lower(), public) if host}


def _host(url: str) -> str:
    try:
        return urlsplit(url).netloc.lower()
    except ValueError:
        return ""
