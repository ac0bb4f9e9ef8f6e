"""Tests of configurations, for which a caller may wait."""

import asyncio
import time
from collections.abc import Callable
from typing import Any

from anyio.to_thread import run_sync
from starlette.requests import Request
from starlette.responses import Response

from entrepot.db import Session
from entrepot.events.webhooks import get_webhook
from entrepot.files import trial
from entrepot.files.storages import get_storage
from entrepot.identity import Principal
from entrepot.requests import requested, trials
from entrepot.requests.models import RequestStep
from entrepot.server.dialects.ricloud import render
from entrepot.server.dialects.ricloud.listing import Record
from entrepot.server.endpoint import Json
from entrepot.server.services import Services
from entrepot.server.streaming import StreamEndpoint, Waiting

_LONGEST_WAIT = 10.0
_POLL_SECONDS = 0.05


async def _test(
    request: Request, principal: Principal, get: Any, begin: Callable[[Session, Any, str | None], RequestStep]
) -> Response:
    services: Services = request.app.state.services

    def start() -> str:
        with services.database.write() as session:
            tested = get(session, principal, request.path_params["id"], "admin")
            return begin(session, tested, principal.key_id).id

    def record(task: RequestStep) -> Record:
        with services.database.read() as session:
            return render.tasks(session, [task], None)[0]

    def look() -> RequestStep:
        with services.database.read() as session:
            return requested.get_step(session, principal, task_id)

    waiting: Waiting = request.app.state.waiting
    with waiting.one(principal):
        task_id = await run_sync(start)
        until = time.monotonic() + await_seconds(request)
        while True:
            task = await run_sync(look)
            if task.status not in requested.OPEN or time.monotonic() >= until:
                return Json(await run_sync(record, task))
            await asyncio.sleep(_POLL_SECONDS)


def await_seconds(request: Request) -> float:
    """Return how long the caller wants to wait: what cannot be read is no wait."""
    try:
        seconds = float(request.headers.get("ricloud-await", "0")[:20])
    except ValueError:
        return 0.0
    return min(seconds, _LONGEST_WAIT) if seconds > 0 else 0.0


async def _storage(request: Request, principal: Principal) -> Response:
    return await _test(request, principal, get_storage, trial.begin)


async def _webhook(request: Request, principal: Principal) -> Response:
    return await _test(request, principal, get_webhook, trials.begin_webhook)


ENDPOINTS = [
    StreamEndpoint("POST", "/configs/storage/{id}/test", _storage, "files", "admin"),
    StreamEndpoint("POST", "/configs/webhook/{id}/test", _webhook, "events", "admin"),
]
