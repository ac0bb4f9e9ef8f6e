"""Projects, and each as the graph of its pipeline with a list beside it."""

from collections import Counter
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from sqlalchemy import func, select
from starlette.responses import Response

from entrepot.identity import Project, projects
from entrepot.pipeline.models import Analysis, Gate, Importer
from entrepot.series.models import Series
from entrepot.server.api.nouns import worded
from entrepot.server.console.drawing import STATES, Drawing, drawn
from entrepot.server.console.layers import related
from entrepot.server.console.listing import Column, Field, Link, Listing, as_csv, asks_csv, order
from entrepot.server.console.page import Page, render
from entrepot.server.console.pipelines import by_gate, pipeline_of
from entrepot.server.endpoint import Call

#: From so many nodes on, gates stand for what belongs to them unless the address says otherwise, and a list of them all
#: comes when it is looked at.
_MANY = 400
_OFTEN_SECONDS, _SELDOM_SECONDS = 4, 30


@dataclass(frozen=True)
class ProjectView:
    """What the page of a project shows.

    Attributes
    ----------
    project, q, gate, collapse
        Which, and what of it is asked for.
    drawing
        Its nodes and the lines between them.
    counts
        How many nodes are in which state.
    hidden
        How many nodes the filter does not let pass.
    here
        Its own address, with all that is asked for.
    many, listed
        Whether it has so many nodes that their list comes when it is looked at, and whether it is here.
    seconds
        After how many seconds it is asked for again.
    may_write
        Whether the caller may make something in it.
    """

    project: Project
    q: str
    gate: str
    collapse: str
    drawing: Drawing
    counts: dict[str, int]
    hidden: int
    here: str
    many: bool
    listed: bool
    seconds: int
    may_write: bool


def _list(call: Call) -> Response:
    q = call.query.get("q", "").strip()
    query = select(Project).where(call.principal.within(Project), ~Project.deleting, *worded(q, Project.name))
    query = query.order_by(order(call, {"name": Project.name}, "name"), Project.id)

    def read(offset: int, limit: int) -> list[tuple[Any, ...]]:
        found = call.session.scalars(query.offset(offset).limit(limit)).all()
        counts = {
            model: _counts(call, model, [one.id for one in found]) for model in (Gate, Importer, Analysis, Series)
        }
        return [
            (
                Link(one.name, f"/console/projects/{one.id}"),
                one.description,
                *(of_model.get(one.id, 0) for of_model in counts.values()),
            )
            for one in found
        ]

    columns = (Column("Name", "name"), "Description", "Gates", "Importers", "Analyses", "Series")
    make = Link("New project", "/console/projects/new") if call.principal.can_somewhere("write") else None
    return Listing("Projects", columns, read, (Field("q", "Words of the name", q),), _EMPTY, make=make).shown(call)


_EMPTY = "There are no projects yet. A project has what belongs together: make the first one to begin."


def _counts(call: Call, model: Any, ids: list[str]) -> dict[str, int]:
    query = select(model.project_id, func.count()).where(model.project_id.in_(ids)).group_by(model.project_id)
    return dict(call.session.execute(query).all())


def _show(call: Call) -> Response:
    project = projects.get_project(call.session, call.principal, call.path["id"])
    q, gate, collapse = (call.query.get(name, "").strip() for name in ("q", "gate", "collapse"))
    whole = pipeline_of(call.session, project)
    shown = whole
    if gate:
        shown = whole.part(related([one.id for one in whole.nodes.values() if one.gate == gate], whole.edges))
    elif collapse == "gate" or (not collapse and len(whole.nodes) > _MANY):
        shown = by_gate(whole, call.request.url.path)
    if q:
        words = q.lower().split()
        matching = [one.id for one in shown.nodes.values() if all(word in one.name.lower() for word in words)]
        shown = shown.part(related(matching, shown.edges))
    states = Counter(node.state for node in shown.nodes.values())
    many = len(shown.nodes) > _MANY
    view = ProjectView(
        project=project,
        q=q,
        gate=gate,
        collapse=collapse,
        drawing=drawn(shown),
        counts={state: states[state] for state in STATES if states[state]},
        hidden=len(whole.nodes) - len(shown.nodes),
        here=f"{call.request.url.path}?{urlencode({'q': q, 'gate': gate, 'collapse': collapse})}",
        many=many,
        listed=not many or "list" in call.query,
        seconds=_SELDOM_SECONDS if many else _OFTEN_SECONDS,
        may_write=call.principal.can("write", project.organization_id, project.id),
    )
    if asks_csv(call):
        nodes = (box.node for box in view.drawing.boxes)
        rows = ((one.state, one.kind, one.name, one.said, one.last_run) for one in nodes)
        return as_csv(f"{project.name} pipeline", ("State", "What", "Name", "It is", "Last run"), rows)
    return render(call, "project.html", view=view)


PAGES = (
    Page("GET", "/console/projects", _list, "series", "read"),
    Page("GET", "/console/projects/{id}", _show, "series", "read"),
)
