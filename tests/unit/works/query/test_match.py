"""The matcher against the oracle, on random documents and queries."""

from typing import Any

import mongomock
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from entrepot.works.query import matches, parse
from tests.unit.works.query import oracle
from tests.unit.works.query.examples import EXAMPLES
from tests.unit.works.query.strategies import QUERIES, documents, examples


@settings(max_examples=examples(15), deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(documents(), min_size=10, max_size=25), st.lists(QUERIES, min_size=10, max_size=25))
def test_the_matcher_agrees_with_the_oracle(documents: list[dict[str, Any]], queries: list[dict[str, Any]]) -> None:
    for query in queries:
        parsed = parse(query)
        for document in documents:
            assert matches(parsed, document) == oracle.matches(query, document), (query, document)


@pytest.mark.parametrize(("query", "document", "expected"), EXAMPLES, ids=lambda value: str(value)[:60])
def test_examples(query: dict[str, Any], document: dict[str, Any], expected: bool) -> None:
    assert matches(parse(query), document) is expected
    assert oracle.matches(query, document) is expected


# Where mongomock 4.3 differs from MongoDB: booleans equal numbers, paths through scalars and arrays lose null and
# missing, $gte null, $mod (unknown to it), $size of what is no array, numeric steps, and the order of values of
# different types.
MONGOMOCK_OPERATORS = st.one_of(
    st.sampled_from([-1, 0, 1, 2.5, "a", "b"]),
    st.builds(
        lambda name, value: {name: value}, st.sampled_from(["$gt", "$gte", "$lt", "$lte", "$ne"]), st.integers(-1, 3)
    ),
    st.builds(lambda values: {"$in": values}, st.lists(st.sampled_from([0, 1, "a", "b"]), max_size=3)),
    st.builds(lambda values: {"$nin": values}, st.lists(st.sampled_from([0, 1, "a", "b"]), max_size=3)),
    st.builds(lambda values: {"$all": values}, st.lists(st.sampled_from([0, 1, "a"]), min_size=1, max_size=2)),
    st.builds(lambda low: {"$elemMatch": {"$gte": low, "$lt": low + 2}}, st.integers(-1, 2)),
    st.builds(lambda wanted: {"$exists": wanted}, st.booleans()),
    st.sampled_from([{"$regex": "^a"}, {"$regex": "B", "$options": "i"}, {"$type": "string"}]),
    st.builds(lambda low: {"$not": {"$gt": low}}, st.integers(-1, 3)),
)
MONGOMOCK_VALUES = st.one_of(
    st.integers(-1, 3), st.sampled_from(["a", "b", "ab", 2.5]), st.lists(st.integers(-1, 3), max_size=3)
)


@settings(max_examples=examples(100), deadline=None)
@given(
    st.lists(st.dictionaries(st.sampled_from("ab"), MONGOMOCK_VALUES, max_size=2), min_size=1, max_size=8),
    st.dictionaries(st.sampled_from("ab"), MONGOMOCK_OPERATORS, min_size=1, max_size=2),
    st.sampled_from([None, "$or", "$nor", "$and"]),
)
def test_the_oracle_agrees_with_mongomock_where_that_is_right(
    documents: list[dict[str, Any]], query: dict[str, Any], logical: str | None
) -> None:
    if logical:
        query = {logical: [{name: condition} for name, condition in query.items()]}
    collection = mongomock.MongoClient().db.works
    collection.insert_many({**document, "_id": number} for number, document in enumerate(documents))
    found = {document["_id"] for document in collection.find(query)}
    assert found == {number for number, document in enumerate(documents) if oracle.matches(query, document)}
