"""One way to write an endpoint: authenticated, checked, in one unit of work, with errors in its dialect's words."""

import math
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import Any, Literal

import orjson
import structlog
from sqlalchemy import Connection
from sqlalchemy.orm import Session
from starlette.datastructures import QueryParams
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from entrepot.bounds.text import read_json
from entrepot.db import Database
from entrepot.db.faults import named
from entrepot.errors import EntrepotError, Forbidden, InvalidInput, NotFound
from entrepot.identity import Principal, Right, audit
from entrepot.server import almost_json, origin, repeats
from entrepot.server.auth import Authenticator
from entrepot.server.bodies import Body, Size
from entrepot.server.logs import said
from entrepot.server.services import Services
from entrepot.server.threads import in_thread
from entrepot.server.writers import in_turn

log = structlog.get_logger("entrepot.http")

#: The principal of endpoints that are open to everybody.
NOBODY = Principal(user_id="", login="", organization_id="", roles={})


@dataclass
class Call:
    """One request as its handler sees it."""

    request: Request
    services: Services
    principal: Principal
    unit: Session | Connection
    body: bytes
    content: Any = None  #: what the endpoint's `parse` made of the body
    headers: dict[str, str] = field(default_factory=dict)  #: headers to send with the answer
    hasty: bool = False  #: whether it is on the event loop: what takes time raises NotAtOnce

    @property
    def session(self) -> Session:
        """The unit of work."""
        assert not isinstance(self.unit, Connection), "a lean endpoint that reads has none"
        return self.unit

    @property
    def connection(self) -> Connection:
        """The connection of the unit of work, or of a lean endpoint's snapshot."""
        return self.unit if isinstance(self.unit, Connection) else self.unit.connection()

    @property
    def path(self) -> Mapping[str, str]:
        """The parameters in the path."""
        return self.request.path_params

    @property
    def query(self) -> QueryParams:
        """The parameters of the query string."""
        return self.request.query_params

    @cached_property
    def json(self) -> Any:
        """The body as JSON, None when it is empty; dialects' clients need not say that it is."""
        if not self.body.strip():
            return None
        if self.request.url.path.startswith("/api/v1/"):
            origin.require_json(self.request)
        try:
            return read_json(self.body)
        except orjson.JSONDecodeError as error:
            raise almost_json.refuse(self.body, str(error)) from None

    @property
    def fields(self) -> dict[str, Any]:
        """The body as a JSON object; empty or null count as one without fields."""
        value = self.json
        if value is None:
            return {}
        if not isinstance(value, dict):
            raise InvalidInput("The body must be a JSON object.")
        return value


class Json(Response):
    """A JSON response; NumPy arrays are written as they are."""

    media_type = "application/json"

    def render(self, content: Any) -> bytes:
        """Encode by orjson: floats keep their point, keys their order."""
        return orjson.dumps(content, option=orjson.OPT_SERIALIZE_NUMPY | orjson.OPT_NON_STR_KEYS)


#: Longest body, in bytes, of what is done in a moment.
_SHORT = 2**16

Access = Literal["member", "own", "open"]
Handler = Callable[[Call], Any]
ErrorRenderer = Callable[[EntrepotError], Response]


def challenge(error: EntrepotError) -> dict[str, str]:
    """Return the headers that go with an error: how to authenticate, or when to try again."""
    headers = {"www-authenticate": 'Basic realm="entrepot", charset="UTF-8"'} if error.status == 401 else {}
    return headers | ({} if error.retry_after is None else {"retry-after": str(math.ceil(error.retry_after))})


def require_ids(request: Request) -> None:
    """Raise NotFound where a part of the path can be no id, as it has a sign that databases balk at."""
    if any("\0" in str(value) for value in request.path_params.values()):
        raise NotFound("There is nothing of this id.")


