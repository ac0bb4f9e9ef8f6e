"""The second pass of a repeated hour, in series whose clock is not known.

Where a clock is put back, it shows an hour (or half of one) twice. Which points are of the second time around is told
by the order of rows in a file, and by nothing later; what it means is told by the clock alone, which may become known
much later. So the stamps of the second pass are kept a microsecond late, beside those of the first pass, under the tag
`SECOND`; whoever reads the series takes that back.

A stamp of the first pass that is later than all of the second pass is tagged `FIRST`: stamps after the last one of the
second pass are of the second pass as well, wherever they come from.
"""

from typing import Final

import numpy as np

from entrepot.series.frequency import DAY, HOUR
from entrepot.series.points import Points, Tags, Times
from entrepot.series.zones import Mask, Passes, shown_twice_somewhere

SECOND: Final = "second pass"
FIRST: Final = "first pass"
#: No clock was put back by more, in the time that files are from.
_MOST_BACK: Final = 2 * HOUR


def marks(stamps: Times) -> Tags | None:
    """Return the tags of stamps in the order of their rows, by which rows show that a clock was put back; None if none.

    A clock was put back where rows step back by at most two hours, or repeat a stamp, at a time that the clocks of some
    zone showed twice. Rows after that are of the second pass as far as the first pass had come; of two equal stamps,
    the later row is.
    """
    back = np.diff(stamps)
    if not ((back <= 0) & (back >= -_MOST_BACK)).any() and np.unique(stamps).size == stamps.size:
        return None
    near = np.flatnonzero(_about_a_turn(stamps))
    near = near[shown_twice_somewhere(stamps[near])]
    tags = np.full(stamps.size, None, object)
    nights = _night(stamps[near])
    for night in np.unique(nights).tolist():
        rows = near[nights == night]
        second, first = _of_night(stamps[rows])
        tags[rows[second]], tags[rows[first]] = SECOND, FIRST
    return tags if any(tag is not None for tag in tags[near]) else None


def stored(stamps: Times, tags: Tags | None) -> Times:
    """Return the times under which stamps with these tags are kept."""
    return stamps if tags is None else stamps + (tags == SECOND)


def repeated(stamps: Times, tags: Tags) -> int:
    """Return how many of the stamps lie in an hour that was passed twice, both times counted."""
    count = 0
    for night in np.unique(_night(stamps[tags == SECOND])).tolist():
        there = _night(stamps) == night
        second, known = stamps[there & (tags == SECOND)], stamps[there & (tags != None)]  # noqa: E711
        count += int((there & (stamps >= second.min()) & (stamps <= known.max())).sum())
    return count


def passes(tags: Tags | None, count: int) -> Passes:
    """Return what tags tell of as many points, in the words of `clocks.to_utc`."""
    found = np.zeros(count, np.int8)
    if tags is not None:
        found[tags == FIRST], found[tags == SECOND] = 1, 2
    return found


def as_delivered(points: Points) -> Points:
    """Return points of a series whose clock is not known with the stamps that were delivered, which may repeat."""
    if points.tags is None:
        return points
    return Points(points.times - (points.tags == SECOND), points.values, points.tags)


def newest_first(stamps: Times) -> bool:
    """Return whether rows go back in time, all in all."""
    steps = np.diff(stamps)
    return int((steps < 0).sum()) > int((steps > 0).sum())


def _night(stamps: Times) -> Times:
    """Return between which noons stamps lie: there is at most one change of time there."""
    nights: Times = (stamps - DAY // 2) // DAY
    return nights


def _about_a_turn(stamps: Times) -> Mask:
    """Return which stamps lie within two hours of one at which the rows step back, or that is repeated."""
    back = np.flatnonzero((np.diff(stamps) <= 0) & (np.diff(stamps) >= -_MOST_BACK)) + 1
    ordered = np.sort(stamps)
    turns = np.unique(np.concatenate([stamps[back], ordered[1:][np.diff(ordered) == 0]]))
    after = np.searchsorted(turns, stamps + _MOST_BACK, "right")
    before = np.searchsorted(turns, stamps - _MOST_BACK, "left")
    found: Mask = after > before
    return found


def _of_night(stamps: Times) -> tuple[Mask, Mask]:
    """Return which stamps of one change of time are of the second pass, and which of the first one come after these."""
    order = np.argsort(stamps, kind="stable")
    equal = np.append(False, np.diff(stamps[order]) == 0)
    repeats, alone = np.empty_like(equal), np.empty_like(equal)
    repeats[order], alone[order] = equal, ~equal & ~np.append(equal[1:], False)
    back = np.append(False, np.diff(stamps) < 0)
    turns = np.flatnonzero(repeats | back)
    if not turns.size:
        return repeats, repeats
    rows = np.arange(stamps.size)
    come = stamps[: turns[0]].max()
    second: Mask = repeats | (alone & (rows >= turns[0]) & (stamps <= come))
    late: Mask = ~second & (rows < turns[0]) & (stamps > stamps[second].max())
    return second, late
