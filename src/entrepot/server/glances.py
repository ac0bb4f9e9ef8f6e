"""Which reads take no time: those of what was read a moment ago, and took none. They are answered on the event loop.

A thread costs such a request half of what it asks for, and more where many ask at once. What nobody read of late may
have to come from the disk, so it is read in a thread, which blocks nobody else.
"""

import time
from dataclasses import dataclass

#: What takes a processor longer than this, in seconds, is for a thread; what it waited for is in memory now.
QUICK = 0.001
#: For so many seconds what was read counts as being in memory.
FRESH_SECONDS = 10.0
#: Most points of such an answer.
MOST_POINTS = 1000
_MOST = 10_000  # series that are known of


class NotAtOnce(Exception):
    """What is asked for may take time, so that a thread has to read it."""


@dataclass(slots=True)
class _Seen:
    low: int
    high: int
    seconds: float
    until: float


class Glances:
    """What was read of late of each series, whole chunks, and how long that took.

    Safe to use from several threads: what one of them forgets, another one reads anew.
    """

    def __init__(self) -> None:
        self._seen: dict[str, _Seen] = {}

    def has(self, series_id: str) -> bool:
        """Tell whether anything of a series was read a moment ago."""
        return self._fresh(series_id) is not None

    def knows(self, series_id: str, low: int, high: int) -> bool:
        """Tell whether all chunks of a series in [low, high) were read a moment ago, in no time."""
        seen = self._fresh(series_id)
        return seen is not None and seen.low <= low and high <= seen.high

    def note(self, series_id: str, low: int, high: int, seconds: float) -> None:
        """Know how long it took a processor to read the chunks of a series in [low, high), and to answer."""
        if seconds > QUICK:
            self._seen.pop(series_id, None)
            return
        seen = self._fresh(series_id)
        if seen is not None and low <= seen.high and seen.low <= high:
            inside = seen.low <= low and high <= seen.high
            together = max(seen.seconds, seconds) if inside else seen.seconds + seconds
            if together <= QUICK:
                low, high, seconds = min(low, seen.low), max(high, seen.high), together
        if len(self._seen) >= _MOST:
            self._seen.clear()
        self._seen[series_id] = _Seen(low, high, seconds, time.monotonic() + FRESH_SECONDS)

    def _fresh(self, series_id: str) -> _Seen | None:
        seen = self._seen.get(series_id)
        return seen if seen is not None and seen.until > time.monotonic() else None
