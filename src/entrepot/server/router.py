"""Finds the route of a request at a cost that does not grow with the number of routes."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from fastapi.middleware.asyncexitstack import AsyncExitStackMiddleware
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException
from starlette.routing import BaseRoute, Mount, Route, Router
from starlette.types import ASGIApp, Receive, Scope, Send

from entrepot.server.bodies import Body, Room
from entrepot.server.heads import require_sound


@dataclass(frozen=True)
class _Leaf:
    """A route, where it stands among all, and the mount that it is in."""

    order: int
    mount: str
    route: Route
    app: ASGIApp


@dataclass
class _Node:
    """What comes after the segments that lead here: an exact one, any one, the end, or whatever else."""

    exact: dict[str, "_Node"] = field(default_factory=dict)
    any: "_Node | None" = None
    end: list[_Leaf] = field(default_factory=list)
    rest: list[_Leaf] = field(default_factory=list)


class Table:
    """Serves the routes of a router, those of its mounts included.

    A tree over the segments of paths leads to the few routes that may match; which do is said by their own expressions
    and converters, in the order in which they were given, as it is by Starlette.
    """

    def __init__(self, router: Router, room: Room) -> None:
        self._others: ASGIApp = router.app
        self._room = room
        self._root = _Node()
        for order, (mount, route) in enumerate(_flat(router.routes)):
            # What FastAPI opens for a request is closed at its end; others open nothing.
            app = AsyncExitStackMiddleware(route.app) if isinstance(route, APIRoute) else route.app
            self._add(_Leaf(order, mount, route, app))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on to its route, with a body that is not open yet."""
        if scope["type"] != "http":
            await self._others(scope, receive, send)
            return
        require_sound(scope)
        app = self.find(scope)
        body = Body(scope, receive, self._room)
        try:
            await app(scope, body.receive, send)
        finally:
            body.release()

    def find(self, scope: Scope) -> ASGIApp:
        """Return what serves a request, whose scope learns the parameters of its path.

        Raises
        ------
        HTTPException
            404 where there is nothing, 405 where there are other methods.
        """
        path, method = scope["path"], scope["method"]
        found: list[_Leaf] = []
        _collect(self._root, _segments(path), 0, found)
        found.sort(key=lambda leaf: leaf.order)
        allowed: set[str] = set()
        for leaf in found:
            route = leaf.route
            if leaf.mount and not path.startswith(f"{leaf.mount}/"):
                continue
            match = route.path_regex.match(path[len(leaf.mount) :])
            if match is None:
                continue
            if route.methods is not None and method not in route.methods and not _heads(route, path, method):
                allowed |= route.methods
                continue
            convertors = route.param_convertors
            scope["path_params"] = {name: convertors[name].convert(value) for name, value in match.groupdict().items()}
            scope["endpoint"], scope["route"] = route.endpoint, route
            return leaf.app
        if allowed:
            raise HTTPException(405, headers={"allow": ", ".join(sorted(allowed))})
        raise HTTPException(404)

    def _add(self, leaf: _Leaf) -> None:
        node = self._root
        for segment in _segments(f"{leaf.mount}{leaf.route.path}"):
            if "{" not in segment:
                node = node.exact.get(segment) or node.exact.setdefault(segment, _Node())
            elif ":path}" in segment:
                node.rest.append(leaf)
                return
            else:
                node.any = node.any or _Node()
                node = node.any
        node.end.append(leaf)


def _flat(routes: Iterable[BaseRoute], mount: str = "") -> Iterator[tuple[str, Route]]:
    for route in routes:
        if isinstance(route, Mount):
            yield from _flat(route.routes, f"{mount}{route.path}")
        else:
            assert isinstance(route, Route), route
            yield mount, route


def _heads(route: Route, path: str, method: str) -> bool:
    """Tell whether a route answers HEAD as it does GET: every one of the native API; the server sends no body then."""
    return method == "HEAD" and "GET" in (route.methods or ()) and path.startswith("/api/v1/")


def _segments(path: str) -> list[str]:
    # Some doors take several slashes for one: their expressions say which.
    return [segment for segment in path.split("/") if segment]


def _collect(node: _Node, segments: list[str], at: int, found: list[_Leaf]) -> None:
    found += node.rest
    if at == len(segments):
        found += node.end
        return
    if (exact := node.exact.get(segments[at])) is not None:
        _collect(exact, segments, at + 1, found)
    if node.any is not None:
        _collect(node.any, segments, at + 1, found)
