"""Tests of storages and webhooks, waited for: begun in one unit of work, looked at in others until they end."""

import asyncio
import time
from collections.abc import Callable

from anyio.to_thread import run_sync
from pydantic import BaseModel
from sqlalchemy.orm import Session
from starlette.requests import Request
from starlette.responses import Response

from entrepot.errors import InvalidInput
from entrepot.identity import Principal
from entrepot.requests import requested, trials
from entrepot.server.endpoint import Json
from entrepot.server.services import Services
from entrepot.server.streaming import Waiting

_LONGEST_WAIT = 60.0
_POLL_SECONDS = 0.1


async def tried(
    request: Request, principal: Principal, begin: Callable[[Session], str], look: Callable[[Session], BaseModel]
) -> Response:
    """Return what is tried out as it is once that ended, or as long as ``wait`` (20 seconds, 60 at most) says.

    Parameters
    ----------
    begin
        Begins it, and returns the id of its step.
    look
        Returns what is tried out, as the interface shows it.
    """
    services: Services = request.app.state.services
    try:
        wait = min(float(request.query_params.get("wait", "20")[:20]), _LONGEST_WAIT)
    except ValueError:
        raise InvalidInput.field("wait", "A number of seconds.") from None

    def start() -> str:
        with services.database.write() as session:
            return begin(session)

    def seen(task_id: str) -> tuple[str, BaseModel]:
        with services.database.read() as session:
            return trials.status_of(session, task_id), look(session)

    waiting: Waiting = request.app.state.waiting
    with waiting.one(principal):
        task_id = await run_sync(start)
        until = time.monotonic() + wait
        while True:
            status, record = await run_sync(seen, task_id)
            if status not in requested.OPEN or not time.monotonic() < until:
                return Json(record.model_dump(mode="json"))
            await asyncio.sleep(_POLL_SECONDS)
