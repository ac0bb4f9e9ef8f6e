"""What happened, the latest first and as it happens."""

from collections.abc import Sequence
from typing import Any

import orjson
from sqlalchemy import select
from starlette.responses import Response

from entrepot.db import keyset
from entrepot.events import reading
from entrepot.events.models import Event
from entrepot.identity import User, projects
from entrepot.server.api.nouns import project_names
from entrepot.server.console.listing import Cell, Column, Field, Link, Listing, order
from entrepot.server.console.page import Page
from entrepot.server.console.places import PAGES_OF
from entrepot.server.endpoint import Call

LISTS = (Link("Events", "/console/events"), Link("Webhooks", "/console/events/webhooks"))
_LONGEST, _SECONDS = 200, 3
#: Where what events tell of is shown.
_PLACES = {
    **PAGES_OF,
    "file": "/console/files",
    "gate": "/console/gates",
    "project": "/console/projects",
    "webhook": "/console/events/webhooks",
}


def _list(call: Call) -> Response:
    asked = {name: call.query.get(name, "").strip() for name in ("type", "project", "object")}
    # In the order, and by the index, in which readers of the log go through what they may see: past nothing of others.
    along = keyset.along(Event.sequence)
    query = select(Event).where(call.principal.within(Event), Event.sequence.is_not(None))
    if asked["type"]:
        name, _, action = asked["type"].partition(".")
        query = query.where(Event.type == name, *([Event.action == action] if action else []))
    if asked["project"]:
        project = projects.get_project(call.session, call.principal, asked["project"])
        query = query.where(Event.project_id == project.id)
    if asked["object"]:
        query = query.where(Event.object_id == asked["object"])
    query = query.order_by(order(call, {"when": along}, "-when"))

    def read(offset: int, limit: int) -> list[tuple[Cell, ...]]:
        return _rows(call, call.session.scalars(query.offset(offset).limit(limit)).all())

    known = projects.list_projects(call.session, call.principal)
    fields = (
        Field("type", "Type, or type.action", asked["type"]),
        Field("project", "Project", asked["project"], (("", "any"), *((one.id, one.name) for one in known))),
        Field("object", "Id of what it happened to", asked["object"]),
    )
    columns = (Column("When", "when"), "What", "Project", "Id of what it happened to", "Who", "Data")
    empty = "Nothing has happened yet: make a project, and let files come in through a gate."
    others = () if call.principal.bound else LISTS
    return Listing("Events", columns, read, fields, empty, others=others, seconds=_SECONDS).shown(call)


def _rows(call: Call, events: Sequence[Event]) -> list[tuple[Cell, ...]]:
    names = project_names(call, events)
    wanted = {one.user_id for one in events if one.user_id}
    logins: dict[Any, str] = {
        row.id: row.login for row in call.session.execute(select(User.id, User.login).where(User.id.in_(wanted)))
    }
    return [
        (
            one.created_at,
            f"{one.type}.{one.action}",
            Link(names[one.project_id].name, f"/console/projects/{one.project_id}") if one.project_id in names else "",
            Link(one.object_id, f"{_PLACES[one.type]}/{one.object_id}") if one.type in _PLACES else one.object_id,
            logins.get(one.user_id, ""),
            _told(one.data),
        )
        for one in events
    ]


def _told(data: dict[str, Any]) -> str:
    """Return the beginning of what is told: what is short, as names are, before sums and ids."""
    # Databases keep an order of their own.
    short_first = sorted(data.items(), key=lambda item: (len(str(item[1])), item[0]))
    return orjson.dumps(dict(short_first)).decode()[:_LONGEST]


PAGES = (Page("GET", "/console/events", _list, "events", "read", ahead=reading.lacks),)
