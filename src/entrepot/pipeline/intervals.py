"""Lists of half-open intervals ``[start, stop)`` of microseconds."""

import itertools
from collections.abc import Iterable

import numpy as np

Interval = tuple[int, int]
#: Further than any stamp, either way.
EVER: Interval = (-(2**62), 2**62)


def merge_intervals(intervals: Iterable[Interval], most: int | None = None) -> list[Interval]:
    """Return the union: ascending, apart from each other, none empty.

    Where more than `most` would come out, those with the smallest gaps between them are joined, gap included.
    """
    merged: list[Interval] = []
    for start, stop in sorted(interval for interval in intervals if interval[0] < interval[1]):
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(merged[-1][1], stop))
        else:
            merged.append((start, stop))
    if most is None or len(merged) <= most:
        return merged
    # Whole numbers of Python, as "all times" is too far apart for int64.
    gaps = [after[0] - before[1] for before, after in itertools.pairwise(merged)]
    order = np.argsort(np.array(gaps, dtype=object), kind="stable")
    cuts = sorted(order[len(gaps) - (most - 1) :].tolist())
    firsts, lasts = [0, *(cut + 1 for cut in cuts)], [*cuts, len(gaps)]
    return [(merged[first][0], merged[last][1]) for first, last in zip(firsts, lasts, strict=True)]


def subtract_intervals(intervals: Iterable[Interval], taken: Iterable[Interval]) -> list[Interval]:
    """Return what is in `intervals` and not in `taken`."""
    left: list[Interval] = []
    without = merge_intervals(taken)
    for start, stop in merge_intervals(intervals):
        at = start
        for taken_start, taken_stop in without:
            if taken_stop <= at or taken_start >= stop:
                continue
            if at < taken_start:
                left.append((at, taken_start))
            at = taken_stop
        if at < stop:
            left.append((at, stop))
    return left


def clip_intervals(intervals: Iterable[Interval], start: int, stop: int) -> list[Interval]:
    """Return what of the intervals is within ``[start, stop)``."""
    return merge_intervals((max(low, start), min(high, stop)) for low, high in intervals)
