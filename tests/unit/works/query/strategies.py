"""Random documents and random queries about them."""

import os
from functools import partial
from typing import Any

from hypothesis import strategies as st

from entrepot.errors import InvalidInput
from entrepot.works.query import parse

Strategy = st.SearchStrategy[Any]

DEEP = os.environ.get("HYPOTHESIS_PROFILE") == "deep"


def examples(usual: int) -> int:
    """How many examples to run: many more in the deep profile."""
    return usual * 25 if DEEP else usual


NAMES = ["a", "b", "c", "0", "1", "é", "a.b", "$x", 'q"\\', "", "01"]
STEPS = st.sampled_from(["a", "a", "a", "b", "b", "c", "0", "1", "é", 'q"\\', "", "01", "$x"])
PATHS = st.lists(STEPS, min_size=1, max_size=4).map(".".join).filter(lambda path: not path.startswith("$"))

TEXTS = st.sampled_from(
    ["", "a", "b", "ab", "aB", "A", "a\nb", "ab\n", "é", "😀", "\uffff", "1", "a.b", "$x", "x" * 30, '"\\']
)
ODD_TEXTS = st.sampled_from(["a\0", "\0", "\ud800", "a\udfff"])
NUMBERS = st.sampled_from([
    0, 1, 2, 3, -1, -3, 7, 0.0, -0.0, 1.0, 2.0, 0.5, 1.5, -2.5, 0.1, 0.1 + 0.2, 0.3, 1795229848.7978415, 1e22,
    10**22, 1e23, 10**23,
    2**31 - 1, 2**31, -(2**31), -(2**31) - 1, 2**53, 2**53 + 1, float(2**53), 2**62, 2**63 - 1, 2**63,
    -(2**63), float(2**63), 2**64 + 1,
    -(2**63) - 1, 1e-7, 5e-324, 1.7976931348623157e308, 1e300, 10**320, 100, 1e2, 3.0000000000000004,
    2.9999999999999996,
])  # fmt: skip
FLOATS = st.floats(allow_nan=False, allow_infinity=False)
SCALARS = st.one_of(NUMBERS, NUMBERS, TEXTS, st.booleans(), st.none(), FLOATS)
MEMBERS = st.sampled_from(NAMES)


def _containers(children: Strategy) -> Strategy:
    return st.one_of(
        st.lists(children, max_size=3),
        st.lists(st.dictionaries(MEMBERS, children, max_size=3), max_size=3),
        st.dictionaries(MEMBERS, children, max_size=3),
        st.lists(st.lists(children, max_size=2), max_size=2),
    )


VALUES = st.recursive(SCALARS, _containers, max_leaves=8)
ODD_VALUES = st.recursive(st.one_of(SCALARS, ODD_TEXTS), _containers, max_leaves=4)


@st.composite
def documents(draw: st.DrawFn) -> dict[str, Any]:
    """A document: free fields, and the fields that have a column or a side table."""
    document = draw(st.dictionaries(st.sampled_from(["a", "a", "a", "b", "c", "é", "a.b", "$x"]), VALUES, max_size=3))
    document["id"] = draw(TEXTS)
    document["attempt"] = draw(st.sampled_from([0, 1, 2, 3, 1.0, 2.5, 2**53, -1]))
    optional = {
        "parent": st.one_of(st.none(), TEXTS),
        "user": st.one_of(TEXTS, ODD_TEXTS, VALUES),
        "priority": st.one_of(st.integers(1, 5), VALUES),
        "retries": st.one_of(st.integers(0, 3), SCALARS),
        "event": st.one_of(st.lists(st.integers(1, 4), max_size=3), VALUES),
        "tags": st.one_of(st.none(), st.lists(TEXTS, max_size=3)),
        "results": st.one_of(st.none(), st.fixed_dictionaries({"locked": st.one_of(st.booleans(), VALUES)}), VALUES),
        "odd": ODD_VALUES,
    }
    for name in draw(st.lists(st.sampled_from(sorted(optional)), max_size=5, unique=True)):
        document[name] = draw(optional[name])
    return document


FIELDS = st.one_of(
    PATHS,
    PATHS,
    st.sampled_from(["a", "a.0", "a.1", "a.b", "a.0.b", "a.0.0", "b"]),
    st.sampled_from(
        ["id", "attempt", "parent", "user", "priority", "retries", "event", "tags", "results.locked", "odd", "event.0"]
    ),
)
OPERANDS = st.one_of(SCALARS, SCALARS, VALUES, ODD_TEXTS)
PATTERNS = st.sampled_from([
    "a", "^a", "b$", "^ab$", "^$", "a.b", "^a|b", "^a?b", "^ab*", "^a+", "[ab]", "^[^a]", "é", "\\.",
    "^a\\.b", "^\\$x", "^x{3}", ".",
    "(a|b)b", "\\Aa", "^é", "^\uffff", "^😀", "a b #c", "(?i)AB",
])  # fmt: skip
OPTIONS = st.lists(st.sampled_from("imsx"), unique=True, max_size=2).map("".join)


def _plain(value: Any) -> bool:
    """No list member that looks like operators."""
    return not (isinstance(value, dict) and next(iter(value), "").startswith("$"))


