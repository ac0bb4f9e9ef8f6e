"""The palette: anything by its name, as far as the caller may read it."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from sqlalchemy import literal, select
from starlette.responses import Response

from entrepot.identity import Principal, Project
from entrepot.identity.projects import is_kept
from entrepot.pipeline.models import Analysis, Cleaner, Gate, Importer
from entrepot.rows import ResultSet
from entrepot.server.api import series
from entrepot.server.api.nouns import worded
from entrepot.server.console.page import NAVIGATION, Page, Place, administers, may, render
from entrepot.server.console.places import PAGES_OF
from entrepot.server.endpoint import Call

_MOST, _LONGEST = 8, 200
#: Lists that the navigation leads to by others beside them; no letter goes there.
_BESIDE = (
    Place("Schedules", "/console/runs/schedules", ""),
    Place("Storages", "/console/files/storages", ""),
    Place("Webhooks", "/console/events/webhooks", ""),
    Place("Keys", "/console/people/keys", ""),
    Place("Sessions", "/console/people/sessions", ""),
    Place("Password", "/console/people/password", ""),
    Place("Audit log", "/console/people/audit", "", of_administrators=True),
)
_PIPELINE: dict[str, Any] = {"gate": Gate, "importer": Importer, "cleaner": Cleaner, "analysis": Analysis}
_PLACES = {
    "gate": "/console/gates/{id}",
    **{kind: f"{place}/{{id}}" for kind, place in PAGES_OF.items()},
}


@dataclass(frozen=True)
class Found:
    """Something of a name, what it is, and where it is shown."""

    kind: str
    name: str
    address: str


@dataclass(frozen=True)
class Finding:
    """What was found of what was typed, the pages of the console first."""

    q: str
    found: list[Found]


def _find(call: Call) -> Response:
    q = call.query.get("q", "").strip()[:_LONGEST]
    places = (one for one in (*NAVIGATION, *(_BESIDE if q else ())) if administers(call) or not one.of_administrators)
    found = [Found("page", one.name, one.address) for one in places if q.lower() in one.name.lower()]
    if q:
        found += _named(call, q)
    return render(call, "found.html", view=Finding(q, found))


def _named(call: Call, q: str) -> Iterator[Found]:
    for kind, area, address, query in _queries(call.principal, q):
        if may(call, area):
            for id_, name, project in call.session.execute(query.limit(_MOST)):
                yield Found(kind, name, address.format(id=id_, project=project))
    if may(call, "series"):
        for one in call.session.scalars(series.sought(call, q, ()).limit(_MOST)):
            yield Found("series", one.title or one.name, f"/console/explorer?{urlencode({'series': one.id})}")


def _queries(principal: Principal, q: str) -> Iterator[tuple[str, str, str, Any]]:
    """Yield, for each kind, its area, where one is shown, and the query of ids, names and projects."""
    found: Any = select(Project.id, Project.name, Project.id).where(principal.within(Project), ~Project.deleting)
    yield "project", "series", "/console/projects/{id}", _by_name(found, Project.name, q)
    for kind, model in _PIPELINE.items():
        found = select(model.id, model.name, model.project_id).where(principal.within(model), is_kept(model.project_id))
        yield kind, "series", _PLACES[kind], _by_name(found, model.name, q)
    if not principal.bound:
        sets = select(ResultSet.id, ResultSet.name, literal("")).where(principal.own(ResultSet))
        yield "result set", "rows", "/console/rows?result_set={id}", _by_name(sets, ResultSet.name, q)


def _by_name(query: Any, name: Any, q: str) -> Any:
    return query.where(*worded(q, name)).order_by(name)


PAGES = (Page("GET", "/console/find", _find, "identity", "read", access="own"),)
