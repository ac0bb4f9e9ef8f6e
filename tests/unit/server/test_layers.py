"""Graphs in layers: edges lead to the right, nothing lies on something else, and circles end."""

from hypothesis import given
from hypothesis import strategies as st

from entrepot.server.console.layers import placed, related

NODES = list(range(30))
PAIRS = st.lists(st.tuples(st.sampled_from(NODES), st.sampled_from(NODES)), max_size=80)


@given(PAIRS)
def test_edges_lead_to_the_right_and_no_two_nodes_share_a_place(pairs: list[tuple[int, int]]) -> None:
    edges = [(min(pair), max(pair)) for pair in pairs if pair[0] != pair[1]]
    places = placed(NODES, edges)
    assert sorted(places.at) == NODES
    assert all(places.at[first][0] < places.at[second][0] for first, second in edges)
    by_layer: dict[int, list[float]] = {}
    for layer, row in places.at.values():
        by_layer.setdefault(layer, []).append(row)
        assert 0 <= layer < places.layers
        assert 0 <= row <= places.rows - 1
    for rows in by_layer.values():
        assert all(second - first >= 1 for first, second in zip(sorted(rows), sorted(rows)[1:], strict=False))


@given(PAIRS)
def test_circles_and_strangers_end(edges: list[tuple[int, int]]) -> None:
    places = placed(NODES, [*edges, (0, 99), (99, 1)])
    assert sorted(places.at) == NODES


def test_chains_lie_in_a_line_each() -> None:
    edges = [(f"gate {n}", f"importer {n}") for n in range(9)] + [(f"importer {n}", f"cleaner {n}") for n in range(9)]
    places = placed([node for edge in edges for node in edge], edges)
    for number in range(9):
        rows = {places.at[f"{kind} {number}"][1] for kind in ("gate", "importer", "cleaner")}
        assert len(rows) == 1


def test_related_is_all_that_leads_there_and_follows() -> None:
    edges = [("a", "b"), ("b", "c"), ("x", "c"), ("c", "d"), ("b", "e"), ("d", "a")]
    assert related(["c"], edges[:-1]) == {"a", "b", "c", "x", "d"}
    assert related(["e"], edges) == {"e", "b", "a", "d", "c", "x"}
    assert related([], edges) == set()
