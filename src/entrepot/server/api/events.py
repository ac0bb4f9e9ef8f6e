"""The event log: read from a cursor, waited for, streamed; and the webhooks that are told of it."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import ExitStack, nullcontext
from functools import partial
from typing import Any

import orjson
from anyio.to_thread import run_sync
from sqlalchemy import delete, select
from starlette.datastructures import QueryParams
from starlette.requests import Request
from starlette.responses import Response

from entrepot.errors import EntrepotError, InvalidInput
from entrepot.events import cursors, webhooks
from entrepot.events.models import Delivery, Event, Webhook
from entrepot.events.reading import position_of, read
from entrepot.events.styles import STANDARD, describe
from entrepot.identity import Principal
from entrepot.server.endpoint import Call, Endpoint, Json, authenticate
from entrepot.server.services import Services
from entrepot.server.streaming import Stream, StreamEndpoint, Waiting

_LONGEST_WAIT = 60.0
_POLL_SECONDS, _LONGEST_POLL_SECONDS = 0.1, 1.0
_STREAM_SECONDS = 600.0  #: then clients come again
_ADMITTED_SECONDS = 2.0  #: then those who wait are asked anew who they are
_HEARTBEAT_SECONDS = 15.0
_MOST = 1000


async def read_events(request: Request, principal: Principal) -> Response:
    """Return the events after a cursor, oldest first, and the cursor to go on from.

    ``after`` is a cursor, an event's id or ``latest``; without it, the log's beginning. With ``wait`` (seconds) an
    answer that would be empty waits for the next event. ``type`` (``file`` or ``file.published``) may be repeated.
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
    return Json({"events": [describe(event) for event in events], "cursor": cursor})


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


def list_webhooks(call: Call) -> list[dict[str, Any]]:
    """List webhooks, newest first."""
    query = select(Webhook).where(call.principal.own(Webhook))
    return [_record(one) for one in call.session.scalars(query.order_by(Webhook.number.desc()))]


def create_webhook(call: Call) -> dict[str, Any]:
    """Create a webhook, signed as Standard Webhooks 1.0 says; its secret is in this answer and nowhere else."""
    fields = _fields(call, "url", "types")
    webhook, secret = webhooks.create_webhook(
        call.session,
        call.principal,
        call.services.settings,
        call.services.vault,
        url=fields.get("url", ""),
        style=STANDARD,
        types=fields.get("types"),
    )
    return _record(webhook) | {"secret": secret}


def get_webhook(call: Call) -> dict[str, Any]:
    """Return a webhook."""
    return _record(webhooks.get_webhook(call.session, call.principal, call.path["webhook_id"]))


def update_webhook(call: Call) -> dict[str, Any]:
    """Change ``url``, ``types`` or ``state`` of a webhook."""
    webhook = webhooks.get_webhook(call.session, call.principal, call.path["webhook_id"], "admin")
    changes = _fields(call, "url", "types", "state")
    return _record(webhooks.update_webhook(call.session, call.principal, call.services.settings, webhook, changes))


def rotate_webhook(call: Call) -> dict[str, Any]:
    """Give a webhook a new secret, which is in this answer and nowhere else.

    For ``overlap_hours`` (24), requests carry a signature by the old secret beside that by the new one.
    """
    webhook = webhooks.get_webhook(call.session, call.principal, call.path["webhook_id"], "admin")
    hours = _fields(call, "overlap_hours").get("overlap_hours", 24)
    webhook, secret = webhooks.rotate_secret(call.session, call.principal, call.services.vault, webhook, hours)
    return _record(webhook) | {"secret": secret}


def delete_webhook(call: Call) -> Response:
    """Delete a webhook, and what waits for it."""
    webhook = webhooks.get_webhook(call.session, call.principal, call.path["webhook_id"], "admin")
    call.session.execute(delete(Delivery).where(Delivery.webhook_id == webhook.id))
    call.session.delete(webhook)
    return Response(status_code=204)


def replay(call: Call) -> dict[str, int]:
    """Send the events after one (``after``: its id, or a cursor; 0: all that are kept) once more."""
    webhook = webhooks.get_webhook(call.session, call.principal, call.path["webhook_id"], "admin")
    after = _fields(call, "after").get("after")
    if isinstance(after, str):
        place = cursors.read(call.services.vault, after)
        after = position_of(call.session, Event.organization_id == webhook.organization_id, place)
    elif isinstance(after, bool) or after != 0:
        raise InvalidInput.field("after", "The id of an event, a cursor, or 0 for all that are kept.")
    return {"events": webhooks.replay(call.session, call.principal, webhook, after)}


def list_deliveries(call: Call) -> list[dict[str, Any]]:
    """List a webhook's deliveries and their attempts, newest first."""
    webhook = webhooks.get_webhook(call.session, call.principal, call.path["webhook_id"])
    limit = int(_number(call.query, "limit", 100, 1, _MOST))
    query = (
        select(Delivery, Event)
        .join(Event, Event.position == Delivery.event_position)
        .where(Delivery.webhook_id == webhook.id)
    )
    if state := call.query.get("state"):
        query = query.where(Delivery.state == state)
    found = call.session.execute(query.order_by(Delivery.number.desc()).limit(limit))
    return [
        {
            "event": event.id,
            "type": f"{event.type}.{event.action}",
            "object_id": event.object_id,
            "state": one.state,
            "attempts": one.attempts,
            "next_at": one.next_at if one.state == "pending" else None,
            "created": one.created_at,
            "delivered": one.delivered,
            "log": one.log,
        }
        for one, event in found
    ]


def _record(webhook: Webhook) -> dict[str, Any]:
    return {
        "id": webhook.id,
        "url": webhook.url,
        "style": webhook.style,
        "types": webhook.types,
        "state": webhook.state,
        "created": webhook.created_at,
        "active_since": webhook.active_since,
        "failing_since": webhook.failing_since,
        "paused_until": webhook.paused_until,
        "slow": webhook.slow,
        "former_secret_until": webhook.former_until,
    }


def _fields(call: Call, *names: str) -> dict[str, Any]:
    for name in call.fields:
        if name not in names:
            raise InvalidInput.field(name[:100], "There is no such field.")
    return call.fields


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


def _endpoint(method: str, path: str, handler: Any, right: Any, **options: Any) -> Endpoint:
    return Endpoint(method, f"/api/v1/webhooks{path}", handler, "events", right, **options)


ENDPOINTS = [
    StreamEndpoint("GET", "/api/v1/events", read_events, "events", "read"),
    StreamEndpoint("GET", "/api/v1/events/stream", stream_events, "events", "read"),
    _endpoint("GET", "", list_webhooks, "read"),
    _endpoint("POST", "", create_webhook, "admin", status=201),
    _endpoint("GET", "/{webhook_id}", get_webhook, "read"),
    _endpoint("PATCH", "/{webhook_id}", update_webhook, "admin"),
    _endpoint("DELETE", "/{webhook_id}", delete_webhook, "admin"),
    _endpoint("POST", "/{webhook_id}/rotate", rotate_webhook, "admin"),
    _endpoint("POST", "/{webhook_id}/replay", replay, "admin", status=202),
    _endpoint("GET", "/{webhook_id}/deliveries", list_deliveries, "read"),
]
