"""Parts of arrays that a projection asks for: ``$slice``, ``$elemMatch``, and ``$``, the element that was matched."""

from collections.abc import Callable
from typing import Any

from entrepot.errors import InvalidInput
from entrepot.works.query.match import holds, is_match, leaves, passes
from entrepot.works.query.nodes import (
    AllOf,
    AnyOf,
    ElemMatch,
    Equal,
    Every,
    Field,
    Not,
    Query,
    Test,
)
from entrepot.works.query.parse import parse
from entrepot.works.query.steps import Steps
from entrepot.works.query.values import MISSING, Spend

#: Of the value of a field and the document that it stands in, what is returned.
Part = Callable[[Any, dict[str, Any]], Any]
_MOST = 2**31 - 1


def slice_of(operand: Any) -> Part:
    """Return the part that ``$slice`` asks for: a number of elements, or how many to pass over and a number."""
    pair = operand if isinstance(operand, list) else [None, operand]
    if len(pair) != 2 or not all(_is_whole(one) for one in pair if one is not None) or pair[1] is None:
        raise InvalidInput.field(
            "$slice", "must be a whole number, or an array of two: how many to pass over, and take"
        )
    skip, number = pair
    if isinstance(operand, list) and (skip is None or number <= 0):
        raise InvalidInput.field("$slice", "must say how many elements to pass over, and take more than none")

    def part(value: Any, _document: dict[str, Any]) -> Any:
        if not isinstance(value, list):
            return value
        if skip is None:
            return value[:number] if number >= 0 else value[number:]
        start = max(len(value) + int(skip), 0) if skip < 0 else int(skip)
        return value[start : start + int(number)]

    return part


def first_match(operand: Any) -> Part:
    """Return the part that ``$elemMatch`` asks for: the first element that matches, in an array of its own."""
    query = parse({"field": {"$elemMatch": operand}})
    assert isinstance(query, Field)
    test = query.test
    assert isinstance(test, ElemMatch)

    def part(value: Any, _document: dict[str, Any]) -> Any:
        spend = Steps().spend
        if not isinstance(value, list):
            return MISSING
        return next(([element] for element in value if is_match(test, element, spend)), MISSING)

    return part


def matched(path: tuple[str, ...], query: Query | None) -> Part:
    """Return the part that ``$`` asks for: the element of the array at a path which the query matched."""
    name = ".".join(path)
    if query is None or not any(field.path[: len(path)] == path for field in _fields(query)):
        raise InvalidInput.field(f"{name}.$", f"needs a query that tells which element of {name} is meant")

    def part(value: Any, document: dict[str, Any]) -> Any:
        if not isinstance(value, list):
            return value
        index = _position(query, path, value, document, Steps().spend)
        if index is None:
            raise InvalidInput.field(f"{name}.$", f"the query matched {name} as a whole in a document, and no element")
        return [value[index]]

    return part


def _fields(query: Query) -> list[Field | Every]:
    match query:
        case AllOf(inner) | AnyOf(inner):
            return [field for part in inner for field in _fields(part)]
        case Field() | Every():
            return [query]
        case _:
            return []


def _position(
    query: Query, path: tuple[str, ...], array: list[Any], document: dict[str, Any], spend: Spend
) -> int | None:
    """Return which element the query matched; where several conditions are about it, the last of them counts."""
    match query:
        case AllOf(inner):
            found = [_position(part, path, array, document, spend) for part in inner]
            return next((index for index in reversed(found) if index is not None), None)
        case AnyOf(inner):
            held = (part for part in inner if holds(part, document, spend))
            return next(
                (at for part in held if (at := _position(part, path, array, document, spend)) is not None), None
            )
        case Field(tested, test) if tested[: len(path)] == path:
            return _first(array, tested[len(path) :], test, spend)
        case Every(tested, wanted) if tested[: len(path)] == path and wanted.values:
            return _first(array, tested[len(path) :], Equal(wanted.values[-1]), spend)
        case Not() | _:
            return None


def _first(array: list[Any], rest: tuple[str, ...], test: Test, spend: Spend) -> int | None:
    def matches(element: Any) -> bool:
        if not rest:
            return is_match(test, element, spend) if isinstance(test, ElemMatch) else passes(test, element, spend)
        found = leaves(element, rest, elements=True, spend=spend) if isinstance(element, dict) else ()
        return any(passes(test, leaf, spend) for leaf in found)

    return next((index for index, element in enumerate(array) if matches(element)), None)


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and abs(value) <= _MOST
