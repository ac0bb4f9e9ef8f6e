"""The first page: what is late, what failed, what needs somebody; what ran, what comes, and what there is."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from sqlalchemy import func, select
from starlette.responses import Response

from entrepot.db import keyset, now
from entrepot.events.models import Notification, Webhook
from entrepot.files.models import PublishedFile
from entrepot.identity import Project
from entrepot.identity.projects import is_kept
from entrepot.jobs import Job, Schedule
from entrepot.pipeline.gates.quarantine import IN_QUARANTINE
from entrepot.pipeline.generators import notices
from entrepot.pipeline.models import Importer, QuarantinedFile
from entrepot.rows import Row
from entrepot.series.models import DISCARDED, Series
from entrepot.server.api.nouns import makers
from entrepot.server.console import timeline
from entrepot.server.console.page import Page, administers, may, render
from entrepot.server.console.timeline import Timeline
from entrepot.server.endpoint import Call
from entrepot.works import archive, queue

LATE = (notices.SILENT, notices.MISSING_FILES, notices.OBSOLETE, notices.NO_SERIES)
_SPAN, _AHEAD, _PATIENCE = timedelta(hours=24), timedelta(hours=1), timedelta(minutes=10)
_MOST = 8


@dataclass(frozen=True)
class Count:
    """A number, what it counts, and where these are listed.

    Attributes
    ----------
    mark
        ``late`` or ``bad`` where somebody should look; empty where all is well.
    """

    count: int
    name: str
    address: str
    mark: str = ""


@dataclass(frozen=True)
class Told:
    """Something that somebody should look at.

    Attributes
    ----------
    name, message, of, since
        What it is, what it says, of what, and since when.
    address, resolve
        Where more is told, and where it is resolved; empty where the caller may not.
    """

    name: str
    message: str
    of: str
    since: datetime
    address: str
    resolve: str


@dataclass(frozen=True)
class Coming:
    """What a schedule begins within the hour."""

    at: datetime
    name: str
    address: str


@dataclass(frozen=True)
class Overview:
    """What the first page shows.

    Attributes
    ----------
    needs
        How many are late, failed or wait for somebody; each a link to the list of them.
    told
        The latest open notifications.
    runs
        The runs of the last day as counts in time.
    coming
        What schedules begin within the hour, and `more` how many besides.
    there
        How much there is of each kind of result.
    scripts
        For administrators, how far users' scripts are kept apart.
    is_empty
        Whether there is nothing yet, so that the page says what to do first.
    """

    needs: Sequence[Count]
    told: Sequence[Told]
    runs: Timeline
    coming: Sequence[Coming]
    more: int
    there: Sequence[Count]
    scripts: Any
    is_empty: bool


def _show(call: Call) -> Response:
    instant = now()
    needs = _needs(call, instant) if may(call, "series") else []
    coming, more = _coming(call, instant) if may(call, "series") else ([], 0)
    there = _there(call)
    view = Overview(
        needs=needs,
        told=_told(call) if may(call, "series") else [],
        runs=timeline.of_runs(call, instant - _SPAN, instant),
        coming=coming,
        more=more,
        there=there,
        scripts=call.services.script_level() if administers(call) else None,
        is_empty=not any(one.count for one in there) and not _has_projects(call),
    )
    return render(call, "overview.html", view=view)


def _needs(call: Call, instant: datetime) -> list[Count]:
    session, principal = call.session, call.principal
    by_name = select(Notification.name, func.count()).where(principal.within(Notification), ~Notification.resolved)
    open_: dict[str, int] = dict(session.execute(by_name.group_by(Notification.name)).all())
    late = sum(open_.get(name, 0) for name in LATE)
    failing = open_.get(notices.RUN_FAILED, 0)
    recent = (
        select(func.count())
        .select_from(Job)
        .where(principal.within(Job), Job.status.in_(("failed", "server_error")), Job.ended_at >= instant - _SPAN)
    )
    waiting = (
        select(func.count())
        .select_from(Job)
        .where(principal.within(Job), Job.status == "pending", Job.ready_at < instant - _PATIENCE)
    )
    aside = select(func.count()).select_from(QuarantinedFile).join(Importer, Importer.id == QuarantinedFile.importer_id)
    aside = aside.where(principal.within(Importer), is_kept(Importer.project_id), *IN_QUARANTINE)
    damaged = select(func.count()).select_from(Series).where(principal.within(Series), Series.damage.is_not(None))
    dead = (
        select(func.count())
        .select_from(Webhook)
        .where(
            Webhook.organization_id.in_(list(principal.roles)),
            Webhook.status.in_(("invalid", "deactivated")) | Webhook.failing_since.is_not(None),
        )
    )
    others = sum(open_.values()) - late - failing

    def count(query: Any) -> int:
        return session.scalar(query) or 0

    found = [
        Count(late, "late or silent", "/console/notifications?about=late", "late"),
        Count(failing, "failing now", "/console/notifications?about=failing", "bad"),
        Count(count(recent), "runs failed in 24 h", "/console/runs?status=failed&hours=24", "bad"),
        Count(count(aside), "files in quarantine", "/console/quarantine", "late"),
        Count(others, "other notifications", "/console/notifications?about=other", "late"),
        Count(count(waiting), "wait for a worker", "/console/runs?status=pending", "late"),
        Count(count(damaged), "series damaged", "/console/explorer?damaged=yes", "bad"),
    ]
    if may(call, "events") and not principal.bound:
        found.append(Count(count(dead), "webhooks not delivered", "/console/events/webhooks", "bad"))
    return found


def _told(call: Call) -> list[Told]:
    query = select(Notification).where(call.principal.within(Notification), ~Notification.resolved)
    found = call.session.scalars(query.order_by(keyset.along(Notification.number).desc()).limit(_MOST)).all()
    known = makers(call, (one.generator_id for one in found))
    return [
        Told(
            one.name,
            one.message.partition("\n")[0],
            known[one.generator_id or ""].name if one.generator_id in known else "",
            one.created_at,
            f"/console/notifications?{urlencode({'id': one.id})}",
            f"/console/notifications/{one.id}/resolve?from=overview"
            if call.principal.can("write", one.organization_id, one.project_id)
            else "",
        )
        for one in found
    ]


def _coming(call: Call, instant: datetime) -> tuple[list[Coming], int]:
    soon = (call.principal.within(Schedule), Schedule.enabled, Schedule.next_at < instant + _AHEAD)
    count = call.session.scalar(select(func.count()).select_from(Schedule).where(*soon)) or 0
    query = select(Schedule).where(*soon).order_by(Schedule.next_at, Schedule.name)
    shown = call.session.scalars(query.limit(_MOST)).all()
    ids = [_maker_of(one) for one in shown]
    known = makers(call, ids)
    coming = []
    for one, id_ in zip(shown, ids, strict=True):
        kind = one.kind.partition(".")[0]
        name = f"{known[id_].kind} {known[id_].name}" if id_ in known else one.kind.replace(".", " ")
        address = f"/console/runs?{urlencode({'of': id_})}" if id_ in known else f"/console/runs?kind={kind}"
        coming.append(Coming(one.next_at, name, address))
    return coming, count - len(shown)


def _maker_of(schedule: Schedule) -> str:
    payload = schedule.payload if isinstance(schedule.payload, dict) else {}
    return str(payload.get("id", ""))


def _there(call: Call) -> list[Count]:
    session, principal = call.session, call.principal

    def count(model: Any, *conditions: Any) -> int:
        query = select(func.count()).select_from(model).where(principal.within(model), *conditions)
        return session.scalar(query) or 0

    found = []
    if may(call, "series"):
        found.append(Count(count(Series, Series.project_id != DISCARDED), "series", "/console/explorer"))
    # What belongs to no project is out of reach of keys that are bound to some.
    if may(call, "rows") and not principal.bound:
        found.append(Count(count(Row), "rows", "/console/rows"))
    if may(call, "works") and not principal.bound:
        queued, archived = (one.count(session, principal, {}) for one in (queue, archive))
        found.append(Count(queued, "works in the queue", "/console/works"))
        found.append(Count(archived, "works archived", "/console/works/list?where=archive"))
    if may(call, "files"):
        available = count(PublishedFile, PublishedFile.status == "available")
        found.append(Count(available, "files available", "/console/files?status=available"))
    if may(call, "series"):
        under_way = count(Job, Job.status.in_(("pending", "running")))
        found.append(Count(under_way, "jobs under way", "/console/runs?status=under_way"))
    return found


def _has_projects(call: Call) -> bool:
    query = select(Project.id).where(call.principal.within(Project), ~Project.deleting)
    return call.session.scalar(query.limit(1)) is not None


PAGES = (Page("GET", "/console", _show, "identity", "read", access="own"),)
