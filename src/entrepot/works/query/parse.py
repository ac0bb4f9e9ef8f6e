"""From a query's JSON to its tree, checked: what is unknown, malformed or too costly is refused by name."""

import math
from collections.abc import Callable
from functools import partial
from typing import Any

from entrepot.errors import InvalidInput
from entrepot.works.query import bits, expression, regex
from entrepot.works.query.merge import all_of, any_of
from entrepot.works.query.nodes import (
    AnyOf,
    Compare,
    ElemMatch,
    Equal,
    Every,
    Exists,
    Expr,
    Field,
    In,
    Mod,
    Not,
    Query,
    Size,
    Test,
    Type,
)
from entrepot.works.query.values import truthy

MAX_DEPTH = 32
"""Most levels of objects and arrays in a query, one inside the other."""
MAX_CONDITIONS = 1000
"""Most keys in all objects of a query."""
MAX_VALUES = 100_000
"""Most elements in all arrays of a query."""
MAX_PATH = 32
"""Most steps of a path."""
MAX_DIGITS = 1000
"""Most digits of an integer."""
MAX_REGEXES = 20

_TYPES_BY_CODE = {1: "double", 2: "string", 3: "object", 4: "array", 8: "bool", 10: "null", 16: "int", 18: "long"}
# Types that MongoDB has and JSON has not: known, and never matched.
_TYPES_NOT_OF_JSON = {
    "binData": 5, "undefined": 6, "objectId": 7, "date": 9, "regex": 11, "dbPointer": 12, "javascript": 13,
    "symbol": 14, "javascriptWithScope": 15, "timestamp": 17, "decimal": 19, "minKey": -1, "maxKey": 127,
}  # fmt: skip
_TYPE_CODES = _TYPES_BY_CODE | {code: name for name, code in _TYPES_NOT_OF_JSON.items()}
#: The operators of queries, for who writes one: those that stand in place of a field, and those that test one.
OPERATORS = {
    "above": ("$and", "$or", "$nor", "$expr"),
    "below": (
        "$eq", "$ne", "$gt", "$gte", "$lt", "$lte", "$in", "$nin", "$exists", "$regex", "$options", "$not", "$all",
        "$elemMatch", "$size", "$type", "$mod", *bits.OPERATORS,
    ),
}  # fmt: skip
_LOGICAL = {"$and", "$or", "$nor"}
# How MongoDB's extended JSON writes what plain JSON has not; no work holds such values.
_EXTENDED = {
    "$date", "$oid", "$timestamp", "$numberInt", "$numberLong", "$numberDouble", "$numberDecimal", "$binary", "$uuid",
    "$regularExpression", "$minKey", "$maxKey", "$undefined", "$symbol", "$code", "$dbPointer",
}  # fmt: skip


def parse(document: Any) -> Query:
    """Return the tree of a MongoDB query.

    Parameters
    ----------
    document
        The query as decoded from JSON.

    Raises
    ------
    InvalidInput
        When it is malformed, has an unknown operator (the error's field is its name) or exceeds a bound.
    """
    if not isinstance(document, dict):
        raise InvalidInput.field("query", "must be an object")
    _check_size(document)
    return _query(document, top=True)


def _check_size(document: Any) -> None:
    conditions = values = regexes = 0
    level = [document]
    for _depth in range(MAX_DEPTH):
        below: list[Any] = []
        for value in level:
            if isinstance(value, dict):
                conditions += len(value)
                regexes += "$regex" in value
                _refuse_extended(value)
                below.extend(value.values())
            elif isinstance(value, list):
                values += len(value)
                below.extend(value)
            elif isinstance(value, float) and not math.isfinite(value):
                raise InvalidInput.field("query", "has a number that JSON has not")
            elif isinstance(value, int) and abs(value) >= 10**MAX_DIGITS:
                raise InvalidInput.field("query", f"has an integer of more than {MAX_DIGITS} digits")
        if conditions > MAX_CONDITIONS:
            raise InvalidInput.field("query", f"has more than {MAX_CONDITIONS} conditions")
        if values > MAX_VALUES:
            raise InvalidInput.field("query", f"has more than {MAX_VALUES} values")
        if regexes > MAX_REGEXES:
            raise InvalidInput.field("query", f"has more than {MAX_REGEXES} regular expressions")
        level = below
        if not level:
            return
    raise InvalidInput.field("query", f"is nested deeper than {MAX_DEPTH} levels")


def _refuse_extended(value: dict[str, Any]) -> None:
    for name in _EXTENDED.intersection(value):
        reason = (
            "is extended JSON, which would find nothing: works hold numbers and text; instants are seconds since 1970"
        )
        raise InvalidInput.field(name, reason)


def _query(document: dict[str, Any], *, top: bool) -> Query:
    parts: list[Query] = []
    for key, value in document.items():
        if key in _LOGICAL:
            parts.append(_logical(key, value, top=top))
        elif key == "$expr" and top:
            parts.append(Expr(expression.parse(value)))
        elif key == "$comment":
            continue
        elif key.startswith("$"):
            reason = "is allowed at the top of a query only" if key == "$expr" else "is not a supported operator"
            raise InvalidInput.field(key, reason)
        else:
            parts.append(_field(_path(key), value))
    return all_of(parts)


