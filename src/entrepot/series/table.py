"""The table that an export writes: columns of series, read a piece at a time.

A row stands for an instant where all columns are on one clock, so that the hour that a clock shows twice has its rows
twice. Where they are on several, a row stands for what each column's own clock shows, the second time apart.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from sqlalchemy.orm import Session

from entrepot.bounds.budget import Budget
from entrepot.series import chunks, second_pass, store
from entrepot.series.clocks import Clock, ceil_to_grid, floor_to_grid, next_start, to_naive, to_utc
from entrepot.series.frequency import DAY, SECOND, Frequency
from entrepot.series.models import Series
from entrepot.series.points import Tags, Times, Values
from entrepot.series.resample import Rule, spread
from entrepot.series.select import resampled_points

if TYPE_CHECKING:
    import polars as pl

CELLS = 1_000_000  # about as many are held at a time
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
        The output clock.
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
        """Return the instants of the first and of the last row; None when there is none."""
        if self.freq is None:
            low, high = self.low, self.high
        else:
            low, high = (None if bound is None else self.ceil(bound) for bound in (self.low, self.high))
        first = store.read(session, self.series.number, low, high, limit=1).times
        last = store.read(session, self.series.number, low, high, limit=1, newest=True).times
        if (step := self._longer_step()) is not None:
            if low is not None:
                before = store.read(session, self.series.number, low - _reach(step), low, limit=1, newest=True).times
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
        start, end = edges.tolist()
        return start, end

    def part(self, session: Session, low: int, high: int, budget: Budget) -> Part:
        """Return the rows in the instants [low, high)."""
        low, high = self.within(low, high)
        if self.freq is None:
            points = store.read(session, self.series.number, low, high)
            return points.times, points.values, points.tags
        low, high = self.ceil(low), self.ceil(high)
        if (step := self._longer_step()) is None:
            patience = Budget(stop=budget.check)  # points that are read are no rows that are written
            rows = resampled_points(
                session, self.series.number, low, high, self.freq, self.clock, self.rule, budget=patience
            )
            return *rows, None
        points = store.read(session, self.series.number, low - _reach(step), high + _reach(step))
        times, values = spread(points.times, points.values, step, self.freq, self.clock, self.rule)
        inside = slice(*times.searchsorted([low, high]))
        return times[inside], values[inside], None

    def full(self, session: Session, low: int, high: int, limit: int) -> int:
        """Return until which instant to read from `low` on, for about `limit` points or rows: at most `high`."""
        if self.freq is not None:
            return min(high, self.ceil(low + max(limit, 1) * self.freq.longest))
        inside = self.within(low, high)
        _, stop = chunks.narrow(session, self.series.number, *inside, max(limit, 1), newest=False)
        return high if stop is None or stop >= inside[1] else stop

    def within(self, low: int, high: int) -> tuple[int, int]:
        """Return the part of the instants [low, high) in which there may be rows."""
        low = low if self.low is None else max(low, self.low)
        return low, max(low, high if self.high is None else min(high, self.high))

    def ceil(self, instant: int) -> int:
        """Return the start of the first row at or after an instant."""
        assert self.freq is not None
        return int(ceil_to_grid(np.array([instant]), self.freq, self.clock)[0])

    def _longer_step(self) -> Frequency | None:
        """Return the series' own step where a value of it holds for longer than a row."""
        longer = self.step is not None and self.freq is not None and self.step.longest > self.freq.longest
        return self.step if longer else None


@dataclass(frozen=True, slots=True)
class Axis:
    """Where rows lie: at instants on one clock, or where columns have several, at naive stamps.

    Attributes
    ----------
    clock
        The clock of all columns; None when they have several.
    """

    clock: Clock | None

    @classmethod
    def of(cls, columns: Sequence[Column]) -> "Axis":
        """Return the axis on which columns share rows."""
        clocks = {column.clock for column in columns}
        return cls(clocks.pop() if len(clocks) == 1 else None)

    def positions(self, times: Times, clock: Clock) -> Times:
        """Return where instants of a column's clock lie."""
        return times if self.clock is not None else to_naive(times, clock)

    def instant(self, position: int, clock: Clock, *, last: bool = False) -> int:
        """Return the instant of a position on a column's clock; the first, or the last, that shows it."""
        if self.clock is not None:
            return position
        ambiguous = "second" if last else "first"
        return int(to_utc(np.array([position]), clock, ambiguous=ambiguous, nonexistent="next")[0])  # type: ignore[arg-type]

    def naive(self, position: int) -> int:
        """Return what is shown at a position."""
        return position if self.clock is None else int(to_naive(np.array([position]), self.clock)[0])

    def at(self, naive: Times) -> Times:
        """Return the positions at which stamps are shown first."""
        if self.clock is None:
            return naive
        return to_utc(naive, self.clock, ambiguous="first", nonexistent="next")

    def keys(self, times: Times, clock: Clock) -> Times:
        """Return for each instant of a column a number that is that of its row, and rises with the rows."""
        if self.clock is not None:
            return times
        naive = to_naive(times, clock)
        keys: Times = 2 * naive + (to_utc(naive, clock, ambiguous="first") != times)
        return keys

    def stamps(self, keys: Times) -> Times:
        """Return what rows show."""
        return keys >> 1 if self.clock is None else to_naive(keys, self.clock)


