"""Which intervals can change when raw points change, and which raw points are needed to compute these anew."""

from typing import NamedTuple

import numpy as np

from entrepot.pipeline.cleaning.spec import CleaningSpec
from entrepot.pipeline.cleaning.steps import NEIGHBOURS
from entrepot.pipeline.intervals import EVER
from entrepot.series.clocks import Clock, Stamps, ceil_to_grid, floor_to_grid, next_start, to_naive, to_utc
from entrepot.series.frequency import DAY, Frequency


class Extent(NamedTuple):
    """The first and the last instant of a whole raw series, of which no part can be cleaned without knowing them."""

    first: int
    last: int

    @classmethod
    def of(cls, times: Stamps) -> "Extent | None":
        """Return the extent of instants, in any order; None if there are none."""
        return cls(int(times.min()), int(times.max())) if len(times) else None


class Influence(NamedTuple):
    """What to read and what to write, both half-open: raw stamps as delivered, and starts of intervals in UTC.

    On both sides of the range, as many further points are to be read as `further` says.
    """

    read_start: int
    read_stop: int
    write_start: int
    write_stop: int


def further(spec: CleaningSpec) -> int:
    """Return how many points beyond a range decide how long those within it last."""
    return NEIGHBOURS + 3 if spec.looks_around else 0


def influence(spec: CleaningSpec, dirty_start: int, dirty_stop: int, before: Stamps, after: Stamps) -> Influence:
    """Return what a change of raw points can change, and what is needed to compute it.

    Cleaning the points of the read range with the window of the write range gives, to the last bit, what cleaning the
    whole series gives there; outside of the write range, nothing changes.

    Parameters
    ----------
    spec
        The configuration.
    dirty_start, dirty_stop
        The half-open range of stamps, as delivered, within which points were added, replaced or removed.
    before, after
        The stamps of the raw points next to that range, ascending: `NEIGHBOURS` + 1 on either side, or all that there
        are; where the configuration does not look around, one is enough.

    Returns
    -------
    The ranges; both `EVER` where everything is to be read and written: for a change without bounds, and because a
    derivative filter compares with values however far back, and a custom function without offsets may look at anything.
    """
    endless = dirty_start <= EVER[0] or dirty_stop >= EVER[1]
    if endless or spec.has_derivative_filter or spec.makes_points_anywhere:
        return Influence(*EVER, *EVER)
    clock, freq, grid_clock = spec.input_clock, spec.step, spec.output_clock
    low, high = _instants(dirty_start, dirty_stop - 1, clock)
    past = np.sort(to_utc(before, clock, ambiguous="first"))
    future = np.sort(to_utc(after, clock, ambiguous="second"))
    if spec.has_custom and spec.custom_reach is not None:
        backward, forward = spec.custom_reach
        # What the function makes between the points is not known here: take the widest bounds.
        low, high = low - forward, high + backward
        start, stop = _of_index(spec, low, high, past[:0], future[:0]) if spec.is_index else (low, high + 1)
    elif spec.is_index:
        start, stop = _of_index(spec, low, high, past, future)
    else:
        start, stop = low, high + 1
    if spec.declared_step is not None and spec.weighs_points:
        start, stop = start - 2 * spec.declared_step, stop + 2 * spec.declared_step
    if spec.looks_around:
        start, stop = _of_neighbours(spec, start, stop, past, future)
    # Beyond the ends of the data, intervals were held back that are complete now.
    if not future.size and past.size:
        start = min(start, int(past[-1]))
    if not past.size and future.size:
        stop = max(stop, int(future[0]) + 1)
    margin = spec.fill * freq.longest
    write_start = _floor(_floor(start, freq, grid_clock) - margin, freq, grid_clock)
    write_stop = _ceil(_ceil(stop, freq, grid_clock) + margin, freq, grid_clock)
    return Influence(*_read(spec, write_start, write_stop), write_start, write_stop)


def context(spec: CleaningSpec) -> int:
    """Return for how long before and after an interval its neighbours decide whether and how it is filled."""
    return (spec.fill + 1) * spec.step.longest if spec.fill else 0


def _read(spec: CleaningSpec, start: int, stop: int) -> tuple[int, int]:
    reach = 0
    if spec.is_index:
        reach = 2 * spec.step.longest
    if spec.weighs_points:
        reach = max(reach, 3 * (spec.declared_step or 0) + 1)
    backward, forward = (spec.custom_reach or (0, 0)) if spec.has_custom else (0, 0)
    # Around a change of time, stamps up to the size of the change away may mean the same instant.
    slack = 0 if spec.input_clock.fixed else DAY
    margin = context(spec) + reach
    bounds = np.array([start - margin - backward, stop + margin + forward + 1], np.int64)
    low, high = to_naive(bounds, spec.input_clock).tolist()
    return low - slack, high + slack


def _of_index(spec: CleaningSpec, low: int, high: int, past: Stamps, future: Stamps) -> tuple[int, int]:
    """Return the bounds of the intervals at those edges whose neighbouring points may be others now."""
    reach, freq, clock = 2 * spec.step.longest, spec.step, spec.output_clock
    above, below = low - reach, high + reach
    if not spec.drops_points:
        above = max(above, int(past[-1])) if past.size else above
        below = min(below, int(future[0])) if future.size else below
    first = int(next_start(np.array([above]), freq, clock)[0])
    last = _floor(below - 1, freq, clock)
    return first - 1, last + 1


def _of_neighbours(spec: CleaningSpec, start: int, stop: int, past: Stamps, future: Stamps) -> tuple[int, int]:
    """Return the bounds of the time that points stand for, or stood for, whose neighbours may be others now."""
    known = np.concatenate([past, [start, stop], future])
    hull = np.concatenate([past[-1:], [start, stop], future[:1]])
    # No point lasts longer than from one point to another, which may be gone.
    longest = max(int(np.diff(known).max()), int(hull[-1] - hull[0]))
    begin, end = int(known[0]), int(known[-1])
    if spec.stamped == "end" and past.size <= NEIGHBOURS:
        begin -= longest
    if spec.stamped == "start" and future.size <= NEIGHBOURS:
        end += longest
    return min(begin, start), max(end + 1, stop)


def _instants(first: int, last: int, clock: Clock) -> tuple[int, int]:
    """Return the earliest and the latest instant that stamps from `first` to `last` can mean."""
    stamps = np.array([first, last], np.int64)
    both = np.concatenate([to_utc(stamps, clock, ambiguous="first"), to_utc(stamps, clock, ambiguous="second")])
    return int(both.min()), int(both.max())


def _floor(at: int, freq: Frequency, clock: Clock) -> int:
    return int(floor_to_grid(np.array([at], np.int64), freq, clock)[0])


def _ceil(at: int, freq: Frequency, clock: Clock) -> int:
    return int(ceil_to_grid(np.array([at], np.int64), freq, clock)[0])
