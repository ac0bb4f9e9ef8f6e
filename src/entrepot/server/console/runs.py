"""Runs: a list that says what, when and how they ended, below their counts in time."""

from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Select, select
from starlette.responses import Response

from entrepot.db import now
from entrepot.errors import InvalidInput
from entrepot.identity import projects
from entrepot.jobs import Idle, Job
from entrepot.lineage import Run
from entrepot.server.api.nouns import Maker, makers
from entrepot.server.console import timeline
from entrepot.server.console.listing import Cell, Column, Field, Link, Listing, State, order
from entrepot.server.console.page import Page
from entrepot.server.console.places import RUNS
from entrepot.server.console.run import maker_of, title_of
from entrepot.server.endpoint import Call

_UNDER_WAY, _IDLE = "under_way", "idle"
_STATUSES = ("pending", "running", "finished", "refused", "failed", "cancelled", "server_error")
_CHOICES = (("", "any"), (_UNDER_WAY, "under way"), *((one, one.replace("_", " ")) for one in _STATUSES),
            (_IDLE, "nothing new"))  # fmt: skip
_LONGEST, _MOST_HOURS = 200, 24 * 366
_KINDS = ("feeder", "importer", "cleaner", "analysis", "series")


def _list(call: Call) -> Response:
    asked = {name: call.query.get(name, "").strip() for name in ("status", "kind", "project", "of", "since", "until")}
    since, until = _instant(call, "since"), _instant(call, "until")
    if hours := whole_hours(call, "hours"):
        since = now() - timedelta(hours=hours)
    if asked["status"] == _IDLE:
        return _list_idle(call, asked)
    query = select(Job).where(call.principal.within(Job))
    statuses = {_UNDER_WAY: ("pending", "running"), "failed": ("failed", "server_error")}
    if status := asked["status"]:
        query = query.where(Job.status.in_(statuses.get(status, (status,))))
    if kind := asked["kind"]:
        query = query.where((Job.kind == kind) | Job.kind.startswith(f"{kind}.", autoescape=True))
    if asked["of"]:
        query = query.where(Job.key.in_(_keys(asked["of"])))
    query = _of_project(call, query, asked["project"], Job)
    if since is not None:
        query = query.where(Job.started_at >= since)
    if until is not None:
        query = query.where(Job.started_at < until)
    query = query.order_by(order(call, {"asked": Job.number, "ended": Job.ended_at, "kind": Job.kind}, "-asked"))

    def read(offset: int, limit: int) -> list[tuple[Cell, ...]]:
        found = call.session.scalars(query.offset(offset).limit(limit)).all()
        known = makers(call, map(maker_of, found))
        return [_row(job, known.get(maker_of(job))) for job in found]

    columns = (
        *(Column("What", "kind"), "Status", Column("Asked for", "asked"), "Started", Column("Ended", "ended")),
        *("Done", "Error"),
    )
    empty = "Nothing has run yet. Runs come by schedules, by files that arrive, and by asking for them."
    return Listing("Runs", columns, read, _fields(call, asked), empty, others=RUNS).shown(
        call, above=timeline.of_runs(call, *_span(since, until), *_of_runs(asked)) if not status else None
    )


def _row(job: Job, of: Maker | None) -> tuple[Cell, ...]:
    done = f"{job.progress_total:,}" if job.progress_total else ""
    if done and job.status != "finished":
        done = f"{job.progress_done:,}/{done}"
    error = (job.error or "")[:_LONGEST]
    name = Link(title_of(job.kind, of), f"/console/runs/{job.id}")
    return name, State(job.status), job.created_at, job.started_at, job.ended_at, done, error


def _list_idle(call: Call, asked: dict[str, str]) -> Response:
    """Show how often jobs came by themselves and found nothing, of which there are no rows."""
    query = _of_project(call, select(Idle).where(call.principal.within(Idle)), asked["project"], Idle)
    if kind := asked["kind"]:
        query = query.where((Idle.kind == kind) | Idle.kind.startswith(f"{kind}.", autoescape=True))
    if asked["of"]:
        query = query.where(Idle.key.in_(_keys(asked["of"])))
    query = query.order_by(order(call, {"last": Idle.number, "times": Idle.count}, "-last"))

    def read(offset: int, limit: int) -> list[tuple[Cell, ...]]:
        found = call.session.scalars(query.offset(offset).limit(limit)).all()
        known = makers(call, (one.key.partition(":")[2] for one in found))
        return [
            (
                Link(title_of(one.kind, known.get(one.key.partition(":")[2])), f"/console/runs/{one.id}"),
                one.count,
                one.since,
                one.ended_at,
            )
            for one in found
        ]

    columns = ("What", Column("Times in a row", "times"), "Since", Column("Last", "last"))
    return Listing("Runs that found nothing new", columns, read, _fields(call, asked), others=RUNS).shown(call)


def _fields(call: Call, asked: dict[str, str]) -> tuple[Field, ...]:
    known = projects.list_projects(call.session, call.principal)
    return (
        Field("status", "Status", asked["status"], _CHOICES),
        Field("kind", "Kind", asked["kind"], (("", "any"), *((kind, kind) for kind in _KINDS))),
        Field("project", "Project", asked["project"], (("", "any"), *((one.id, one.name) for one in known))),
        Field("of", "Id of what ran", asked["of"]),
        Field("since", "Since (UTC)", asked["since"]),
        Field("until", "Until (UTC)", asked["until"]),
    )


def _keys(of: str) -> tuple[str, ...]:
    return f"generator:{of}", f"feeder:{of}"


def _of_project(call: Call, query: Select[Any], text: str, model: Any) -> Select[Any]:
    if not text:
        return query
    return query.where(model.project_id == projects.get_project(call.session, call.principal, text).id)


def _of_runs(asked: dict[str, str]) -> list[Any]:
    columns = {"of": Run.generator_id, "project": Run.project_id, "kind": Run.generator_kind}
    return [column == asked[name] for name, column in columns.items() if asked[name]]


def _span(since: datetime | None, until: datetime | None) -> tuple[datetime, datetime]:
    until = until or now()
    since = since or until - timedelta(hours=24)
    if since >= until:
        raise InvalidInput.field("until", "This is not after `since`.")
    return since, until


def whole_hours(call: Call, name: str) -> int:
    """Return how many hours the address says, a whole number; 0 where it says nothing."""
    text = call.query.get(name, "").strip() or "0"
    if not text.isascii() or not text.isdigit() or int(text[:6]) > _MOST_HOURS:
        raise InvalidInput.field(name, f"A whole number, up to {_MOST_HOURS}.")
    return int(text)


def _instant(call: Call, name: str) -> datetime | None:
    text = call.query.get(name, "").strip()
    if not text:
        return None
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise InvalidInput.field(name, "An ISO 8601 date and time, such as 2014-03-01 or 2014-03-01T12:00Z.") from None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


PAGES = (Page("GET", "/console/runs", _list, "series", "read"),)
