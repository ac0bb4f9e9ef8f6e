"""The door for clients of Reincubate's ricloud: results, their polls and tasks, configurations, keys and events."""

from functools import partial

from starlette.routing import BaseRoute

from entrepot.errors import NotFound
from entrepot.server.dialects.ricloud import configs, errors, events, keys, people, polls, results, trial
from entrepot.server.endpoint import Call, Endpoint

_NOUNS = (
    *("results", "polls", "tasks", "configs", "key", "keys", "organisation", "users", "sources", "permissions"),
    *("sessions", "subscriptions", "events"),
)
_METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")


def routes() -> list[BaseRoute]:
    """Return the routes of this door."""
    modules = (results, polls, trial, configs, keys, people, events)
    endpoints = [endpoint for module in modules for endpoint in module.ENDPOINTS]
    # Clients take whatever comes for JSON, the answer to a wrong address too.
    nothing = partial(Endpoint, path="/{path:path}", handler=_nothing, area="files", right="read", body="none")
    endpoints += [nothing(method, write=False) for method in _METHODS]
    return [route for endpoint in endpoints for route in endpoint.routes(errors.render)]


def astray(path: str) -> str | None:
    """Return what to tell a client that asks for a path of this door where there is none; None for other paths.

    Clients resolve names relative to the address that they are given: without its last slash, ``/ricloud`` is lost.
    """
    if path.strip("/").split("/")[0] not in _NOUNS:
        return None
    return f"There is nothing at {path[:100]}: write the address with its last slash, as in https://host/ricloud/."


def _nothing(call: Call) -> None:
    raise NotFound(f"There is nothing at {call.request.method} /{call.path['path']}.")
