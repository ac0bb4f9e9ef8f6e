"""How requests to webhooks look: what is sent, where, and how it is signed."""

import base64
import hmac
import secrets
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import orjson
from sqlalchemy.orm import Session

from entrepot.events.models import Delivery, Event

STANDARD = "standard"
_PREFIX = "whsec_"


@dataclass(frozen=True)
class Message:
    """A request to a webhook, yet to be signed."""

    url: str
    event_id: str
    body: bytes


@dataclass(frozen=True)
class Style:
    """One way to tell a receiver of an event.

    Attributes
    ----------
    compose
        Returns url and body for a webhook's url, an event and its delivery.
    sign
        Returns the headers that prove, from the secrets (the newest first), when and by whom the message was sent.
    new_secret
        Makes a secret.
    concerns
        Tells whether receivers of this style know events of a type and action.
    delays
        Seconds between attempts; after the last one, the delivery has failed.
    """

    compose: Callable[[Session, str, Event, Delivery], Message]
    sign: Callable[[Sequence[str], Message], dict[str, str]]
    new_secret: Callable[[], str]
    concerns: Callable[[str, str], bool]
    delays: tuple[float, ...]


STYLES: dict[str, Style] = {}


def describe(event: Event) -> dict[str, Any]:
    """Return an event as the native API, its streams and its webhooks tell of it."""
    return {
        "id": event.id,
        "type": event.type,
        "action": event.action,
        "object_id": event.object_id,
        "organization_id": event.organization_id,
        "project_id": event.project_id,
        "user_id": event.user_id,
        "created_at": event.created,
        "data": event.data,
    }


def _compose(_session: Session, url: str, event: Event, _delivery: Delivery) -> Message:
    content = {"type": f"{event.type}.{event.action}", "timestamp": event.created, "data": describe(event)}
    return Message(url, event.id, orjson.dumps(content, option=orjson.OPT_UTC_Z))


def _sign(secrets_: Sequence[str], message: Message) -> dict[str, str]:
    """Sign as Standard Webhooks 1.0 says: a signature for each secret."""
    stamp = str(int(time.time()))
    signed = b".".join((message.event_id.encode(), stamp.encode(), message.body))
    keys = [base64.b64decode(secret.removeprefix(_PREFIX)) for secret in secrets_]
    signatures = [base64.b64encode(hmac.digest(key, signed, "sha256")).decode() for key in keys]
    return {
        "webhook-id": message.event_id,
        "webhook-timestamp": stamp,
        "webhook-signature": " ".join(f"v1,{signature}" for signature in signatures),
    }


STYLES[STANDARD] = Style(
    compose=_compose,
    sign=_sign,
    new_secret=lambda: _PREFIX + base64.b64encode(secrets.token_bytes(32)).decode(),
    concerns=lambda _type, _action: True,
    delays=(5.0, 60.0, 300.0, 1800.0, 7200.0, 18_000.0, 36_000.0, 36_000.0),
)
