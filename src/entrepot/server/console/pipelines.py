"""A project's pipeline: what there is, what leads to what, and how each of it is."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from sqlalchemy import Select, func, select, union_all
from sqlalchemy.orm import Session, load_only

from entrepot.events.models import Notification
from entrepot.identity import Project
from entrepot.jobs import Job
from entrepot.pipeline.gates.quarantine import IN_QUARANTINE
from entrepot.pipeline.generators import notices
from entrepot.pipeline.models import (
    Analysis,
    AnalysisInput,
    Channel,
    Cleaner,
    Feeder,
    Gate,
    Importer,
    Invalidation,
    QuarantinedFile,
)
from entrepot.rows import Row
from entrepot.series.models import Series
from entrepot.server.console.drawing import STATES, Graph, Node
from entrepot.server.console.places import PAGES_OF


@dataclass(frozen=True)
class _Found:
    """What is known of a project's nodes beside themselves, each by id."""

    failing: Mapping[str, datetime]
    late: Mapping[str, str]
    under_way: Mapping[str, str]
    owed: Mapping[str, int]
    aside: Mapping[str, int]
    series: Mapping[str, int]


def pipeline_of(session: Session, project: Project) -> Graph:
    """Return the pipeline of a project that the caller may read."""
    found = _found(session, project)
    nodes: list[Node] = []
    edges: list[tuple[str, str]] = []
    _gates(session, project, found, nodes, edges)
    gates: dict[str, str] = {}
    for importer in session.scalars(_of(project, Importer, Importer.gate_id, Importer.active)):
        gates[importer.id] = importer.gate_id or ""
        node = _generator(importer, found, is_on=importer.active, gate=importer.gate_id or "")
        if importer.gate_id is None and node.state == "off":
            node = replace(node, state="fresh", said="clients push to it")
        nodes.append(node)
        edges += [(importer.gate_id, importer.id)] if importer.gate_id else []
    channels = _channels(session, project)
    for cleaner in session.scalars(_of(project, Cleaner, Cleaner.importer_id)):
        count = channels.get(cleaner.id, 0)
        node = _generator(cleaner, found, is_on=count > 0, gate=gates.get(cleaner.importer_id, ""))
        nodes.append(replace(node, said=f"{node.said}, {count:,} channel{'s' * (count != 1)}"))
        edges.append((cleaner.importer_id, cleaner.id))
    _analyses(session, project, found, nodes, edges)
    return Graph({node.id: node for node in nodes}, edges)


def by_gate(pipeline: Graph, address: str) -> Graph:
    """Return a pipeline in which each gate stands for its feeder, its importers and their cleaners, too."""
    groups: dict[str, list[Node]] = {}
    for node in pipeline.nodes.values():
        groups.setdefault(node.gate or node.id, []).append(node)
    into = {node.id: group for group, members in groups.items() for node in members}
    nodes = {}
    for group, members in groups.items():
        first = pipeline.nodes.get(group, members[0])
        if len(members) > 1:
            worst = min(members, key=lambda node: STATES.index(node.state))
            said = worst.said if worst.id == group else f"{worst.kind} {worst.name}: {worst.said}"
            link = f"{address}?{urlencode({'gate': group})}"
            first = replace(first, state=worst.state, said=f"{len(members) - 1} behind it; {said}", address=link)
        nodes[group] = first
    edges = dict.fromkeys((into[a], into[b]) for a, b in pipeline.edges if a in into and b in into)
    return Graph(nodes, [(a, b) for a, b in edges if a != b])


def _gates(session: Session, project: Project, found: _Found, nodes: list[Node], edges: list[tuple[str, str]]) -> None:
    query = select(Gate, Feeder).outerjoin(Feeder, Feeder.gate_id == Gate.id).where(Gate.project_id == project.id)
    query = query.options(
        load_only(Gate.id, Gate.name, raiseload=True), load_only(Feeder.id, Feeder.active, Feeder.last_run_at)
    )
    for gate, feeder in session.execute(query.order_by(Gate.name)):
        aside = found.aside.get(gate.id, 0)
        said = f"{aside:,} in quarantine" if aside else "open"
        address = f"/console/gates/{gate.id}"
        nodes.append(Node(gate.id, "gate", gate.name, address, "behind" if aside else "fresh", said, gate.id))
        if feeder is not None:
            state, said = _state(feeder.id, found, feeder.last_run_at, is_on=feeder.active)
            runs = f"/console/runs?{urlencode({'of': feeder.id})}"
            nodes.append(Node(feeder.id, "feeder", gate.name, runs, state, said, gate.id, feeder.last_run_at))
            edges.append((feeder.id, gate.id))


