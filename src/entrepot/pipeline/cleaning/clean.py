"""Clean one raw series: from points as they were delivered to one regular series, in eight steps, in this order.

1. The custom function makes points of points. 2. The stamps are read by the clock that wrote them. 3. The points
become regular steps (`steps`), of which those with too few points may be left out. 4. Short gaps are filled. 5. The
operation changes values. 6. The bounds and the filter drop values (or points, before they become steps). 7. The
derivative filter drops values by their change per second since the value before. 8. Only intervals that are known to
be complete are kept: those that begin after the first raw point and end at or before the last one, and, where there is
a delay, ended that long ago.

Nothing here touches a store: `influence` says what to read for a change of raw points, `clean` computes it.
"""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Protocol

import numpy as np

from entrepot.errors import InvalidInput
from entrepot.pipeline.cleaning.influence import Extent, context
from entrepot.pipeline.cleaning.spec import CleaningSpec
from entrepot.pipeline.cleaning.steps import counts, spans, to_steps
from entrepot.pipeline.intervals import EVER
from entrepot.series.clocks import (
    Mask,
    Passes,
    Stamps,
    ceil_to_grid,
    count_steps,
    floor_to_grid,
    grid_near,
    next_start,
    to_utc,
    unusual,
)
from entrepot.series.frequency import SECOND
from entrepot.series.resample import Values


class Functions(Protocol):
    """The user's functions, applied to arrays; only those that the configuration has are called."""

    def operation(self, values: Values) -> Values:
        """Return the new value for each; NaN for none."""

    def filter(self, values: Values) -> Mask:
        """Return which values to keep."""

    def derivative_filter(self, derivatives: Values) -> Mask:
        """Return which values to keep, by their change per second since the value before."""

    def custom(self, times: Stamps, values: Values) -> tuple[Stamps, Values]:
        """Return other points for these; stamps in the clock of the input, in microseconds."""


