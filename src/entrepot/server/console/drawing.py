"""Graphs as drawings: boxes that are links, in layers, with lines between them."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from entrepot.server.console.layers import placed

_WIDTH, _HEIGHT, _ACROSS, _DOWN, _MARGIN, _BAR = 184, 46, 44, 14, 14, 6
_LONGEST, _LONGEST_SAID = 23, 28
#: The states of nodes, the worst first.
STATES = ("failing", "running", "behind", "fresh", "off")


@dataclass(frozen=True)
class Node:
    """What a graph shows: a feeder, a gate, an importer, a run, a series, a file.

    Attributes
    ----------
    id, kind, name
        What it is.
    address
        Where more is told of it.
    state
        One of :data:`STATES`.
    said
        The state in words, with since when and how much.
    gate
        Id of the gate that it belongs to; empty where it belongs to none.
    last_run
        When it last did something; None: never, or it is nothing that runs.
    """

    id: str
    kind: str
    name: str
    address: str
    state: str = "fresh"
    said: str = ""
    gate: str = ""
    last_run: datetime | None = None


@dataclass(frozen=True)
class Graph:
    """Nodes by id, and which lead to which."""

    nodes: Mapping[str, Node] = field(default_factory=dict)
    edges: Sequence[tuple[str, str]] = ()

    def part(self, ids: Iterable[str]) -> "Graph":
        """Return the graph of some of the nodes."""
        wanted = set(ids)
        return Graph({id_: node for id_, node in self.nodes.items() if id_ in wanted}, self.edges)


@dataclass(frozen=True)
class Box:
    """A node in the places of a drawing, with its name and state as far as they fit."""

    node: Node
    x: float
    y: float
    name: str
    said: str


@dataclass(frozen=True)
class Drawing:
    """A graph as it is drawn: boxes, the worst first, lines between them, and how large it and a box are.

    Lines are one path, and so are the bars of the boxes of a state: a browser draws one large thing faster than many.
    """

    boxes: Sequence[Box]
    lines: str
    bars: Mapping[str, str]
    width: float
    height: float
    box: tuple[int, int] = (_WIDTH, _HEIGHT)


def drawn(graph: Graph) -> Drawing:
    """Return the drawing of a graph."""
    places = placed(list(graph.nodes), graph.edges)
    boxes = {id_: _box(node, *places.at[id_]) for id_, node in graph.nodes.items()}
    bars: dict[str, list[str]] = {}
    for box in boxes.values():
        bars.setdefault(box.node.state, []).append(f"M{box.x} {box.y}h{_BAR}v{_HEIGHT}h-{_BAR}z")
    return Drawing(
        boxes=sorted(boxes.values(), key=lambda box: (STATES.index(box.node.state), box.x, box.y)),
        lines="".join(_line(boxes[a], boxes[b]) for a, b in graph.edges if a in boxes and b in boxes),
        bars={state: "".join(paths) for state, paths in bars.items()},
        width=2 * _MARGIN + places.layers * (_WIDTH + _ACROSS) - _ACROSS,
        height=2 * _MARGIN + places.rows * (_HEIGHT + _DOWN) - _DOWN,
    )


def _box(node: Node, layer: int, row: float) -> Box:
    x, y = _MARGIN + layer * (_WIDTH + _ACROSS), _MARGIN + row * (_HEIGHT + _DOWN)
    said = f"{node.kind}: {node.said}" if node.said else node.kind
    return Box(node, x, round(y, 1), _cut(node.name, _LONGEST), _cut(said, _LONGEST_SAID))


def _cut(text: str, longest: int) -> str:
    return text if len(text) <= longest else f"{text[: longest - 1]}…"


def _line(first: Box, second: Box) -> str:
    x1, y1 = first.x + _WIDTH, round(first.y + _HEIGHT / 2, 1)
    x2, y2 = second.x, round(second.y + _HEIGHT / 2, 1)
    return f"M{x1} {y1}C{x1 + _ACROSS / 2} {y1} {x2 - _ACROSS / 2} {y2} {x2} {y2}"
