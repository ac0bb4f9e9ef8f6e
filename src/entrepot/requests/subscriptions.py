"""Subscriptions: requests that are made again and again."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from entrepot import jobs
from entrepot.db import now
from entrepot.errors import Conflict, InvalidInput
from entrepot.identity import Principal, keys
from entrepot.requests import fulfilment, requested, sources
from entrepot.requests.models import DataRequest, RemoteSession, RemoteSource, Subscription

STATUSES = ("pending", "active", "deleted")
AGAIN = "requests.repeat"
_SHORTEST_INTERVAL, _LONGEST_INTERVAL = 1.0, 366 * 86_400.0


def create_subscription(
    session: Session,
    principal: Principal,
    *,
    payload: Mapping[str, Any],
    interval: float = 86_400.0,
    remote: RemoteSession | None = None,
    source: RemoteSource | None = None,
    starts_at: datetime | None = None,
    ends_at: datetime | None = None,
) -> Subscription:
    """Have a request made every so many seconds, for the caller's key."""
    principal.require("write")
    if principal.key_id is None:
        raise Conflict("A subscription acts for a key: come with one.")
    if not _SHORTEST_INTERVAL <= interval <= _LONGEST_INTERVAL:
        raise InvalidInput.field("interval", "From 1 second to 366 days.")
    subscription = Subscription(
        organization_id=principal.organization_id,
        key_id=principal.key_id,
        source_id=source.id if source else None,
        session_id=remote.id if remote else None,
        payload=dict(payload),
        interval=interval,
        starts_at=starts_at,
        ends_at=ends_at,
    )
    session.add(subscription)
    session.flush()
    _schedule(session, subscription)
    return subscription


def delete_subscription(session: Session, subscription: Subscription) -> None:
    """Have no more requests made."""
    subscription.status = "deleted"
    _unschedule(session, subscription)
    session.flush()


def _schedule(session: Session, subscription: Subscription) -> None:
    """Have a subscription's requests made, from now on."""
    payload = {"subscription": subscription.id}
    jobs.schedules.every(session, _name(subscription), subscription.interval, AGAIN, payload)


def _unschedule(session: Session, subscription: Subscription) -> None:
    """Have no more requests made for a subscription."""
    jobs.schedules.remove(session, _name(subscription))


@jobs.task(AGAIN)
def again(context: jobs.JobContext) -> dict[str, int]:
    """Make the next request of a subscription; none while the last one is still being fulfilled."""
    payload: dict[str, str] = context.job.payload or {}
    with context.unit() as session:
        subscription = session.scalar(select(Subscription).where(Subscription.id == payload["subscription"]))
        active = subscription is not None and subscription.status == "active"
        return {"requests": int(subscription is not None and active and _made(session, subscription))}


def _made(session: Session, subscription: Subscription) -> bool:
    """Make the next request of an active subscription, if it is time, and tell whether it was."""
    instant = now()
    if subscription.starts_at is not None and subscription.starts_at > instant:
        return False
    principal = _owner(session, subscription)
    if principal is None or (subscription.ends_at is not None and subscription.ends_at <= instant):
        subscription.status = "deleted"
        _unschedule(session, subscription)
        return False
    waiting = select(DataRequest.id).where(
        DataRequest.subscription_id == subscription.id, DataRequest.status.not_in(requested.ENDED)
    )
    if session.scalar(waiting.limit(1)) is not None:
        return False
    remote = session.scalar(select(RemoteSession).where(RemoteSession.id == subscription.session_id))
    source = session.scalar(select(RemoteSource).where(RemoteSource.id == subscription.source_id))
    if source is not None and sources.why_unusable(session, source):
        return False
    fulfilment.start(session, principal, subscription.payload, remote, source, subscription)
    return True


def _owner(session: Session, subscription: Subscription) -> Principal | None:
    """Return for whom a subscription acts; None when whoever made it may no longer write."""
    principal = keys.find_principal_of(session, subscription.key_id) if subscription.key_id else None
    return principal if principal is not None and principal.can("write", subscription.organization_id) else None


def _name(subscription: Subscription) -> str:
    return f"subscription:{subscription.id}"