@dataclass(slots=True)
class CleaningReport:
    """What became of the points and of the intervals, counted; within the window, where there is one.

    Attributes
    ----------
    points
        Raw points, or what the custom function made of them.
    empty
        Points without a finite value: left out.
    ambiguous, nonexistent
        Points with a stamp that the wall clock showed twice, or never: kept, at the instant that `clocks.to_utc` says.
    duplicates
        Points at an instant where a later one lies too: left out.
    off_grid
        Points off the grid, where the input is expected to be regular: left out.
    intervals
        Complete intervals between the first and the last raw point.
    incomplete
        Intervals held back at either end, because there is no raw point before their start or at or after their end.
    delayed
        Intervals held back because they ended too short a time ago.
    missing
        Complete intervals for which there is no value, or too few points.
    interpolated
        Intervals whose value was filled in.
    filtered, derivative_filtered
        Values (or points, where the filter comes first) that the filters dropped.
    kept
        Values that came out.
    """

    points: int = 0
    empty: int = 0
    ambiguous: int = 0
    nonexistent: int = 0
    duplicates: int = 0
    off_grid: int = 0
    intervals: int = 0
    incomplete: int = 0
    delayed: int = 0
    missing: int = 0
    interpolated: int = 0
    filtered: int = 0
    derivative_filtered: int = 0
    kept: int = 0

    def as_dict(self) -> dict[str, int]:
        """Return the counts by name."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Cleaned:
    """One regular series, or a window of it.

    Attributes
    ----------
    times
        The starts of the intervals that have a value, in UTC, ascending.
    values
        Their values, all finite.
    report
        What became of the rest.
    due
        The instant at which the first delayed interval may be computed, in UTC; None if none is delayed.
    counts
        How many points each of the intervals has, where the configuration asks for a share of them.
    """

    times: Stamps
    values: Values
    report: CleaningReport
    due: int | None = None
    counts: Stamps | None = None


def clean(
    raw_times: Stamps,
    raw_values: Values,
    spec: CleaningSpec,
    functions: Functions | None = None,
    *,
    passes: Passes | None = None,
    extent: Extent | None = None,
    window: tuple[int, int] | None = None,
    now: int | None = None,
) -> Cleaned:
    """Clean raw points.

    Parameters
    ----------
    raw_times
        Stamps as delivered: microseconds of the clock of `spec`, ascending.
    raw_values
        The values; NaN counts as no point.
    spec
        The configuration.
    functions
        The user's functions; needed if the configuration has any.
    passes
        What is known of stamps that the clock may have shown twice (see `clocks.to_utc`).
    extent
        What must be known of the whole raw series; needed if the points are only a part of it.
    window
        Which intervals to return: those that start within this half-open range of instants in UTC. The points must be
        those that `influence` says.
    now
        The present, in UTC; needed if the configuration has a delay.

    Raises
    ------
    InvalidInput
        A function did not return what it must, or the frequency is too fine for the range of time.
    """
    report = CleaningReport()
    passes = np.zeros(len(raw_times), np.int8) if passes is None else passes
    extent = extent or Extent.of(to_utc(raw_times, spec.input_clock, ambiguous=passes))
    if extent is None:
        return Cleaned(np.empty(0, np.int64), np.empty(0), report)
    start, stop, due = _bounds(spec, extent, window or EVER, now, report)
    times, values = _points(raw_times, raw_values, passes, spec, functions, window or EVER, report)
    kept = _filtered(times, values, spec, functions, window or EVER, report)
    if start >= stop:
        return Cleaned(np.empty(0, np.int64), np.empty(0), report, due)
    # A derivative may look back to the very first value: then everything before the window is made too.
    margin = extent.last - extent.first if spec.has_derivative_filter else context(spec)
    low, high, _ = _bounds(spec, extent, (start - margin, stop + margin), now)
    starts, out, filled, made_of = _steps(times, values, kept, spec, low, high)
    inside = (starts >= start) & (starts < stop)
    report.interpolated = int((filled & inside).sum())
    known = ~np.isnan(out)
    report.missing = count_steps(start, stop, spec.step, spec.output_clock) - int((known & inside).sum())
    if not spec.has_derivative_filter:
        known &= inside
    returned, out = _apply(starts[known], out[known], spec, functions, inside[known], report)
    part = slice(*np.searchsorted(returned, [start, stop]))
    returned, out = returned[part], out[part]
    report.kept = len(returned)
    numbers = None if spec.completeness is None else made_of[np.searchsorted(starts, returned)]
    return Cleaned(returned, out, report, due, numbers)


def _steps(
    times: Stamps, values: Values, kept: Mask, spec: CleaningSpec, low: int, high: int
) -> tuple[Stamps, Values, Mask, Stamps]:
    """Return the intervals between two bounds, their values, which of these are filled in, and the counts of points.

    Far from all points nothing is made: a stamp that is years off costs no steps.
    """
    reach = context(spec) + 2 * spec.step.longest
    if spec.weighs_points:
        begins, ends = spans(times, spec)
        reach += int((ends - begins).max(initial=0))
    edges, whole = grid_near(times, low, high, spec.step, spec.output_clock, reach)
    if len(edges) < 2:
        nothing = np.empty(0, np.int64)
        return nothing, np.empty(0), np.empty(0, bool), nothing
    out, filled = to_steps(times, values, spec, edges, kept)
    return edges[:-1][whole], out[whole], filled[whole], counts(times[kept], spec, edges)[whole]


def _bounds(
    spec: CleaningSpec,
    extent: Extent,
    window: tuple[int, int],
    now: int | None,
    report: CleaningReport | None = None,
) -> tuple[int, int, int | None]:
    """Return the range of the complete intervals within the window, and when more of them are due."""
    freq, clock = spec.step, spec.output_clock
    first, last = extent

    def at(function: Callable[..., Stamps], instant: int) -> int:
        return int(function(np.array([instant], np.int64), freq, clock)[0])

    low, high = at(next_start, first), at(floor_to_grid, last)
    ready, due = high, None
    if spec.delay is not None and now is not None and low < high:
        delay = spec.delay.longest
        ready = max(low, min(high, at(floor_to_grid, now - delay)))
        due = at(next_start, ready) + delay if ready < high else None
    outer = (at(floor_to_grid, first), at(next_start, last))
    lowest, highest = (at(ceil_to_grid, min(max(bound, outer[0]), outer[1])) for bound in window)
    start, stop = max(low, lowest), min(ready, highest)
    if report is not None:

        def count(since: int, until: int) -> int:
            return count_steps(max(since, lowest), min(until, highest), freq, clock)

        report.intervals = count(low, high)
        report.incomplete = count(*outer) - report.intervals
        report.delayed = count(ready, high)
    return start, stop, due


def _points(
    raw_times: Stamps,
    raw_values: Values,
    passes: Passes,
    spec: CleaningSpec,
    functions: Functions | None,
    window: tuple[int, int],
    report: CleaningReport,
) -> tuple[Stamps, Values]:
    """Return the points at instants in UTC, ascending, unique, finite."""
    naive, values = raw_times, raw_values
    times = to_utc(naive, spec.input_clock, ambiguous=passes)
    if spec.has_custom:
        order = np.argsort(times, kind="stable")
        naive, values = _given(functions).custom(naive[order], values[order])
        naive, values = np.asarray(naive, np.int64), np.asarray(values, np.float64)
        if naive.ndim != 1 or naive.shape != values.shape:
            raise InvalidInput.field("custom", "It must return as many stamps as values.")
        if not (passes == 2).any():  # else the order tells the passes apart
            order = np.argsort(naive, kind="stable")
            naive, values = naive[order], values[order]
        times = to_utc(naive, spec.input_clock)
    counted = (times >= window[0]) & (times < window[1])
    twice, never = unusual(naive, spec.input_clock)
    finite = np.isfinite(values)
    report.points = int(counted.sum())
    report.ambiguous, report.nonexistent = int((twice & counted).sum()), int((never & counted).sum())
    report.empty = int((~finite & counted).sum())
    if not finite.all():
        times, values = times[finite], values[finite]
    steps = np.diff(times)
    if (steps <= 0).any():
        order = np.argsort(times, kind="stable")
        times, values = times[order], values[order]
        unique = np.append(times[1:] > times[:-1], True)
        report.duplicates = _count(times[~unique], window)
        times, values = times[unique], values[unique]
    if spec.on_grid:
        regular = floor_to_grid(times, spec.step, spec.output_clock) == times
        report.off_grid = _count(times[~regular], window)
        times, values = times[regular], values[regular]
    return times, values


def _filtered(
    times: Stamps,
    values: Values,
    spec: CleaningSpec,
    functions: Functions | None,
    window: tuple[int, int],
    report: CleaningReport,
) -> Mask:
    """Return which points count, by the filter where that comes first."""
    kept = np.ones(len(times), bool)
    if spec.filter_first and spec.filters and len(times):
        kept = _kept(times, values, spec, functions)
        report.filtered = _count(times[~kept], window)
    return kept


def _apply(
    times: Stamps,
    values: Values,
    spec: CleaningSpec,
    functions: Functions | None,
    inside: Mask,
    report: CleaningReport,
) -> tuple[Stamps, Values]:
    """Apply the user's functions to values at regular steps."""
    if spec.has_operation and len(values):
        values = np.asarray(_given(functions).operation(values), np.float64)
        _check("convert", values.shape, times.shape)
    finite = np.isfinite(values)
    report.missing += int((~finite & inside).sum())
    times, values, inside = times[finite], values[finite], inside[finite]
    if spec.filters and not spec.filter_first and len(values):
        kept = _kept(times, values, spec, functions)
        report.filtered = int((~kept & inside).sum())
        times, values, inside = times[kept], values[kept], inside[kept]
    if spec.has_derivative_filter and len(values) > 1:
        derivatives = np.diff(values) / (np.diff(times) / SECOND)
        kept = np.append(True, _mask("keep_rate", _given(functions).derivative_filter(derivatives), times[1:]))
        report.derivative_filtered = int((~kept & inside).sum())
        times, values = times[kept], values[kept]
    return times, values


def _kept(times: Stamps, values: Values, spec: CleaningSpec, functions: Functions | None) -> Mask:
    """Return which values lie within the bounds and pass the filter."""
    kept = np.ones(len(values), bool)
    if spec.has_filter:
        kept = _mask("keep", _given(functions).filter(values), times)
    if spec.minimum is not None:
        kept &= values >= spec.minimum
    if spec.maximum is not None:
        kept &= values <= spec.maximum
    return kept


def _given(functions: Functions | None) -> Functions:
    assert functions is not None, "the configuration has functions"
    return functions


def _mask(field: str, kept: object, times: Stamps) -> Mask:
    mask = np.asarray(kept, bool)
    _check(field, mask.shape, times.shape)
    return mask


def _check(field: str, got: tuple[int, ...], wanted: tuple[int, ...]) -> None:
    if got != wanted:
        raise InvalidInput.field(field, f"It must return one result for each of {wanted[0]} values.")


def _count(times: Stamps, window: tuple[int, int]) -> int:
    return int(((times >= window[0]) & (times < window[1])).sum())
