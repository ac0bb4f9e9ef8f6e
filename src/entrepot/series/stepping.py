"""Steps made of points: by a rule, by how long each value stood, and how complete they are."""

from dataclasses import dataclass
from typing import Final, Literal, get_args

import numpy as np

from entrepot.series.clocks import Clock, floor_to_grid, next_start
from entrepot.series.frequency import Frequency
from entrepot.series.points import Points, Times, Values
from entrepot.series.resample import RULES, aggregate, intervals
from entrepot.series.totals import Totals

Aggregate = Literal["mean", "sum", "first", "last", "min", "max", "count", "weighted_mean"]
#: How the points of a step become one: by a rule, or as the mean weighted by how long each value stood.
AGGREGATES: Final[tuple[Aggregate, ...]] = get_args(Aggregate)
WEIGHTED: Final = "weighted_mean"


@dataclass(frozen=True)
class Steps:
    """The steps to which points are brought.

    Attributes
    ----------
    step, clock
        Their length, and whose midnights, months and years they follow.
    how
        How the points of one become its value.
    native
        The step of the series itself, by which completeness is told; None: it has none.
    """

    step: Frequency
    clock: Clock
    how: Aggregate
    native: Frequency | None = None

    def begins(self, time: int) -> int:
        """Return the start of the step in which an instant lies."""
        return int(floor_to_grid(np.array([time], np.int64), self.step, self.clock)[0])

    def of(self, points: Points, before: tuple[int, float] | None = None) -> tuple[Points, Values]:
        """Return the steps that hold points, and how complete each is, in per cent; NaN where that cannot be told.

        Parameters
        ----------
        before
            The last point before these, whose value stands until the first of them.
        """
        if not len(points):
            return points, np.empty(0)
        starts, positions = intervals(points.times, self.step, self.clock)
        ends = next_start(starts, self.step, self.clock)
        counts = aggregate(points.values, positions, "count")
        if self.how == WEIGHTED:
            values = weighted_mean(points.times, points.values, starts, ends, positions, before)
        else:
            assert self.how in RULES
            values = aggregate(points.values, positions, self.how)
        return Points(starts, values), self._complete(starts, counts, ends)

    def of_totals(self, found: Totals) -> tuple[Points, Values]:
        """Return the same of what is kept with the points; `how` is one of :data:`.totals.RULES`."""
        return Points(found.starts, found.by(self.how)), self._complete(found.starts, found.counts)

    def _complete(self, starts: Times, counts: Values, ends: Times | None = None) -> Values:
        if self.native is None:
            return np.full(len(starts), np.nan)
        ends = next_start(starts, self.step, self.clock) if ends is None else ends
        complete: Values = np.minimum(100.0, 100.0 * counts * self.native.longest / (ends - starts))
        return complete


def weighted_mean(
    times: Times, values: Values, starts: Times, ends: Times, positions: Times, before: tuple[int, float] | None
) -> Values:
    """Return the mean of each step, each value weighted by how long it stood: until the next one, or the step's end.

    What stood when a step began counts from its start on; before the first point of all, nothing is known.

    Parameters
    ----------
    starts, ends
        Of the steps, each of which holds a point.
    positions
        Of the first point of each step.
    before
        The last point before these.
    """
    counts = np.diff(positions, append=len(times))
    until = np.minimum(np.append(times[1:], ends[-1]), np.repeat(ends, counts))
    stood = (until - times).astype(np.float64)
    # Around the first value of each step, so that the mean of equal values is that value exactly.
    base = values[positions]
    total = np.add.reduceat((values - np.repeat(base, counts)) * stood, positions)
    weight = np.add.reduceat(stood, positions)
    head = (times[positions] - starts).astype(np.float64)
    earlier = values[positions - 1]
    if before is None:
        head[0] = 0.0
    else:
        earlier[0] = before[1]
    means: Values = base + (total + (earlier - base) * head) / (weight + head)
    return means
