"""The event log: read from a cursor, waited for, streamed."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import ExitStack, nullcontext
from functools import partial

import orjson
from anyio.to_thread import run_sync
from starlette.datastructures import QueryParams
from starlette.requests import Request
from starlette.responses import Response

from entrepot.errors import EntrepotError, InvalidInput
from entrepot.events import cursors, webhooks
from entrepot.events.models import Event
from entrepot.events.reading import read
from entrepot.events.styles import describe
from entrepot.identity import Principal
from entrepot.server.endpoint import Json, authenticate
from entrepot.server.services import Services
from entrepot.server.streaming import Stream, StreamEndpoint, Waiting

_LONGEST_WAIT = 60.0
_POLL_SECONDS, _LONGEST_POLL_SECONDS = 0.1, 1.0
_STREAM_SECONDS = 600.0  #: then clients come again
_ADMITTED_SECONDS = 2.0  #: then those who wait are asked anew who they are
_HEARTBEAT_SECONDS = 15.0
_MOST = 1000


async def read_events(request: Request, principal: Principal) -> Response:
    """Return the events after a cursor, oldest first.

    ``next`` is null where there is none yet after these: go on from ``cursor`` then. ``after`` is a cursor, an event's
    id or ``latest``; without it, the log's beginning. With ``wait`` (seconds) an answer that would be empty waits for
    the next event. ``type`` (``file`` or ``file.published``) may be repeated.
    """
    query = request.query_params
    _known(query, "after", "wait", "type", "limit")
    limit, wait = _number(query, "limit", 100, 1, _MOST), _number(query, "wait", 0, 0, _LONGEST_WAIT)
    waiting: Waiting = request.app.state.waiting
    with waiting.one(principal) if wait else nullcontext():
        after = _after(request, query.get("after"))
        events, sequence = await _wait(request, principal, after, int(limit), time.monotonic() + wait)
    services: Services = request.app.state.services
    cursor = cursors.write(services.vault, sequence)
    more = request.url.include_query_params(after=cursor).replace(netloc="", scheme="")
    following = str(more) if len(events) == limit else None
    return Json({"items": [describe(event) for event in events], "next": following, "cursor": cursor})


async def stream_events(request: Request, principal: Principal) -> Response:
    """Stream events as they come, as server-sent events; ``Last-Event-ID`` or ``after`` says where to begin.

    Without either it begins now. The stream ends after a while: clients come again by themselves.
    """
    if "text/event-stream" not in request.headers.get("accept", ""):
        # Who does not ask for a stream would wait for its end.
        raise InvalidInput.field("Accept", "Ask for text/event-stream, or read /api/v1/events.")
    query = request.query_params
    _known(query, "after", "type")
    after = _after(request, request.headers.get("last-event-id") or query.get("after") or "latest")
    waiting: Waiting = request.app.state.waiting
    with ExitStack() as stack:
        if request.method == "HEAD":
            return Response(media_type="text/event-stream")
        stack.enter_context(waiting.one(principal))
        # Whether the cursor is one, and from where on, is settled before the answer begins.
        first, sequence = await _wait(request, principal, after, 100, 0)
        return Stream(
            stack.pop_all(),
            _stream(request, principal, first, sequence),
            media_type="text/event-stream",
            headers={"cache-control": "no-store", "x-accel-buffering": "no"},
        )


async def _stream(request: Request, principal: Principal, events: list[Event], sequence: int) -> AsyncIterator[bytes]:
    end = time.monotonic() + _STREAM_SECONDS
    yield b"retry: 1000\n\n"
    while True:
        for event in events:
            data = orjson.dumps(describe(event)).decode()
            yield f"id: {event.id}\nevent: {event.type}.{event.action}\ndata: {data}\n\n".encode()
        if time.monotonic() > end or _stopping(request):
            return
        until = time.monotonic() + _HEARTBEAT_SECONDS
        try:
            events, sequence = await _wait(request, principal, sequence, 100, until)
        except EntrepotError:  # who listens may not any more: the key was revoked, the password changed
            return
        if not events:
            yield b": still here\n\n"


def _after(request: Request, text: str | None) -> int | str | None:
    services: Services = request.app.state.services
    return None if text is None else cursors.read(services.vault, text)


def _stopping(request: Request) -> bool:
    return bool(request.app.state.stopping)


async def _wait(
    request: Request, principal: Principal, after: int | str | None, limit: int, until: float
) -> tuple[list[Event], int]:
    services: Services = request.app.state.services
    types = request.query_params.getlist("type")
    webhooks.check_types(types)
    pause = _POLL_SECONDS
    admitted = time.monotonic()
    while True:
        if time.monotonic() > admitted + _ADMITTED_SECONDS:
            principal = await run_sync(authenticate, request, "events", "read")
            admitted = time.monotonic()
        look = partial(read, services.database, principal.within(Event), after, types=types, limit=limit)
        events, sequence = await run_sync(look)
        if events or time.monotonic() >= until or _stopping(request) or await request.is_disconnected():
            return events, sequence
        after = sequence
        await asyncio.sleep(min(pause, max(0.0, until - time.monotonic())))
        pause = min(pause * 1.5, _LONGEST_POLL_SECONDS)


def _known(query: QueryParams, *names: str) -> None:
    for name in query:
        if name not in names:
            raise InvalidInput.field(name[:100], "There is no such parameter.")


def _number(query: QueryParams, name: str, default: float, least: float, most: float) -> float:
    text = query.get(name)
    try:
        value = default if text is None else float(text[:20])
    except ValueError:
        value = float("nan")
    if not least <= value <= most:
        raise InvalidInput.field(name, f"From {least:g} to {most:g}.")
    return value


ENDPOINTS = [
    StreamEndpoint("GET", "/api/v1/events", read_events, "events", "read"),
    StreamEndpoint("GET", "/api/v1/events/stream", stream_events, "events", "read"),
]