def pieces(
    session: Session, axis: Axis, columns: Sequence[Column], start: int, stop: int, budget: Budget
) -> Iterator[tuple[int, int]]:
    """Cut the positions [start, stop), one piece after the other, so that each holds about `CELLS` cells."""
    limit = max(CELLS // len(columns), 1)
    while start < stop:
        budget.check()
        edge = stop
        for column in columns:
            low, high = axis.instant(start, column.clock), axis.instant(edge, column.clock, last=edge == stop)
            reached = column.full(session, low, high, limit)
            if reached < high:
                edge = min(edge, int(axis.positions(np.array([reached]), column.clock)[0]))
        if edge < stop and axis.clock is None and not all(column.clock.fixed for column in columns):
            # Where a clock is put back, its stamps repeat: midnight keeps all that repeat on one side.
            edge = min(stop, int(next_start(np.array([edge]), Frequency.parse("1D"), NAIVE)[0]))
        edge = edge if edge > start else min(stop, start + DAY)
        yield start, edge
        start = edge


def read(
    session: Session, axis: Axis, columns: Sequence[Column], start: int, stop: int, budget: Budget, *, last: bool
) -> list[Part]:
    """Return the rows of each column in the positions [start, stop), by their keys; `last` where nothing follows."""
    parts = []
    for column in columns:
        low, high = axis.instant(start, column.clock), axis.instant(stop, column.clock, last=last)
        times, values, tags = column.part(session, low, high, budget)
        budget.check()
        keys = axis.keys(times, column.clock)
        if axis.clock is None and (keys[1:] < keys[:-1]).any():  # where a clock was put back
            order = np.argsort(keys)
            keys, values, tags = keys[order], values[order], None if tags is None else tags[order]
        parts.append((keys, values, tags))
    return parts


def frames(
    axis: Axis, columns: Sequence[Column], parts: Sequence[Part], *, tagged: bool
) -> Iterator[tuple[Times, "pl.DataFrame"]]:
    """Yield frames with a column (with tags, two) of each series, and the keys of their rows: those that any has."""
    keys = parts[0][0] if len(parts) == 1 else np.unique(np.concatenate([part[0] for part in parts]))
    size = max(CELLS // len(columns), 1)
    for begin in range(0, max(len(keys), 1), size):
        piece = keys[begin : begin + size]
        yield piece, _frame(axis, columns, parts, piece, tagged=tagged)


def _frame(
    axis: Axis, columns: Sequence[Column], parts: Sequence[Part], keys: Times, *, tagged: bool
) -> "pl.DataFrame":
    import polars as pl

    stamps = axis.stamps(keys) - _late(columns, parts, keys)
    data = {"time": pl.Series("time", stamps).cast(pl.Datetime("us"))}
    for column, (places, values, tags) in zip(columns, parts, strict=True):
        inside = slice(*places.searchsorted([keys[0], keys[-1] + 1])) if keys.size else slice(0)
        where = keys.searchsorted(places[inside])
        cells = np.full(keys.size, np.nan)
        cells[where] = values[inside]
        data[column.label] = pl.Series(column.label, cells, nan_to_null=True)
        if tagged:
            texts = np.full(keys.size, None, object)
            if tags is not None:
                texts[where] = tags[inside]
            data[f"{column.label} tag"] = pl.Series(texts.tolist(), dtype=pl.String)
    return pl.DataFrame(data)


def _late(columns: Sequence[Column], parts: Sequence[Part], keys: Times) -> Times:
    """Return by how much rows lie late that hold a second pass of a clock that is not known."""
    late = np.zeros(keys.size, np.int64)
    for column, (places, _, tags) in zip(columns, parts, strict=True):
        if (again := _second_pass(column, tags)) is not None and keys.size:
            inside = slice(*places.searchsorted([keys[0], keys[-1] + 1]))
            late[keys.searchsorted(places[inside])] |= again[inside]
    return late


def _second_pass(column: Column, tags: Tags | None) -> NDArray[np.bool_] | None:
    """Return which of a column's points are of the second pass of an hour, on a clock that is not known."""
    if column.series.clock is not None or column.freq is not None or tags is None:
        return None
    again: NDArray[np.bool_] = tags == second_pass.SECOND
    return again


def has_fractions(
    session: Session, axis: Axis, columns: Sequence[Column], start: int, stop: int, budget: Budget
) -> bool:
    """Return whether stamps of the positions [start, stop) need more than whole seconds."""
    freq = columns[0].freq
    if freq is not None:
        return bool((freq.microseconds or 0) % SECOND)
    for column in columns:
        own = Axis(column.clock)
        low, high = axis.instant(start, column.clock), axis.instant(stop, column.clock, last=True)
        for piece in pieces(session, own, [column], low, high, budget):
            times, _, tags = column.part(session, *piece, budget)
            if (again := _second_pass(column, tags)) is not None:
                times = times - again
            if (times % SECOND).any():
                return True
    return False


def _reach(step: Frequency) -> int:
    """Return how far before a row the value may lie that holds in it: a step, and a change of time."""
    return step.longest + DAY
