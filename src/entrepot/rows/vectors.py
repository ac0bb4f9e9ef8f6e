"""Vectors as they are stored: packed little-endian doubles, exact to the bit; a gap is NaN, which no number is."""

import math
import struct
from collections.abc import Sequence
from types import NoneType
from typing import Any

import numpy as np
import numpy.typing as npt

_NUMBERS = {float, int}


def pack(values: Sequence[Any]) -> bytes:
    """Return the stored form of finite numbers and gaps (None).

    Raises
    ------
    ValueError
        Says which item is neither.
    """
    kinds = set(map(type, values))
    if wrong := kinds - _NUMBERS - {NoneType}:
        index = next(index for index, value in enumerate(values) if type(value) in wrong)
        raise ValueError(f"Item {index}: a valid number is required.")
    numbers = [value for value in values if value is not None] if NoneType in kinds else values
    # A sum is finite only if each of its terms is, and is cheap; one that overflows says nothing.
    if not _is_finite(numbers):
        _require_finite(values)
    filled = values if numbers is values else [math.nan if value is None else value for value in values]
    try:
        return struct.pack(f"<{len(filled)}d", *filled)
    except OverflowError:  # of whole numbers whose sum is small
        raise ValueError("A number is too large.") from None


def _is_finite(values: Sequence[Any]) -> bool:
    try:
        return math.isfinite(sum(values))
    except OverflowError:  # of whole numbers beside others
        return False


def _require_finite(values: Sequence[Any]) -> None:
    for index, value in enumerate(values):
        try:
            finite = value is None or math.isfinite(value)
        except OverflowError:
            raise ValueError(f"Item {index}: the number is too large.") from None
        if not finite:
            raise ValueError(f"Item {index}: the number must be finite.")


def unpack(stored: bytes) -> npt.NDArray[np.float64]:
    """Return the numbers of a stored vector, read-only, with NaN for gaps."""
    return np.frombuffer(stored, "<f8")


def listed(stored: bytes) -> list[float | None]:
    """Return the numbers of a stored vector, with None for gaps."""
    values = unpack(stored)
    numbers: list[float | None] = values.tolist()
    for index in np.flatnonzero(np.isnan(values)).tolist():
        numbers[index] = None
    return numbers
