"""Units of measurement, as people write them, and conversion between those that measure the same."""

import re
import threading
from functools import cache, lru_cache
from typing import Any, Final

import numpy as np
import numpy.typing as npt

Numbers = npt.NDArray[np.float64]

_LONGEST: Final = 60
#: A power is a small number, and has none itself: anything else would be computed, however long that takes.
_POWER: Final = re.compile(r"\*\*\s*\(?\s*[+-]?\d{1,2}\s*\)?(?!\s*\*\*|[\d.])")
_NUMBER: Final = re.compile(r"\d{10}")
_building: Final = threading.Lock()


class Incompatible(ValueError):
    """One unit does not convert into the other, or is none."""


def convert(values: Numbers, unit: str, wanted: str) -> Numbers:
    """Return values in another unit.

    Raises
    ------
    Incompatible
        One does not convert into the other.
    """
    if unit == wanted:
        return values
    import pint

    try:
        registry: Any = _registry()
        return np.asarray(registry.Quantity(values, _parsed(unit)).to(_parsed(wanted)).magnitude, float)
    except (pint.errors.PintError, ValueError) as error:
        raise Incompatible(f"{unit!r} does not convert into {wanted!r}: {error}") from None


def convertible(unit: str, wanted: str) -> bool:
    """Tell whether a unit converts into another one."""
    try:
        convert(np.empty(0), unit, wanted)
    except Incompatible:
        return False
    return True


@lru_cache(maxsize=1000)
def _parsed(text: str) -> Any:
    plain = text.replace("^", "**")
    powers = len(_POWER.findall(plain))
    if len(plain) > _LONGEST or not plain.isprintable() or _NUMBER.search(plain) or powers != plain.count("**"):
        raise ValueError(f"{text[:_LONGEST]!r} is no unit")
    try:
        return _registry().Unit(plain)
    except Exception as error:
        raise ValueError(f"{text!r} is no unit") from error


def prepare() -> None:
    """Build what conversions need, which takes most of a second, before somebody waits for the first of them."""
    _registry()


def _registry() -> Any:
    with _building:  # pint's own is for whoever comes second before it is whole
        return _built()


@cache
def _built() -> Any:
    import pint

    return pint.UnitRegistry(on_redefinition="raise")
