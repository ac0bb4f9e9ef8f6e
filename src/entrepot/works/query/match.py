"""The exact matcher: a query against one decoded document."""

import operator
from collections.abc import Callable, Iterator
from typing import Any

from entrepot.works.query import expression, regex
from entrepot.works.query.nodes import (
    WHOLE_TESTS,
    AllOf,
    AnyOf,
    Bits,
    Compare,
    ElemMatch,
    Equal,
    Every,
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
from entrepot.works.query.steps import Steps, free
from entrepot.works.query.values import (
    INT64,
    MISSING,
    NULL,
    NUMBER,
    STRING,
    Spend,
    compare,
    equal,
    identity,
    number_type,
    rank,
    remainder,
    truncate,
)

_ORDER: dict[str, Callable[[int, int], bool]] = {
    "$gt": operator.gt,
    "$gte": operator.ge,
    "$lt": operator.lt,
    "$lte": operator.le,
}
_TYPE_NAMES = ("missing", "null", "number", "string", "object", "array", "bool")
_CHARACTERS_A_STEP = 1000


def matches(query: Query, document: dict[str, Any], steps: Steps | None = None) -> bool:
    """Tell whether a document, as decoded from JSON, matches a query.

    Raises
    ------
    InvalidInput
        It takes more than one document may cost, or than is left of the `steps` of all documents.
    """
    steps = steps or Steps()
    steps.begin()
    return holds(query, document, steps.spend)


def holds(query: Query, value: Any, spend: Spend) -> bool:
    """Tell whether a query holds of a document (or an element of an array); `spend` counts what it costs."""
    match query:
        case AllOf(parts):
            return all(holds(part, value, spend) for part in parts)
        case AnyOf(parts):
            return any(holds(part, value, spend) for part in parts)
        case Not(part):
            return not holds(part, value, spend)
        case Field((), test):
            return passes(test, value, spend)
        case Field(path, test):
            found = leaves(value, path, elements=not isinstance(test, WHOLE_TESTS), spend=spend)
            return any(passes(test, leaf, spend) for leaf in found)
        case Every(path, wanted):
            return _finds_every(wanted, leaves(value, path, elements=True, spend=spend), spend)
        case _:
            return expression.holds(query.expression, value, spend)


def _finds_every(wanted: In, found: Iterator[Any], spend: Spend) -> bool:
    missing = set(wanted.scalars | wanted.identities)
    for leaf in found:
        spend(1)
        if leaf is MISSING:
            missing.discard((NULL, None))
        elif not isinstance(leaf, dict | list):
            missing.discard((rank(leaf), leaf))
        elif wanted.identities:
            missing.discard(identity(leaf, spend))
        if not missing:
            return True
    return not missing


def leaves(
    document: dict[str, Any] | list[Any], path: tuple[str, ...], *, elements: bool, spend: Spend = free
) -> Iterator[Any]:
    """Yield the values at a path.

    Steps descend objects. Where a step meets an array, the rest of the path is tried on every element that is an
    object, and a step that is a number also selects the element at this index.

    Parameters
    ----------
    document
        The document; an array (within ``$elemMatch``) counts as an object with the keys "0", "1", ...
    path
        The steps, at least one.
    elements
        Whether to yield the elements of an array at the end of the path too, after the array itself.
    spend
        Counts what it costs.

    Yields
    ------
    The values; `MISSING` for each object on the way that lacks the next step, and for a scalar that the path would
    cross (but nothing for the scalar elements of an array).
    """
    seen: set[tuple[int, int]] = set()

    def descend(container: dict[str, Any] | list[Any], step: int) -> Iterator[Any]:
        value = _member(container, path[step])
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
        spend(len(array))
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


def _member(container: dict[str, Any] | list[Any], key: str) -> Any:
    if isinstance(container, dict):
        return container.get(key, MISSING)
    index = array_index(key)
    return container[index] if index is not None and index < len(container) else MISSING


def passes(test: Test, value: Any, spend: Spend = free) -> bool:
    """Tell whether one value passes a test; `spend` counts what it costs."""
    spend(1)
    if value is MISSING:
        return matches_missing(test)
    match test:
        case Equal(operand):
            return equal(value, operand, spend)
        case In():
            if not isinstance(value, dict | list):
                return (rank(value), value) in test.scalars
            return bool(test.identities) and identity(value, spend) in test.identities
        case Compare(op, operand):
            return rank(value) == rank(operand) and _ORDER[op](compare(value, operand, spend), 0)
        case Exists():
            return True
        case Type(types):
            name = _TYPE_NAMES[rank(value)]
            return name in types or (name == "number" and number_type(value) in types)
        case Regex(pattern):
            if rank(value) != STRING:
                return False
            spend(len(value) // _CHARACTERS_A_STEP)
            return regex.search(pattern, value)
        case Size(size):
            return isinstance(value, list) and len(value) == size
        case Mod(divisor, expected):
            integer = truncate(value) if rank(value) == NUMBER else None
            return integer is not None and remainder(integer, divisor) == expected
        case Bits():
            whole = rank(value) == NUMBER and INT64[0] <= value <= INT64[1] and value == int(value)
            return whole and int(value) <= INT64[1] and test.holds(int(value))
        case ElemMatch():
            return isinstance(value, list) and any(is_match(test, element, spend) for element in value)


def is_match(test: ElemMatch, element: Any, spend: Spend = free) -> bool:
    """Tell whether an element of an array is one that ``$elemMatch`` looks for."""
    spend(1)
    return (not test.objects or isinstance(element, dict | list)) and holds(test.query, element, spend)
