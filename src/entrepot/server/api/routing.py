"""Native routes: FastAPI's typed parameters and OpenAPI, around the same unit of work as every other door."""

import inspect
from collections.abc import Callable, Coroutine
from contextlib import nullcontext
from dataclasses import dataclass
from functools import partial
from hashlib import sha256
from typing import Any, TypeVar, cast

from anyio.to_thread import run_sync
from fastapi import APIRouter, Request
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute
from sqlalchemy.orm import Session
from starlette.responses import Response

from entrepot.bounds.text import read_json
from entrepot.errors import Changed, InvalidInput
from entrepot.identity import Principal, Right, audit
from entrepot.server import origin, repeats
from entrepot.server.bodies import Body, Size
from entrepot.server.endpoint import NOBODY, Access, authenticate, require_ids
from entrepot.server.services import Services
from entrepot.server.writers import in_turn

F = TypeVar("F", bound=Callable[..., Any])


class Unit(Request):
    """A request as its native endpoint sees it: who asks, and one transaction that commits when the endpoint returns.

    FastAPI passes a request to whatever parameter is annotated with a class of them.
    """

    session: Session = cast("Session", None)  # type: ignore[assignment] # not Starlette's, which is a cookie's

    def __init__(self, services: Services, principal: Principal, request: Request, content: bytes) -> None:
        super().__init__(request.scope, request.receive)
        self.services = services
        self.principal = principal
        self.version: int | None = None  #: of what is answered
        self.location: str | None = None  #: of what was made, or goes on
        self._content = content

    def require_version(self, version: int) -> None:
        """Raise Changed where the request is meant for another version than the one that there is (``If-Match``)."""
        wanted = self.headers.get("if-match")
        if wanted is not None and wanted != "*" and _tag(version) not in [each.strip() for each in wanted.split(",")]:
            raise Changed(f"It is at version {version}: read it again, and change that.")

    async def body(self) -> bytes:
        """Return the body, which is here."""
        return self._content

    async def json(self) -> Any:
        """Return the body as JSON, in the bounds of every door; FastAPI tells of what is none."""
        return read_json(self._content)


#: Where things are that are made, or begun, by the status that says so; None: below the address that made them.
_LOCATED = {201: None, 202: "/api/v1/runs"}


@dataclass(frozen=True)
class Declared:
    """Who may ask, as :class:`~entrepot.server.endpoint.Endpoint` says it, and what for."""

    area: str
    right: Right
    access: Access
    writes: bool
    body: Size
    scope: str | None = None

    def authenticate(self, request: Request, session: Session | None = None) -> Principal:
        """Return who sends the request and may ask this."""
        if self.access == "open":
            return NOBODY
        return authenticate(request, self.area, self.right, self.access, session, scope=self.scope)


