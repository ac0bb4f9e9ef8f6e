"""JSON values as MongoDB orders them.

One total order holds for all values: missing < null < numbers < strings < objects < arrays < booleans. Numbers compare
by their exact value whatever their type, strings by code point, arrays element by element and then by length. Objects
compare as if their keys were sorted, so that equality does not depend on the order of keys.
"""

import math
from collections.abc import Callable
from typing import Any, Final

from entrepot.works.query.steps import free

Spend = Callable[[int], None]


class _Missing:
    """The absence of a value."""

    def __repr__(self) -> str:
        return "MISSING"


MISSING: Final = _Missing()

MISSING_RANK, NULL, NUMBER, STRING, OBJECT, ARRAY, BOOLEAN = range(7)

INT32: Final = (-(2**31), 2**31 - 1)
INT64: Final = (-(2**63), 2**63 - 1)


def rank(value: Any) -> int:
    """Return the class of a value in the total order."""
    if isinstance(value, str):
        return STRING
    if isinstance(value, bool):
        return BOOLEAN
    if isinstance(value, int | float):
        return NUMBER
    if value is None:
        return NULL
    if isinstance(value, dict):
        return OBJECT
    if isinstance(value, list):
        return ARRAY
    return MISSING_RANK


def _sign(a: Any, b: Any) -> int:
    return int(a > b) - int(a < b)


def _compare_numbers(a: float, b: float) -> int:
    nan_a, nan_b = a != a, b != b  # noqa: PLR0124 - true of NaN alone, and never overflows on a large integer
    if nan_a or nan_b:
        return nan_b - nan_a
    return _sign(a, b)


def compare(a: Any, b: Any, spend: Spend = free) -> int:
    """Return -1, 0 or 1 as `a` comes before, with or after `b` in the total order; `spend` counts what it costs."""
    rank_a, rank_b = rank(a), rank(b)
    if rank_a != rank_b:
        return _sign(rank_a, rank_b)
    if rank_a == NUMBER:
        return _compare_numbers(a, b)
    if rank_a in {STRING, BOOLEAN}:
        return _sign(a, b)
    if rank_a == ARRAY:
        for x, y in zip(a, b, strict=False):
            spend(1)
            if order := compare(x, y, spend):
                return order
        return _sign(len(a), len(b))
    if rank_a == OBJECT:
        spend(len(a) + len(b))
        for (key_a, x), (key_b, y) in zip(sorted(a.items()), sorted(b.items()), strict=False):
            order = _sign(rank(x), rank(y)) or _sign(key_a, key_b) or compare(x, y, spend)
            if order:
                return order
        return _sign(len(a), len(b))
    return 0


def equal(a: Any, b: Any, spend: Spend = free) -> bool:
    """Tell whether two values are the same value of the same class (``1`` and ``1.0`` are, ``1`` and ``true`` not)."""
    if isinstance(a, list) and isinstance(b, list):
        spend(1)
        return len(a) == len(b) and all(equal(x, y, spend) for x, y in zip(a, b, strict=True))
    if isinstance(a, dict) and isinstance(b, dict):
        spend(1)
        return len(a) == len(b) and all(name in b and equal(x, b[name], spend) for name, x in a.items())
    spend(1)
    return compare(a, b) == 0


def identity(value: Any, spend: Spend = free) -> tuple[int, Any]:
    """Return what is the same for equal values, and can be looked up in a set."""
    if isinstance(value, list):
        spend(len(value))
        return ARRAY, tuple(identity(item, spend) for item in value)
    if isinstance(value, dict):
        spend(len(value))
        return OBJECT, frozenset((name, identity(item, spend)) for name, item in value.items())
    return rank(value), value


def truthy(value: Any) -> bool:
    """Tell whether a value counts as true: all but missing, null, zero and false."""
    return not (value is MISSING or value is None or (rank(value) in {NUMBER, BOOLEAN} and value == 0))


def truncate(value: float) -> int | None:
    """Return the integer part of a number, or None of what is not finite."""
    return None if isinstance(value, float) and not math.isfinite(value) else int(value)


def remainder(value: int, divisor: int) -> int:
    """Return the remainder of the division of integers that truncates towards zero, as in C."""
    result = abs(value) % abs(divisor)
    return -result if value < 0 else result


def number_type(value: float) -> str | None:
    """Return ``int``, ``long`` or ``double``; None of an integer beyond 64 bits, which is but a ``number``."""
    if isinstance(value, float):
        return "double"
    if INT32[0] <= value <= INT32[1]:
        return "int"
    return "long" if INT64[0] <= value <= INT64[1] else None
