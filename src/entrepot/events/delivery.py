"""Sending events to webhooks: at least once, in order for each object, for hours if need be."""

import random
import re
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime
from functools import partial
from http import HTTPStatus
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
from entrepot.events.webhooks import DELIVER, DELIVER_SLOWLY, deliver_later, secrets_of
from entrepot.identity import Vault
from entrepot.settings import Settings

ANSWER_SECONDS = 20.0
#: Who takes longer to answer is slow: left alone for a while, and sent to by slots apart.
SLOW_SECONDS = 5.0
#: Nobody is asked to wait for longer, whatever ``Retry-After`` says.
LONGEST_WAIT = timedelta(days=1)
#: A webhook through which nothing came for so long is deactivated.
GIVE_UP = timedelta(days=5)
#: A job begins to send for so long and then lets others have its slot: a slow receiver waits its turn again.
_TURN_SECONDS = 5.0
_AT_ONCE = 16
_THREADS = 4
_MOST_ANSWER = 4096
_LOG = 20
_MOST_KEPT, _MOST_SAID, _MOST_HEADERS = 1000, 300, 30
_SECRET = re.compile("cookie|auth|token|secret|key|signature|password|session", re.IGNORECASE)
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
    wait
        How long the receiver asks to be left alone, from the end of the attempt.
    request, answer
        What was sent and what came, as far as it is kept: headers that hold no secret, and how the answer begins.
    """

    at: datetime
    seconds: float
    status: int | None
    error: str | None
    wait: timedelta | None = None
    request: Mapping[str, Any] = field(default_factory=dict)
    answer: Mapping[str, Any] = field(default_factory=dict)

    @property
    def is_slow(self) -> bool:
        """Whether the answer was long in coming, or never came."""
        return self.status is None or self.seconds > SLOW_SECONDS

    def entry(self) -> dict[str, Any]:
        """Return what the log keeps."""
        return {
            "at": self.at.isoformat(),
            "seconds": round(self.seconds, 3),
            "status": self.status,
            "error": self.error,
            **({"request": dict(self.request)} if self.request else {}),
            **({"answer": dict(self.answer)} if self.answer else {}),
        }


def logged(log: Sequence[Mapping[str, Any]], outcome: Outcome) -> list[dict[str, Any]]:
    """Return the log of a delivery with one more attempt: of the last alone, what was sent and came is kept."""
    before = [{name: value for name, value in one.items() if name not in ("request", "answer")} for one in log]
    return [*before, outcome.entry()][-_LOG:]


def send(client: httpx.Client, style: str, secrets: Sequence[str], message: Message) -> Outcome:
    """Post a message to its receiver, signed now, with the newest secret first; any 2xx is a success."""
    began, at = time.monotonic(), now()
    status: int | None = None
    error: str | None = None
    wait: timedelta | None = None
    headers = {"content-type": "application/json", "user-agent": "entrepot-webhooks"}
    headers |= STYLES[style].sign(secrets, message)
    came: dict[str, Any] = {}
    try:
        with client.stream("POST", message.url, content=message.body, headers=headers) as answer:
            status = answer.status_code
            came["headers"] = _kept(answer.headers)
            if answer.is_success:
                # Of a success, what came at once is enough: nobody waits for the rest.
                came["body"] = _text(next(answer.iter_raw(_MOST_ANSWER), b""))
            else:
                wait = _asked_wait(answer)
                came["body"] = _beginning(answer)
                error = f"answered {status}: {came['body'][:_MOST_SAID]}"
    except (httpx.HTTPError, httpx.InvalidURL, EntrepotError) as problem:
        # Once there is a status, a broken body changes nothing.
        if status is None or not 200 <= status < 300:
            error = f"{type(problem).__name__}: {problem}"[:500]
    return Outcome(at, time.monotonic() - began, status, error, wait, {"headers": _kept(headers)}, came)


@jobs.task(DELIVER_SLOWLY, max_attempts=10, pool="slow_deliveries", calls_out=True)
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
            secrets, style = secrets_of(vault, webhook), webhook.style
            numbers, messages = zip(*batch, strict=True)
            outcomes = pool.map(partial(_send_until, end, client, style, secrets), messages)
            results = [(number, outcome) for number, outcome in zip(numbers, outcomes, strict=True) if outcome]
            with context.unit() as session:
                failures = record(session, webhook_id, results)
            sent, failed = sent + len(results) - failures, failed + failures
    with context.unit() as session:
        _go_on(session, webhook_id)
        context.finish(session, {"sent": sent, "failed": failed})
    return {"sent": sent, "failed": failed}


def _send_until(
    end: float, client: httpx.Client, style: str, secrets: Sequence[str], message: Message
) -> Outcome | None:
    return send(client, style, secrets, message) if time.monotonic() < end else None


def open_client(settings: Settings) -> httpx.Client:
    """Return a client for receivers."""
    return net.client(settings.webhook_allowed_networks, seconds=ANSWER_SECONDS)


def record(session: Session, webhook_id: str, outcomes: list[tuple[int, Outcome]]) -> int:
    """Write down how attempts went, by the number of their delivery, and return how many failed."""
    webhook = session.scalars(select(Webhook).where(Webhook.id == webhook_id).with_for_update()).one()
    delays = STYLES[webhook.style].delays
    failures = 0
    for number, outcome in outcomes:
        delivery = session.get_one(Delivery, number)
        delivery.attempts += 1
        delivery.log = logged(delivery.log, outcome)
        if outcome.error is None:
            delivery.status, delivery.delivered_at = "delivered", now()
            continue
        failures += 1
        if delivery.attempts > len(delays):
            delivery.status = "failed"
        else:
            wait = timedelta(seconds=delays[delivery.attempts - 1] * random.uniform(0.9, 1.3))  # noqa: S311 - no secret
            delivery.next_at = now() + (outcome.wait or wait)
    if outcomes:
        _judge(session, webhook, [outcome for _, outcome in outcomes])
    session.flush()
    return failures


def _judge(session: Session, webhook: Webhook, outcomes: list[Outcome]) -> None:
    """Note what attempts tell of their receiver."""
    came_through = any(outcome.error is None for outcome in outcomes)
    webhook.failing_since = None if came_through else webhook.failing_since or now()
    webhook.slow = any(outcome.is_slow for outcome in outcomes)
    if webhook.slow:
        # Nobody is there, or nobody who is quick: the others need not find that out one by one.
        pause = min(_FIRST_PAUSE * 2.0 ** min(webhook.pauses, 20), _LONGEST_PAUSE)
        webhook.pauses += 1
        webhook.paused_until = now() + timedelta(seconds=pause)
    elif came_through:
        webhook.paused_until, webhook.pauses = None, 0
    if asked := [outcome.wait for outcome in outcomes if outcome.wait]:
        until = now() + max(asked)
        webhook.paused_until = max(webhook.paused_until or until, until)
    if any(outcome.status == HTTPStatus.GONE for outcome in outcomes):
        _deactivate(session, webhook, "The receiver answered 410: it is gone.")
    elif webhook.failing_since is not None and now() - webhook.failing_since > GIVE_UP:
        _deactivate(session, webhook, f"Nothing came through for {GIVE_UP.days} days.")


def _deactivate(session: Session, webhook: Webhook, reason: str) -> None:
    webhook.status = "deactivated"
    data = {
        "url": webhook.url,
        "reason": reason,
        "failing_since": webhook.failing_since and webhook.failing_since.isoformat(),
    }
    emit(session, "webhook", "deactivated", webhook.id, organization_id=webhook.organization_id, data=data)


def _due(session: Session, webhook_id: str) -> tuple[Webhook | None, list[tuple[int, Message]]]:
    webhook = session.scalar(select(Webhook).where(Webhook.id == webhook_id, Webhook.status.in_(ACTIVE)))
    if webhook is None or (webhook.paused_until is not None and webhook.paused_until > now()):
        return webhook, []
    query = (
        select(Delivery, Event)
        .join(Event, Event.number == Delivery.event_number)
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
        earlier.status == "pending",
        earlier.number < Delivery.number,
    )
    return (Delivery.status == "pending") & ~blocked


def _go_on(session: Session, webhook_id: str) -> None:
    webhook = session.scalar(select(Webhook).where(Webhook.id == webhook_id, Webhook.status.in_(ACTIVE)))
    if webhook is None:
        return
    next_at = session.scalar(select(func.min(Delivery.next_at)).where(Delivery.webhook_id == webhook_id, _is_first()))
    if next_at is not None:
        # Not before now, or it would come before those who have waited since.
        deliver_later(session, webhook, max(next_at, webhook.paused_until or next_at, now()))


def _asked_wait(answer: httpx.Response) -> timedelta | None:
    """Return how long a receiver asks to be left alone: ``Retry-After``, in seconds or as a date."""
    asked = answer.headers.get("retry-after", "").strip()
    try:
        wait = (
            timedelta(seconds=int(asked[:9]))
            if asked.isascii() and asked.isdigit()
            else parsedate_to_datetime(asked) - now()
        )
    except (ValueError, TypeError, OverflowError):
        return None
    return min(wait, LONGEST_WAIT) if wait > timedelta() else None


def _beginning(answer: httpx.Response) -> str:
    body = b""
    for part in answer.iter_raw():
        body += part
        if len(body) >= _MOST_ANSWER:
            break
    return _text(body)


def _text(body: bytes) -> str:
    return body[:_MOST_KEPT].decode(errors="replace").replace("\0", "")


def _kept(headers: Mapping[str, str]) -> dict[str, str]:
    """Return headers as they are kept: of those that may hold a secret, that they were there."""
    first = list(headers.items())[:_MOST_HEADERS]
    return {name[:100]: "…" if _SECRET.search(name) else value[:_MOST_SAID].replace("\0", "") for name, value in first}
