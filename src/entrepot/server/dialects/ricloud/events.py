"""Events as this dialect knows them, and how they are sent to its webhooks."""

import base64
import hmac
import secrets
import time
from collections.abc import Callable, Sequence
from typing import Any

import orjson

from entrepot.db import Session
from entrepot.events import reading
from entrepot.events.models import Delivery, Event, Webhook
from entrepot.events.styles import STYLES, Message, Style
from entrepot.files.models import Storage
from entrepot.identity import records
from entrepot.requests.models import DataRequest, RemoteSession, RequestStep
from entrepot.server.dialects.ricloud import names, render
from entrepot.server.dialects.ricloud.listing import Listing, Record
from entrepot.server.endpoint import Call, Endpoint

STYLE = "ricloud"
#: The events that clients of this dialect know of; what else happens to a webhook, say, is none of them.
_TOLD = (
    *("session.expired", "request.created", "request.completed"),
    *("step.created", "step.succeeded", "step.failed", "webhook.test"),
)


def _resource(session: Session, event: Event) -> Record | None:
    """Return the resource that an event is about, as it is now; None when it is gone."""
    model, present = _RESOURCES[event.type]
    row = records.by_id(session, model, event.object_id)
    return None if row is None else present(session, row)


def _poll(session: Session, poll: DataRequest) -> Record:
    # Signed URLs are for those who ask with their key; what is sent around has none.
    return render.polls(session, [poll], None)[0]


_RESOURCES: dict[str, tuple[Any, Callable[[Session, Any], Record]]] = {
    "request": (DataRequest, _poll),
    "step": (RequestStep, lambda session, task: render.tasks(session, [task], None)[0]),
    "session": (RemoteSession, lambda session, one: render.sessions(session, [one])[0]),
    "webhook": (Webhook, lambda _session, webhook: render.webhook_config(webhook)),
    "storage": (Storage, lambda _session, storage: render.storage_config(storage)),
}


def describe(session: Session, event: Event, deliveries: Sequence[Delivery]) -> Record:
    """Render an event and how far it is on its way."""
    state = reading.progress(deliveries)
    delivered = max((one.delivered_at for one in deliveries if one.delivered_at), default=None)
    return render.shown(
        event,
        "id resource organisation type action data state retries date_created date_delivered",
        resource="event",
        type=names.kind_word(event.type),
        data=_resource(session, event),
        state=state,
        retries=max((max(0, one.attempts - 1) for one in deliveries), default=0),
        date_delivered=render.instant(delivered) if state == "delivered" else None,
    )


def compose(session: Session, url: str, event: Event, delivery: Delivery) -> Message:
    """Return the request by which a receiver is told of an event."""
    content = describe(session, event, []) | {"retries": delivery.attempts}
    return Message(f"{url.rstrip('/')}/{event.id}", event.id, orjson.dumps(content))


def sign(secrets_: Sequence[str], message: Message) -> dict[str, str]:
    """Sign a request as receivers of this dialect check it, who know of one secret: the newest."""
    return signed_at(secrets_[0], message.body, int(time.time()))


def signed_at(secret: str, body: bytes, stamp: int) -> dict[str, str]:
    """Return the header that signs a body at an instant, in seconds since 1970."""
    digest = hmac.digest(secret.encode(), f"{stamp}.".encode() + body, "sha256")
    return {"ricloud-signature": f"t={stamp},s={base64.b64encode(digest).decode()}"}


STYLES[STYLE] = Style(
    compose=compose,
    sign=sign,
    new_secret=lambda: secrets.token_urlsafe(32),
    concerns=lambda type_, action: f"{type_}.{action}" in _TOLD,
    delays=(60.0, 600.0, 3600.0, 10_800.0),
)


def _records(call: Call, events: Sequence[Event]) -> list[Record]:
    found = reading.deliveries_of(call.session, events)
    return [describe(call.session, event, found[event.number]) for event in events]


_LISTING = Listing(
    "/events",
    Event,
    _records,
    filters=("action", "state", "type"),
    known={"state": reading.PROGRESS, "type": tuple(map(names.kind_word, _RESOURCES))},
    kinds=("type",),
    find=reading.list_events,
)


def _list(call: Call) -> Record:
    return _LISTING.answer(call, {"types": _TOLD})


def _get(call: Call) -> Record:
    return _records(call, [reading.get_event(call.session, call.principal, call.path["id"], _TOLD)])[0]


ENDPOINTS = [
    Endpoint("GET", "/events", _list, "events", "read"),
    Endpoint("GET", "/events/{id}", _get, "events", "read"),
]
