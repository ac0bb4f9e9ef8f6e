"""Aggregation expressions, as ``$expr`` takes them: parsed, and evaluated on one document.

Where MongoDB ends the whole query with an error because of one document (arithmetic on what is no number, division by
zero, ``$size`` or ``$in`` of what is no array), the result is null here. What would be an error of every document is
refused.
"""

import math
import operator
from collections.abc import Callable
from typing import Any

from entrepot.errors import InvalidInput
from entrepot.works.query.kinds import refuse_error
from entrepot.works.query.nodes import ArrayOf, Expression, Literal, ObjectOf, Operation, Path
from entrepot.works.query.steps import free
from entrepot.works.query.values import MISSING, NUMBER, Spend, compare, equal, rank, remainder, truthy

_Operator = Callable[[list[Any], Spend], Any]
#: From here on, what is computed of integers is a double.
_LARGEST = 10**1000

COMPARISONS: dict[str, Callable[[int, int], bool]] = {
    "$eq": operator.eq,
    "$ne": operator.ne,
    "$gt": operator.gt,
    "$gte": operator.ge,
    "$lt": operator.lt,
    "$lte": operator.le,
}
#: Least and most operands.
_ARITY: dict[str, tuple[int, float]] = {
    **dict.fromkeys((*COMPARISONS, "$cmp", "$subtract", "$divide", "$mod", "$in"), (2, 2)),
    **dict.fromkeys(("$and", "$or", "$add", "$multiply"), (0, math.inf)),
    **dict.fromkeys(("$not", "$size"), (1, 1)),
    "$ifNull": (2, math.inf),
}


def parse(value: Any) -> Expression:
    """Return the expression of a JSON value, or raise InvalidInput. The value's size and depth were checked before."""
    if isinstance(value, str) and value.startswith("$"):
        return _path(value)
    if isinstance(value, list):
        return ArrayOf(tuple(parse(item) for item in value))
    if not isinstance(value, dict):
        return Literal(value)
    if not any(key.startswith("$") for key in value):
        return ObjectOf(tuple((key, parse(item)) for key, item in value.items()))
    if len(value) > 1:
        raise InvalidInput.field("$expr", "an object with an operator must have no other key")
    ((name, argument),) = value.items()
    if name == "$literal":
        return Literal(argument)
    if name not in _ARITY:
        raise InvalidInput.field(name, "is not an operator of $expr")
    operands = argument if isinstance(argument, list) else [argument]
    least, most = _ARITY[name]
    if not least <= len(operands) <= most:
        raise InvalidInput.field(name, f"takes {'exactly' if least == most else 'at least'} {least} operands")
    operation = Operation(name, tuple(parse(operand) for operand in operands))
    refuse_error(operation)
    return operation


def _path(text: str) -> Path:
    parts = tuple(text[1:].split("."))
    if text.startswith("$$"):
        raise InvalidInput.field("$expr", f"has no variables such as {text!r}")
    if any(not part or part.startswith("$") for part in parts):
        raise InvalidInput.field("$expr", f"{text!r} is not a path")
    return Path(parts)


def holds(expression: Expression, document: Any, spend: Spend = free) -> bool:
    """Tell whether the expression is truthy on a document; `spend` counts what it costs."""
    return truthy(evaluate(expression, document, spend))


def evaluate(expression: Expression, document: Any, spend: Spend = free) -> Any:
    """Return the expression's value on a document; `MISSING` where a path leads nowhere."""
    spend(1)
    match expression:
        case Literal(value):
            return value
        case Path(path):
            return _read(document, path, spend)
        case ArrayOf(items):
            values = [evaluate(item, document, spend) for item in items]
            return [None if value is MISSING else value for value in values]
        case ObjectOf(items):
            pairs = ((key, evaluate(item, document, spend)) for key, item in items)
            return {key: value for key, value in pairs if value is not MISSING}
        case Operation("$and", operands):
            return all(holds(operand, document, spend) for operand in operands)
        case Operation("$or", operands):
            return any(holds(operand, document, spend) for operand in operands)
        case Operation(name, operands):
            return _OPERATIONS[name]([evaluate(operand, document, spend) for operand in operands], spend)


def _read(value: Any, path: tuple[str, ...], spend: Spend) -> Any:
    for step, part in enumerate(path):
        if isinstance(value, list):
            spend(len(value))
            found = [_read(element, path[step:], spend) for element in value if isinstance(element, dict)]
            return [element for element in found if element is not MISSING]
        if not isinstance(value, dict):
            return MISSING
        value = value.get(part, MISSING)
    return value


def _numbers(values: list[Any]) -> list[Any] | None:
    """Return the numbers, all doubles if one is; None if one of the values is no number."""
    if any(rank(value) != NUMBER for value in values):
        return None
    return [_double(value) for value in values] if any(isinstance(value, float) for value in values) else values


def _double(value: float) -> float:
    try:
        return float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf


def _arithmetic(function: Callable[[Any, Any], Any], neutral: int = 0) -> _Operator:
    def operation(values: list[Any], spend: Spend) -> Any:
        numbers = _numbers(values)
        if numbers is None:
            return None
        if not numbers:
            return neutral
        total = numbers[0]
        for number in numbers[1:]:
            spend(1)
            # What outgrows integers goes on as a double, as in MongoDB, where they end sooner.
            total = function(total, _double(number) if isinstance(total, float) else number)
            if isinstance(total, int) and abs(total) >= _LARGEST:
                total = _double(total)
        return total

    return operation


def _divide(values: list[Any], _spend: Spend) -> Any:
    if _numbers(values) is None or values[1] == 0:
        return None
    return _double(values[0]) / _double(values[1])


def _mod(values: list[Any], _spend: Spend) -> Any:
    numbers = _numbers(values)
    if numbers is None or numbers[1] == 0:
        return None
    value, divisor = numbers
    if isinstance(value, int):
        return remainder(value, divisor)
    return math.fmod(value, divisor) if math.isfinite(value) else math.nan


def _comparison(test: Callable[[int, int], bool]) -> _Operator:
    return lambda values, spend: test(compare(values[0], values[1], spend), 0)


def _if_null(values: list[Any], _spend: Spend) -> Any:
    return next((value for value in values if value is not None and value is not MISSING), values[-1])


def _in(values: list[Any], spend: Spend) -> bool | None:
    wanted, array = values
    return any(equal(wanted, item, spend) for item in array) if isinstance(array, list) else None


_OPERATIONS: dict[str, _Operator] = {
    **{name: _comparison(test) for name, test in COMPARISONS.items()},
    "$cmp": lambda values, spend: compare(values[0], values[1], spend),
    "$not": lambda values, _: not truthy(values[0]),
    "$add": _arithmetic(operator.add),
    "$multiply": _arithmetic(operator.mul, 1),
    "$subtract": _arithmetic(operator.sub),
    "$divide": _divide,
    "$mod": _mod,
    "$size": lambda values, _: len(values[0]) if isinstance(values[0], list) else None,
    "$in": _in,
    "$ifNull": _if_null,
}
