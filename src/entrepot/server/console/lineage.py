"""Where a result comes from, down to files and scripts, and what was made of it; as a graph and as a list."""

from collections import deque
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from sqlalchemy import select
from starlette.responses import Response

from entrepot.errors import InvalidInput, NotFound
from entrepot.lineage import Link, Run
from entrepot.pipeline.models import Gate
from entrepot.series.models import Series
from entrepot.server.api.lineage import explained, sha256_of
from entrepot.server.api.nouns import Maker, makers
from entrepot.server.api.parameters import instant_of
from entrepot.server.console import versions
from entrepot.server.console.drawing import Drawing, Graph, Node, drawn
from entrepot.server.console.explorer import at_of
from entrepot.server.console.listing import Cell, as_csv, asks_csv
from entrepot.server.console.page import Page, render
from entrepot.server.endpoint import Call

KINDS = {
    "series": "series",
    "gate file": "file of a gate (gate/path)",
    "file": "published file",
    "work": "work",
    "row": "row",
    "result_set": "result set",
}
_MOST_READERS, _MOST_MADE = 40, 200
_COLUMNS = ("Leads", "Run of", "Run", "Began", "SHA-256 of its script", "How", "Kind", "Name", "SHA-256")
_STATES = {"running": "running", "failed": "failing", "finished": "fresh"}


@dataclass(frozen=True)
class Step:
    """A line of a list: a run, with what it read, or with what it made.

    Attributes
    ----------
    run, name
        Its id, and what ran.
    started, sha256
        When it began, and the SHA-256 of its script; empty where it has none.
    version
        The number of that version of the script, and where it is shown; None where it is not kept.
    things
        What it read or made: kind, name, SHA-256 where it is a file, and where its own lineage is told.
    """

    run: str
    name: str
    started: datetime
    sha256: str
    version: tuple[int, str] | None
    things: Sequence[tuple[str, str, str, str]]


@dataclass(frozen=True)
class Lineage:
    """What the page shows.

    Attributes
    ----------
    kind, id, at
        The result that is asked about, and for series the instant, as the address has them.
    name, kinds
        What it is called, and the kinds that can be asked for.
    drawing
        The graph.
    steps, readers
        The same as lists: the runs that lead to the result, and those that read it.
    """

    kind: str
    id: str
    at: str
    name: str
    kinds: Mapping[str, str]
    drawing: Drawing | None = None
    steps: Sequence[Step] = ()
    readers: Sequence[Step] = ()


class _Names:
    """How things are called that the caller may read; others go by their ids.

    Parameters
    ----------
    things
        Kinds and ids of results.
    ran
        Kind and id of what ran, and the SHA-256 of its script.
    """

    def __init__(
        self, call: Call, things: Iterable[tuple[str, str]], ran: Collection[tuple[str, str, str | None]]
    ) -> None:
        by_kind: dict[str, set[str]] = {}
        for kind, id_ in things:
            by_kind.setdefault(kind, set()).add(id_)
        principal, session = call.principal, call.session
        series = select(Series.id, Series.name).where(
            principal.within(Series), Series.id.in_(by_kind.get("series", ()))
        )
        self._series = dict(session.execute(series).all())
        gates = {id_.partition("/")[0] for id_ in by_kind.get("gate file", ())}
        found = select(Gate.id, Gate.name).where(principal.within(Gate), Gate.id.in_(gates))
        self._gates = dict(session.execute(found).all())
        self._makers: dict[str, Maker] = makers(call, [id_ for _, id_, _ in ran])
        self._versions = versions.of_runs(call, ran)

    def of(self, kind: str, id_: str) -> str:
        """Return the name of a result."""
        if kind == "series":
            return self._series.get(id_, id_)
        gate, slash, path = id_.partition("/")
        return f"{self._gates.get(gate, gate)}{slash}{path}" if kind == "gate file" else id_

    def ran(self, kind: str, id_: str) -> str:
        """Return the name of what ran."""
        found = self._makers.get(id_)
        return f"{kind} {found.name if found is not None else id_}"

    def version(self, id_: str, sha256: str | None) -> tuple[int, str] | None:
        """Return which version of its script ran, and where that is shown."""
        return self._versions.get((id_, sha256 or ""))

    def step(self, run: "_Ran", things: Iterable[tuple[str, str, str]]) -> Step:
        """Return the line of a run, with things of these kinds, ids and SHA-256."""
        told = [(kind, self.of(kind, id_), sha256, address(kind, id_)) for kind, id_, sha256 in things]
        version = self.version(run.of, run.sha256)
        return Step(run.id, self.ran(run.kind, run.of), run.started, run.sha256 or "", version, told)


@dataclass(frozen=True)
class _Ran:
    """A run: its id, what ran, when, how it stands, and its script."""

    id: str
    kind: str
    of: str
    started: datetime
    status: str
    sha256: str | None

    @classmethod
    def told(cls, run: Mapping[str, Any]) -> "_Ran":
        """Return a run as the lineage tells it."""
        of = run["generator"]
        return cls(run["run"], of["kind"], of["id"], run["started_at"], run["status"], run["script_sha256"])

    @classmethod
    def kept(cls, run: Run) -> "_Ran":
        """Return a run as it is kept."""
        return cls(run.id, run.generator_kind, run.generator_id, run.started_at, run.status, run.script_sha256)


