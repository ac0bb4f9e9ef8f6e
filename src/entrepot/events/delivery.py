"""Sending events to webhooks: at least once, in order for each object, for hours if need be."""

import random
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import httpx
from sqlalchemy import exists, func, select
from sqlalchemy.orm import Session, aliased

from entrepot import jobs, net
from entrepot.db import now
from entrepot.errors import EntrepotError
from entrepot.events.log import ACTIVE, emit
from entrepot.events.models import Delivery, Event, Webhook
from entrepot.events.styles import STYLES, Message
from entrepot.events.webhooks import DELIVER, deliver_later
from entrepot.identity import Vault
from entrepot.settings import Settings

ANSWER_SECONDS = 10.0
#: A webhook through which nothing came for so long is deactivated.
GIVE_UP = timedelta(days=5)
#: A job begins to send for so long and then lets others have its slot: a slow receiver waits its turn again.
_TURN_SECONDS = 5.0
_AT_ONCE = 16
_THREADS = 4
_MOST_ANSWER = 4096
_LOG = 20
_FIRST_PAUSE, _LONGEST_PAUSE = 2.0, 600.0


@dataclass(frozen=True)
class Outcome:
    """What became of one attempt.

    Attributes
    ----------
    status
        Of the answer; None when there was none.
    error
        What went wrong; None when it went well.
    """

    at: datetime
    seconds: float
    status: int | None
    error: str | None

    def entry(self) -> dict[str, Any]:
        """Return what the log keeps."""
        return {
            "at": self.at.isoformat(),
            "seconds": round(self.seconds, 3),
            "status": self.status,
            "error": self.error,
        }


def send(client: httpx.Client, style: str, secret: str, message: Message) -> Outcome:
    """Post a message to its receiver, signed now; any 2xx is a success."""
    began, at = time.monotonic(), now()
    status: int | None = None
    error: str | None = None
    headers = {"content-type": "application/json", "user-agent": "entrepot-webhooks"}
    headers |= STYLES[style].sign(secret, message)
    try:
        with client.stream("POST", message.url, content=message.body, headers=headers) as answer:
            status = answer.status_code
            if not answer.is_success:
                error = f"answered {status}: {_beginning(answer)}"
    except (httpx.HTTPError, httpx.InvalidURL, EntrepotError) as problem:
        # Once there is a status, a broken body changes nothing.
        if status is None or not 200 <= status < 300:
            error = f"{type(problem).__name__}: {problem}"[:500]
    return Outcome(at, time.monotonic() - began, status, error)


@jobs.task(DELIVER, max_attempts=10, pool="deliveries", calls_out=True)
def deliver(context: jobs.JobContext) -> dict[str, int]:
    """Send what waits for a webhook and is due."""
    payload: dict[str, str] = context.job.payload or {}
    webhook_id, settings = payload["webhook"], context.settings
    vault: Vault = context.services["vault"]
    sent = failed = 0
    end = time.monotonic() + _TURN_SECONDS
    with open_client(settings) as client, ThreadPoolExecutor(_THREADS) as pool:
        while time.monotonic() < end and not context.cancelled():
            with context.database.read() as session:
                webhook, batch = _due(session, webhook_id)
            if webhook is None or not batch:
                break
            secret, style = vault.decrypt(webhook.secret_encrypted), webhook.style
            numbers, messages = zip(*batch, strict=True)
            outcomes = pool.map(partial(_send_until, end, client, style, secret), messages)
            results = [(number, outcome) for number, outcome in zip(numbers, outcomes, strict=True) if outcome]
            with context.unit() as session:
                failures = record(session, webhook_id, results)
            sent, failed = sent + len(results) - failures, failed + failures
    with context.unit() as session:
        _go_on(session, webhook_id)
        context.finish(session, {"sent": sent, "failed": failed})
    return {"sent": sent, "failed": failed}


def _send_until(end: float, client: httpx.Client, style: str, secret: str, message: Message) -> Outcome | None:
    return send(client, style, secret, message) if time.monotonic() < end else None


