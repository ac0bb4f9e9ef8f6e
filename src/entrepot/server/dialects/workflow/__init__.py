"""The workflow dialect: the Buckets and Results backends of CHIME/FRB Workflow, and empty ones of pipelines."""

import re
from functools import partial

from starlette.routing import BaseRoute, Route

from entrepot.errors import NotFound
from entrepot.server.dialects.workflow import buckets, errors, pipelines, results
from entrepot.server.endpoint import Call, Endpoint

_METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")


def routes() -> list[BaseRoute]:
    """Return the routes of this door."""
    endpoints = [*buckets.ENDPOINTS, *results.ENDPOINTS, *pipelines.ENDPOINTS]
    nothing = partial(Endpoint, path="/{path:path}", handler=_nothing, area="works", right="read", body="none")
    endpoints += [nothing(method, write=False) for method in _METHODS]
    return [_lenient(route) for endpoint in endpoints for route in endpoint.routes(errors.render)]


def _lenient(route: Route) -> Route:
    # A base URL that ends in a slash makes the client ask for paths with two.
    route.path_regex = re.compile(re.sub(r"(?<!\[\^)/", "/+", route.path_regex.pattern))
    return route


def _nothing(call: Call) -> None:
    raise NotFound(f"There is nothing at {call.request.method} /{call.path['path']}.")
