"""Which intervals can change when raw points change, and which raw points are needed to compute these anew."""

from typing import Final, NamedTuple

import numpy as np

from entrepot.pipeline.spec import CleaningSpec
from entrepot.series.clocks import Clock, Stamps, ceil_to_grid, floor_to_grid, next_start, to_naive, to_utc
from entrepot.series.frequency import DAY, Frequency

EVER: Final = (-(2**62), 2**62)


class Extent(NamedTuple):
    """What must be known of a whole raw series to clean any part of it.

    Attributes
    ----------
    first, last
        Its first and last stamps, as delivered, in microseconds.
    step
        The median distance between its neighbouring points, in microseconds; 0 where there is one point only. Only
        inputs that are amounts or means depend on it; when it changes, all of their output has to be made anew.
    """

    first: int
    last: int
    step: int

    @classmethod
    def of(cls, times: Stamps) -> "Extent | None":
        """Return the extent of ascending stamps; None if there are none."""
        if not len(times):
            return None
        step = int(np.median(np.diff(times))) if len(times) > 1 else 0
        return cls(int(times[0]), int(times[-1]), step)


class Influence(NamedTuple):
    """What to read and what to write, both half-open: raw stamps as delivered, and starts of intervals in UTC."""

    read_start: int
    read_stop: int
    write_start: int
    write_stop: int


def input_step(spec: CleaningSpec, extent: Extent) -> int:
    """Return the step of the input, in microseconds: as declared where it is expected to be regular, else as it is."""
    declared = spec.freq.microseconds if spec.input_expected_regular else None
    return declared or extent.step


def influence(
    spec: CleaningSpec,
    extent: Extent,
    dirty_start: int,
    dirty_stop: int,
    previous: int | None,
    following: int | None,
) -> Influence:
    """Return what a change of raw points can change, and what is needed to compute it.

    Cleaning the points of the read range with the window of the write range gives, to the last bit, what cleaning the
    whole series gives there; outside of the write range, nothing changes.

    Parameters
    ----------
    spec, extent
        The configuration, and the whole raw series as it is now.
    dirty_start, dirty_stop
        The half-open range of stamps, as delivered, within which points were added, replaced or removed.
    previous, following
        The stamps of the last raw point before that range and of the first one at or after its end; None if there are
        none.

    Returns
    -------
    The ranges; both `EVER` where everything is to be read and written: for a change without bounds, and because a
    derivative filter compares with values however far back, and a custom function without offsets may look at anything.
    """
    endless = dirty_start <= EVER[0] or dirty_stop >= EVER[1]
    if endless or spec.has_derivative_filter or (spec.has_custom and spec.custom_reach is None):
        return Influence(*EVER, *EVER)
    clock, freq, grid_clock = spec.input_clock, spec.freq, spec.output_clock
    low, high = _instants(dirty_start, dirty_stop - 1, clock)
    before = None if previous is None else _instants(previous, previous, clock)[0]
    after = None if following is None else _instants(following, following, clock)[1]
    if spec.has_custom and spec.custom_reach is not None:
        backward, forward = spec.custom_reach
        # What the function makes between the points is not known here: take the widest bounds.
        start, stop = _widest(spec, input_step(spec, extent), low - forward, high + backward)
    elif spec.is_index:
        start, stop = _of_index(spec, low, high, before, after)
    elif spec.has_durations:
        start, stop = _of_spans(spec, input_step(spec, extent), low, high, before, after)
    else:
        start, stop = low, high + 1
    # Beyond the ends of the data, intervals were held back that are complete now.
    if after is None and before is not None:
        start = min(start, before)
    if before is None and after is not None:
        stop = max(stop, after + 1)
    margin = spec.interpolate_limit * freq.longest
    write_start = _floor(_floor(start, freq, grid_clock) - margin, freq, grid_clock)
    write_stop = _ceil(_ceil(stop, freq, grid_clock) + margin, freq, grid_clock)
    return Influence(*_read(spec, extent, write_start, write_stop), write_start, write_stop)


def context(spec: CleaningSpec) -> int:
    """Return for how long before and after an interval its neighbours decide whether and how it is filled."""
    return (spec.interpolate_limit + 1) * spec.freq.longest if spec.interpolate_limit else 0


def _read(spec: CleaningSpec, extent: Extent, start: int, stop: int) -> tuple[int, int]:
    reach = 0
    if spec.is_index:
        reach = 2 * spec.freq.longest
    elif spec.has_durations:
        reach = 3 * input_step(spec, extent) + 1
    backward, forward = (spec.custom_reach or (0, 0)) if spec.has_custom else (0, 0)
    # Around a change of time, stamps up to the size of the change away may mean the same instant.
    slack = 0 if spec.input_clock.fixed else DAY
    margin = context(spec) + reach
    bounds = np.array([start - margin - backward, stop + margin + forward + 1], np.int64)
    low, high = to_naive(bounds, spec.input_clock).tolist()
    return low - slack, high + slack


def _of_index(spec: CleaningSpec, low: int, high: int, before: int | None, after: int | None) -> tuple[int, int]:
    """Return the bounds of the intervals at those edges whose neighbouring points may be others now."""
    reach, freq, clock = 2 * spec.freq.longest, spec.freq, spec.output_clock
    above = low - reach if before is None else max(before, low - reach)
    below = high + reach if after is None else min(after, high + reach)
    first = int(next_start(np.array([above]), freq, clock)[0])
    last = _floor(below - 1, freq, clock)
    return first - 1, last + 1


def _of_spans(
    spec: CleaningSpec, step: int, low: int, high: int, before: int | None, after: int | None
) -> tuple[int, int]:
    """Return the bounds of the time that the points in between stand for, or stood for."""
    near = step + step // 2
    before = before if before is not None and low - before <= near else None
    after = after if after is not None and after - high <= near else None
    amounts = spec.input_unit_type == "delta"
    if spec.input_convention == "left":
        stop = after if after is not None else high + step
        if amounts and _is_short(spec, near, high):
            stop = high + 1
        start = low
        if before is not None:
            if not amounts:
                start = min(low, before + step)
            elif not _is_short(spec, near, before):
                start = before
        return start, max(stop, high + 1)
    start = before if before is not None else low - step
    stop = high
    if after is not None:
        stop = after if amounts else max(high, after - step)
    return start, max(stop, start + 1)


def _widest(spec: CleaningSpec, step: int, low: int, high: int) -> tuple[int, int]:
    if spec.is_index:
        return _of_index(spec, low, high, None, None)
    reach = step + step // 2 if spec.has_durations else 0
    return low - reach, high + reach + 1


def _is_short(spec: CleaningSpec, length: int, at: int) -> bool:
    """Return whether a point of that length fits into the interval that it begins in."""
    start = _floor(at, spec.freq, spec.output_clock)
    return length <= _ceil(at + 1, spec.freq, spec.output_clock) - start


def _instants(first: int, last: int, clock: Clock) -> tuple[int, int]:
    """Return the earliest and the latest instant that stamps from `first` to `last` can mean."""
    stamps = np.array([first, last], np.int64)
    both = np.concatenate([to_utc(stamps, clock, ambiguous="first"), to_utc(stamps, clock, ambiguous="second")])
    return int(both.min()), int(both.max())


def _floor(at: int, freq: Frequency, clock: Clock) -> int:
    return int(floor_to_grid(np.array([at], np.int64), freq, clock)[0])


def _ceil(at: int, freq: Frequency, clock: Clock) -> int:
    return int(ceil_to_grid(np.array([at], np.int64), freq, clock)[0])