LISTED = st.lists(OPERANDS.filter(_plain), max_size=4)
LONG_LISTED = st.one_of(
    st.lists(st.one_of(SCALARS, OPERANDS.filter(_plain)), min_size=21, max_size=30),
    st.builds(
        lambda many, few: [*many, *few],
        st.sampled_from([list(range(40)), [str(n) for n in range(40)], [[n] for n in range(40)]]),
        LISTED,
    ),
)
TYPES = st.sampled_from(
    ["double", "string", "object", "array", "bool", "null", "int", "long", "number", 1, 2, 3, 4, 8, 10, 16, 18]
)
ORDER = ("$gt", "$gte", "$lt", "$lte")


def _named(name: str, value: object) -> dict[str, object]:
    return {name: value}


def operators(queries: Strategy, depth: int = 2) -> Strategy:
    """Objects of operators."""
    simple = {
        "$eq": OPERANDS,
        "$ne": OPERANDS,
        **dict.fromkeys(ORDER, OPERANDS),
        "$in": st.one_of(LISTED, LISTED, LONG_LISTED),
        "$nin": LISTED,
        "$exists": st.sampled_from([True, False, 1, 0, None, "x"]),
        "$type": st.one_of(TYPES, st.lists(TYPES, min_size=1, max_size=3)),
        "$size": st.integers(0, 3),
        "$mod": st.tuples(st.sampled_from([1, 2, 3, -2, 2.5, 2**40]), st.sampled_from([0, 1, -1, 2, 1.5])).map(list),
        "$all": LISTED,
        **dict.fromkeys(
            ("$bitsAllSet", "$bitsAnySet", "$bitsAllClear", "$bitsAnyClear"),
            st.one_of(
                st.sampled_from([0, 1, 2, 6, 2**40, 2**63 - 1, 4.0]),
                st.lists(st.sampled_from([0, 1, 2, 5, 62, 63, 64, 200]), max_size=3),
            ),
        ),
    }
    parts = [operand.map(partial(_named, name)) for name, operand in simple.items()]
    parts += [
        PATTERNS.map(lambda pattern: {"$regex": pattern}),
        st.builds(lambda pattern, options: {"$regex": pattern, "$options": options}, PATTERNS, OPTIONS),
        st.builds(lambda low, high: {"$gte": low, "$lt": high}, NUMBERS, NUMBERS),
    ]
    if depth:
        inner = operators(queries, depth - 1)
        parts += [
            inner.map(lambda value: {"$not": value}),
            inner.map(lambda value: {"$elemMatch": value}),
            queries.map(lambda value: {"$elemMatch": value}),
            st.lists(inner, min_size=1, max_size=2).map(lambda each: {"$all": [{"$elemMatch": one} for one in each]}),
            st.builds(lambda one, other: one | other, inner, inner),
        ]
    return st.one_of(parts)


def _clauses(queries: Strategy) -> Strategy:
    literal = OPERANDS.filter(_plain)
    return st.one_of(
        st.dictionaries(FIELDS, st.one_of(literal, operators(queries)), min_size=1, max_size=2),
        st.dictionaries(
            st.sampled_from(["$and", "$or", "$nor"]), st.lists(queries, min_size=1, max_size=3), min_size=1, max_size=1
        ),
    )


LEAVES = st.dictionaries(PATHS, SCALARS, max_size=1)
NESTED = st.recursive(LEAVES, _clauses, max_leaves=4)

EXPRESSION_LEAVES = st.one_of(
    st.sampled_from(["$attempt", "$retries", "$priority", "$id", "$user", "$a", "$a.b", "$a.a", "$event", "$parent"]),
    NUMBERS,
    st.sampled_from(["a", True, False, None]),
    st.builds(lambda value: {"$literal": value}, VALUES),
)


def _expressions(children: Strategy) -> Strategy:
    two = st.lists(children, min_size=2, max_size=2)
    some = st.lists(children, max_size=3)
    return st.one_of(
        st.builds(
            lambda name, operands: {name: operands},
            st.sampled_from(
                ["$eq", "$ne", "$gt", "$gte", "$lt", "$lte", "$cmp", "$subtract", "$divide", "$mod", "$in", "$ifNull"]
            ),
            two,
        ),
        st.builds(lambda name, operands: {name: operands}, st.sampled_from(["$and", "$or", "$add", "$multiply"]), some),
        st.builds(lambda name, operand: {name: [operand]}, st.sampled_from(["$not", "$size"]), children),
        some,
        st.dictionaries(st.sampled_from(["a", "b"]), children, max_size=2),
    )


def _can_succeed(expression: Any) -> bool:
    """Whether it is not refused as one that can only be an error."""
    try:
        parse({"$expr": expression})
    except InvalidInput:
        return False
    return True


EXPRESSIONS = st.recursive(EXPRESSION_LEAVES, _expressions, max_leaves=5).filter(_can_succeed)
QUERIES = st.one_of(
    NESTED.flatmap(lambda query: _clauses(st.just(query))),
    _clauses(NESTED),
    EXPRESSIONS.map(lambda expression: {"$expr": expression}),
    st.builds(lambda query, expression: {"$or": [query, {"$expr": expression}]}, NESTED, EXPRESSIONS),
)
