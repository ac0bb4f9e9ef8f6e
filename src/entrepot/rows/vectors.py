"""Vectors as they are stored: packed little-endian doubles, exact to the bit."""

import math
import struct
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

_NUMBERS = {float, int}


def pack(values: Sequence[Any]) -> bytes:
    """Return the stored form of finite numbers.

    Raises
    ------
    ValueError
        Says which item is no finite number.
    """
    if not _NUMBERS.issuperset(map(type, values)):
        index = next(index for index, value in enumerate(values) if type(value) not in _NUMBERS)
        raise ValueError(f"Item {index}: a valid number is required.")
    try:
        packed = struct.pack(f"<{len(values)}d", *values)
    except (OverflowError, struct.error):
        raise ValueError("A number is too large.") from None
    # A sum is finite only if each of its terms is, and is cheap; one that overflows says nothing.
    if not _is_finite(values):
        for index, value in enumerate(unpack(packed)):
            if not math.isfinite(value):
                raise ValueError(f"Item {index}: the number must be finite.")
    return packed


def _is_finite(values: Sequence[Any]) -> bool:
    try:
        return math.isfinite(sum(values))
    except OverflowError:  # of whole numbers beside others
        return False


def unpack(stored: bytes) -> npt.NDArray[np.float64]:
    """Return the numbers of a stored vector, read-only."""
    return np.frombuffer(stored, "<f8")
