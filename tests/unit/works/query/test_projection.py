"""Projections: which fields, in which order."""

from typing import Any

import pytest

from entrepot.errors import InvalidInput
from entrepot.works.query import parse, parse_projection

WORK = {
    "id": "1",
    "results": {"dm": 1.0, "locked": True, "beams": [{"snr": 5, "ra": 1}, 7, [{"snr": 6}, 8], {"ra": 2}]},
    "event": [1, 2],
    "tags": None,
    "_id": "x",
}


@pytest.mark.parametrize(
    ("projection", "expected"),
    [
        (None, {key: value for key, value in WORK.items() if key != "_id"}),
        ({}, {key: value for key, value in WORK.items() if key != "_id"}),
        ({"_id": False}, {key: value for key, value in WORK.items() if key != "_id"}),
        ({"_id": 1}, {}),
        ({"id": True, "_id": False}, {"id": "1"}),
        ({"id": 1, "_id": 1}, {"id": "1"}),
        ({"tags": 1, "missing": 1, "id": 1}, {"id": "1", "tags": None}),
        ({"results.locked": 1}, {"results": {"locked": True}}),
        ({"results": {"locked": 1}}, {"results": {"locked": True}}),
        ({"results.absent": 1}, {"results": {}}),
        ({"tags.x": 1}, {}),
        ({"event.x": 1}, {"event": []}),
        ({"results.beams.snr": 1}, {"results": {"beams": [{"snr": 5}, [{"snr": 6}], {}]}}),
        ({"results": 0, "event": False}, {"id": "1", "tags": None}),
        ({"event": {"$slice": -1}, "results": 0}, {"id": "1", "event": [2], "tags": None}),
        ({"event": {"$slice": 1}, "id": 1}, {"id": "1", "event": [1]}),
        ({"event": {"$elemMatch": {"$gt": 1}}}, {"event": [2]}),
        ({"event": {"$elemMatch": {"$gt": 2}}, "id": 1}, {"id": "1"}),
        (
            {"results.beams.ra": 0, "_id": 1, "tags": 0},
            {"id": "1", "results": {"dm": 1.0, "locked": True, "beams": [{"snr": 5}, 7, [{"snr": 6}, 8], {}]},
            "event": [1, 2]},
        ),
    ],
)  # fmt: skip
def test_projections(projection: dict[str, Any], expected: Any) -> None:
    projected = parse_projection(projection)(WORK)
    assert projected == expected
    assert list(projected) == list(expected)


@pytest.mark.parametrize(
    "projection",
    [
        [],
        {"a": 1, "b": 0},
        {"a": "x"},
        {"a": None},
        {"a": {"$slice": 1.5}},
        {"a": {"$slice": [1]}},
        {"a": {"$slice": [None, 1]}},
        {"a": {"$slice": [1, 0]}},
        {"a": {"$slice": 1, "$elemMatch": {}}},
        {"a": {"$meta": "x"}},
        {"a.b": {"$elemMatch": {"c": 1}}},
        {"a": {"$elemMatch": 1}},
        {"a": {"$slice": 1}, "a.b": 1},
        {"a": 0, "b": {"$elemMatch": {"c": 1}}},
        {"a.$": 1},
        {"$": 1},
        {"a": 1, "a.b": 1},
        {"a.b": 1, "a": 1},
        {"a": {"b": 1}, "a.b": 1},
        {"": 1},
        {"a": {}},
    ],
)
def test_what_is_no_projection_is_refused(projection: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput):
        parse_projection(projection)


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({"event": {"$gt": 1}}, [2]),
        ({"event": {"$all": [1, 2]}}, [2]),
        ({"$or": [{"event": 7}, {"event": 2}]}, [2]),
        ({"id": "1", "event": {"$elemMatch": {"$lt": 2}}}, [1]),
    ],
)
def test_the_matched_element_alone(query: dict[str, Any], expected: Any) -> None:
    assert parse_projection({"event.$": 1}, parse(query))(WORK) == {"event": expected}


@pytest.mark.parametrize("query", [{}, {"results.dm": 1}, {"event": {"$not": {"$gt": 9}}}])
def test_an_element_that_no_condition_is_about_is_refused(query: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput, match="event"):
        parse_projection({"event.$": 1}, parse(query))


def test_an_array_that_was_matched_as_a_whole_has_no_matched_element() -> None:
    with pytest.raises(InvalidInput, match="as a whole"):
        parse_projection({"event.$": 1}, parse({"event": [1, 2]}))(WORK)
