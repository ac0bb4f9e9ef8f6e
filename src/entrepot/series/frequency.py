"""Frequencies: the steps of series, as users write them (``1H``, ``30min``, ``MS``), old aliases of pandas and new.

pandas itself no longer reads the old ones, so they are read here. A frequency is a step, not a label: ``M``, ``ME`` and
``MS`` all mean the calendar month, and intervals are always stamped at their start.
"""

import re
from dataclasses import dataclass
from typing import Final, Self

from entrepot.errors import InvalidInput

SECOND: Final = 1_000_000
MINUTE: Final = 60 * SECOND
HOUR: Final = 60 * MINUTE
DAY: Final = 24 * HOUR
WEEK: Final = 7 * DAY

_FIXED: Final = {"us": 1, "ms": 1_000, "s": SECOND, "min": MINUTE, "h": HOUR, "D": DAY, "W": WEEK}
_MONTHS: Final = {"M": 1, "Q": 3, "Y": 12}
_SPELLINGS: Final = {
    "us": "us U",
    "ms": "ms L",
    "s": "s S second seconds",
    "min": "min T minute minutes",
    "h": "h H hour hours",
    "D": "D d day days",
    "W": "W w week weeks",
    "M": "M ME MS month months",
    "Q": "Q QE QS quarter quarters",
    "Y": "Y YE YS A AS year years",
}
_ALIASES: Final = {alias: unit for unit, aliases in _SPELLINGS.items() for alias in aliases.split()}
_LONGEST: Final = 100 * 366 * DAY
_WRITTEN: Final = re.compile(r"([0-9]{0,18})\s?([A-Za-z]+)")


@dataclass(frozen=True, slots=True)
class Frequency:
    """A step of time.

    Attributes
    ----------
    text
        The frequency as the user wrote it; to be echoed verbatim.
    count
        How many units one step is.
    unit
        One of ``us ms s min h D W M Q Y``. Days and longer units are calendar ones of the clock that they are used in.
    """

    text: str
    count: int
    unit: str

    @classmethod
    def parse(cls, text: object, *, zero: bool = False) -> Self:
        """Read a frequency.

        Parameters
        ----------
        text
            A count (1 where it is left out) and an alias of pandas, old or new: ``3H``, ``30T``, ``15s``, ``D``,
            ``MS``. Case matters as it does in pandas: ``MS`` is a month, ``ms`` a thousandth of a second.
        zero
            Whether a length of nothing (``0H``) makes sense, as it does for a delay.

        Raises
        ------
        InvalidInput
            It is not a known frequency; the caller names the field.
        """
        written = _WRITTEN.fullmatch(text.strip()) if isinstance(text, str) else None
        unit = _ALIASES.get(written[2]) if written else None
        if written is None or unit is None:
            raise InvalidInput(
                f"{_shown(text)} is not a known frequency: write a whole number and one of {' '.join(_ALIASES)}."
            )
        found = cls(str(text), int(written[1] or 1), unit)
        if found.count == 0 and not zero:
            raise InvalidInput(f"{_shown(text)} is not a step: the count must be at least 1.")
        if found.longest > _LONGEST:
            raise InvalidInput(f"{_shown(text)} is longer than a hundred years.")
        return found

    @property
    def microseconds(self) -> int | None:
        """The length of a step; None where it depends on the calendar (months, quarters, years).

        Days have 24 hours here, as they do in ``utc`` and ``standard``; in a ``local`` clock those with a change of
        time have more or fewer.
        """
        length = _FIXED.get(self.unit)
        return None if length is None else self.count * length

    @property
    def months(self) -> int:
        """The length of a step in months, for months, quarters and years; else 0."""
        return self.count * _MONTHS.get(self.unit, 0)

    @property
    def longest(self) -> int:
        """The greatest length that one step has on a clock without changes of time, in microseconds."""
        return self.microseconds if self.microseconds is not None else self.months * 31 * DAY


def _shown(text: object) -> str:
    shown = repr(text)
    return shown if len(shown) <= 40 else f"{shown[:37]}..."
