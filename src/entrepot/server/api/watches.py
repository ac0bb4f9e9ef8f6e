"""Watches: what must not happen unnoticed; and the notifications that tell of it."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated

from fastapi import Query
from pydantic import Field
from sqlalchemy import select

from entrepot.events import notifications
from entrepot.events.models import Notification
from entrepot.identity.projects import is_kept
from entrepot.pipeline.models import SilenceWatch
from entrepot.pipeline.runs import freshness as silence
from entrepot.server.api.nouns import (
    NOT_KEPT,
    Asked,
    InProject,
    Maker,
    Noun,
    Page,
    Reference,
    column,
    listed,
    makers,
    of_project,
    project_names,
)
from entrepot.server.api.routing import NativeRouter, Unit

router = NativeRouter(tags=["watches"])

_SilentFor = Annotated[
    str | None,
    column("grace"),
    Field(max_length=32, description="How old the last point may be: `6h`, `2 days`; null: these may be silent."),
]


class WatchRequest(Noun):
    """What is watched for silence: all series of a maker, where none is named."""

    of: Annotated[str, NOT_KEPT, Field(description="Id of the importer, cleaner or analysis.")]
    series: Annotated[str, column("series_name"), Field(max_length=300, description="Of this name alone.")] = ""
    silent_for: _SilentFor


class WatchChanges(Noun):
    """What is to change of a watch."""

    silent_for: _SilentFor


class WatchShown(WatchRequest):
    """How old the last point of a series may be before somebody is told."""

    id: str
    of: Annotated[Maker | None, NOT_KEPT]  # type: ignore[assignment]
    project: Annotated[Reference | None, NOT_KEPT]
    created_at: datetime


class NotificationChanges(Noun):
    """What is to change of a notification."""

    resolved: bool | None = None
    read: bool | None = None


class NotificationShown(Noun):
    """What somebody should know or do, told once, until it is resolved."""

    id: str
    name: str
    message: str
    project: Annotated[Reference | None, NOT_KEPT]
    of: Annotated[Maker | None, NOT_KEPT, Field(description="What it is about; null where that is gone.")]
    subject: Annotated[str | None, Field(description="What of it: the name of a series.")]
    origin: str
    resolved: bool
    read: bool
    created_at: datetime
    resolved_at: datetime | None
    mailed_at: datetime | None


@router.serve("GET", "/notifications", area="series", right="read")
def list_notifications(
    unit: Unit,
    asked: Asked,
    project: InProject = None,
    of: Annotated[str | None, Query(max_length=36, description="Id of what they are about.")] = None,
    resolved: Annotated[bool | None, Query()] = None,
    read: Annotated[bool | None, Query()] = None,
) -> Page[NotificationShown]:
    """List notifications, newest first."""
    query = select(Notification).where(unit.principal.within(Notification))
    wanted = {**of_project(unit, project), "generator_id": of, "resolved": resolved, "read": read}
    for name, value in wanted.items():
        if value is not None:
            query = query.where(getattr(Notification, name) == value)
    order = (Notification.number,)
    return listed(unit, query, order, asked, lambda rows: _notifications(unit, rows), newest_first=True)


@router.serve("GET", "/notifications/{notification_id}", area="series", right="read")
def get_notification(unit: Unit, notification_id: str) -> NotificationShown:
    """Return a notification."""
    return _notifications(unit, [notifications.get_notification(unit.session, unit.principal, notification_id)])[0]


@router.serve("PATCH", "/notifications/{notification_id}", area="series", right="write")
def change_notification(unit: Unit, notification_id: str, given: NotificationChanges) -> NotificationShown:
    """Say that a notification is resolved or has been read."""
    changed = notifications.change(unit.session, unit.principal, notification_id, **given.kept())
    return _notifications(unit, [changed])[0]


@router.serve("GET", "/watches", area="series", right="read")
def list_watches(
    unit: Unit,
    asked: Asked,
    project: InProject = None,
    of: Annotated[str | None, Query(max_length=36, description="Id of what makes the series.")] = None,
) -> Page[WatchShown]:
    """List what is watched for silence, in the order of its creation."""
    query = select(SilenceWatch).where(unit.principal.within(SilenceWatch), is_kept(SilenceWatch.project_id))
    for name, value in {**of_project(unit, project), "generator_id": of}.items():
        if value is not None:
            query = query.where(getattr(SilenceWatch, name) == value)
    return listed(unit, query, (SilenceWatch.number,), asked, lambda rows: _watches(unit, rows))


@router.serve("POST", "/watches", area="series", right="write", status=201)
def create_watch(unit: Unit, given: WatchRequest) -> WatchShown:
    """Watch a series, or all of a maker, for silence, or say that one may be silent; a second time changes how long."""
    with WatchRequest.naming():
        made = silence.watch(unit.session, unit.principal, given.of, given.silent_for, given.series)
    return _watches(unit, [made])[0]


@router.serve("GET", "/watches/{watch_id}", area="series", right="read")
def get_watch(unit: Unit, watch_id: str) -> WatchShown:
    """Return a watch."""
    return _watches(unit, [silence.get_watch(unit.session, unit.principal, watch_id)])[0]


@router.serve("PATCH", "/watches/{watch_id}", area="series", right="write")
def change_watch(unit: Unit, watch_id: str, given: WatchChanges) -> WatchShown:
    """Say how long what is watched may be silent."""
    watch = silence.get_watch(unit.session, unit.principal, watch_id, "write")
    with WatchChanges.naming():
        silence.watch(unit.session, unit.principal, watch.generator_id, given.silent_for, watch.series_name)
    return _watches(unit, [watch])[0]


@router.serve("DELETE", "/watches/{watch_id}", area="series", right="write", status=204)
def delete_watch(unit: Unit, watch_id: str) -> None:
    """Watch no longer; what was told of these series is resolved."""
    silence.unwatch(unit.session, unit.principal, watch_id)


def _watches(unit: Unit, rows: Sequence[SilenceWatch]) -> list[WatchShown]:
    known, names = makers(unit, (row.generator_id for row in rows)), project_names(unit, rows)
    return [WatchShown.showing(row, of=known.get(row.generator_id), project=names.get(row.project_id)) for row in rows]


def _notifications(unit: Unit, rows: Sequence[Notification]) -> list[NotificationShown]:
    known, names = makers(unit, (row.generator_id for row in rows)), project_names(unit, rows)
    return [
        NotificationShown.showing(row, of=known.get(row.generator_id or ""), project=names.get(row.project_id))
        for row in rows
    ]
