"""Deliveries of a webhook: as a list, and each with its attempts, what was sent and what was answered."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select
from starlette.responses import RedirectResponse, Response

from entrepot.db import keyset
from entrepot.errors import NotFound
from entrepot.events import webhooks
from entrepot.events.models import Delivery, Event, Webhook
from entrepot.events.styles import STYLES
from entrepot.server.api import webhooks as api
from entrepot.server.api.webhooks import ReplayRequest
from entrepot.server.console.events import LISTS
from entrepot.server.console.listing import Cell, Field, Link, Listing, State
from entrepot.server.console.native import PageUnit
from entrepot.server.console.page import Page, form, render
from entrepot.server.endpoint import Call

NEWEST = keyset.along(Delivery.number).desc()
PLACE = "/console/events/webhooks"
PAUSED, FIRST, _LONGEST = "deactivated", 10, 4000
_STATUSES = (("", "any"), *((one, one) for one in ("pending", "delivered", "failed")))


@dataclass(frozen=True)
class Attempt:
    """An attempt of a delivery, and as far as it is kept what was sent and came."""

    at: datetime
    seconds: float
    status: int | None
    error: str
    sent: Mapping[str, str]
    came: Mapping[str, str]
    answer: str


@dataclass(frozen=True)
class Sent:
    """One delivery of an event, with its attempts, the latest first."""

    delivery: Delivery
    attempts: Sequence[Attempt]


@dataclass(frozen=True)
class DeliveryView:
    """What the page of an event on its way to a webhook shows.

    Attributes
    ----------
    webhook, event
        What is told, and of what.
    deliveries
        How often it was to be delivered, the latest first: once, and once more for each time that it was asked for.
    body
        What is sent, shortened.
    may_replay
        Whether the caller may have it sent once more.
    """

    webhook: Webhook
    event: Event
    deliveries: Sequence[Sent]
    body: str
    may_replay: bool


def administers(call: Call) -> bool:
    """Tell whether the caller may change webhooks."""
    return call.principal.can("admin") and call.principal.reach.allows("events", "admin")


#: Of deliveries.
COLUMNS = ("When", "Event", "State", "Attempts", "Next", "Last answer", "Id of what it happened to")


def rows(call: Call, webhook: Webhook, deliveries: Sequence[Delivery]) -> list[tuple[Cell, ...]]:
    """Return deliveries as rows of a table with these columns."""
    wanted = select(Event).where(Event.number.in_([one.event_number for one in deliveries]))
    events = {one.number: one for one in call.session.scalars(wanted)}
    return [
        (
            one.created_at,
            Link(f"{event.type}.{event.action}", f"{PLACE}/{webhook.id}/deliveries/{event.id}"),
            State(one.status),
            one.attempts,
            one.next_at if one.status == "pending" else None,
            _last(one),
            event.object_id,
        )
        for one, event in ((one, events[one.event_number]) for one in deliveries)
    ]


def _last(delivery: Delivery) -> str:
    if not delivery.log:
        return ""
    last = delivery.log[-1]
    return str(last["error"] or f"answered {last['status']}")[:200]


def _list(call: Call) -> Response:
    webhook = webhooks.get_webhook(call.session, call.principal, call.path["id"])
    status = call.query.get("status", "").strip()
    query = select(Delivery).where(Delivery.webhook_id == webhook.id)
    if status:
        query = query.where(Delivery.status == status)

    def read(offset: int, limit: int) -> list[tuple[Cell, ...]]:
        found = call.session.scalars(query.order_by(NEWEST).offset(offset).limit(limit)).all()
        return rows(call, webhook, found)

    fields = (Field("status", "State", status, _STATUSES),)
    others = (*LISTS, Link(f"Webhook {webhook.url}", f"{PLACE}/{webhook.id}"))
    empty = "It was not told of anything yet."
    return Listing("Deliveries", COLUMNS, read, fields, empty, others=others, seconds=3).shown(call)


def _show(call: Call) -> Response:
    webhook = webhooks.get_webhook(call.session, call.principal, call.path["id"])
    event = call.session.scalar(
        select(Event).where(Event.id == call.path["event_id"], Event.organization_id == webhook.organization_id)
    )
    if event is None:
        raise NotFound("There is no delivery of this event to this webhook.")
    query = select(Delivery).where(Delivery.webhook_id == webhook.id, Delivery.event_number == event.number)
    found = call.session.scalars(query.order_by(NEWEST).limit(FIRST)).all()
    if not found:
        raise NotFound("There is no delivery of this event to this webhook.")
    body = STYLES[webhook.style].compose(call.session, webhook.url, event, found[0]).body
    view = DeliveryView(
        webhook,
        event,
        [Sent(one, [_attempt(each) for each in reversed(one.log)]) for one in found],
        body.decode(errors="replace")[:_LONGEST],
        may_replay=administers(call) and webhook.status != PAUSED and event.action != webhooks.TEST,
    )
    return render(call, "delivery.html", view=view)


def _attempt(one: Mapping[str, Any]) -> Attempt:
    sent, came = one.get("request", {}), one.get("answer", {})
    return Attempt(
        datetime.fromisoformat(one["at"]),
        one["seconds"],
        one["status"],
        one["error"] or "",
        sent.get("headers", {}),
        came.get("headers", {}),
        came.get("body", ""),
    )


def _replay(call: Call) -> Response:
    event_id = call.path["event_id"]
    api.replay(PageUnit(call), call.path["id"], ReplayRequest(event=event_id))
    return RedirectResponse(f"{PLACE}/{call.path['id']}/deliveries/{event_id}", 303)


PAGES = (
    Page("GET", f"{PLACE}/{{id}}/deliveries", _list, "events", "read"),
    Page("GET", f"{PLACE}/{{id}}/deliveries/{{event_id}}", _show, "events", "read"),
    Page("POST", f"{PLACE}/{{id}}/deliveries/{{event_id}}/replay", _replay, "events", "admin", parse=form),
)
