"""Webhooks: who wants to be told of which events, and the deliveries that this makes."""

import re
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import delete, exists, insert, select, update
from sqlalchemy.orm import Session, aliased

from entrepot import jobs, net
from entrepot.db import keyset, now
from entrepot.errors import InvalidInput, NotFound
from entrepot.events import log
from entrepot.events.models import Delivery, Event, Webhook
from entrepot.events.retention import require_kept
from entrepot.events.styles import STYLES
from entrepot.identity import ApiKey, Principal, Right, Vault, audit
from entrepot.settings import Settings

DELIVER, DELIVER_SLOWLY = "webhook.deliver", "webhook.deliver_slowly"
_LONGEST_OVERLAP_HOURS = 30 * 24
STATUSES = ("new", "valid", "invalid", "deactivated")
_SOON_SECONDS, _SELDOM_SECONDS = 60.0, 3600.0
_MOST_REPLAYED = 100_000
_TYPE = re.compile(r"[a-z_]{1,40}(\.[a-z_]{1,40})?")
audit.watch(
    Webhook,
    audit.Watched(
        "webhook",
        told=("url", "types", "status"),
        words={"secret_encrypted": "new secret"},
        named=lambda _, row: (row.id, row.url),
    ),
)
#: Events of which a webhook is told by itself, or not at all.
TEST = "test"


def create_webhook(
    session: Session,
    principal: Principal,
    settings: Settings,
    vault: Vault,
    *,
    url: str,
    style: str,
    types: Sequence[str] | None = None,
) -> tuple[Webhook, str]:
    """Create a webhook and return it with its secret, which cannot be had again."""
    principal.require("admin")
    secret = STYLES[style].new_secret()
    webhook = Webhook(
        organization_id=principal.organization_id,
        url=_checked(settings, url),
        style=style,
        secret_encrypted=vault.encrypt(secret),
        types=check_types(types),
    )
    session.add(webhook)
    session.flush()
    return webhook, secret


def change_webhook(
    session: Session, principal: Principal, settings: Settings, webhook: Webhook, changes: Mapping[str, Any]
) -> Webhook:
    """Change ``url``, ``types`` or ``status`` (``deactivated``, or ``new`` to start again) of a webhook."""
    principal.require("admin", webhook.organization_id, "Webhook")
    was_active = webhook.status in log.ACTIVE
    if "url" in changes:
        webhook.url, webhook.status = _checked(settings, changes["url"]), "new"
    if "types" in changes:
        webhook.types = check_types(changes["types"])
    if "status" in changes:
        if changes["status"] not in ("new", "deactivated"):
            raise InvalidInput.field("status", "Only deactivated, or new to start again.")
        webhook.status = changes["status"]
    if webhook.status in log.ACTIVE and not was_active:
        _activate(session, webhook)
    if webhook.status == "new":
        webhook.failing_since = webhook.paused_until = None
        webhook.pauses = 0
        deliver_later(session, webhook)
    session.flush()
    return webhook


def rotate_secret(
    session: Session, principal: Principal, vault: Vault, webhook: Webhook, overlap_hours: Any
) -> tuple[Webhook, str]:
    """Give a webhook a new secret and return it; for so long, requests are signed with the one of before as well."""
    principal.require("admin", webhook.organization_id, "Webhook")
    is_number = isinstance(overlap_hours, int | float) and not isinstance(overlap_hours, bool)
    if not is_number or not 0 <= overlap_hours <= _LONGEST_OVERLAP_HOURS:
        raise InvalidInput.field("overlap_hours", f"A number from 0 to {_LONGEST_OVERLAP_HOURS}.")
    secret = STYLES[webhook.style].new_secret()
    webhook.former_secret_encrypted, webhook.former_secret_until = (
        webhook.secret_encrypted,
        now() + timedelta(hours=overlap_hours),
    )
    webhook.secret_encrypted = vault.encrypt(secret)
    session.flush()
    return webhook, secret


def secrets_of(vault: Vault, webhook: Webhook) -> list[str]:
    """Return the secrets with which requests are signed, the newest first."""
    found = [webhook.secret_encrypted]
    if webhook.former_secret_encrypted and webhook.former_secret_until and webhook.former_secret_until > now():
        found.append(webhook.former_secret_encrypted)
    return [vault.decrypt(one) for one in found]


