"""Bring values to the intervals of a frequency: coarser by a rule, finer by repeating or splitting."""

from typing import Final, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from entrepot.errors import InvalidInput
from entrepot.series.clocks import Clock, Stamps, floor_to_grid, grid, next_start
from entrepot.series.frequency import Frequency
from entrepot.series.search import count_upto

Values = NDArray[np.float64]
Rule = Literal["mean", "sum", "first", "last", "min", "max", "count"]

RULES: Final[tuple[Rule, ...]] = get_args(Rule)


def resample(
    times: Stamps,
    values: Values,
    freq: Frequency,
    clock: Clock,
    rule: Rule = "mean",
    label: Literal["left", "right"] = "left",
) -> tuple[Stamps, Values]:
    """Combine the values inside each interval of `freq`.

    Parameters
    ----------
    times
        Instants in UTC, ascending.
    values
        The values at them; NaN counts as no value.
    freq, clock
        The step, and the clock whose midnights, months and years the intervals follow (see `clocks.floor_to_grid`).
    rule
        How the values of an interval become one.
    label
        Whether an interval is stamped with its start or with its end.

    Returns
    -------
    The stamps in UTC and the values, of those intervals only that hold a value.
    """
    if rule not in RULES:
        raise InvalidInput.field("rule", f"{rule!r} is not one of {', '.join(RULES)}.")
    missing = np.isnan(values)
    if missing.any():
        times, values = times[~missing], values[~missing]
    if not len(times):
        return np.empty(0, np.int64), np.empty(0)
    starts, positions = intervals(times, freq, clock)
    stamps = starts if label == "left" else next_start(starts, freq, clock)
    return stamps, aggregate(values, positions, rule)


def aggregate(values: Values, positions: NDArray[np.intp], rule: Rule) -> Values:
    """Combine each run of values into one.

    `positions` are those of the runs' first values, ascending; a run ends where the next one begins.
    """
    if rule == "first":
        return values[positions]
    if rule == "last":
        lasts: Values = values[np.append(positions[1:], len(values)) - 1]
        return lasts
    if rule in ("min", "max"):
        extremes: Values = (np.minimum if rule == "min" else np.maximum).reduceat(values, positions)
        return extremes
    counts = np.diff(positions, append=len(values)).astype(np.float64)
    if rule == "count":
        return counts
    sums: Values = np.add.reduceat(values, positions)
    return sums if rule == "sum" else sums / counts


def spread(
    times: Stamps,
    values: Values,
    step: Frequency,
    target: Frequency,
    clock: Clock,
    rule: Rule,
    step_clock: Clock | None = None,
) -> tuple[Stamps, Values]:
    """Bring values of long intervals to the shorter ones of `target`.

    Each value holds from its stamp to the end of its interval of `step` (by `step_clock`, where that is not `clock`),
    or to the next stamp where that is earlier.
    With the rule ``sum`` it is split over the shorter intervals by time; with any other it is repeated (an interval of
    `target` that lies in two of `step` gets the mean, weighted by time).

    Returns
    -------
    The starts in UTC and the values, of those intervals only that are covered.
    """
    missing = np.isnan(values)
    if missing.any():
        times, values = times[~missing], values[~missing]
    if not len(times):
        return np.empty(0, np.int64), np.empty(0)
    ends = next_start(times, step, step_clock or clock)
    ends[:-1] = np.minimum(ends[:-1], times[1:])
    first = int(floor_to_grid(times[:1], target, clock)[0])
    edges = grid(first, int(ends[-1]), target, clock)
    edges = np.append(edges, next_start(edges[-1:], target, clock))
    which, bins, shared = overlaps(times, ends, edges)
    weights = np.bincount(bins, shared, len(edges) - 1)
    if rule == "sum":
        out = summed(values[which] * (shared / (ends - times)[which]), bins, len(edges) - 1)
    else:
        out = weighted_mean(values[which], shared, bins, len(edges) - 1)
    covered = weights > 0
    return edges[:-1][covered], out[covered]


def overlaps(starts: Stamps, ends: Stamps, edges: Stamps) -> tuple[NDArray[np.intp], NDArray[np.intp], Stamps]:
    """Cut spans of time at `edges`.

    Parameters
    ----------
    starts, ends
        The spans ``[start, end)``; those that are empty or outside all edges are left out.
    edges
        Ascending; the interval i goes from edge i to edge i + 1.

    Returns
    -------
    For each piece: the span that it is of, the interval that it is in, and its length in microseconds.
    """
    kept = np.flatnonzero((starts < ends) & (ends > edges[0]) & (starts < edges[-1]))
    first = np.maximum(count_upto(edges, starts[kept]) - 1, 0)
    last = np.minimum(count_upto(edges, ends[kept] - 1) - 1, len(edges) - 2)
    pieces = last - first + 1
    which = np.repeat(kept, pieces)
    bins = np.arange(len(which)) - np.repeat(np.cumsum(pieces) - pieces - first, pieces)
    return which, bins, np.minimum(ends[which], edges[bins + 1]) - np.maximum(starts[which], edges[bins])


def summed(values: Values, bins: NDArray[np.intp], count: int) -> Values:
    """Return the sum by interval, 0 where there is nothing."""
    return np.bincount(bins, values, count).astype(np.float64, copy=False)


def weighted_mean(values: Values, weights: Stamps, bins: NDArray[np.intp], count: int) -> Values:
    """Return the mean by interval, NaN where there is no weight."""
    # Around the first value of each interval, so that the mean of equal values is that value exactly.
    base = np.zeros(count)
    base[bins[::-1]] = values[::-1]
    total = np.bincount(bins, weights, count)
    with np.errstate(invalid="ignore"):
        return base + np.bincount(bins, (values - base[bins]) * weights, count) / total


def intervals(times: Stamps, freq: Frequency, clock: Clock) -> tuple[Stamps, NDArray[np.intp]]:
    """Return the starts of the intervals that hold times, and the positions of the first time of each."""
    first, last = int(floor_to_grid(times[:1], freq, clock)[0]), int(times[-1])
    if (last - first) // freq.longest < len(times):
        starts = grid(first, last + 1, freq, clock)
        positions = np.searchsorted(times, starts)
        held = np.diff(positions, append=len(times)) > 0
        return starts[held], positions[held]
    floors = floor_to_grid(times, freq, clock)
    positions = np.flatnonzero(np.diff(floors, prepend=floors[0] - 1))
    return floors[positions], positions
