"""Bring the points of one series to regular steps, by what its values mean; fill short gaps.

How the table of unit types is read where it leaves room:

- A point of an amount or a mean lasts until the next point (since the one before it, for stamps on the
  right), but only as long as one step of its neighbourhood where the neighbour is farther than one and a half of these:
  a longer silence is a gap, not a long point. The step of a neighbourhood is the median of the next few distances
  between points, on either side; of two that differ, the longer one tells what is too far, and that of the point's own
  side (before it; after it, for stamps on the right) how long it lasts. So a series may change its step.
- An amount belongs to the interval in which its own begins; only one that lasts longer than that interval is split, by
  time, over all that it touches. Nothing is lost or counted twice.
- A meter (states at instants that become an amount) is read at the bounds of the intervals: exactly where a point
  lies there, else on the line between the neighbours, provided that they are less than two steps apart. The amounts of
  a run of intervals thus sum up to the difference of the meter. For the same reason gaps of a meter are filled on
  the meter, that is, the known difference is spread evenly over the gap.
"""

from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from entrepot.pipeline.cleaning.spec import CleaningSpec
from entrepot.series.clocks import Mask, Stamps, floor_to_grid, next_start
from entrepot.series.frequency import SECOND
from entrepot.series.resample import Values, aggregate, overlaps, summed, weighted_mean

#: How many distances between points, on either side of one, say what the step is there.
NEIGHBOURS: Final = 5
_NONE: Final = np.iinfo(np.int64).max


def spans(times: Stamps, spec: CleaningSpec) -> tuple[Stamps, Stamps]:
    """Return the start and end of what each point of an amount or a mean stands for.

    Parameters
    ----------
    times
        Instants in UTC, ascending and unique.
    spec
        Says at which side of its interval a point is stamped, and the step of the input where it is declared.
    """
    if spec.stamped == "start":
        return times, times + _lasting(np.diff(times), spec.declared_step)
    return times - _lasting(np.diff(times)[::-1], spec.declared_step)[::-1], times


