"""Graphs in layers: what comes first at the left, what it leads to further right, with few crossings."""

from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

Id = TypeVar("Id", bound=Hashable)
_SWEEPS = 4


@dataclass(frozen=True)
class Places(Generic[Id]):
    """Where nodes stand: their layer from 0 on, and how far down in rows; and how many of both there are."""

    at: Mapping[Id, tuple[int, float]]
    layers: int
    rows: float


def placed(nodes: Sequence[Id], edges: Iterable[tuple[Id, Id]]) -> Places[Id]:
    """Return places for nodes, so that edges lead to the right.

    Edges of a circle, of which there ought to be none, lead whereto they can. Nodes that are not there count for
    nothing.
    """
    known = dict.fromkeys(nodes)
    lead: dict[Id, list[Id]] = {node: [] for node in known}
    come: dict[Id, list[Id]] = {node: [] for node in known}
    for first, second in dict.fromkeys(edges):
        if first in known and second in known and first != second:
            lead[first].append(second)
            come[second].append(first)
    depth = _depths(known, lead, come)
    layers: list[list[Id]] = [[] for _ in range(max(depth.values(), default=-1) + 1)]
    for node, layer in depth.items():
        layers[layer].append(node)
    rank = {node: float(at) for layer in layers for at, node in enumerate(layer)}
    for sweep in range(_SWEEPS):
        ahead = sweep % 2 == 0
        for nearer in layers if ahead else reversed(layers):
            nearer.sort(key=lambda node: _mean(come if ahead else lead, rank, node))
            rank |= {node: float(at) for at, node in enumerate(nearer)}
    rows = _rows(layers, come)
    at = {node: (layer, rows[node]) for node, layer in depth.items()}
    return Places(at, len(layers), max(rows.values(), default=-1) + 1)


def related(nodes: Iterable[Id], edges: Iterable[tuple[Id, Id]]) -> set[Id]:
    """Return nodes with all that leads to them and all that they lead to."""
    lead: dict[Id, list[Id]] = {}
    come: dict[Id, list[Id]] = {}
    for first, second in edges:
        lead.setdefault(first, []).append(second)
        come.setdefault(second, []).append(first)
    wanted = set(nodes)
    found = set(wanted)
    for neighbours in (lead, come):
        seen, waiting = set(wanted), list(wanted)
        while waiting:
            new = [each for each in neighbours.get(waiting.pop(), ()) if each not in seen]
            seen.update(new)
            waiting += new
        found |= seen
    return found


def _depths(nodes: Iterable[Id], lead: Mapping[Id, list[Id]], come: Mapping[Id, list[Id]]) -> dict[Id, int]:
    """Return the layer of each node: one more than the deepest of those that lead to it."""
    left = {node: len(come[node]) for node in nodes}
    depth: dict[Id, int] = {}
    waiting = [node for node, count in left.items() if count == 0]
    while left:
        # Where all that are left lie on circles, one of them begins.
        node = waiting.pop() if waiting else next(iter(left))
        if node not in left:
            continue
        del left[node]
        depth[node] = max((depth[each] + 1 for each in come[node] if each in depth), default=0)
        for each in lead[node]:
            if each in left:
                left[each] -= 1
                if left[each] == 0:
                    waiting.append(each)
    return depth


def _mean(neighbours: Mapping[Id, list[Id]], rank: Mapping[Id, float], node: Id) -> float:
    found = [rank[each] for each in neighbours[node]]
    return sum(found) / len(found) if found else rank[node]


def _rows(layers: Sequence[Sequence[Id]], come: Mapping[Id, list[Id]]) -> dict[Id, float]:
    """Return how far down each node stands: beside what leads to it, below its neighbour above."""
    rows: dict[Id, float] = {}
    for layer in layers:
        free = 0.0
        for node in layer:
            before = [rows[each] for each in come[node] if each in rows]
            rows[node] = max(free, sum(before) / len(before) if before else 0.0)
            free = rows[node] + 1
    return rows
