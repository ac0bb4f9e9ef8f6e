"""What deciding a query may cost: steps within one document, and time for all of them."""

import math
import time

from entrepot.errors import InvalidInput

MAX_STEPS = 2_000_000
"""Most steps of the matcher in one document: about a second."""

_BETWEEN_LOOKS = 20_000


class Steps:
    """Counts the matcher's steps.

    Parameters
    ----------
    seconds
        How long all documents of a query may take.
    """

    def __init__(self, seconds: float = math.inf) -> None:
        self._seconds = seconds
        self._until = time.monotonic() + seconds
        self.begin()

    def begin(self) -> None:
        """Begin with another document."""
        self._taken = 0
        self._look_at = _BETWEEN_LOOKS
        self.look()

    def spend(self, number: int = 1) -> None:
        """Take so many steps.

        Raises
        ------
        InvalidInput
            They are more than one document may cost, or the time is over.
        """
        self._taken += number
        if self._taken >= self._look_at:
            self._look_at = self._taken + _BETWEEN_LOOKS
            self.look()

    def look(self) -> None:
        """Raise InvalidInput when the budget is used up."""
        if self._taken > MAX_STEPS:
            reason = f"takes more than {MAX_STEPS:,} steps in one document; ask for fewer values and conditions at once"
            raise InvalidInput.field("query", reason)
        if time.monotonic() > self._until:
            raise too_slow(self._seconds)


def too_slow(seconds: float) -> InvalidInput:
    """Return the refusal of a query that takes too long."""
    reason = f"takes longer than {seconds:g} s; narrow it by fields that have an index, such as pipeline, id, or tags"
    return InvalidInput.field("query", reason)


def free(number: int = 1) -> None:
    """Take so many steps that nobody counts."""
