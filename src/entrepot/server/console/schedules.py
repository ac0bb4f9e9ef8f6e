"""Schedules: what begins by itself, when it does next, when it ran last, and whether that goes well."""

from datetime import timedelta
from typing import Any

from sqlalchemy import Select, Subquery, exists, literal, select, union_all
from starlette.responses import Response

from entrepot.db import now
from entrepot.errors import InvalidInput
from entrepot.events.models import Notification
from entrepot.identity import projects
from entrepot.identity.projects import is_kept
from entrepot.jobs import Schedule
from entrepot.pipeline.generators import notices
from entrepot.pipeline.models import Feeder, Gate, Importer
from entrepot.server.api.nouns import Maker, projects_by_id, worded
from entrepot.server.console.listing import Cell, Column, Field, Link, Listing, State, order
from entrepot.server.console.page import Page
from entrepot.server.console.places import RUNS, page_of
from entrepot.server.console.runs import whole_hours
from entrepot.server.endpoint import Call

_STATES = ("on", "failing", "off")
_KINDS = ("feeder", "importer")


def _list(call: Call) -> Response:
    asked = {name: call.query.get(name, "").strip() for name in ("q", "kind", "project", "state", "within")}
    every = _every(call)
    failing = exists().where(
        Notification.generator_id == every.c.id, ~Notification.resolved, Notification.name == notices.RUN_FAILED
    )
    query = select(every, Schedule.next_at, failing.label("failing"))
    query = query.outerjoin(Schedule, Schedule.name == every.c.kind + ":" + every.c.id)
    query = query.where(*worded(asked["q"], every.c.name))
    if asked["kind"]:
        query = query.where(every.c.kind == asked["kind"])
    if asked["project"]:
        query = query.where(
            every.c.project_id == projects.get_project(call.session, call.principal, asked["project"]).id
        )
    if state := asked["state"]:
        if state not in _STATES:
            raise InvalidInput.field("state", f"One of {', '.join(_STATES)}.")
        query = query.where({"on": every.c.active & ~failing, "failing": failing, "off": ~every.c.active}[state])
    if hours := whole_hours(call, "within"):
        query = query.where(Schedule.next_at < now() + timedelta(hours=hours))
    query = _ordered(call, query, every)

    def read(offset: int, limit: int) -> list[tuple[Cell, ...]]:
        found = call.session.execute(query.offset(offset).limit(limit)).all()
        names = projects_by_id(call, (one.project_id for one in found))
        return [
            (
                Link(f"{one.kind} {one.name}", page_of(Maker(id=one.id, name=one.name, kind=one.kind))),
                Link(names[one.project_id].name, f"/console/projects/{one.project_id}"),
                one.schedule,
                one.zone,
                State("failing") if one.failing else State("fresh", "on") if one.active else State("off"),
                one.next_at,
                one.last_run_at,
            )
            for one in found
        ]

    columns = (
        *(Column("What", "what"), "Project", "Cron, seconds first", "Zone", "State"),
        *(Column("Next", "next"), Column("Last run", "last")),
    )
    empty = "Nothing begins by itself yet: importers and feeders do once they have a schedule."
    return Listing("Schedules", columns, read, _fields(call, asked), empty, others=RUNS).shown(call)


def _every(call: Call) -> Subquery:
    """Return the feeders and importers of the caller that have a schedule, be they switched on or not."""
    common = [literal("UTC").label("zone"), Importer.active, Importer.last_run_at]
    importers = select(
        literal("importer").label("kind"), Importer.id, Importer.name, Importer.project_id, Importer.schedule, *common
    ).where(call.principal.within(Importer), is_kept(Importer.project_id), Importer.schedule != "")
    feeders = (
        select(
            literal("feeder"), Feeder.id, Gate.name, Feeder.project_id, Feeder.schedule, Feeder.timezone,
            Feeder.active, Feeder.last_run_at,
        )
        .join(Gate, Gate.id == Feeder.gate_id)
        .where(call.principal.within(Feeder), is_kept(Feeder.project_id), Feeder.schedule != "")
    )  # fmt: skip
    return union_all(importers, feeders).subquery()


def _ordered(call: Call, query: Select[Any], every: Subquery) -> Select[Any]:
    """Sort it; what has no such instant comes last, whichever way round."""
    instants = {"next": Schedule.next_at, "last": every.c.last_run_at}
    asked = order(call, {"what": every.c.name, **instants}, "next")
    by = instants.get((call.query.get("sort", "") or "next").removeprefix("-"))
    return query.order_by(*([] if by is None else [by.is_(None)]), asked, every.c.name, every.c.id)


def _fields(call: Call, asked: dict[str, str]) -> tuple[Field, ...]:
    known = projects.list_projects(call.session, call.principal)
    return (
        Field("q", "Words of the name", asked["q"]),
        Field("kind", "Kind", asked["kind"], (("", "any"), *((kind, kind) for kind in _KINDS))),
        Field("project", "Project", asked["project"], (("", "any"), *((one.id, one.name) for one in known))),
        Field("state", "State", asked["state"], (("", "any"), *((state, state) for state in _STATES))),
        Field("within", "Next within hours", asked["within"]),
    )


PAGES = (Page("GET", "/console/runs/schedules", _list, "series", "read"),)
