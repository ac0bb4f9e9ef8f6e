"""The table that an export writes: columns of series, read a range of time at a time."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import polars as pl
from sqlalchemy.orm import Session

from entrepot.series import store
from entrepot.series.clocks import Clock, ceil_to_grid, floor_to_grid, next_start, to_naive, to_utc
from entrepot.series.frequency import DAY, SECOND, Frequency
from entrepot.series.models import Series
from entrepot.series.points import Tags, Times, Values
from entrepot.series.resample import Rule, spread
from entrepot.series.second_pass import as_delivered
from entrepot.series.select import once, once_with_tags, resampled_points

CELLS = 2_000_000  # about as many are held at a time
NAIVE = Clock(None)

Part = tuple[Times, Values, Tags | None]


@dataclass(frozen=True, slots=True)
class Column:
    """A series as a column.

    Attributes
    ----------
    label
        The column's name.
    series
        The series.
    clock
        The output clock, on which all times here are, naive, unless said otherwise.
    rule
        How the points of a row become one.
    step
        The series' own step, where it has one.
    freq
        The step of the rows; None for the points as they are.
    low, high
        Bounds of the rows in UTC, half-open; None for no bound.
    """

    label: str
    series: Series
    clock: Clock
    rule: Rule
    step: Frequency | None
    freq: Frequency | None
    low: int | None
    high: int | None

    def ends(self, session: Session) -> tuple[int, int] | None:
        """Return the stamps of the first and of the last row; None when there is none."""
        if self.freq is None:
            low, high = self.low, self.high
        else:
            low, high = (None if bound is None else self._ceil(bound) for bound in (self.low, self.high))
        first = store.read(session, self.series.pk, low, high, limit=1).times
        last = store.read(session, self.series.pk, low, high, limit=1, newest=True).times
        if (step := self._longer_step()) is not None:
            if low is not None:
                before = store.read(session, self.series.pk, low - _reach(step), low, limit=1, newest=True).times
                if before.size and next_start(before, step, self.clock)[0] > low:
                    first, last = np.array([low]), last if last.size else before
            if last.size:
                last = next_start(last, step, self.clock) - 1
                last = last if high is None else np.minimum(last, high - 1)
        if not first.size or first[0] > last[0]:
            return None
        edges = np.concatenate([first, last])
        if self.freq is not None:
            edges = floor_to_grid(edges, self.freq, self.clock)
        start, end = to_naive(edges, self.clock).tolist()
        return min(start, end), max(start, end)

    def part(self, session: Session, start: int, stop: int) -> Part:
        """Return the rows whose stamps are in [start, stop)."""
        low, high = to_utc(np.array([start, stop]), self.clock, ambiguous="first").tolist()
        low = low if self.low is None else max(low, self.low)
        high = max(low, high if self.high is None else min(high, self.high))
        if self.freq is None:
            points = store.read(session, self.series.pk, low, high)
            points = points if self.series.clock is not None else as_delivered(points)
            return once_with_tags(to_naive(points.times, self.clock), points.values, points.tags, self.rule)
        low, high = self._ceil(low), self._ceil(high)
        if (step := self._longer_step()) is not None:
            points = store.read(session, self.series.pk, low - _reach(step), high + _reach(step))
            times, values = spread(points.times, points.values, step, self.freq, self.clock, self.rule)
            inside = slice(*times.searchsorted([low, high]))
            times, values = times[inside], values[inside]
        else:
            times, values = resampled_points(session, self.series.pk, low, high, self.freq, self.clock, self.rule)
        return *once(to_naive(times, self.clock), values, self.rule), None

    def _longer_step(self) -> Frequency | None:
        """Return the series' own step where a value of it holds for longer than a row."""
        longer = self.step is not None and self.freq is not None and self.step.longest > self.freq.longest
        return self.step if longer else None

    def _ceil(self, instant: int) -> int:
        assert self.freq is not None
        return int(ceil_to_grid(np.array([instant]), self.freq, self.clock)[0])


def _reach(step: Frequency) -> int:
    """Return how far before a row the value may lie that holds in it: a step, and a change of time."""
    return step.longest + DAY


def slabs(columns: Sequence[Column], start: int, stop: int) -> list[tuple[int, int]]:
    """Cut [start, stop) so that each piece makes about `CELLS` cells, at midnights or at starts of rows."""
    freq = columns[0].freq
    if freq is None:
        cells = sum(column.series.count for column in columns)
    else:
        cells = (stop - start) // freq.longest * len(columns)
    pieces = cells // CELLS + 1
    inner = start + (stop - start) * np.arange(1, pieces) // pieces
    fixed = all(column.clock.fixed for column in columns)
    if freq is None or (freq.longest < DAY and not fixed):
        # Where a clock is put back, its stamps repeat: midnight keeps all that repeat on one side.
        freq = Frequency.parse("1s" if fixed else "1D")
    inner = np.unique(floor_to_grid(inner, freq, NAIVE))
    edges = [start, *inner[(inner > start) & (inner < stop)].tolist(), stop]
    return list(pairwise(edges))


def frame(columns: Sequence[Column], parts: Sequence[Part], *, with_tags: bool) -> pl.DataFrame:
    """Return a frame with the stamps that any part has, and a column (with tags, two) of each."""
    times = parts[0][0] if len(parts) == 1 else np.unique(np.concatenate([part[0] for part in parts]))
    data = {"time": pl.Series("time", times).cast(pl.Datetime("us"))}
    for column, (stamps, values, tags) in zip(columns, parts, strict=True):
        where = times.searchsorted(stamps)
        cells = np.full(times.size, np.nan)
        cells[where] = values
        data[column.label] = pl.Series(column.label, cells, nan_to_null=True)
        if with_tags:
            texts = np.full(times.size, None, object)
            if tags is not None:
                texts[where] = tags
            data[f"{column.label} tag"] = pl.Series(texts.tolist(), dtype=pl.String)
    return pl.DataFrame(data)


def has_fractions(session: Session, columns: Sequence[Column], pieces: Sequence[tuple[int, int]]) -> bool:
    """Return whether stamps need more than whole seconds."""
    freq = columns[0].freq
    if freq is not None:
        return bool((freq.microseconds or 0) % SECOND)
    return any((column.part(session, start, stop)[0] % SECOND).any() for start, stop in pieces for column in columns)