def _activate(session: Session, webhook: Webhook) -> None:
    """Begin anew: what waited from before is not sent."""
    webhook.active_since = now()
    waiting = update(Delivery).where(Delivery.webhook_id == webhook.id, Delivery.status == "pending")
    session.execute(waiting.values(status="failed"))


def get_webhook(session: Session, principal: Principal, webhook_id: str, right: Right = "read") -> Webhook:
    """Return a webhook of the caller's organizations."""
    webhook = session.scalar(select(Webhook).where(Webhook.id == webhook_id))
    if webhook is None:
        raise NotFound("Webhook not found.")
    principal.require(right, webhook.organization_id, "Webhook")
    return webhook


def delete_webhook(session: Session, principal: Principal, webhook_id: str) -> None:
    """Delete a webhook, and what waits for it."""
    webhook = get_webhook(session, principal, webhook_id, "admin")
    session.execute(delete(Delivery).where(Delivery.webhook_id == webhook.id))
    session.delete(webhook)


def default_of(session: Session, organization_id: str) -> str | None:
    """Return the id of the webhook that is told of what no key directs elsewhere; None: all of them are."""
    query = select(Webhook.id).where(Webhook.organization_id == organization_id, Webhook.is_default)
    return session.scalar(query.limit(1))


def set_default(session: Session, principal: Principal, webhook_id: str | None) -> None:
    """Name the webhook of the caller's organization that is told of what no key directs elsewhere."""
    principal.require("admin")
    mine = update(Webhook).where(Webhook.organization_id == principal.organization_id)
    session.execute(mine.values(is_default=False))
    session.execute(mine.where(Webhook.id == webhook_id).values(is_default=True))


def dispatch(session: Session, limit: int = 1000) -> int:
    """Publish events, write down who is to be told of them, and return how many events there were."""
    events = log.publish(session, limit)
    organization_ids = {event.organization_id for event in events}
    query = select(Webhook).where(Webhook.organization_id.in_(organization_ids), Webhook.status.in_(log.ACTIVE))
    webhooks = list(session.scalars(query.order_by(Webhook.number)))
    if webhooks:
        directed = _directions(session, organization_ids)
        rows = [
            _row(webhook, event)
            for event in events
            for webhook in webhooks
            if webhook.organization_id == event.organization_id
            and event.created_at >= webhook.active_since
            and _concerns(webhook, event, webhooks, directed)
        ]
        _add(session, webhooks, rows)
    return len(events)


@jobs.task(log.DISPATCH, pool="deliveries")
def run_dispatch(context: jobs.JobContext) -> dict[str, int]:
    """Publish and address what was written."""
    total = 0
    while True:
        with context.unit() as session:
            found = dispatch(session)
        total += found
        if not found:
            return {"events": total}


def schedule(session: Session) -> None:
    """Have what nobody has read published now and then, without which it would never be old enough to be deleted.

    On PostgreSQL soon: what a statement wrote that took the commit with it is sent by this, should its process have
    died before it could ask for that.
    """
    seconds = _SOON_SECONDS if session.get_bind().dialect.name == "postgresql" else _SELDOM_SECONDS
    jobs.schedules.every(session, log.DISPATCH, seconds, log.DISPATCH, key=log.DISPATCH)


def replay(session: Session, principal: Principal, webhook: Webhook, after: int, limit: int = _MOST_REPLAYED) -> int:
    """Deliver, once more, the events after a sequence, and return how many there are."""
    principal.require("admin", webhook.organization_id, "Webhook")
    require_kept(session, after)
    directed = _directions(session, {webhook.organization_id})
    query = select(Webhook).where(Webhook.organization_id == webhook.organization_id, Webhook.status.in_(log.ACTIVE))
    others = list(session.scalars(query))
    order = keyset.along(Event.sequence)
    own = select(Event).where(Event.organization_id == webhook.organization_id, order > after)
    events = session.scalars(own.order_by(order).limit(limit))
    rows = [_row(webhook, event) for event in events if _concerns(webhook, event, others, directed)]
    _add(session, [webhook], rows)
    return len(rows)