def open_client(settings: Settings) -> httpx.Client:
    """Return a client for receivers."""
    return net.client(settings.webhook_allowed_networks, seconds=ANSWER_SECONDS)


def record(session: Session, webhook_id: str, outcomes: list[tuple[int, Outcome]]) -> int:
    """Write down how attempts went, by the number of their delivery, and return how many failed."""
    webhook = session.scalars(select(Webhook).where(Webhook.id == webhook_id).with_for_update()).one()
    delays = STYLES[webhook.style].delays
    failures, silent = 0, False
    for number, outcome in outcomes:
        delivery = session.get_one(Delivery, number)
        delivery.attempts += 1
        delivery.log = [*delivery.log, outcome.entry()][-_LOG:]
        if outcome.error is None:
            delivery.state, delivery.delivered = "delivered", now()
            continue
        failures += 1
        silent = silent or outcome.status is None
        if delivery.attempts > len(delays):
            delivery.state = "failed"
        else:
            wait = delays[delivery.attempts - 1] * random.uniform(0.9, 1.3)  # noqa: S311 - no secret
            delivery.next_at = now() + timedelta(seconds=wait)
    if failures < len(outcomes):
        webhook.failing_since = webhook.paused_until = None
        webhook.pauses = 0
    elif failures:
        webhook.failing_since = webhook.failing_since or now()
        if silent:
            # Nobody is there: the others need not find that out one by one.
            pause = min(_FIRST_PAUSE * 2.0 ** min(webhook.pauses, 20), _LONGEST_PAUSE)
            webhook.pauses += 1
            webhook.paused_until = now() + timedelta(seconds=pause)
        if now() - webhook.failing_since > GIVE_UP:
            _deactivate(session, webhook)
    session.flush()
    return failures


def _deactivate(session: Session, webhook: Webhook) -> None:
    webhook.state = "deactivated"
    data = {"url": webhook.url, "failing_since": webhook.failing_since and webhook.failing_since.isoformat()}
    emit(session, "webhook", "deactivated", webhook.id, organization_id=webhook.organization_id, data=data)


def _due(session: Session, webhook_id: str) -> tuple[Webhook | None, list[tuple[int, Message]]]:
    webhook = session.scalar(select(Webhook).where(Webhook.id == webhook_id, Webhook.state.in_(ACTIVE)))
    if webhook is None or (webhook.paused_until is not None and webhook.paused_until > now()):
        return webhook, []
    query = (
        select(Delivery, Event)
        .join(Event, Event.position == Delivery.event_position)
        .where(Delivery.webhook_id == webhook_id, _is_first(), Delivery.next_at <= now())
        .order_by(Delivery.number)
        .limit(_AT_ONCE)
    )
    style = STYLES[webhook.style]
    found = session.execute(query).all()
    return webhook, [(one.number, style.compose(session, webhook.url, event, one)) for one, event in found]


def _is_first() -> Any:
    """Tell whether a delivery is the first of its object that waits."""
    earlier = aliased(Delivery)
    blocked = exists().where(
        earlier.webhook_id == Delivery.webhook_id,
        earlier.object_key == Delivery.object_key,
        earlier.state == "pending",
        earlier.number < Delivery.number,
    )
    return (Delivery.state == "pending") & ~blocked


def _go_on(session: Session, webhook_id: str) -> None:
    webhook = session.scalar(select(Webhook).where(Webhook.id == webhook_id, Webhook.state.in_(ACTIVE)))
    if webhook is None:
        return
    next_at = session.scalar(select(func.min(Delivery.next_at)).where(Delivery.webhook_id == webhook_id, _is_first()))
    if next_at is not None:
        # Not before now, or it would come before those who have waited since.
        deliver_later(session, webhook, max(next_at, webhook.paused_until or next_at, now()))


def _beginning(answer: httpx.Response) -> str:
    body = b""
    for part in answer.iter_raw():
        body += part
        if len(body) >= _MOST_ANSWER:
            break
    return body[:300].decode(errors="replace").replace("\0", "")