def _analyses(
    session: Session, project: Project, found: _Found, nodes: list[Node], edges: list[tuple[str, str]]
) -> None:
    told = (Analysis.active, Analysis.behind, Analysis.result_set_id, Analysis.publishing)
    sets = select(Analysis.result_set_id).where(Analysis.project_id == project.id, Analysis.result_set_id.is_not(None))
    rows_of = select(Row.result_set_id, func.count()).where(
        Row.organization_id == project.organization_id, Row.result_set_id.in_(sets)
    )
    counts = _counted(session, rows_of.group_by(Row.result_set_id))
    ids = []
    for analysis in session.scalars(_of(project, Analysis, *told)):
        ids.append(analysis.id)
        node = _generator(analysis, found, is_on=analysis.active)
        if analysis.behind and node.state == "fresh":
            node = replace(node, state="behind", said="its configuration changed")
        nodes.append(node)
        if analysis.result_set_id is not None:
            rows = f"/console/rows?{urlencode({'result_set': analysis.result_set_id})}"
            count = counts.get(analysis.result_set_id, 0)
            said = f"result set, {count:,} row{'s' * (count != 1)}"
            nodes.append(Node(f"rows {analysis.id}", "rows", analysis.name, rows, said=said))
            edges.append((analysis.id, f"rows {analysis.id}"))
        if analysis.publishing is not None:
            nodes.append(Node(f"files {analysis.id}", "files", analysis.name, "/console/files", said="published"))
            edges.append((analysis.id, f"files {analysis.id}"))
    inputs = select(AnalysisInput.generator_id, AnalysisInput.analysis_id).join(
        Analysis, Analysis.id == AnalysisInput.analysis_id
    )
    edges += session.execute(inputs.where(Analysis.project_id == project.id).distinct())


def _of(project: Project, kind: Any, *told: Any) -> Select[Any]:
    """Return the generators of a kind, of which no script and nothing else large is fetched."""
    wanted = load_only(kind.id, kind.name, kind.last_run_at, *told, raiseload=True)
    return select(kind).where(kind.project_id == project.id).order_by(kind.name).options(wanted)


def _generator(one: Importer | Cleaner | Analysis, found: _Found, *, is_on: bool, gate: str = "") -> Node:
    state, said = _state(one.id, found, one.last_run_at, is_on=is_on)
    if count := found.series.get(one.id):
        said = f"{said}, {count:,} series"
    address = f"{PAGES_OF[one.kind]}/{one.id}"
    return Node(one.id, one.kind, one.name, address, state, said, gate, one.last_run_at)


def _state(id_: str, found: _Found, last_run: datetime | None, *, is_on: bool) -> tuple[str, str]:
    if id_ in found.under_way:
        return "running", found.under_way[id_]
    if id_ in found.failing:
        return "failing", f"failing since {found.failing[id_]:%Y-%m-%d %H:%M} UTC"
    if id_ in found.late:
        return "behind", found.late[id_]
    if owed := found.owed.get(id_):
        return "behind", f"behind by {owed:,} interval{'s' * (owed != 1)}"
    if last_run is None:
        return "off", "never ran"
    return ("fresh", "fresh") if is_on else ("off", "runs when asked alone")


def _found(session: Session, project: Project) -> _Found:
    told = select(Notification.generator_id, Notification.name, Notification.created_at).where(
        Notification.project_id == project.id, ~Notification.resolved, Notification.generator_id.is_not(None)
    )
    failing: dict[str, datetime] = {}
    late: dict[str, str] = {}
    for id_, name, created in session.execute(told):
        assert id_ is not None
        if name == notices.RUN_FAILED:
            failing[id_] = created
        else:
            late[id_] = name.lower()
    jobs = select(Job.key, Job.status).where(Job.project_id == project.id, Job.status.in_(("pending", "running")))
    under_way: dict[str, str] = {}
    for key, status in session.execute(jobs.order_by(Job.status)):
        under_way[(key or "").partition(":")[2]] = "running" if status == "running" else "waits to run"
    aside = select(QuarantinedFile.gate_id, func.count()).join(Gate, Gate.id == QuarantinedFile.gate_id)
    aside = aside.where(Gate.project_id == project.id, *IN_QUARANTINE).group_by(QuarantinedFile.gate_id)
    return _Found(
        failing, late, under_way, _owed(session, project), _counted(session, aside), _series(session, project)
    )


def _series(session: Session, project: Project) -> dict[str, int]:
    """Return how many series importers and analyses made, counted in an index alone."""
    made = union_all(*(select(one.id).where(one.project_id == project.id) for one in (Importer, Analysis)))
    query = select(Series.generator_id, func.count()).where(Series.generator_id.in_(made))
    return _counted(session, query.group_by(Series.generator_id))


def _owed(session: Session, project: Project) -> dict[str, int]:
    """Return how many intervals cleaners and analyses still have to compute."""
    of_channels = select(Channel.cleaner_id, func.count()).join(Invalidation, Invalidation.consumer_id == Channel.id)
    of_channels = of_channels.where(Channel.project_id == project.id)
    of_analyses = select(Analysis.id, func.count()).join(Invalidation, Invalidation.consumer_id == Analysis.id)
    of_analyses = of_analyses.where(Analysis.project_id == project.id)
    owed = _counted(session, of_channels.group_by(Channel.cleaner_id))
    return owed | _counted(session, of_analyses.group_by(Analysis.id))


def _channels(session: Session, project: Project) -> dict[str, int]:
    query = select(Channel.cleaner_id, func.count()).where(Channel.project_id == project.id)
    return _counted(session, query.group_by(Channel.cleaner_id))


def _counted(session: Session, query: Any) -> dict[Any, int]:
    pairs: Iterable[Any] = session.execute(query).all()
    return dict(pairs)
