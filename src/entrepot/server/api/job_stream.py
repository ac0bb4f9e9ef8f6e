"""A job as it goes: its status, progress and output as server-sent events, until it ends."""

import asyncio
import time
import zlib
from collections.abc import AsyncIterator, Callable
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from functools import partial

import orjson
from anyio.to_thread import run_sync
from starlette.requests import Request
from starlette.responses import Response

from entrepot import jobs
from entrepot.errors import EntrepotError, InvalidInput, NotFound
from entrepot.identity import Principal
from entrepot.server.endpoint import authenticate
from entrepot.server.services import Services
from entrepot.server.streaming import Stream, StreamEndpoint, Waiting

_SOON_SECONDS, _SELDOM_SECONDS = 0.2, 1.0
_ADMITTED_SECONDS = 2.0  #: then who listens is asked anew who they are
_HEARTBEAT_SECONDS = 15.0
_STREAM_SECONDS = 600.0  #: then clients come again
_UNDER_WAY = ("pending", "running")


@dataclass(frozen=True)
class Going:
    """How far a job is."""

    status: str
    done: int
    total: int
    message: str


async def stream_job(request: Request, principal: Principal) -> Response:
    """Stream a job's progress and output as they come, as server-sent events, until it ends.

    ``progress`` tells its ``status``, and ``done`` of ``total`` with a ``message``; ``output`` what it printed: a
    ``text`` to add to what there is, or to take in its place where it is ``anew``, as of long output the first part is
    left out. ``end`` is the last one. With ``Last-Event-ID`` no output comes twice. The stream ends after a while:
    clients come again by themselves.
    """
    if "text/event-stream" not in request.headers.get("accept", ""):
        raise InvalidInput.field("Accept", "Ask for text/event-stream, or read /api/v1/jobs/{job_id}.")
    return await streamed(
        request, principal, request.path_params["job_id"], partial(authenticate, request, "series", "read")
    )


async def streamed(request: Request, principal: Principal, job_id: str, again: Callable[[], Principal]) -> Response:
    """Return a job as a stream; `again` says from time to time who listens, in a thread."""
    await run_sync(_look, request, principal, job_id)  # whether there is one is settled before the answer begins
    waiting: Waiting = request.app.state.waiting
    with ExitStack() as stack:
        if request.method == "HEAD":
            return Response(media_type="text/event-stream")
        stack.enter_context(waiting.one(principal))
        return Stream(
            stack.pop_all(),
            _events(request, principal, job_id, again),
            media_type="text/event-stream",
            headers={"cache-control": "no-store", "x-accel-buffering": "no"},
        )


async def _events(
    request: Request, principal: Principal, job_id: str, again: Callable[[], Principal]
) -> AsyncIterator[bytes]:
    begin = admitted = said = time.monotonic()
    pause, going, known, mark = _SOON_SECONDS, None, None, request.headers.get("last-event-id", "")
    yield b"retry: 1000\n\n"
    while time.monotonic() < begin + _STREAM_SECONDS and not request.app.state.stopping:
        try:
            if time.monotonic() > admitted + _ADMITTED_SECONDS:
                principal, admitted = await run_sync(again), time.monotonic()
            now, output = await run_sync(_look, request, principal, job_id)
        except EntrepotError:  # who listens may not any more, or it is gone
            return
        events = [] if now == going else [_event("progress", asdict(now))]
        text, is_anew = rest(mark, output) if known is None else added(known, output)
        if text or is_anew:
            events.append(_event("output", {"text": text, "anew": is_anew}, mark_of(output)))
        going, known = now, output
        if now.status not in _UNDER_WAY:
            yield b"".join([*events, _event("end", {"status": now.status})])
            return
        pause = _SOON_SECONDS if events else min(pause * 1.5, _SELDOM_SECONDS)
        if events or time.monotonic() > said + _HEARTBEAT_SECONDS:
            said = time.monotonic()
            yield b"".join(events) or b": still here\n\n"
        if await request.is_disconnected():
            return
        await asyncio.sleep(pause)


def added(known: str, output: str) -> tuple[str, bool]:
    """Return what was printed since, or all there is and True, where that does not begin with what is known."""
    return (output[len(known) :], False) if output.startswith(known) else (output, True)


def rest(mark: str, output: str) -> tuple[str, bool]:
    """Return what a client lacks that has as much of the output as :func:`mark_of` said."""
    size = int(mark.partition("-")[0]) if mark.partition("-")[0].isdecimal() and len(mark) < 20 else 0
    if mark and mark == mark_of(output[:size]):
        return output[size:], False
    return output, bool(mark)


def mark_of(output: str) -> str:
    """Return what says how much of the output somebody has, and which."""
    return f"{len(output)}-{zlib.crc32(output.encode()):08x}"


def _look(request: Request, principal: Principal, job_id: str) -> tuple[Going, str]:
    services: Services = request.app.state.services
    with services.database.read() as session:
        job = jobs.get(session, job_id)
        if job.organization_id is None:
            raise NotFound("Job not found.")
        principal.require("read", job.organization_id, "Job", job.project_id)
        return Going(job.status, job.progress_done, job.progress_total, job.progress_message), job.output


def _event(name: str, data: object, mark: str = "") -> bytes:
    head = f"id: {mark}\n" if mark else ""
    return f"{head}event: {name}\ndata: {orjson.dumps(data).decode()}\n\n".encode()


ENDPOINTS = [StreamEndpoint("GET", "/api/v1/jobs/{job_id}/stream", stream_job, "series", "read")]
