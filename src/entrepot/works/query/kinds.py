"""Of which classes the value of an expression can be, whatever the document: so that what can only fail is refused."""

from entrepot.errors import InvalidInput
from entrepot.works.query.nodes import ArrayOf, Expression, Literal, ObjectOf, Operation, Path
from entrepot.works.query.values import ARRAY, BOOLEAN, MISSING_RANK, NULL, NUMBER, OBJECT, rank

_ANY = frozenset(range(MISSING_RANK, BOOLEAN + 1))
_NUMBERS = frozenset({MISSING_RANK, NULL, NUMBER})
_ARITHMETIC = {"$add", "$subtract", "$multiply", "$divide", "$mod"}
_ARRAYS = frozenset({ARRAY})


def refuse_error(operation: Operation) -> None:
    """Raise InvalidInput, naming the operator, where an operand can only make it fail."""
    name, operands = operation.operator, operation.operands
    if name in _ARITHMETIC:
        _require(name, operands, _NUMBERS, "a number")
    elif name == "$size":
        _require(name, operands, _ARRAYS, "an array")
    elif name == "$in":
        _require(name, operands[1:], _ARRAYS, "an array")
    if name in {"$divide", "$mod"} and isinstance(operands[1], Literal) and operands[1].value == 0:
        raise InvalidInput.field(name, "has a divisor of 0")


def _require(name: str, operands: tuple[Expression, ...], allowed: frozenset[int], what: str) -> None:
    for operand in operands:
        if not _kinds(operand) & allowed:
            raise InvalidInput.field(name, f"can only fail: an operand is never {what}")


def _kinds(expression: Expression) -> frozenset[int]:
    match expression:
        case Literal(value):
            return frozenset({rank(value)})
        case Path():
            return _ANY
        case ArrayOf():
            return frozenset({ARRAY})
        case ObjectOf():
            return frozenset({OBJECT})
        case Operation("$ifNull", operands):
            return frozenset[int]().union(*map(_kinds, operands))
        case Operation("$size" | "$cmp"):
            return frozenset({NUMBER, NULL})
        case Operation(name) if name in _ARITHMETIC:
            return frozenset({NUMBER, NULL})
        case _:
            return frozenset({BOOLEAN})
