"""The exact matcher: a query against one decoded document."""

import operator
from collections.abc import Callable, Iterator
from typing import Any

from entrepot.works.query import expression, regex
from entrepot.works.query.nodes import (
    WHOLE_TESTS,
    AllOf,
    AnyOf,
    Compare,
    ElemMatch,
    Equal,
    Exists,
    Field,
    In,
    Mod,
    Not,
    Query,
    Regex,
    Size,
    Test,
    Type,
    array_index,
    matches_missing,
)
from entrepot.works.query.values import MISSING, NUMBER, STRING, compare, equal, number_type, rank, remainder, truncate

_ORDER: dict[str, Callable[[int, int], bool]] = {
    "$gt": operator.gt,
    "$gte": operator.ge,
    "$lt": operator.lt,
    "$lte": operator.le,
}
_TYPE_NAMES = ("missing", "null", "number", "string", "object", "array", "bool")


def matches(query: Query, document: dict[str, Any]) -> bool:
    """Tell whether a document, as decoded from JSON, matches a query."""
    return _matches(query, document)


def _matches(query: Query, value: Any) -> bool:
    match query:
        case AllOf(parts):
            return all(_matches(part, value) for part in parts)
        case AnyOf(parts):
            return any(_matches(part, value) for part in parts)
        case Not(part):
            return not _matches(part, value)
        case Field((), test):
            return _passes(test, value)
        case Field(path, test):
            elements = not isinstance(test, WHOLE_TESTS)
            return any(_passes(test, leaf) for leaf in leaves(value, path, elements=elements))
        case _:
            return expression.holds(query.expression, value)


def leaves(document: dict[str, Any], path: tuple[str, ...], *, elements: bool) -> Iterator[Any]:
    """Yield the values at a path.

    Steps descend objects. Where a step meets an array, the rest of the path is tried on every element that is an
    object, and a step that is a number also selects the element at this index.

    Parameters
    ----------
    document
        The document.
    path
        The steps, at least one.
    elements
        Whether to yield the elements of an array at the end of the path too, after the array itself.

    Yields
    ------
    The values; `MISSING` for each object on the way that lacks the next step, and for a scalar that the path would
    cross (but nothing for the scalar elements of an array).
    """
    seen: set[tuple[int, int]] = set()

    def descend(container: dict[str, Any], step: int) -> Iterator[Any]:
        value = container.get(path[step], MISSING)
        step += 1
        if step == len(path):
            yield value
            if elements and isinstance(value, list):
                yield from value
        elif isinstance(value, dict):
            yield from descend(value, step)
        elif isinstance(value, list):
            yield from traverse(value, step)
        else:
            yield MISSING

    def traverse(array: list[Any], step: int) -> Iterator[Any]:
        if (id(array), step) in seen:  # a path of numbers reaches the same place in many ways
            return
        seen.add((id(array), step))
        for element in array:
            if isinstance(element, dict):
                yield from descend(element, step)
        index = array_index(path[step])
        if index is None or index >= len(array):
            return
        chosen = array[index]
        if step + 1 == len(path):
            yield chosen
        elif isinstance(chosen, dict):
            yield from descend(chosen, step + 1)
        elif isinstance(chosen, list):
            yield from traverse(chosen, step + 1)

    return descend(document, 0)


def _passes(test: Test, value: Any) -> bool:
    if value is MISSING:
        return matches_missing(test)
    match test:
        case Equal(operand):
            return equal(value, operand)
        case In(scalars, containers):
            if isinstance(value, dict | list):
                return any(equal(value, operand) for operand in containers)
            return (rank(value), value) in scalars
        case Compare(op, operand):
            return rank(value) == rank(operand) and _ORDER[op](compare(value, operand), 0)
        case Exists():
            return True
        case Type(types):
            name = _TYPE_NAMES[rank(value)]
            return name in types or (name == "number" and number_type(value) in types)
        case Regex(pattern):
            return rank(value) == STRING and regex.search(pattern, value)
        case Size(size):
            return isinstance(value, list) and len(value) == size
        case Mod(divisor, expected):
            integer = truncate(value) if rank(value) == NUMBER else None
            return integer is not None and remainder(integer, divisor) == expected
        case ElemMatch(query, objects):
            return isinstance(value, list) and any(
                _matches(query, element) for element in value if not objects or isinstance(element, dict)
            )
