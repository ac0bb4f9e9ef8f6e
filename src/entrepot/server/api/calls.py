"""Calls of scripts for remote workers: claimed, fetched, renewed, answered."""

import time
from asyncio import sleep
from contextlib import nullcontext
from functools import partial
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from entrepot.engines import calls
from entrepot.engines.models import RemoteCall
from entrepot.errors import InvalidInput, NotFound, TooLarge
from entrepot.identity import Principal
from entrepot.scripts import Limits
from entrepot.scripts.answer import Answer, most_beginning, require_answer
from entrepot.server.endpoint import Call, Endpoint, Json, authenticate
from entrepot.server.services import Services
from entrepot.server.streaming import StreamEndpoint, Waiting, pour
from entrepot.server.threads import in_thread

SCOPE = "calls:work"
_LONGEST_WAIT = 30.0
_POLL_SECONDS, _LONGEST_POLL_SECONDS = 0.05, 0.25
_LONGEST_NAME = 100


async def claim_call(request: Request, principal: Principal) -> Response:
    """Claim the oldest call that waits for a worker of the key's organization; 204 where none does.

    With ``wait`` (seconds), an answer that would be empty waits for a call. The call is the worker's for
    ``lease_seconds``, which it renews; ``fence`` says which claim of the call it is.
    """
    principal.require("admin")
    wait, worker = _wait_of(request), request.query_params.get("worker", "")
    if not worker.isprintable() or len(worker) > _LONGEST_NAME:
        raise InvalidInput.field("worker", f"At most {_LONGEST_NAME} signs that can be printed.")
    services: Services = request.app.state.services
    waiting: Waiting = request.app.state.waiting
    until, pause = time.monotonic() + wait, _POLL_SECONDS
    with waiting.one(principal) if wait else nullcontext():
        while True:
            if await in_thread(_any_waiting, services, principal):
                # Whoever waited may not be let in any more.
                principal = await in_thread(partial(authenticate, request, "series", "admin", scope=SCOPE))
                if found := await in_thread(_take, services, principal, worker):
                    return Json(found)
            left = until - time.monotonic()
            if left <= 0 or request.app.state.stopping or await request.is_disconnected():
                return Response(status_code=204)
            await sleep(min(pause, left))
            pause = min(pause * 1.5, _LONGEST_POLL_SECONDS)


async def read_request(request: Request, principal: Principal) -> Response:
    """Return the bytes of a call: a header and Arrow, for `entrepot worker` of the server's version."""
    services: Services = request.app.state.services
    fence = _fence_of(request)
    call = await in_thread(_held, services, principal, request.path_params["call_id"], fence)
    parts = calls.parts(services.database, call)
    return StreamingResponse(parts, media_type="application/octet-stream", headers={"content-length": str(call.size)})


def renew_call(call: Call) -> dict[str, Any]:
    """Prolong the lease of a call that the worker is making; 404 or 409 where it has it no more, and may stop."""
    fence, seconds = _fence_of(call.request), call.services.settings.job_lease_seconds
    calls.renew(call.session, _found(call.session, call.principal, call.path["call_id"]), fence, seconds)
    return {"lease_seconds": seconds}


async def answer_call(request: Request, principal: Principal) -> Response:
    """Take the answer of a call from the worker that has it, and from nobody else."""
    services: Services = request.app.state.services
    fence = _fence_of(request)
    call = await in_thread(_held, services, principal, request.path_params["call_id"], fence)
    coming = _Coming(services, call, fence)
    coming.require(int(request.headers.get("content-length", "0")[:18]))
    await pour(request.stream(), coming.write)
    await in_thread(coming.finish)
    return Response(status_code=204)


class _Coming:
    """An answer that comes in: kept piece by piece, and never more of it than the call's limits let there be."""

    def __init__(self, services: Services, call: RemoteCall, fence: int) -> None:
        self._services, self._call, self._fence = services, call, fence
        self._limits = Limits(**call.limits)
        self._size = self._place = 0
        self._beginning = bytearray()

    def require(self, size: int) -> None:
        """Raise TooLarge where the answer has more bytes than it may."""
        if size > (most := Answer.most_bytes(self._limits)):
            raise TooLarge.field("answer", f"At most {most} bytes.")

    def write(self, blocks: list[bytes]) -> None:
        """Keep what comes next."""
        data = b"".join(blocks)
        self._size += len(data)
        self.require(self._size)
        self._beginning += data[: max(most_beginning(self._limits) - len(self._beginning), 0)]
        for start in range(0, len(data), calls.PART_BYTES):
            with self._services.database.write() as session:
                calls.renew(session, self._call, self._fence, self._services.settings.job_lease_seconds)
                part = data[start : start + calls.PART_BYTES]
                calls.add_part(session, self._call, self._fence, self._place, part)
            self._place += 1

    def finish(self) -> None:
        """Have whoever waits find the answer."""
        try:
            require_answer(self._beginning, self._size, self._limits)
        except ValueError as error:
            raise InvalidInput.field("answer", f"This is not the answer of a call: {error}.") from None
        with self._services.database.write() as session:
            seconds = self._services.settings.job_lease_seconds
            calls.renew(session, self._call, self._fence, seconds, status="answered", answer_size=self._size)


def _any_waiting(services: Services, principal: Principal) -> bool:
    with services.database.read() as session:
        return calls.any_waiting(session, principal.organization_id)


def _take(services: Services, principal: Principal, worker: str) -> dict[str, Any] | None:
    principal.require("admin")
    with services.database.write() as session:
        return calls.take(session, principal.organization_id, worker, services.settings.job_lease_seconds)


def _found(session: Session, principal: Principal, call_id: str) -> RemoteCall:
    call = session.scalar(select(RemoteCall).where(RemoteCall.id == call_id))
    if call is None:
        raise NotFound("Call not found: nobody waits for it any more.")
    principal.require("admin", call.organization_id, "Call")
    return call


def _held(services: Services, principal: Principal, call_id: str, fence: int) -> RemoteCall:
    with services.database.write() as session:
        call = _found(session, principal, call_id)
        calls.renew(session, call, fence, services.settings.job_lease_seconds)
        return call


def _fence_of(request: Request) -> int:
    text = request.query_params.get("fence", "")
    if not (text.isascii() and text.isdigit()) or not 0 < int(text[:9]) == int(text):
        raise InvalidInput.field("fence", "Say the number that came with the claim.")
    return int(text)


def _wait_of(request: Request) -> float:
    try:
        wait = float(request.query_params.get("wait", "0")[:20])
    except ValueError:
        wait = float("nan")
    if not 0 <= wait <= _LONGEST_WAIT:
        raise InvalidInput.field("wait", f"From 0 to {_LONGEST_WAIT:g}.")
    return wait


ENDPOINTS: list[Endpoint] = [
    StreamEndpoint("POST", "/api/v1/calls/claim", claim_call, "series", "admin", scope=SCOPE),
    StreamEndpoint("GET", "/api/v1/calls/{call_id}/request", read_request, "series", "admin", scope=SCOPE),
    Endpoint("POST", "/api/v1/calls/{call_id}/renew", renew_call, "series", "admin", scope=SCOPE, body="none"),
    StreamEndpoint(
        "PUT", "/api/v1/calls/{call_id}/answer", answer_call, "series", "admin", scope=SCOPE, body="stream", status=204
    ),
]
