"""Webhooks: addresses that are told of events, and the deliveries to them."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import Query
from pydantic import BaseModel, Field
from sqlalchemy import select

from entrepot.events import cursors, webhooks
from entrepot.events.models import Delivery, Event, Webhook
from entrepot.events.reading import position_of
from entrepot.events.styles import STANDARD
from entrepot.server.api.nouns import NOT_KEPT, Asked, Noun, Page, column, listed
from entrepot.server.api.routing import NativeRouter, Unit

router = NativeRouter(tags=["webhooks"])

_Url = Annotated[str, Field(max_length=1000)]
_Types = Annotated[
    list[str] | None,
    Field(max_length=100, description="Of the events: `file`, or `file.published`; null: all."),
]


class WebhookRequest(Noun):
    """A new webhook."""

    url: _Url
    types: _Types = None


class WebhookChanges(Noun):
    """What is to change of a webhook."""

    url: _Url = ""
    types: _Types = None
    status: Annotated[
        Literal["new", "deactivated"], column("state"), Field(description="`deactivated`, or `new` to begin again.")
    ] = "new"


class WebhookShown(WebhookRequest):
    """An address that is told of events, signed as Standard Webhooks 1.0 says."""

    id: str
    style: str
    status: Annotated[Literal["new", "valid", "invalid", "deactivated"], column("state")]
    created_at: Annotated[datetime, column("created")]
    active_since: datetime
    failing_since: datetime | None
    paused_until: datetime | None
    slow: bool
    former_secret_until: Annotated[datetime | None, column("former_until")]


class WebhookMade(WebhookShown):
    """A webhook with its secret, which is in this answer and nowhere else."""

    secret: Annotated[str, NOT_KEPT]


class Rotation(Noun):
    """How long requests carry a signature by the old secret beside that by the new one."""

    overlap_hours: Annotated[float, Field(ge=0, le=720)] = 24


class ReplayRequest(Noun):
    """After which event: its id, a cursor, or 0 for all that are kept."""

    after: str | Literal[0]


class Replayed(BaseModel):
    """How many events are sent once more."""

    events: int


class DeliveryShown(BaseModel):
    """One event on its way to a webhook, with the attempts so far."""

    event: str
    type: str
    object_id: str
    status: Literal["pending", "delivered", "failed"]
    attempts: int
    next_at: datetime | None
    created_at: datetime
    delivered_at: datetime | None
    log: list[dict[str, Any]]


@router.serve("GET", "/webhooks", area="events", right="read")
def list_webhooks(unit: Unit, asked: Asked) -> Page[WebhookShown]:
    """List webhooks, newest first."""
    query = select(Webhook).where(unit.principal.own(Webhook))
    return listed(
        unit, query, (Webhook.number,), asked, lambda rows: map(WebhookShown.showing, rows), newest_first=True
    )


@router.serve("POST", "/webhooks", area="events", right="admin", status=201)
def create_webhook(unit: Unit, given: WebhookRequest) -> WebhookMade:
    """Create a webhook; its secret is in this answer and nowhere else."""
    services = unit.services
    webhook, secret = webhooks.create_webhook(
        unit.session,
        unit.principal,
        services.settings,
        services.vault,
        url=given.url,
        style=STANDARD,
        types=given.types,
    )
    return WebhookMade.showing(webhook, secret=secret)


@router.serve("GET", "/webhooks/{webhook_id}", area="events", right="read")
def get_webhook(unit: Unit, webhook_id: str) -> WebhookShown:
    """Return a webhook."""
    return WebhookShown.showing(webhooks.get_webhook(unit.session, unit.principal, webhook_id))


@router.serve("PATCH", "/webhooks/{webhook_id}", area="events", right="admin")
def change_webhook(unit: Unit, webhook_id: str, given: WebhookChanges) -> WebhookShown:
    """Change a webhook; one that begins again is told of what happens from now on."""
    webhook = webhooks.get_webhook(unit.session, unit.principal, webhook_id, "admin")
    with WebhookChanges.naming():
        settings, changes = unit.services.settings, given.kept()
        return WebhookShown.showing(webhooks.update_webhook(unit.session, unit.principal, settings, webhook, changes))


@router.serve("POST", "/webhooks/{webhook_id}/rotate", area="events", right="admin")
def rotate_webhook(unit: Unit, webhook_id: str, given: Rotation | None = None) -> WebhookMade:
    """Give a webhook a new secret, which is in this answer and nowhere else."""
    webhook = webhooks.get_webhook(unit.session, unit.principal, webhook_id, "admin")
    hours = (given or Rotation()).overlap_hours
    webhook, secret = webhooks.rotate_secret(unit.session, unit.principal, unit.services.vault, webhook, hours)
    return WebhookMade.showing(webhook, secret=secret)


@router.serve("DELETE", "/webhooks/{webhook_id}", area="events", right="admin", status=204)
def delete_webhook(unit: Unit, webhook_id: str) -> None:
    """Delete a webhook, and what waits for it."""
    webhooks.delete_webhook(unit.session, unit.principal, webhook_id)


@router.serve("POST", "/webhooks/{webhook_id}/replay", area="events", right="admin", status=202)
def replay(unit: Unit, webhook_id: str, given: ReplayRequest) -> Replayed:
    """Send the events after one once more."""
    webhook = webhooks.get_webhook(unit.session, unit.principal, webhook_id, "admin")
    after = 0
    if given.after != 0:
        place = cursors.read(unit.services.vault, str(given.after))
        after = position_of(unit.session, Event.organization_id == webhook.organization_id, place)
    return Replayed(events=webhooks.replay(unit.session, unit.principal, webhook, after))


@router.serve("GET", "/webhooks/{webhook_id}/deliveries", area="events", right="read")
def list_deliveries(
    unit: Unit,
    webhook_id: str,
    asked: Asked,
    status: Annotated[Literal["pending", "delivered", "failed"] | None, Query()] = None,
) -> Page[DeliveryShown]:
    """List a webhook's deliveries and their attempts, newest first."""
    webhook = webhooks.get_webhook(unit.session, unit.principal, webhook_id)
    query = select(Delivery).where(Delivery.webhook_id == webhook.id)
    if status is not None:
        query = query.where(Delivery.state == status)

    def show(rows: Sequence[Delivery]) -> list[DeliveryShown]:
        wanted = select(Event).where(Event.position.in_([row.event_position for row in rows]))
        events = {event.position: event for event in unit.session.scalars(wanted)}
        return [_delivery(row, events[row.event_position]) for row in rows]

    return listed(unit, query, (Delivery.number,), asked, show, newest_first=True)


def _delivery(row: Delivery, event: Event) -> DeliveryShown:
    return DeliveryShown(
        event=event.id,
        type=f"{event.type}.{event.action}",
        object_id=event.object_id,
        status=row.state,
        attempts=row.attempts,
        next_at=row.next_at if row.state == "pending" else None,
        created_at=row.created,
        delivered_at=row.delivered,
        log=row.log,
    )
