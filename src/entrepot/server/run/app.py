"""The web application, put together."""

import importlib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import partial
from hmac import compare_digest
from typing import Any

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import PlainTextResponse
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from sqlalchemy.exc import SQLAlchemyError
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.routing import Mount, Route

import entrepot
from entrepot.errors import EntrepotError, Forbidden, InvalidInput, NotFound, Unauthenticated
from entrepot.loopback import is_loopback
from entrepot.server.api import document
from entrepot.server.api import routes as api
from entrepot.server.auth import Authenticator
from entrepot.server.beats import Beats
from entrepot.server.bodies import Room
from entrepot.server.console import routes as console
from entrepot.server.dialects import ricloud
from entrepot.server.endpoint import Json, failure, refusal
from entrepot.server.gauges import Standing
from entrepot.server.glances import Glances
from entrepot.server.health import Health, live
from entrepot.server.noted import Noted
from entrepot.server.observe import Limits, Observer
from entrepot.server.problems import problem
from entrepot.server.router import Table
from entrepot.server.services import Services
from entrepot.server.streaming import Waiting
from entrepot.server.tally import Sum, Tally, new_slot
from entrepot.server.threads import in_thread
from entrepot.server.writers import Writers
from entrepot.settings import Settings

log = structlog.get_logger("entrepot.http")

#: Where each dialect lives; its package offers ``routes() -> list[BaseRoute]``.
DOORS = {
    "/ovbp/api/v2": "entrepot.server.dialects.ovbp",
    "/owi/api/v1": "entrepot.server.dialects.owi",
    "/workflow": "entrepot.server.dialects.workflow",
    "/ricloud": "entrepot.server.dialects.ricloud",
}


def create_app(services: Services, beats: Beats | None = None, tally: Tally | None = None) -> FastAPI:
    """Return the application of a server whose database is up to date."""

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        yield
        app.state.health.close()
        services.close()

    app = FastAPI(
        title="Entrepot",
        version=entrepot.__version__,
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        lifespan=lifespan,
        redirect_slashes=False,
    )
    registry = CollectorRegistry()
    tally = tally or Tally([new_slot()])
    health = Health(services, beats, tally, lambda: bool(app.state.stopping))
    for collector in (Sum(tally), Standing(services.settings, health), Limits(health.database)):
        registry.register(collector)
    app.state.services = services
    app.state.stopping = False
    app.state.waiting = Waiting(services.settings.max_streams_per_user)
    app.state.authenticator = Authenticator(services)
    app.state.writers = Writers()
    app.state.glances = Glances()
    app.state.registry = registry
    app.state.health = health
    app.state.noted = noted = Noted()
    if beats is not None:
        beats.also(noted.write)
    app.router.routes.extend(
        _plain(path, answer)
        for path, answer in (
            ("/health", _health),
            ("/health/live", _live),
            ("/health/ready", _ready),
            ("/metrics", _metrics),
        )
    )
    api.include(app)
    app.router.routes.append(Route("/api/v1/openapi.json", _document, include_in_schema=False))
    app.openapi = partial(document.whole, app)  # type: ignore[method-assign] # FastAPI's own way to have another one
    app.router.routes.extend(console.routes())
    for prefix, module in DOORS.items():
        app.router.routes.append(Mount(prefix, routes=importlib.import_module(module).routes()))
    app.router.middleware_stack = Table(app.router, Room.of(services.settings))
    # In place of FastAPI's layers, each of which costs as much as finding the route: one that does what they do.
    app.middleware_stack = Observer(app.router.middleware_stack, _on_error)
    return app


def _plain(path: str, answer: Callable[[Request], Awaitable[Response]]) -> Route:
    """Return a route that needs nothing of what FastAPI does for others."""
    route = Route(path, answer, methods=["GET"])
    route.methods = {"GET"}  # Starlette would add HEAD
    return route


async def _document(request: Request) -> Response:
    # The first time, it takes seconds to make.
    return Json(await in_thread(request.app.openapi))


async def _live(_request: Request) -> Response:
    return Json(live())


async def _ready(request: Request) -> Response:
    return _told(await _health_of(request).problems(), request)


async def _health(request: Request) -> Response:
    health = _health_of(request)
    answer = _told(await health.whole(), request)
    return answer if answer.status_code != 200 else _told({}, request, await health.details(request))


def _told(problems: dict[str, str], request: Request, details: Mapping[str, object] | None = None) -> Response:
    """Return how it is: to everybody which part is down, and no more."""
    health = _health_of(request)
    answer: dict[str, object] = {"status": "unavailable" if problems else "ok", "version": entrepot.__version__}
    if problems:
        answer["down"] = sorted(problems)
        answer["why"] = dict(sorted(problems.items()))
    if health.locked:
        answer["locked"] = True
    if warnings := [name for name in health.warnings if name not in problems]:
        answer["warnings"] = warnings
    return Json(answer | dict(details or {}), 503 if problems else 200)


def _health_of(request: Request) -> Health:
    health: Health = request.app.state.health
    return health


async def _metrics(request: Request) -> Response:
    settings: Settings = request.app.state.services.settings
    if settings.metrics_token is not None:
        given = request.headers.get("authorization", "").partition(" ")[2].strip()
        if not compare_digest(given.encode(), settings.metrics_token.get_secret_value().encode()):
            raise Unauthenticated("Send `Authorization: Bearer ...` with the metrics_token of the server's settings.")
    elif request.client is not None and not is_loopback(request.client.host):
        raise Forbidden("Without a metrics_token in the server's settings, only this machine may ask.")
    content = await _health_of(request).metrics(lambda: generate_latest(request.app.state.registry))
    return PlainTextResponse(content, media_type=CONTENT_TYPE_LATEST)


def _on_error(request: Request, error: Exception) -> tuple[Response, bool]:
    match error:
        case EntrepotError():
            return refusal(request, error, problem), True
        case RequestValidationError():
            return _on_invalid(error), True
        case HTTPException():
            return _on_http(request, error), True
    # Those of the system and of the database are answered and done with; others uvicorn's log has to tell of, too.
    return failure(request, error, problem), isinstance(error, OSError | SQLAlchemyError)


def _on_invalid(error: RequestValidationError) -> Response:
    fields: dict[str, list[str]] = {}
    for wrong in error.errors():
        where, *parts = wrong["loc"]
        name = ".".join(_there(parts, error.body) if where == "body" else map(str, parts)) or str(where)
        fields.setdefault(name, []).append(wrong["msg"])
    return problem(InvalidInput(fields=fields))


def _there(parts: Sequence[str | int], body: Any) -> Iterator[str]:
    """Yield the parts of the name of a field as it was sent: of a union, pydantic names what was tried, too."""
    for number, part in enumerate(parts):
        if isinstance(body, dict) and part in body:
            body = body[part]
        elif isinstance(body, list) and isinstance(part, int):
            body = body[part] if part < len(body) else None
        elif not isinstance(body, dict) or number < len(parts) - 1:
            continue
        yield str(part)


def _on_http(request: Request, error: HTTPException) -> Response:
    if hint := ricloud.astray(request.url.path):
        return ricloud.errors.render(NotFound(hint))
    translated = NotFound() if error.status_code == 404 else EntrepotError(str(error.detail))
    translated.status = error.status_code
    response = problem(translated)
    response.headers.update(error.headers or {})
    return response
