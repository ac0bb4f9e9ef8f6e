"""The matcher against the oracle, on random documents and queries."""

import mongomock
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from entrepot.works.query import matches, parse
from tests.unit.works.query import oracle
from tests.unit.works.query.strategies import QUERIES, documents, examples


@settings(max_examples=examples(25), deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(documents(), min_size=10, max_size=25), st.lists(QUERIES, min_size=10, max_size=25))
def test_the_matcher_agrees_with_the_oracle(documents, queries):
    for query in queries:
        parsed = parse(query)
        for document in documents:
            assert matches(parsed, document) == oracle.matches(query, document), (query, document)


WORK = {
    "pipeline": "header-localization", "site": "local", "user": "me", "function": None, "results": {"dm": 1.0},
    "products": None, "event": [9385707, 9385708], "id": "65fc4dae5ffde0e8dbeebc61", "creation": 1795229848.7978415,
    "attempt": 0, "status": "success", "retries": 2, "config": {"archive": {"results": True}, "parent": None},
}  # fmt: skip

EXAMPLES = [
    # what the documented getters ask
    ({"pipeline": "header-localization"}, WORK, True),
    ({"id": {"$in": ["65fc4dae5ffde0e8dbeebc61"]}, "pipeline": "header-localization"}, WORK, True),
    ({"event": [9385707], "pipeline": "header-localization"}, WORK, False),
    ({"event": [9385707, 9385708]}, WORK, True),
    ({"event": 9385707}, WORK, True),
    ({"event": {"$in": [9385707]}}, WORK, True),
    ({"event": [1]}, {"event": [[1], 2]}, True),
    ({"results.locked": True}, WORK, False),
    ({"results.locked": True}, {"results": {"locked": True}}, True),
    ({"results.locked": True}, {"results": {"locked": 1}}, False),
    ({"results.dm": {"$gt": 0.5}}, WORK, True),
    ({"pipeline": {"$in": ["complete"]}, "site": "local"}, WORK, False),
    ({"config.parent": {"$in": ["p"]}}, WORK, False),
    (
        {"status": "failure", "$expr": {"$gte": ["$attempt", "$retries"]}},
        {"status": "failure", "attempt": 2, "retries": 2},
        True,
    ),
    ({"$expr": {"$gte": ["$attempt", "$retries"]}}, WORK, False),
    ({"$expr": {"$gte": ["$attempt", "$retries"]}}, {"attempt": 0, "retries": None}, True),
    ({"$expr": {"$gte": ["$attempt", "$retries"]}}, {"retries": 0}, False),
    ({"$expr": {"$lt": ["$x", 0]}}, {}, True),
    # equality
    ({"a": 1}, {"a": 1.0}, True),
    ({"a": 1}, {"a": True}, False),
    ({"a": None}, {}, True),
    ({"a": {"x": 1, "y": 2}}, {"a": {"y": 2, "x": 1}}, True),
    ({"a": {"$ne": 1}}, {}, True),
    ({"a": {"$ne": 1}}, {"a": [2, 1]}, False),
    ({"a": {"$nin": [1, None]}}, {}, False),
    ({"a": {"$in": []}}, {"a": 1}, False),
    ({"a": {"$nin": []}}, {"a": 1}, True),
    ({"a": 2**64 + 1}, {"a": 2**64}, False),
    ({"a": 2**53 + 1}, {"a": float(2**53)}, False),
    ({"a": 10**23}, {"a": 1e23}, False),
    # null through arrays
    *[
        ({"a.b": None}, document, True)
        for document in ({}, {"a": None}, {"a": 4}, {"a": {}}, {"a": [{"b": None}]}, {"a": [{}]})
    ],
    *[({"a.b": None}, {"a": value}, False) for value in ([], [1, 2])],
    # comparison
    ({"a": {"$gte": None}}, {}, True),
    ({"a": {"$gt": None}}, {"a": None}, False),
    ({"a": {"$lt": 5}}, {}, False),
    ({"a": {"$lt": 5}}, {"a": "1"}, False),
    ({"a": {"$gt": 5, "$lt": 3}}, {"a": [2, 6]}, True),
    ({"a": {"$gt": "\uffff"}}, {"a": "😀"}, True),
    ({"a": {"$lt": True}}, {"a": False}, True),
    ({"a": {"$gt": [1, 2]}}, {"a": [1, 2, 0]}, True),
    # the other operators
    ({"a": {"$exists": 0}}, {"a": None}, False),
    ({"a.b": {"$exists": True}}, {"a": [1, {"b": None}]}, True),
    ({"a": {"$type": "int"}}, {"a": 2**31}, False),
    ({"a": {"$type": "long"}}, {"a": 2**31}, True),
    ({"a": {"$type": "double"}}, {"a": 1.0}, True),
    ({"a": {"$type": "number"}}, {"a": 2**80}, True),
    ({"a": {"$type": ["long", "int", "double"]}}, {"a": 2**80}, False),
    ({"a": {"$type": "array"}}, {"a": []}, True),
    ({"a": {"$type": "null"}}, {}, False),
    ({"a": {"$regex": "^B", "$options": "i"}}, {"a": ["x", "bc"]}, True),
    ({"a": {"$regex": "b$"}}, {"a": "ab\n"}, True),
    ({"a": {"$regex": "1"}}, {"a": 1}, False),
    ({"a": {"$size": 1}}, {"a": 1}, False),
    ({"a": {"$size": 2}}, {"a": [1, [2, 3]]}, True),
    ({"a": {"$all": [1]}}, {"a": 1}, True),
    ({"a": {"$all": []}}, {"a": []}, False),
    ({"a": {"$all": [1, 2]}}, {"a": [2, 3, 1]}, True),
    ({"a": {"$elemMatch": {"$gt": 1, "$lt": 3}}}, {"a": [1, 3]}, False),
    ({"a": {"$elemMatch": {"b": 1, "c": 2}}}, {"a": [{"b": 1}, {"c": 2}]}, False),
    ({"a": {"$elemMatch": {"b": 1, "c": 2}}}, {"a": [{"b": 1, "c": 2}]}, True),
    ({"a": {"$mod": [3, -1]}}, {"a": -4}, True),
    ({"a": {"$mod": [3, 1]}}, {"a": 4.9}, True),
    ({"a": {"$not": {"$gt": 1}}}, {}, True),
    ({"$nor": [{"a": 1}, {"b": 1}]}, {"a": 2}, True),
    ({"a.1": 5}, {"a": [4, 5]}, True),
    ({"a.1": 5}, {"a": [{"1": 5}]}, True),
    ({"a.01": 5}, {"a": [4, 5]}, False),
    ({"a.b": 1}, {"a.b": 1}, False),
]


@pytest.mark.parametrize(("query", "document", "expected"), EXAMPLES, ids=lambda value: str(value)[:60])
def test_examples(query, document, expected):
    assert matches(parse(query), document) is expected
    assert oracle.matches(query, document) is expected


# Where mongomock 4.3 differs from MongoDB: booleans equal numbers, paths through scalars and arrays lose null and
# missing, $gte null, $size of what is no array, numeric steps, and the order of values of different types.
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
    st.sampled_from([{"$regex": "^a"}, {"$regex": "B", "$options": "i"}, {"$mod": [2, 1]}, {"$type": "string"}]),
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
def test_the_oracle_agrees_with_mongomock_where_that_is_right(documents, query, logical):
    if logical:
        query = {logical: [{name: condition} for name, condition in query.items()]}
    collection = mongomock.MongoClient().db.works
    collection.insert_many({**document, "_id": number} for number, document in enumerate(documents))
    found = {document["_id"] for document in collection.find(query)}
    assert found == {number for number, document in enumerate(documents) if oracle.matches(query, document)}
