"""Notifications: listed, read, resolved; and the series that are watched for silence."""

from datetime import datetime
from typing import Annotated

from fastapi import Query
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from entrepot.events import notifications
from entrepot.pipeline.runs import freshness as silence
from entrepot.server.api.routing import NativeRouter, Unit

router = NativeRouter(tags=["notices"])


class Notification(BaseModel):
    """Something that a person should look at."""

    model_config = ConfigDict(from_attributes=True)

    id: str
    name: str
    message: str
    project_id: str
    generator_kind: str | None
    generator_id: str | None
    subject: str | None
    origin: str
    resolved: bool
    read: bool
    created: datetime = Field(validation_alias="created_at")
    resolved_at: datetime | None
    mailed_at: datetime | None


class NotificationRequest(BaseModel):
    """What is to change of a notification."""

    model_config = ConfigDict(extra="forbid")

    resolved: bool | None = None
    read: bool | None = None


class Watch(BaseModel):
    """How old the last point of a series, or of a generator's series, may be before somebody is told."""

    model_config = ConfigDict(from_attributes=True)

    id: str
    project_id: str
    generator_id: str
    series_name: str
    grace: str | None


class WatchRequest(BaseModel):
    """What is to be watched: all series of a generator where none is named; without a grace, they may be silent."""

    model_config = ConfigDict(extra="forbid")

    generator_id: str
    series_name: str = ""
    grace: str | None


@router.serve("GET", "/notifications", area="series", right="read")
def list_notifications(
    unit: Unit,
    project_id: str | None = None,
    generator_id: str | None = None,
    resolved: bool | None = None,
    read: bool | None = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 200,
    offset: Annotated[int, Query(ge=0)] = 0,
) -> list[Notification]:
    """List notifications, newest first."""
    found = notifications.list_notifications(
        unit.session,
        unit.principal,
        project_id=project_id,
        generator_id=generator_id,
        resolved=resolved,
        read=read,
        limit=limit,
        offset=offset,
    )
    return [Notification.model_validate(one) for one in found]


@router.serve("GET", "/notifications/{notification_id}", area="series", right="read")
def get_notification(unit: Unit, notification_id: str) -> Notification:
    """Return a notification."""
    return Notification.model_validate(notifications.get_notification(unit.session, unit.principal, notification_id))


@router.serve("PATCH", "/notifications/{notification_id}", area="series", right="write")
def update_notification(unit: Unit, notification_id: str, request_: NotificationRequest) -> Notification:
    """Say that a notification is resolved or has been read."""
    changed = notifications.change(unit.session, unit.principal, notification_id, **request_.model_dump())
    return Notification.model_validate(changed)


@router.serve("GET", "/watches", area="series", right="read")
def list_watches(unit: Unit, project_id: str) -> list[Watch]:
    """List what is watched for silence in a project."""
    return [Watch.model_validate(one) for one in silence.list_watches(unit.session, unit.principal, project_id)]


@router.serve("PUT", "/watches", area="series", right="write")
def watch(unit: Unit, request_: WatchRequest) -> Watch:
    """Watch a series, or all of a generator, for silence; or say that one may be silent."""
    made = silence.watch(unit.session, unit.principal, request_.generator_id, request_.grace, request_.series_name)
    return Watch.model_validate(made)


@router.serve("DELETE", "/watches/{watch_id}", area="series", right="write")
def unwatch(unit: Unit, watch_id: str) -> Response:
    """Watch no longer; what was told of these series is resolved."""
    silence.unwatch(unit.session, unit.principal, watch_id)
    return Response(status_code=204)