def _lasting(gaps: Stamps, declared: int | None) -> Stamps:
    """Return how long each point lasts that comes before one of these gaps, and the one after the last gap."""
    if declared is not None:
        before = after = np.full(len(gaps) + 1, declared)
    else:
        medians = _medians(gaps)
        before, after = medians[: len(gaps) + 1], medians[NEIGHBOURS + 1 :]
    own = np.where(before > 0, before, after)
    near = np.maximum(before, after)
    alone = near == 0  # there is one gap, or none
    long = np.append((gaps > near[:-1] + near[:-1] // 2) & ~alone[:-1], True)
    return np.where(long, own, np.append(gaps, 0))


def _medians(gaps: Stamps) -> Stamps:
    """Return, for each place between and beyond gaps, the median of the `NEIGHBOURS` gaps before it; 0 for none."""
    padded = np.full(len(gaps) + 2 * NEIGHBOURS + 1, _NONE)
    padded[NEIGHBOURS : NEIGHBOURS + len(gaps)] = gaps
    ordered = np.sort(np.lib.stride_tricks.sliding_window_view(padded, NEIGHBOURS), axis=1)
    known = (ordered < _NONE).sum(axis=1)
    middle = ordered[np.arange(len(ordered)), np.maximum(known - 1, 0) // 2]
    return np.where(known > 0, middle, 0)


def to_steps(times: Stamps, values: Values, spec: CleaningSpec, edges: Stamps, kept: Mask) -> tuple[Values, Mask]:
    """Return the value of each interval, and which of them were filled in.

    Parameters
    ----------
    times, values
        The points: instants in UTC, ascending and unique; finite values.
    spec
        The types of input and output, the rule, and the longest gap to fill.
    edges
        The intervals: the one at i goes from edge i to edge i + 1.
    kept
        Which points count; the others only say how long those last.

    Returns
    -------
    One value for each interval, NaN where there is none, and the mask of those that are interpolated.
    """
    if spec.is_index:
        out, filled = _index_differences(times[kept], values[kept], spec, edges)
        out[~complete(times, spec, edges, kept) & ~filled] = np.nan
    else:
        if spec.has_durations:
            starts, ends = (bounds[kept] for bounds in spans(times, spec))
            values = values[kept]
            if spec.raw_kind == "amount":
                out = _amounts(starts, ends, values, spec, edges)
            else:
                which, bins, shared = overlaps(starts, ends, edges)
                out = weighted_mean(values[which], shared, bins, len(edges) - 1)
        else:
            out = _inside(times[kept], values[kept], spec, edges)
        out[~complete(times, spec, edges, kept)] = np.nan
        filled = short_gaps(np.isnan(out), spec.fill)
        known = ~np.isnan(out)
        if filled.any():
            out[filled] = np.interp(edges[:-1][filled], edges[:-1][known], out[known])
    if spec.kind == "rate":
        out = out / (np.diff(edges) / SECOND)
    return out, filled


def counts(times: Stamps, spec: CleaningSpec, edges: Stamps) -> NDArray[np.int64]:
    """Return how many points are stamped with an instant of each interval: at its end, for stamps on the right."""
    at_end = spec.has_durations and spec.stamped == "end"
    side: Literal["left", "right"] = "right" if at_end else "left"
    return np.diff(np.searchsorted(times, edges, side))


def complete(times: Stamps, spec: CleaningSpec, edges: Stamps, kept: Mask) -> Mask:
    """Return which intervals have the share of their points that the configuration asks for."""
    if spec.completeness is None or not len(times):
        return np.ones(len(edges) - 1, bool)
    starts, ends = spans(times, spec)
    _, bins, shared = overlaps(starts[kept], ends[kept], edges)
    covered = np.bincount(bins, shared, len(edges) - 1)
    enough: Mask = covered >= spec.completeness * np.diff(edges)
    return enough


def short_gaps(missing: Mask, limit: int) -> Mask:
    """Return the runs of missing steps that are no longer than `limit` and have a value on both sides."""
    filled = np.zeros(len(missing), bool)
    known = np.flatnonzero(~missing)
    if limit == 0 or len(known) < 2:
        return filled
    gaps = np.diff(known) - 1
    short = (gaps > 0) & (gaps <= limit)
    lengths = gaps[short]
    offsets = np.arange(lengths.sum()) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    filled[np.repeat(known[:-1][short] + 1, lengths) + offsets] = True
    return filled


def _inside(times: Stamps, values: Values, spec: CleaningSpec, edges: Stamps) -> Values:
    out = np.full(len(edges) - 1, np.nan)
    positions = np.searchsorted(times, edges)
    held = np.diff(positions) > 0
    if held.any():
        rule = spec.rule if spec.kind == "instant" else "mean"
        out[held] = aggregate(values[: positions[-1]], positions[:-1][held], rule)
    return out


def _amounts(starts: Stamps, ends: Stamps, values: Values, spec: CleaningSpec, edges: Stamps) -> Values:
    own_start = floor_to_grid(starts, spec.step, spec.output_clock)
    own_end = next_start(starts, spec.step, spec.output_clock)
    ends = np.where(ends - starts <= own_end - own_start, np.minimum(ends, own_end), ends)
    which, bins, shared = overlaps(starts, ends, edges)
    out = summed(values[which] * (shared / (ends - starts)[which]), bins, len(edges) - 1)
    out[np.bincount(bins, minlength=len(edges) - 1) == 0] = np.nan
    return out


def _index_differences(times: Stamps, values: Values, spec: CleaningSpec, edges: Stamps) -> tuple[Values, Mask]:
    index = _index(times, values, edges, next_start(edges, spec.step, spec.output_clock) - edges)
    filled = short_gaps(np.isnan(np.diff(index)), spec.fill)
    if filled.any():
        unknown, known = np.isnan(index), ~np.isnan(index)
        unknown &= np.append(filled, False) | np.insert(filled, 0, False)
        index[unknown] = np.interp(edges[unknown], edges[known], index[known])
    return np.diff(index), filled


def _index(times: Stamps, values: Values, edges: Stamps, lengths: NDArray[np.int64]) -> Values:
    """Return what a meter shows at each edge, NaN where that is not known."""
    index = np.full(len(edges), np.nan)
    before = np.searchsorted(times, edges, "right") - 1
    seen = np.flatnonzero(before >= 0)
    exact = seen[times[before[seen]] == edges[seen]]
    index[exact] = values[before[exact]]
    between = seen[(times[before[seen]] < edges[seen]) & (before[seen] + 1 < len(times))]
    left, right = before[between], before[between] + 1
    near = times[right] - times[left] < 2 * lengths[between]
    between, left, right = between[near], left[near], right[near]
    share = (edges[between] - times[left]) / (times[right] - times[left])
    index[between] = values[left] + share * (values[right] - values[left])
    return index