@dataclass(frozen=True)
class Endpoint:
    """A line of a door's table: what is served where, and who may ask for it.

    Attributes
    ----------
    method, path
        As Starlette spells them; a path may end in ``/`` or not, both are served, without a redirect.
    handler
        Called in a worker thread with the :class:`Call`; returns a Response, or what is sent as JSON.
    area, right
        What the caller's key must be scoped to; the right on the very object is checked by the domain's verbs.
    write
        Whether the unit of work may write; by default every method but GET and HEAD does.
    status
        Status of an answer that is not a Response itself.
    access
        ``member`` endpoints need a role that gives the right in some organization, ``own`` ones no role, because they
        are about the caller itself, ``open`` ones not even authentication.
    scope
        A narrow scope that is enough for a key, too (:data:`entrepot.identity.reach.NARROW`).
    parse
        Of endpoints that write: what can be understood of the body without the database, for `Call.content`. It is
        called before the unit of work begins, so that a large body does not keep other writers waiting.
    body
        How large a body may be, by its kind; by default there is none to GET and HEAD, and a small one else.
    lean
        Of endpoints that only read: they do so by statements on `Call.connection`, and need no session. Of those that
        write: what a short body asks for is done in a moment, and may be committed together with others.
    ahead
        Of endpoints that only read: what is to be done with the database before the answer's snapshot is taken, which
        shall show it; None where the snapshot, in which the caller was let in, lacks nothing and will do.
    glance
        Of lean endpoints that only read: the parameter of the path that names what is read. Where that was read a
        moment ago, it is tried on the event loop itself (:mod:`entrepot.server.glances`).
    """

    method: str
    path: str
    handler: Handler
    area: str
    right: Right
    write: bool | None = None
    status: int = 200
    access: Access = "member"
    scope: str | None = None
    parse: Callable[[Request, bytes], Any] | None = None
    body: Size | None = None
    lean: bool = False
    ahead: Callable[[Session], Callable[[Database], None] | None] | None = None
    glance: str | None = None

    @property
    def size(self) -> Size:
        """What kind of body is taken."""
        return self.body or ("none" if self.method in ("GET", "HEAD") else "small")

    @property
    def writes(self) -> bool:
        """Whether the unit of work may write."""
        return self.write if self.write is not None else self.method not in ("GET", "HEAD")

    def routes(self, errors: ErrorRenderer) -> list[Route]:
        """Return the routes of this endpoint, for both spellings of its path."""
        path = self.path.rstrip("/") or "/"
        paths = dict.fromkeys((path, path if path == "/" else f"{path}/"))
        endpoint = self._endpoint(errors)
        routes = [Route(path, endpoint, methods=[self.method]) for path in paths]
        for route in routes:
            route.methods = {self.method}  # Starlette would add HEAD to GET; a door says what it serves
            route.entrepot = self  # type: ignore[attr-defined]
        return routes

    def authenticate(self, request: Request, session: Session | Connection | None = None) -> Principal:
        """Return who sends the request and may ask this endpoint."""
        request.state.writes = bool(self.write)  # so do some that clients of a dialect GET
        return authenticate(request, self.area, self.right, self.access, session, scope=self.scope)

    def _endpoint(self, errors: ErrorRenderer) -> Callable[[Request], Awaitable[Response]]:
        async def endpoint(request: Request) -> Response:
            body, principal, content = Body.of(request.scope), None, b""
            try:
                require_ids(request)
                awaited = body.awaited(self.size)
                if self.access == "open":
                    principal = NOBODY
                elif (self.writes or awaited) and not request.app.state.authenticator.expects(request):
                    # Whoever only reads is looked up in the answer's own snapshot.
                    principal = await in_thread(self.authenticate, request)
                if awaited:
                    content = await self._read(request, body, principal)
                elif self.glance is not None and (seen := self._glanced(request, self.glance)) is not None:
                    return seen
                return await in_turn(request, self.writes, self._answer, request, principal, content)
            except EntrepotError as error:
                return await in_thread(refusal, request, error, errors)
            except Exception as error:  # noqa: BLE001 - it is logged
                return failure(request, error, errors)

        return endpoint

    def _glanced(self, request: Request, name: str) -> Response | None:
        """Answer what is read in no time; None where that is not known, or anything stands in its way."""
        state = request.app.state
        services: Services = state.services
        if services.database.dialect != "sqlite" or not state.glances.has(request.path_params[name]):
            return None
        if not state.authenticator.expects(request):
            return None
        try:
            with services.database.glance() as unit:
                call = Call(request, services, self.authenticate(request, unit), unit, b"", hasty=True)
                return self._respond(call)
        except Exception:  # noqa: BLE001 - a thread finds out what it is
            return None

    async def _read(self, request: Request, body: Body, principal: Principal | None) -> bytes:
        try:
            return await body.read(self.size)
        except EntrepotError:
            if principal is None:  # what is wrong with a body is told to those who may send one
                await in_thread(self.authenticate, request)
            raise

    def _answer(self, request: Request, principal: Principal | None, body: bytes) -> Response:
        """Answer in one unit of work, in which the caller is looked up, too, unless it is known already."""
        services: Services = request.app.state.services
        write = self.writes
        if principal is None:
            request.app.state.authenticator.prove(request)
        content = self._parsed(request, principal, body) if write and self.parse is not None else None

        def work(unit: Session | Connection) -> Response:
            admitted = principal or self.authenticate(request, unit)
            call = Call(request, services, admitted, unit, body, content)
            if write:
                audit.acting(call.session, admitted, origin.address_of(request))
                return repeats.once(request, admitted, call.session, [body], partial(self._respond, call))
            return self._respond(call)

        if write and self.lean and len(body) <= _SHORT:
            database = services.database
            # The answer to a request that may come again is written after the verb.
            return (database.together if repeats.is_asked(request) else database.at_once)(work)
        if self.ahead is not None:
            with services.database.read() as session:
                principal = principal or self.authenticate(request, session)
                lacking = self.ahead(session)
                if lacking is None:
                    return work(session)
            lacking(services.database)
        with self._opened(services.database) as unit:
            return work(unit)

    def _opened(self, database: Database) -> AbstractContextManager[Session | Connection]:
        if self.writes:
            return database.write()
        return database.snapshot() if self.lean else database.read()

    def _parsed(self, request: Request, principal: Principal | None, body: bytes) -> Any:
        assert self.parse is not None
        request.state.principal_in = lambda session: principal or self.authenticate(request, session)
        try:
            return self.parse(request, body)
        except EntrepotError:
            if principal is None:
                self.authenticate(request)
            raise

    def _respond(self, call: Call) -> Response:
        result = self.handler(call)
        answer = result if isinstance(result, Response) else Json(result, self.status)
        answer.headers.update(call.headers)
        return answer


