"""The door for clients of OWI-Lab's metadatabase (``owi-metadatabase-results``): see docs/dialect-owi.md."""

from collections.abc import Iterator, Sequence

from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from entrepot.errors import NotFound
from entrepot.server.dialects.owi import errors, parts, places, results
from entrepot.server.endpoint import Call, Endpoint, Handler, Json

_METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")


ENDPOINTS: Sequence[Endpoint] = (*results.ENDPOINTS, *places.ENDPOINTS, *parts.ENDPOINTS)


def routes() -> list[BaseRoute]:
    """Return the routes of this door."""
    nothing = [Endpoint(method, "/{path:path}", _nothing, "rows", "read", body="none") for method in _METHODS]
    endpoints = [*ENDPOINTS, *_refusals(), *nothing]
    return [route for endpoint in endpoints for route in _served(endpoint)]


def _served(endpoint: Endpoint) -> Iterator[Route]:
    """Yield an endpoint's routes; clients whose base address ends in a slash ask with two."""
    for route in endpoint.routes(errors.render):
        yield route
        if "{path:path}" not in route.path:
            double = Route(f"/{route.path}", route.endpoint, methods=[endpoint.method])
            double.methods = {endpoint.method}
            double.entrepot = endpoint  # type: ignore[attr-defined]
            yield double


def _refusals() -> Iterator[Endpoint]:
    """Yield, for every address, the methods that it does not have."""
    allowed: dict[str, set[str]] = {}
    for endpoint in ENDPOINTS:
        allowed.setdefault(endpoint.path, set()).add(endpoint.method)
    for path, methods in allowed.items():
        for method in _METHODS:
            if method not in methods:
                refuse = _refuser(sorted(methods))
                yield Endpoint(method, path, refuse, "rows", "read", write=False, body="none")


def _refuser(allowed: list[str]) -> Handler:
    def refuse(call: Call) -> Response:
        detail = f'Method "{call.request.method}" not allowed.'
        return Json({"detail": detail}, 405, headers={"allow": ", ".join(allowed)})

    return refuse


def _nothing(_: Call) -> None:
    raise NotFound("Not found.")
