"""Which intervals of an analysis can be computed, from what, and which have to be computed anew.

An input with the step f covers ``[first, last + f)``; a raw one, whose step is not known, ``[first, last]``. Let S be
the latest beginning of these, and E the earliest end. A row ``[t, t + F)`` of the script's input is complete if it lies
within ``[S, E]``, and an interval of the output is computed if all of its rows, and those of the offset after it, are
complete. The grid is that of the analysis' own clock; where the step of the output is longer than that of the input,
output intervals are computed whole or not at all.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final, Self

import numpy as np

from entrepot.pipeline.intervals import (
    Interval,
    clip_intervals,
    merge_intervals,
    subtract_intervals,
)
from entrepot.series.clocks import Clock, Stamps, ceil_to_grid, floor_to_grid, grid, next_start, to_naive
from entrepot.series.frequency import DAY, Frequency
from entrepot.series.resample import Rule, Values, resample, spread
from entrepot.series.stretches import Stretch, joined

__all__ = [
    "LONGEST_SILENCE",
    "AnalysisSpec",
    "Bounds",
    "Frame",
    "Input",
    "analysis_intervals",
    "build_frame",
    "clip_intervals",
    "merge_intervals",
    "read_range",
    "subtract_intervals",
    "touched",
    "without_points",
]

NOTHING: Final = Frequency("0H", 0, "h")
#: For so long no input may have a point, and windows are computed all the same: they may count what is missing.
LONGEST_SILENCE: Final = 366 * DAY


@dataclass(frozen=True, slots=True)
class AnalysisSpec:
    """The configuration of an analysis, as far as it decides what is computed from what.

    Attributes
    ----------
    input_step, step
        The steps of the frames that the script gets and returns.
    clock
        The clock of both frames, whose midnights the grid follows.
    starts_with_first
        Begin where the first input begins, whatever the others and the offsets say.
    waits
        Never compute where an input has no data yet, however late it is.
    patience
        How late an input may be before it is no longer waited for (unless it has a tolerance of its own).
    delay
        Added to that tolerance, and waited after the end of each interval before it is computed.
    before, after
        What the script needs besides the interval that it computes, in microseconds.
    strict_before
        Do not begin before there is all of what is needed before.
    """

    input_step: Frequency
    step: Frequency
    clock: Clock
    starts_with_first: bool = False
    waits: bool = False
    patience: Frequency = NOTHING
    delay: Frequency = NOTHING
    before: int = 0
    after: int = 0
    strict_before: bool = False

    @classmethod
    def of(cls, fields: Mapping[str, Any]) -> Self:
        """Read the fields of an analysis' configuration, which has been accepted."""
        input_step = Frequency.parse(fields["input_step"])

        def reach(name: str) -> int:
            value = fields.get(name)
            if value is None or isinstance(value, int):
                return (value or 0) * input_step.longest
            return Frequency.parse(value, zero=True).longest

        def length(name: str) -> Frequency:
            return NOTHING if fields.get(name) is None else Frequency.parse(fields[name], zero=True)

        return cls(
            input_step=input_step,
            step=Frequency.parse(fields["step"]),
            clock=Clock(fields["clock"], fields["timezone"]),
            starts_with_first=fields["starts_with_first"],
            waits=fields["waits"],
            patience=length("patience"),
            delay=length("delay"),
            before=reach("before"),
            after=reach("after"),
            strict_before=fields["strict_before"],
        )

    @property
    def longer_step(self) -> Frequency:
        """The step in which it is computed: the longer one of input and output."""
        return max(self.input_step, self.step, key=lambda freq: freq.longest)