def _show(call: Call) -> Response:
    kind, id_, at = (call.query.get(name, "").strip() for name in ("kind", "id", "at"))
    if not id_:
        return render(call, "lineage.html", view=Lineage(kind, "", at, "", KINDS))
    if kind not in KINDS:
        raise InvalidInput.field("kind", f"One of {', '.join(KINDS)}.")
    instant = instant_of(call, "at") if at else None
    try:
        runs = explained(call, kind, id_, at_of(instant))
    except NotFound:
        runs = []
    readers = _readers(call, kind, id_, instant)
    if not runs and not readers:
        raise NotFound("Nothing is known of this result.")
    upstream = list(_walk(runs))
    things = {(one["kind"], one["id"]) for run in upstream for one in run["inputs"]}
    made = _made(call, readers)
    names = _Names(
        call,
        {(kind, id_), *things, *((one.kind, one.result_id) for one in made)},
        [(run.kind, run.of, run.sha256) for run in (*map(_Ran.told, upstream), *map(_Ran.kept, readers))],
    )
    graph = _graph((kind, id_), runs, readers, made, names)
    view = Lineage(
        kind, id_, at, names.of(kind, id_), KINDS, drawn(graph),
        steps=[
            names.step(_Ran.told(run), ((one["kind"], one["id"], sha256_of(one) or "") for one in run["inputs"]))
            for run in upstream
        ],
        readers=[
            names.step(_Ran.kept(run), ((one.kind, one.result_id, "") for one in made if one.run_id == run.id))
            for run in readers
        ],
    )  # fmt: skip
    if asks_csv(call):
        return as_csv("lineage", _COLUMNS, _rows(view))
    return render(call, "lineage.html", view=view)


def _rows(view: Lineage) -> Iterator[tuple[Cell, ...]]:
    """Yield both lists as one: a line for each thing that a run read or made."""
    for led, runs, how in (("here", view.steps, "read"), ("on", view.readers, "made")):
        for step in runs:
            for kind, name, sha256, _ in step.things or [("", "", "", "")]:
                yield led, step.name, step.run, step.started, step.sha256, how, kind, name, sha256


def address(kind: str, id_: str) -> str:
    """Return where the lineage of something is shown."""
    return f"/console/lineage?{urlencode({'kind': kind, 'id': id_})}"


def _walk(runs: Sequence[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Yield each run once, the nearest first."""
    seen, waiting = set(), deque(runs)
    while waiting:
        run = waiting.popleft()
        if run["run"] not in seen:
            seen.add(run["run"])
            yield run
        waiting += [maker for one in run["inputs"] for maker in one["made_by"]]


def _readers(call: Call, kind: str, id_: str, instant: int | None) -> list[Run]:
    """Return the latest run of each thing that read the result."""
    query = (
        select(Run)
        .join(Link, Link.run_id == Run.id)
        .where(Link.kind == kind, Link.result_id == id_, Link.direction == "in", call.principal.within(Run))
    )
    if instant is not None:
        query = query.where(
            (Link.start.is_(None)) | (Link.start <= instant), (Link.stop.is_(None)) | (Link.stop > instant)
        )
    found = call.session.scalars(query.order_by(Run.started_at.desc()).limit(_MOST_READERS)).all()
    return list({run.generator_id: run for run in reversed(found)}.values())


def _made(call: Call, runs: Sequence[Run]) -> list[Link]:
    query = select(Link).where(Link.run_id.in_([run.id for run in runs]), Link.direction == "out")
    return list(call.session.scalars(query.order_by(Link.number).limit(_MOST_MADE)))


def _graph(
    result: tuple[str, str], runs: Sequence[dict[str, Any]], readers: Sequence[Run], made: Sequence[Link], names: _Names
) -> Graph:
    nodes: dict[str, Node] = {}
    edges: list[tuple[str, str]] = []

    def thing(kind: str, id_: str, said: str = "") -> str:
        key = f"{kind} {id_}"
        state = "running" if (kind, id_) == result else "off"
        nodes.setdefault(key, Node(key, kind, names.of(kind, id_), address(kind, id_), state, said))
        return key

    def ran(run: _Ran) -> str:
        state, said = _STATES.get(run.status, "off"), f"{run.started:%Y-%m-%d %H:%M} UTC"
        name = names.ran(run.kind, run.of)
        nodes.setdefault(run.id, Node(run.id, "run", name, f"/console/runs/{run.id}", state, said))
        if version := names.version(run.of, run.sha256):
            number, shown = version
            script = f"script {run.of} {number}"
            said = (run.sha256 or "")[:16]
            nodes.setdefault(script, Node(script, "script", f"version {number} of {name}", shown, "off", said))
            edges.append((script, run.id))
        return run.id

    def upstream(of: str, found: Sequence[dict[str, Any]]) -> None:
        for run in found:
            edges.append((ran(_Ran.told(run)), of))
            for one in run["inputs"]:
                key = thing(one["kind"], one["id"], (sha256_of(one) or "")[:16])
                edges.append((key, run["run"]))
                upstream(key, one["made_by"])

    root = thing(*result)
    upstream(root, runs)
    edges += [(root, ran(_Ran.kept(run))) for run in readers]
    edges += [(one.run_id, thing(one.kind, one.result_id)) for one in made]
    return Graph(nodes, list(dict.fromkeys(edges)))


PAGES = (Page("GET", "/console/lineage", _show, "series", "read"),)