def refusal(request: Request, error: EntrepotError, errors: ErrorRenderer) -> Response:
    """Return the answer that tells of an error."""
    if error.status >= 500:
        log.warning("refused", path=request.url.path, cause=error.code, error=said(error, error))
    return errors(error)


def failure(request: Request, error: Exception, errors: ErrorRenderer) -> Response:
    """Return the answer to a request that met an exception that nobody expected, and log that one."""
    if name := named(error):
        name.__cause__ = error
        return refusal(request, name, errors)
    log.error("unexpected error", method=request.method, path=request.url.path, exc_info=error)
    return errors(EntrepotError("The server failed; the log has the details."))


def authenticate(
    request: Request,
    area: str,
    right: Right,
    access: Access = "member",
    session: Session | Connection | None = None,
    *,
    scope: str | None = None,
) -> Principal:
    """Return who sends the request, its key being scoped to this; blocks, so call it in a thread.

    With a session, a password must have been proved before (`Authenticator.prove`).
    """
    authenticator: Authenticator = request.app.state.authenticator
    if session is not None:
        principal = authenticator.authenticate(session, request)
    else:
        authenticator.prove(request)
        services: Services = request.app.state.services
        with services.database.read() as own:
            principal = authenticator.authenticate(own, request)
    address = origin.address_of(request)
    principal.require_address(address)
    request.app.state.noted.key(principal.key_id, address)
    return admit(principal, area, right, access, scope)


def admit(principal: Principal, area: str, right: Right, access: Access, scope: str | None = None) -> Principal:
    """Return the principal of a caller who may ask; raise Forbidden for others."""
    areas = area.split("|")  # of several, one may do: which, the verb knows
    if not any(principal.reach.allows(one, right, scope) for one in areas):
        principal.require_scope(areas[0], right, scope)
    if access == "member" and not principal.can_somewhere(right):
        # The verbs check rights on the very object; this keeps out those who could have them on none.
        raise Forbidden(f"This needs the right to {right}; ask an administrator of your organization.")
    return principal