@dataclass(frozen=True, slots=True)
class Input:
    """A series as a column of the script's input.

    Attributes
    ----------
    column
        The name of the column.
    first, last
        Its first and last stamps, in UTC; None while it has no values.
    freq, clock
        Its step, None where it is not known, and the clock whose grid this follows.
    rule
        How its values within a row become one: ``sum`` for amounts, else ``mean``.
    patience
        How late it may be before it is no longer waited for; None: as the analysis says.
    """

    column: str
    first: int | None
    last: int | None
    freq: Frequency | None
    clock: Clock
    rule: Rule = "mean"
    patience: Frequency | None = None

    @property
    def end(self) -> int | None:
        """The end of what it covers."""
        if self.last is None or self.freq is None:
            return self.last
        return int(next_start(np.array([self.last], np.int64), self.freq, self.clock)[0])

    def cover(self, start: int, stop: int) -> Interval:
        """Return the range of time that its values with stamps in ``[start, stop)`` may stand for."""
        if self.freq is None or stop <= start:
            return start, stop
        return start, int(next_start(np.array([stop - 1], np.int64), self.freq, self.clock)[0])


@dataclass(frozen=True, slots=True)
class Bounds:
    """What can be computed; all in UTC, all on the grid, all half-open.

    Attributes
    ----------
    start, stop
        The intervals that can be computed; equal if there are none.
    rows_start, rows_stop
        The complete rows of the script's input, offsets included.
    due
        When more may be computed although nothing has arrived, because an input is given up waiting for or a delay has
        passed; None if this cannot happen.
    """

    start: int
    stop: int
    rows_start: int
    rows_stop: int
    due: int | None = None


@dataclass(frozen=True, slots=True)
class Frame:
    """The script's input: one row a step.

    Attributes
    ----------
    times
        The starts of the rows, in UTC.
    naive
        The same in the clock of the analysis: what the script sees.
    columns
        By column, in the order of the inputs, a value for each row; NaN where there is none.
    """

    times: Stamps
    naive: Stamps
    columns: dict[str, Values]


def analysis_intervals(inputs: Sequence[Input], spec: AnalysisSpec, now: int) -> Bounds | None:
    """Return what can be computed by the present `now` (in UTC); None while no row can be complete."""
    starts = [each.first for each in inputs if each.first is not None]
    if not starts or (len(starts) < len(inputs) and (spec.waits or not spec.starts_with_first)):
        return None
    ends = [(end, each.patience or spec.patience) for each in inputs if (end := each.end) is not None]
    delay = spec.delay.longest
    given_up = [end + wait.longest + delay for end, wait in ends]
    on_time = [end for (end, _), until in zip(ends, given_up, strict=True) if spec.waits or now <= until]
    furthest = max(end for end, _ in ends)
    end = min(on_time, default=furthest)
    ready = min(end, now - delay) if spec.delay.longest else end
    beginning = min(starts) if spec.starts_with_first else max(starts)
    rows_start = _ceil(beginning, spec.input_step, spec.clock)
    rows_stop = _floor(ready, spec.input_step, spec.clock)
    wait = spec.before if spec.strict_before and not spec.starts_with_first else 0
    start = _ceil(rows_start + wait, spec.longer_step, spec.clock)
    stop = _floor(rows_stop - spec.after, spec.longer_step, spec.clock)
    later = []
    if end < furthest and not spec.waits:
        later.append(min(until for (at, _), until in zip(ends, given_up, strict=True) if at == end) + 1)
    if ready < end:
        later.append(_ceil(stop + 1, spec.longer_step, spec.clock) + spec.after + delay)
    return Bounds(start, max(start, stop), rows_start, max(rows_start, rows_stop), min(later, default=None))


def touched(
    bounds: Bounds, changed: Mapping[str, Iterable[Interval]], inputs: Iterable[Input], spec: AnalysisSpec
) -> list[Interval]:
    """Return the intervals to compute anew, as ranges on the grid of `spec.longer_step`, in UTC.

    Parameters
    ----------
    bounds
        What can be computed.
    changed
        By column, the half-open ranges of stamps (in UTC) at which values came, went or changed.
    inputs
        The inputs; those of other columns have not changed.
    spec
        The configuration.
    """
    if bounds.start >= bounds.stop:
        return []
    spans: list[Interval] = []
    for each in inputs:
        # "All times" is outside of any calendar; a value may begin up to one of its steps before a row that it is in.
        reach = each.freq.longest if each.freq is not None else 0
        known = (bounds.rows_start - 2 * reach, bounds.rows_stop + reach)
        for start, stop in clip_intervals(changed.get(each.column, ()), *known):
            low, high = each.cover(start, stop)
            rows = _floor(low, spec.input_step, spec.clock), _ceil(high, spec.input_step, spec.clock)
            low, high = max(rows[0] - spec.after, bounds.start), min(rows[1] + spec.before, bounds.stop)
            if low < high:
                spans.append((_floor(low, spec.longer_step, spec.clock), _ceil(high, spec.longer_step, spec.clock)))
    return merge_intervals(spans)