class NativeRoute(APIRoute):
    """A route whose body is read when its sender was admitted, and all of whose work is done in a worker thread."""

    def __init__(self, declared: Declared, path: str, endpoint: Callable[..., Any], **options: Any) -> None:
        self.entrepot = declared
        super().__init__(path, endpoint, **options)

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return what answers a request."""
        declared, function = self.entrepot, self.endpoint
        size = declared.body if self.body_field is not None else "none"
        name = self.dependant.request_param_name
        assert name is not None, f"{function.__name__} takes a Unit"

        async def in_unit(**arguments: Any) -> Any:
            unit: Unit = arguments[name]
            if unit.session is not None:
                return versioned(unit, function(**arguments))
            # Only now: parameters are checked, and other writers wait no longer than the endpoint takes.
            with unit.services.database.write() as unit.session:
                audit.acting(unit.session, unit.principal, origin.address_of(unit))
                return versioned(unit, function(**arguments))

        def versioned(unit: Unit, shown: Any) -> Any:
            unit.version = getattr(shown, "version", None)
            shown_id = shown.get("id") if isinstance(shown, dict) else getattr(shown, "id", None)
            if self.status_code in _LOCATED and shown_id is not None:
                unit.location = f"{_LOCATED[self.status_code] or unit.url.path.rstrip('/')}/{shown_id}"
            return shown

        self.dependant.call = in_unit
        respond = super().get_route_handler()
        known = _parameters(self.dependant)

        def answer(request: Request, principal: Principal | None, content: bytes) -> Response:
            services: Services = request.app.state.services
            if principal is None:
                request.app.state.authenticator.prove(request)
            with nullcontext() if declared.writes else services.database.read() as session:
                principal = principal or declared.authenticate(request, session)
                unit = Unit(services, principal, request, content)
                if session is not None:
                    unit.session = session
                elif repeats.is_asked(request):
                    # The answer is kept in the transaction of what it tells of.
                    with services.database.write() as unit.session:
                        audit.acting(unit.session, principal, origin.address_of(request))
                        return repeats.once(request, principal, unit.session, [content], lambda: _answer(unit, respond))
                return _answer(unit, respond)

        async def handle(request: Request) -> Response:
            if strange := request.query_params.keys() - known:
                # A filter that is spelt wrong would let everything pass.
                reasons = [f"This is no parameter here; there are {', '.join(sorted(known)) or 'none'}."]
                raise InvalidInput(fields=dict.fromkeys(sorted(strange), reasons))
            require_ids(request)
            body = Body.of(request.scope)
            principal, content = None, b""
            if declared.writes or body.awaited(size):
                principal = await run_sync(declared.authenticate, request)
            if body.awaited(size):
                origin.require_json(request)
                content = await body.read(size)
            return await in_turn(request, declared.writes, answer, request, principal, content)

        return handle


class NativeRouter(APIRouter):
    """A router whose endpoints take a :class:`Unit` first."""

    def __init__(self, **options: Any) -> None:
        super().__init__(prefix="/api/v1", **options)

    def serve(
        self,
        method: str,
        path: str,
        *,
        area: str,
        right: Right,
        write: bool | None = None,
        status: int = 200,
        access: Access = "member",
        body: Size = "small",
        scope: str | None = None,
        **options: Any,
    ) -> Callable[[F], F]:
        """Register an endpoint, with what its caller's key must be scoped to, and the kind of a body that it has."""
        declared = Declared(area, right, access, write if write is not None else method != "GET", body, scope)

        def register(function: F) -> F:
            returns = inspect.signature(function, eval_str=True).return_annotation
            self.add_api_route(
                path,
                function,
                methods=[method],
                status_code=status,
                response_model=None if _is_response(returns) else returns,
                route_class_override=partial(NativeRoute, declared),  # type: ignore[arg-type]
                **options,
            )
            return function

        return register


def _parameters(dependant: Dependant) -> set[str]:
    """Return the names of the query parameters that an endpoint, or what it depends on, takes."""
    own = {parameter.alias for parameter in dependant.query_params}
    return own.union(*map(_parameters, dependant.dependencies))


def _tag(version: int) -> str:
    return f'"{version}"'


def _answer(unit: Unit, respond: Callable[[Request], Coroutine[Any, Any, Response]]) -> Response:
    response = _result(respond(unit))
    if unit.location is not None:
        response.headers["location"] = unit.location
    if unit.version is not None:
        response.headers["etag"] = _tag(unit.version)
    elif unit.method in ("GET", "HEAD") and response.status_code == 200:
        response.headers["etag"] = f'W/"{sha256(response.body).hexdigest()[:32]}"'
    tag = response.headers.get("etag")
    if tag is not None and unit.method in ("GET", "HEAD") and _knows(unit.headers.get("if-none-match"), tag):
        return Response(status_code=304, headers={"etag": tag})
    return response


def _knows(known: str | None, tag: str) -> bool:
    """Tell whether one of the tags that a client knows is this one, weak or not."""
    if known is None:
        return False
    tags = {each.strip().removeprefix("W/") for each in known.split(",")}
    return tag.removeprefix("W/") in tags or "*" in tags


def _is_response(annotation: Any) -> bool:
    return inspect.isclass(annotation) and issubclass(annotation, Response)


def _result(coroutine: Coroutine[Any, Any, Response]) -> Response:
    """Return what a coroutine returns that waits for nothing: FastAPI's, once the body is here.

    What it calls runs in place, in the thread of the caller.
    """
    try:
        coroutine.send(None)
    except StopIteration as end:
        response: Response = end.value
        return response
    coroutine.close()
    raise RuntimeError("A native endpoint and what it depends on must not wait: write plain functions.")
