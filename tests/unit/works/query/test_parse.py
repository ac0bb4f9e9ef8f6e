"""What a query may be: refusals name the operator, and bounds hold."""

from typing import Any

import pytest

from entrepot.errors import InvalidInput
from entrepot.works.query import parse
from entrepot.works.query import regex as regexes
from entrepot.works.query.nodes import Field, Regex


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ([], "query"),
        ({"$where": "this.a"}, "$where"),
        ({"$text": {"$search": "a"}}, "$text"),
        ({"$jsonSchema": {}}, "$jsonSchema"),
        ({"a": {"$comment": "x"}}, "$comment"),
        ({"a": {"$gt": [{"b": {"$date": 0}}]}}, "$date"),
        ({"a": {"$oid": "65fc4dae5ffde0e8dbeebc61"}}, "$oid"),
        ({"$expr": {"$gt": ["$start", {"$date": 0}]}}, "$date"),
        ({"$expr": {"$add": ["$a", {"$eq": [1, 2]}]}}, "$add"),
        (
            {
                "$expr": {
                    "$in": [
                        1,
                        "$a",
                    ]
                },
                "a": {"$bitsAllSet": -1},
            },
            "$bitsAllSet",
        ),
        ({"$expr": {"$in": [1, 2]}}, "$in"),
        ({"$expr": {"$divide": ["$a", 0]}}, "$divide"),
        ({"a": {"$bitsAnySet": 2.5}}, "$bitsAnySet"),
        ({"a": {"$bitsAnySet": True}}, "$bitsAnySet"),
        ({"a": {"$bitsAnySet": [2**31]}}, "$bitsAnySet"),
        ({"a": {"$bitsAllClear": 2**63}}, "$bitsAllClear"),
        ({"a": {"$bitsAllClear": "AQ=="}}, "$bitsAllClear"),
        ({"a": {"$function": {}}}, "$function"),
        ({"a": {"$near": [1, 2]}}, "$near"),
        ({"a": {"$geoWithin": {}}}, "$geoWithin"),
        ({"a": {"$gt": 1, "b": 2}}, "b"),
        ({"a": {"$not": {"$bogus": 1}}}, "$bogus"),
        ({"$expr": {"$function": {"body": "x"}}}, "$function"),
        ({"$expr": {"$gt": ["$a"]}}, "$gt"),
        ({"$expr": {"$gt": [1, 2], "$lt": [1, 2]}}, "$expr"),
        ({"$expr": "$$ROOT"}, "$expr"),
        ({"$expr": {"$eq": ["$a..b", 1]}}, "$expr"),
        ({"a": {"$elemMatch": {"$expr": True}}}, "$expr"),
        ({"a": {"$elemMatch": {"b": 1, "$expr": True}}}, "$expr"),
        ({"a": {"$elemMatch": 1}}, "$elemMatch"),
        ({"$and": []}, "$and"),
        ({"$or": {}}, "$or"),
        ({"$nor": [1]}, "$nor"),
        ({"a": {"$in": 1}}, "$in"),
        ({"a": {"$nin": [{"$gt": 1}]}}, "$nin"),
        ({"a": {"$all": 1}}, "$all"),
        ({"a": {"$not": "x"}}, "$not"),
        ({"a": {"$not": {}}}, "$not"),
        ({"a": {"$size": -1}}, "$size"),
        ({"a": {"$size": 1.5}}, "$size"),
        ({"a": {"$size": True}}, "$size"),
        ({"a": {"$mod": [0, 1]}}, "$mod"),
        ({"a": {"$mod": [0.5, 1]}}, "$mod"),
        ({"a": {"$mod": [1]}}, "$mod"),
        ({"a": {"$type": []}}, "$type"),
        ({"a": {"$type": "integer"}}, "$type"),
        ({"a": {"$type": True}}, "$type"),
        ({"a": {"$options": "i"}}, "$options"),
        ({"a": {"$regex": "a", "$options": "g"}}, "$options"),
        ({"a": {"$regex": 1}}, "$regex"),
        ({"a": {"$regex": "("}}, "$regex"),
        ({"a": {"$regex": "(?=a)"}}, "$regex"),
        ({"a": {"$regex": "(?<!a)b"}}, "$regex"),
        ({"a": {"$regex": r"(a)\1"}}, "$regex"),
        ({"a": {"$regex": "a\0"}}, "$regex"),
        ({"a": {"$regex": "a\ud800"}}, "$regex"),
        ({"a": {"$regex": "a" * 1001}}, "$regex"),
        ({"a": {"$regex": "((a{1000}){1000}){1000}"}}, "$regex"),
        ({"$or": [{"a": {"$regex": "a"}}] * 21}, "query"),
        ({"a": float("nan")}, "query"),
        ({"a": 10**1000}, "query"),
        ({"a": {"$in": [0] * 100_001}}, "query"),
        ({"$or": [{"a": 1}] * 1000}, "query"),
        ({".".join("a" * 33): 1}, ".".join("a" * 33)),
    ],
    ids=lambda value: str(value)[:50],
)
def test_refusals_name_what_is_at_fault(query: Any, field: str) -> None:
    with pytest.raises(InvalidInput) as refusal:
        parse(query)
    assert list(refusal.value.fields) == [field]


def test_depth_is_bounded() -> None:
    query: dict[str, Any] = {"a": 1}
    for _ in range(14):
        query = {"$nor": [query]}
    parse(query)
    deeper = query
    for _ in range(500):
        deeper = {"$nor": [deeper]}
    with pytest.raises(InvalidInput, match="deeper"):
        parse(deeper)


@pytest.mark.parametrize(
    ("pattern", "options", "text", "found"),
    [
        ("a$", "", "a\n", True),
        ("a$", "", "a\nb", False),
        ("a$", "m", "a\nb", True),
        (r"a\Z", "", "a\n", True),
        (r"a\z", "", "a\n", False),
        ("[$]", "", "a", False),
        (r"a\$", "", "a$", True),
        ("a.b", "", "a\nb", False),
        ("a.b", "s", "a\nb", True),
        ("É", "i", "é", True),
        ("a b # c\n d", "x", "abd", True),
        (r"a\ [ ]b", "x", "a  b", True),
        ("^b", "", "a\nb", False),
        ("^b", "m", "a\nb", True),
        ("😀", "", "x😀", True),
    ],
)
def test_regular_expressions(pattern: str, options: str, text: str, found: bool) -> None:
    assert regexes.search(regexes.parse(pattern, options).pattern, text) is found


def test_regular_expressions_take_linear_time() -> None:
    test = regexes.parse("(a*)*b|(a|a)*c", "")
    assert not regexes.search(test.pattern, "a" * 100_000)


@pytest.mark.parametrize(
    ("pattern", "options", "prefix", "whole"),
    [
        ("^abc", "", "abc", True),
        (r"^a\.b", "", "a.b", True),
        ("^abc*", "", "ab", False),
        ("^ab?c", "", "a", False),
        ("^abc{2}", "", "ab", False),
        ("^ab+", "", "ab", False),
        ("^abc$", "", "abc", False),
        ("^a|b", "", "", False),
        ("^(?i)a", "", "", False),
        ("^abc", "i", "", False),
        ("^abc", "m", "", False),
        ("^", "", "", True),
        ("abc", "", "", False),
        (r"^\d", "", "", False),
    ],
)
def test_literal_prefixes(pattern: str, options: str, prefix: str, whole: bool) -> None:
    query = parse({"a": {"$regex": pattern, "$options": options}})
    assert isinstance(query, Field)
    assert isinstance(query.test, Regex)
    assert (query.test.prefix, query.test.whole) == (prefix, whole)