def without_points(found: Iterable[Stretch], inputs: Iterable[Input], spec: AnalysisSpec) -> list[Interval]:
    """Return the intervals, on the grid of the longer step, to which no point belongs for over `LONGEST_SILENCE`.

    A logger that forgot the time stamps a row with 1970: nothing is to be computed of the years in between.

    Parameters
    ----------
    found
        From which point to which one the inputs have some, see `stretches`.
    """
    step = spec.input_step.longest
    reach = max((each.freq.longest for each in inputs if each.freq is not None), default=0) + step
    whole = joined(list(found), LONGEST_SILENCE)
    gaps = [
        (
            _ceil(last + reach + spec.before, spec.longer_step, spec.clock),
            _floor(first - spec.after - step, spec.longer_step, spec.clock),
        )
        for (_, last), (first, _) in pairwise(whole)
    ]
    return merge_intervals(gaps)


def read_range(each: Input, bounds: Bounds, spec: AnalysisSpec, start: int, stop: int) -> Interval:
    """Return which stamps of an input (in UTC, half-open) are needed to compute ``[start, stop)``."""
    low, high = _rows(bounds, spec, start, stop)
    return (low if each.freq is None else _floor(low, each.freq, each.clock)), high


def build_frame(
    inputs: Sequence[Input],
    data: Mapping[str, tuple[Stamps, Values]],
    spec: AnalysisSpec,
    bounds: Bounds,
    start: int,
    stop: int,
) -> Frame:
    """Return the script's input to compute ``[start, stop)``.

    Parameters
    ----------
    inputs
        The columns, in their order.
    data
        By column, the stamps (in UTC, ascending) and values within `read_range`.
    spec, bounds
        The configuration, and what can be computed.
    start, stop
        What is to be computed, on the grid of the longer step. Rows before and after it are added as the offsets ask,
        as far as they are complete; the outputs for these are not to be kept.

    Returns
    -------
    Every row of the range, also those without any value. Values of a longer step than the rows' are repeated, or split
    if their rule is ``sum``.
    """
    low, high = _rows(bounds, spec, start, stop)
    times = grid(low, high, spec.input_step, spec.clock)
    columns = {}
    for each in inputs:
        stamps, values = data.get(each.column, (np.empty(0, np.int64), np.empty(0)))
        if each.freq is not None and each.freq.longest > spec.input_step.longest:
            found, out = spread(stamps, values, each.freq, spec.input_step, spec.clock, each.rule, each.clock)
        else:
            part = slice(*np.searchsorted(stamps, [low, high]))
            found, out = resample(stamps[part], values[part], spec.input_step, spec.clock, each.rule)
        column = np.full(len(times), np.nan)
        inside = (found >= low) & (found < high)
        column[np.searchsorted(times, found[inside])] = out[inside]
        columns[each.column] = column
    return Frame(times, to_naive(times, spec.clock), columns)


def _rows(bounds: Bounds, spec: AnalysisSpec, start: int, stop: int) -> Interval:
    low = max(_floor(start - spec.before, spec.input_step, spec.clock), min(bounds.rows_start, start))
    high = min(_ceil(stop + spec.after, spec.input_step, spec.clock), max(bounds.rows_stop, stop))
    return low, high


def _floor(at: int, freq: Frequency, clock: Clock) -> int:
    return int(floor_to_grid(np.array([at], np.int64), freq, clock)[0])


def _ceil(at: int, freq: Frequency, clock: Clock) -> int:
    return int(ceil_to_grid(np.array([at], np.int64), freq, clock)[0])
