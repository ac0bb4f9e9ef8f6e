"""The web application, put together."""

import importlib
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
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
from starlette.routing import Mount

import entrepot
from entrepot.errors import EntrepotError, Forbidden, InvalidInput, NotFound, Unauthenticated
from entrepot.server.api import document
from entrepot.server.api import routes as api
from entrepot.server.auth import Authenticator
from entrepot.server.beats import Beats
from entrepot.server.bodies import Room
from entrepot.server.console import routes as console
from entrepot.server.dialects import ricloud
from entrepot.server.endpoint import Json, failure, refusal
from entrepot.server.gauges import Standing
from entrepot.server.health import Health, live
from entrepot.server.observe import Limits, Observer
from entrepot.server.problems import problem
from entrepot.server.router import Table
from entrepot.server.services import Services
from entrepot.server.streaming import Waiting
from entrepot.server.tally import Sum, Tally, new_slot
from entrepot.server.writers import Writers
from entrepot.settings import Settings, is_loopback

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
        openapi_url="/api/v1/openapi.json",
        lifespan=lifespan,
        redirect_slashes=False,
    )
    registry = CollectorRegistry()
    tally = tally or Tally([new_slot()])
    health = Health(services, beats, tally)
    for collector in (Sum(tally), Standing(services.settings, health), Limits(health.database)):
        registry.register(collector)
    app.state.services = services
    app.state.stopping = False
    app.state.waiting = Waiting(services.settings.max_streams_per_user)
    app.state.authenticator = Authenticator(services)
    app.state.writers = Writers()
    app.state.registry = registry
    app.state.health = health
    app.add_middleware(Observer)
    app.add_exception_handler(EntrepotError, _on_error)
    app.add_exception_handler(RequestValidationError, _on_invalid)
    app.add_exception_handler(HTTPException, _on_http)
    # Named, they are answered and done with; what reaches the last one is raised again, for uvicorn's log.
    for expected in (OSError, SQLAlchemyError, Exception):
        app.add_exception_handler(expected, _on_unexpected)
    app.add_api_route("/health", _health, include_in_schema=False)
    app.add_api_route("/health/live", live, include_in_schema=False)
    app.add_api_route("/health/ready", _ready, include_in_schema=False)
    app.add_api_route("/metrics", _metrics, include_in_schema=False)
    api.include(app)
    app.openapi = partial(document.whole, app)  # type: ignore[method-assign] # FastAPI's own way to have another one
    app.router.routes.extend(console.routes())
    for prefix, module in DOORS.items():
        app.router.routes.append(Mount(prefix, routes=importlib.import_module(module).routes()))
    app.router.middleware_stack = Table(app.router, Room.of(services.settings))
    return app


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


def _on_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, EntrepotError)
    return refusal(request, error, problem)


def _on_invalid(_request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
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


def _on_http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    if hint := ricloud.astray(request.url.path):
        return ricloud.errors.render(NotFound(hint))
    translated = NotFound() if error.status_code == 404 else EntrepotError(str(error.detail))
    translated.status = error.status_code
    response = problem(translated)
    response.headers.update(error.headers or {})
    return response


def _on_unexpected(request: Request, error: Exception) -> Response:
    return failure(request, error, problem)
