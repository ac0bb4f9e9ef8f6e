"""Files that begin inside an hour which the clock showed twice: nothing in such a file tells which time around it was.

What was imported before it may: a file that goes back, with other values at the same stamps, is of the second time
around; one that goes on where the rows before it ended is of theirs. Nothing here touches a database.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np

from entrepot.series import second_pass
from entrepot.series.clocks import Clock, Stamps, unusual
from entrepot.series.frequency import HOUR
from entrepot.series.points import Points, Tags
from entrepot.series.search import count_upto
from entrepot.series.zones import shown_twice_somewhere

#: How an importer decides: by what came before, by the times of files, or always so where neither is known.
CHOICES: Final = ("order", "modified", "first", "second")
#: No clock was put back by more; rows that lie further apart say nothing of each other.
NEAR: Final = 2 * HOUR

Pass = Literal[1, 2]


@dataclass(frozen=True, slots=True)
class OpenHour:
    """An hour that the clock showed twice, with rows of a file of which the file does not tell which time it was.

    Attributes
    ----------
    start
        The time of the first of these rows, read as of the first time around.
    shown
        Its stamp as it was delivered.
    turn
        The instant at which the clock was put back; None where its zone is not known.
    shift
        By how much it was; an hour where that is not known.
    """

    start: int
    shown: int
    turn: int | None = None
    shift: int = HOUR

    @property
    def window(self) -> tuple[int, int]:
        """Between which times stored points tell something."""
        if self.turn is None:
            return self.start - NEAR, self.start + NEAR + 1
        return self.turn - self.shift - NEAR, self.turn + self.shift + NEAR

    @property
    def rows(self) -> tuple[int, int]:
        """Between which times the rows lie that the file leaves open, read as of the first time around."""
        return self.start, (self.start + NEAR + 1 if self.turn is None else self.turn)


@dataclass(frozen=True, slots=True)
class Around:
    """What is stored of a series around an open hour, in stamps of the first time around.

    Attributes
    ----------
    first, second
        Points of the first time around, with those before; and of the second.
    later
        Whether there are points after the hour.
    """

    first: Points
    second: Points
    later: bool

    @classmethod
    def of(cls, stored: Points, hour: OpenHour) -> "Around":
        """Sort out points that lie in the hour's window."""
        if hour.turn is None:
            again = np.zeros(len(stored), bool) if stored.tags is None else stored.tags == second_pass.SECOND
            return cls(stored[~again], _moved(stored[again], -1), later=False)
        end = hour.turn + hour.shift
        second = _moved(stored[stored.within(hour.turn, end)], -hour.shift)
        return cls(stored[stored.within(None, hour.turn)], second, bool((stored.times >= end).any()))


def in_known_zone(stamps: Stamps, times: Stamps, clock: Clock) -> list[OpenHour]:
    """Return the open hours of a file's stamps, in the order of time, which `clock` showed at these times."""
    zone = clock.zone
    if zone is None or not (twice := unusual(stamps, clock)[0]).any():
        return []
    change, found = count_upto(zone.earlier, stamps) - 1, []
    for each in np.unique(change[twice]).tolist():
        rows = twice & (change == each)
        offset, begin = int(zone.offsets[each]), int(stamps[rows].min())
        shift = int(zone.later[each] - zone.earlier[each])
        if (times[rows] != stamps[rows] - offset).any() or ((stamps >= begin - shift) & (stamps < begin)).any():
            continue
        found.append(OpenHour(begin - offset, begin, int(zone.changes[each]), shift))
    return found


def in_unknown_zone(stamps: Stamps, tags: Tags | None) -> list[OpenHour]:
    """Return the open hour, if any, at the begin of a file's stamps whose clock is not known."""
    begin = int(stamps.min(initial=np.iinfo(np.int64).max))
    if not stamps.size or not shown_twice_somewhere(np.array([begin])).any():
        return []
    near = stamps <= begin + NEAR
    if tags is not None and any(tag is not None for tag in tags[near]):
        return []
    return [OpenHour(begin, begin)]


def told(new: Points, around: Around, hour: OpenHour, *, out_of_order: bool) -> Pass | None:
    """Return of which time around a series' new points are, as what is stored of it tells; None if it does not.

    Parameters
    ----------
    new
        The points that the file leaves open, as of the first time around.
    out_of_order
        Whether a file that comes after this one was imported before it, so that what is stored may be either.
    """
    first, second = around.first, around.second
    one, two = _agreement(new, first), _agreement(new, second)
    if one == "differ" and two != "differ" and not out_of_order:
        return 2
    if (two == "differ" and one == "same") or (one == "same" and two is None):
        return 1
    if two == "same" and one is None:
        return 2
    if one is not None or two is not None:
        return None
    start = int(new.times[0])
    if len(second):
        return 2 if start > second.times[-1] and not out_of_order else None
    before, after = first.times[first.times < start], first.times[first.times > start]
    if around.later or out_of_order:
        return None
    if not after.size:
        return 1 if hour.turn is None or (before.size and start - before[-1] <= hour.shift) else None
    # It goes back among what is stored: to fill a gap there, or because the clock was put back.
    step = _step(first) or _step(new)
    gapless = before.size and step is not None and after[0] - before[-1] <= 1.5 * step
    return 2 if gapless else None


def by_lag(begin: int, before: int, shift: int) -> Pass | None:
    """Return what the times of files tell: files lag behind their stamps by a shift more once a clock was put back."""
    for which, expected in ((1, 0), (2, shift)):
        if abs(begin - before - expected) <= shift // 4:
            return which  # type: ignore[return-value]
    return None


def guessed(new: Sequence[tuple[Points, Around]]) -> Pass:
    """Return how to take what nothing tells: so that nothing that is stored is overwritten, as far as can be."""
    return 2 if any(_agreement(points, around.first) is not None for points, around in new) else 1


def _agreement(new: Points, stored: Points) -> Literal["same", "flat", "differ"] | None:
    """Return whether values of the same stamps agree; ``flat`` where all are one, None where there are no such."""
    _, ours, theirs = np.intersect1d(new.times, stored.times, assume_unique=True, return_indices=True)
    if not ours.size:
        return None
    values = new.values[ours]
    if (values != stored.values[theirs]).any():
        return "differ"
    return "same" if (values != values[0]).any() else "flat"


def _step(points: Points) -> float | None:
    return float(np.median(np.diff(points.times))) if len(points) > 1 else None


def _moved(points: Points, by: int) -> Points:
    return Points(points.times + by, points.values, points.tags)
