"""Intervals of results: which links still have a part that no later one covers, and links told as few."""

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import Any

import orjson

from entrepot.lineage.models import Link

EVER = (-(2**63), 2**63 - 1)
Span = tuple[int, int]


def span_of(link: Link) -> Span:
    """Return the interval of a link; that of a whole result has no ends."""
    return EVER[0] if link.start is None else link.start, EVER[1] if link.stop is None else link.stop


class Cover:
    """What intervals cover together, half-open."""

    def __init__(self) -> None:
        self._starts: list[int] = []
        self._stops: list[int] = []

    def add(self, start: int | None, stop: int | None) -> bool:
        """Add an interval, and tell whether any of it was not covered yet."""
        low, high = EVER[0] if start is None else start, EVER[1] if stop is None else stop
        first, last = bisect_left(self._stops, low), bisect_right(self._starts, high)
        if first < last:
            if self._starts[first] <= low and high <= self._stops[first]:
                return False
            low, high = min(low, self._starts[first]), max(high, self._stops[last - 1])
        self._starts[first:last], self._stops[first:last] = [low], [high]
        return True

    def __iter__(self) -> Iterator[Span]:
        """Yield the intervals in their order, those that touch as one."""
        return zip(self._starts, self._stops, strict=True)


def merged(links: Iterable[Link]) -> list[dict[str, Any]]:
    """Return links that say the same, as the columns of as few as can be but for their run."""
    covers: defaultdict[tuple[str, str, str, bytes], Cover] = defaultdict(Cover)
    for link in links:
        detail = orjson.dumps(link.detail, option=orjson.OPT_SORT_KEYS)
        covers[link.direction, link.kind, link.result_id, detail].add(link.start, link.stop)
    return [
        {
            "direction": direction,
            "kind": kind,
            "result_id": result_id,
            "detail": orjson.loads(detail),
            "start": start,
            "stop": stop,
        }
        for (direction, kind, result_id, detail), cover in covers.items()
        for start, stop in cover
    ]
