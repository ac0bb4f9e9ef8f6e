"""Bit masks of queries: ``$bitsAllSet``, ``$bitsAnySet``, ``$bitsAllClear``, ``$bitsAnyClear``."""

from typing import Any

from entrepot.errors import InvalidInput
from entrepot.works.query.nodes import Bits
from entrepot.works.query.values import INT32, INT64

OPERATORS = ("$bitsAllSet", "$bitsAnySet", "$bitsAllClear", "$bitsAnyClear")
_SIGN = 63


def parse(name: str, operand: Any) -> Bits:
    """Return the test of a mask, or of a list of positions.

    A mask has the sign at its highest bit, so that it is an integer of 64 bits as values are. Positions above stand for
    the sign, too: a negative number has all of them set.
    """
    if isinstance(operand, list):
        mask = sum(1 << position for position in {min(_whole(name, one, INT32[1]), _SIGN) for one in operand})
    else:
        mask = _whole(name, operand, INT64[1])
    return Bits(name, mask - (1 << 64) if mask >> _SIGN else mask)


def _whole(name: str, value: Any, most: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= most or value != int(value):
        raise InvalidInput.field(name, "must be a whole number that is not negative, or an array of positions")
    return int(value)
