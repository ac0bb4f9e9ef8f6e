"""Webhooks: addresses that are told of events, and the deliveries to them."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import Query
from pydantic import AwareDatetime, BaseModel, Field
from sqlalchemy import select
from sqlalchemy.orm import Session
from starlette.requests import Request
from starlette.responses import Response

from entrepot.errors import InvalidInput
from entrepot.events import cursors, webhooks
from entrepot.events.models import Delivery, Event, Webhook
from entrepot.events.reading import position_of
from entrepot.events.styles import STANDARD
from entrepot.identity import Principal
from entrepot.requests import trials
from entrepot.server.api.nouns import NOT_KEPT, Asked, Noun, Page, listed
from entrepot.server.api.routing import NativeRouter, Unit
from entrepot.server.api.trials import tried
from entrepot.server.streaming import StreamEndpoint

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
    status: Annotated[Literal["new", "deactivated"], Field(description="`deactivated`, or `new` to begin again.")] = (
        "new"
    )


class WebhookShown(WebhookRequest):
    """An address that is told of events, signed as Standard Webhooks 1.0 says."""

    id: str
    style: str
    status: Literal["new", "valid", "invalid", "deactivated"]
    created_at: datetime
    active_since: datetime
    failing_since: datetime | None
    paused_until: datetime | None
    slow: bool
    former_secret_until: datetime | None


class WebhookMade(WebhookShown):
    """A webhook with its secret, which is in this answer and nowhere else."""

    secret: Annotated[str, NOT_KEPT]


class Rotation(Noun):
    """How long requests carry a signature by the old secret beside that by the new one."""

    overlap_hours: Annotated[float, Field(ge=0, le=720)] = 24


class ReplayRequest(Noun):
    """Which events: those after one, a single one, or those that could not be delivered."""

    after: Annotated[
        str | Literal[0] | None,
        Field(description="All after this event: its id, a cursor, or 0 for all that are kept."),
    ] = None
    event: Annotated[str | None, Field(description="This one alone, by its id, though it was delivered.")] = None
    failed_since: Annotated[
        AwareDatetime | None,
        Field(description="Those whose delivery was given up since, and that did not come through."),
    ] = None


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
    log: Annotated[
        list[dict[str, Any]],
        Field(
            description="Each attempt; of the last, what was sent and came: headers without secrets, and a beginning."
        ),
    ]


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
        return WebhookShown.showing(webhooks.change_webhook(unit.session, unit.principal, settings, webhook, changes))


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
    """Send events once more: those after one, one alone, or those that could not be delivered."""
    webhook = webhooks.get_webhook(unit.session, unit.principal, webhook_id, "admin")
    chosen = given.model_dump(exclude_none=True)
    if len(chosen) != 1:
        raise InvalidInput.field("after", "Give one of after, event and failed_since.")
    if given.event is not None:
        return Replayed(events=webhooks.replay_one(unit.session, unit.principal, webhook, given.event))
    if given.failed_since is not None:
        return Replayed(events=webhooks.replay_failed(unit.session, unit.principal, webhook, given.failed_since))
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
        query = query.where(Delivery.status == status)

    def show(rows: Sequence[Delivery]) -> list[DeliveryShown]:
        wanted = select(Event).where(Event.number.in_([row.event_number for row in rows]))
        events = {event.number: event for event in unit.session.scalars(wanted)}
        return [_delivery(row, events[row.event_number]) for row in rows]

    return listed(unit, query, (Delivery.number,), asked, show, newest_first=True)


async def test_webhook(request: Request, principal: Principal) -> Response:
    """Post a test event to a webhook, once, and return it: with the status ``valid`` where it took that.

    ``wait`` (20 seconds, 60 at most) is how long to wait for that; a test that takes longer goes on.
    """
    webhook_id = request.path_params["webhook_id"]

    def begin(session: Session) -> str:
        webhook = webhooks.get_webhook(session, principal, webhook_id, "admin")
        return trials.begin_webhook(session, webhook, principal.key_id).id

    def look(session: Session) -> WebhookShown:
        return WebhookShown.showing(webhooks.get_webhook(session, principal, webhook_id))

    return await tried(request, principal, begin, look)


def _delivery(row: Delivery, event: Event) -> DeliveryShown:
    return DeliveryShown(
        event=event.id,
        type=f"{event.type}.{event.action}",
        object_id=event.object_id,
        status=row.status,
        attempts=row.attempts,
        next_at=row.next_at if row.status == "pending" else None,
        created_at=row.created_at,
        delivered_at=row.delivered_at,
        log=row.log,
    )


ENDPOINTS = [
    StreamEndpoint("POST", "/api/v1/webhooks/{webhook_id}/test", test_webhook, "events", "admin"),
]