def _logical(operator: str, value: Any, *, top: bool) -> Query:
    if not isinstance(value, list) or not value or not all(isinstance(part, dict) for part in value):
        raise InvalidInput.field(operator, "must be a non-empty array of queries")
    parts = [_query(part, top=top) for part in value]
    if operator == "$and":
        return all_of(parts)
    return any_of(parts) if operator == "$or" else Not(any_of(parts))


def _path(name: str) -> tuple[str, ...]:
    parts = tuple(name.split("."))
    if len(parts) > MAX_PATH:
        raise InvalidInput.field(name, f"has more than {MAX_PATH} steps")
    return parts


def _is_operators(value: Any) -> bool:
    return isinstance(value, dict) and next(iter(value), "").startswith("$")


def _field(path: tuple[str, ...], value: Any) -> Query:
    return _operators(path, value) if _is_operators(value) else Field(path, Equal(value))


def _operators(path: tuple[str, ...], operators: dict[str, Any]) -> Query:
    """Return the conjunction of the operators of one field (or, with an empty path, of an array's element)."""
    parts = [_operator(path, name, operand, operators) for name, operand in operators.items() if name != "$options"]
    if "$options" in operators and "$regex" not in operators:
        raise InvalidInput.field("$options", "needs a $regex beside it")
    return all_of(parts)


def _operator(path: tuple[str, ...], name: str, operand: Any, siblings: dict[str, Any]) -> Query:
    match name:
        case "$eq":
            return Field(path, Equal(operand))
        case "$ne":
            return Not(Field(path, Equal(operand)))
        case "$gt" | "$gte" | "$lt" | "$lte":
            return Field(path, Compare(name, operand))
        case "$in":
            return Field(path, In.of(_listed(name, operand)))
        case "$nin":
            return Not(Field(path, In.of(_listed(name, operand))))
        case "$not":
            if not _is_operators(operand):
                raise InvalidInput.field(name, "must be an object of operators")
            return Not(_operators(path, operand))
        case "$exists":
            present = Field(path, Exists())
            return present if truthy(operand) else Not(present)
        case "$regex":
            return Field(path, regex.parse(operand, siblings.get("$options", "")))
        case "$all":
            return _all_of(path, operand)
        case _ if name in _TESTS:
            return Field(path, _TESTS[name](operand))
        case _:
            raise InvalidInput.field(name, "is not a supported operator")


def _listed(name: str, operand: Any) -> list[Any]:
    if not isinstance(operand, list):
        raise InvalidInput.field(name, "must be an array")
    if any(_is_operators(value) for value in operand):
        raise InvalidInput.field(name, "must list values, not operators")
    return operand


def _all_of(path: tuple[str, ...], operand: Any) -> Query:
    if (
        isinstance(operand, list)
        and operand
        and all(isinstance(value, dict) and "$elemMatch" in value for value in operand)
    ):
        return all_of([_operators(path, value) for value in operand])
    values = _listed("$all", operand)
    if not values:
        return AnyOf(())
    if not path:  # of an element itself
        return all_of([Field(path, Equal(value)) for value in values])
    return Every(path, In.of(values)) if len(values) > 1 else Field(path, Equal(values[0]))


def _elem_match(operand: Any) -> Test:
    if not isinstance(operand, dict):
        raise InvalidInput.field("$elemMatch", "must be an object")
    if _is_operators(operand) and next(iter(operand)) not in _LOGICAL:
        return ElemMatch(_operators((), operand), objects=False)
    return ElemMatch(_query(operand, top=False), objects=True)


def _integer(name: str, value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise InvalidInput.field(name, "must be a number")
    return int(value)


def _size(operand: Any) -> Test:
    size = _integer("$size", operand)
    if size != operand or size < 0:
        raise InvalidInput.field("$size", "must be a non-negative integer")
    return Size(size)


def _mod(operand: Any) -> Test:
    if not isinstance(operand, list) or len(operand) != 2:
        raise InvalidInput.field("$mod", "must be an array of divisor and remainder")
    divisor, remainder = (_integer("$mod", value) for value in operand)
    if divisor == 0:
        raise InvalidInput.field("$mod", "has a divisor of 0")
    return Mod(divisor, remainder)


def _type(operand: Any) -> Test:
    values = operand if isinstance(operand, list) else [operand]
    if not values:
        raise InvalidInput.field("$type", "must name a type")
    return Type(frozenset(name for value in values for name in _type_names(value)))


def _type_names(value: Any) -> tuple[str, ...]:
    if isinstance(value, int | float) and not isinstance(value, bool) and value in _TYPE_CODES:
        value = _TYPE_CODES[int(value)]
    if value == "number" or (isinstance(value, str) and value in _TYPES_BY_CODE.values()):
        return (value,)
    if isinstance(value, str) and value in _TYPES_NOT_OF_JSON:
        return ()
    raise InvalidInput.field("$type", f"{value!r} is not a type")


_TESTS: dict[str, Callable[[Any], Test]] = {
    "$elemMatch": _elem_match,
    "$size": _size,
    "$mod": _mod,
    "$type": _type,
    **{name: partial(bits.parse, name) for name in bits.OPERATORS},
}