def replay_one(session: Session, principal: Principal, webhook: Webhook, event_id: str) -> int:
    """Deliver, once more, one event that the webhook was told of, or was to be, and return how many that are.

    Raises
    ------
    NotFound
        No delivery of this event to the webhook is kept.
    """
    principal.require("admin", webhook.organization_id, "Webhook")
    event = session.scalar(select(Event).where(Event.id == event_id.replace("\0", "")))
    of = (Delivery.webhook_id == webhook.id, Delivery.event_number == (event.number if event else None))
    if event is None or event.action == TEST or session.scalar(select(Delivery.number).where(*of).limit(1)) is None:
        raise NotFound("There is no delivery of this event to this webhook.")
    _add(session, [webhook], [_row(webhook, event)])
    return 1


def replay_failed(session: Session, principal: Principal, webhook: Webhook, since: datetime) -> int:
    """Deliver, once more, what failed for good since an instant and was not delivered otherwise; return how many."""
    principal.require("admin", webhook.organization_id, "Webhook")
    other = aliased(Delivery)
    came = exists().where(
        other.webhook_id == Delivery.webhook_id,
        other.event_number == Delivery.event_number,
        other.status != "failed",
    )
    failed = (
        select(Delivery.event_number)
        .where(Delivery.webhook_id == webhook.id, Delivery.status == "failed", Delivery.created_at >= since, ~came)
        .order_by(Delivery.event_number)
        .limit(_MOST_REPLAYED)
    )
    events = session.scalars(
        select(Event).where(Event.number.in_(failed), Event.action != TEST).order_by(Event.sequence, Event.number)
    )
    rows = [_row(webhook, event) for event in events]
    _add(session, [webhook], rows)
    return len(rows)


def deliver_later(session: Session, webhook: Webhook, run_at: Any = None) -> None:
    """Have what waits for a webhook sent."""
    jobs.enqueue(
        session,
        DELIVER_SLOWLY if webhook.slow else DELIVER,
        {"webhook": webhook.id},
        organization_id=webhook.organization_id,
        key=f"{DELIVER}:{webhook.id}",
        coalesce=f"{DELIVER}:{webhook.id}",
        run_at=run_at,
    )


def check_types(types: Any) -> list[str] | None:
    """Return which events a webhook wants, checked."""
    if types is None:
        return None
    if not isinstance(types, list | tuple) or not all(isinstance(t, str) and _TYPE.fullmatch(t) for t in types):
        raise InvalidInput.field("types", "A list of type or type.action, such as file or work.success.")
    return list(types)


def _checked(settings: Settings, url: Any) -> str:
    if not isinstance(url, str) or len(url) > 1000:
        raise InvalidInput.field("url", "This must be a URL.")
    return net.check_url(url, settings.webhook_allowed_networks)


def _directions(session: Session, organization_ids: set[str]) -> dict[str, str]:
    """Return, by key, the webhook that it names."""
    query = select(ApiKey.id, ApiKey.config).where(ApiKey.organization_id.in_(organization_ids))
    return {id_: config["webhook"] for id_, config in session.execute(query) if config.get("webhook")}


def _concerns(webhook: Webhook, event: Event, webhooks: Sequence[Webhook], directed: Mapping[str, str]) -> bool:
    if event.action == TEST or not STYLES[webhook.style].concerns(event.type, event.action):
        return False
    if webhook.types is not None and not {event.type, f"{event.type}.{event.action}"}.intersection(webhook.types):
        return False
    if named := directed.get(event.data.get("key") or ""):
        # A key's own webhook is told of what the key asked for; others of that style are not.
        return webhook.id == named or webhook.style != _style_of(named, webhooks)
    same = [one for one in webhooks if one.organization_id == webhook.organization_id and one.style == webhook.style]
    return webhook.is_default or not any(one.is_default for one in same)


def _style_of(webhook_id: str, webhooks: Sequence[Webhook]) -> str | None:
    return next((one.style for one in webhooks if one.id == webhook_id), None)


def _row(webhook: Webhook, event: Event) -> dict[str, Any]:
    key = f"{event.type}:{event.object_id}"
    return {"webhook_id": webhook.id, "event_number": event.number, "object_key": key, "next_at": now()}


def _add(session: Session, webhooks: Sequence[Webhook], rows: Sequence[dict[str, Any]]) -> None:
    if not rows:
        return
    session.execute(insert(Delivery), rows)
    concerned = {row["webhook_id"] for row in rows}
    for webhook in webhooks:
        if webhook.id in concerned:
            deliver_later(session, webhook)
