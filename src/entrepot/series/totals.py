"""Sums and counts of a series by interval, from what is kept with its chunks (`sums`) wherever that says it all.

A chunk's points themselves are read where it lies over an end of the range, where points of the tail belong into it,
and where nothing is kept with it. Means differ from those of all points by rounding alone: by less than 1e-12 of the
mean of the values' sizes.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from sqlalchemy import BigInteger, Connection, bindparam, select
from sqlalchemy.orm import Session

from entrepot.db.driver import fetch
from entrepot.series import sums
from entrepot.series.chunks import chunk_table, tail_table
from entrepot.series.clocks import Clock, floor_to_grid, grid
from entrepot.series.frequency import HOUR, Frequency
from entrepot.series.heads import head_table, series_table
from entrepot.series.points import EARLIEST, LATEST, Times, Values
from entrepot.series.reading import read as read_points
from entrepot.series.resample import Rule
from entrepot.series.sums import Hours

#: What can be made of totals.
RULES: tuple[Rule, ...] = ("mean", "sum", "count")
#: For fewer chunks it is not worth the statements; nor for more intervals.
_FEW, _MOST = 4, 2_000_000


class Totals(NamedTuple):
    """Intervals in which there are points: when they start, how many points each has, and the sum of their values."""

    starts: Times
    counts: Values
    sums: Values

    def by(self, rule: str) -> Values:
        """Return what one of :data:`RULES` makes of each interval."""
        return self.counts if rule == "count" else self.sums if rule == "sum" else self.sums / self.counts


def read(
    session: Session | Connection, number: int, low: int | None, high: int | None, freq: Frequency, clock: Clock
) -> Totals | None:
    """Return the totals of the points of a series in [low, high); None where the points themselves have to be read.

    The session is a snapshot.
    """
    if freq.longest < HOUR:
        return None
    start, stop = EARLIEST if low is None else low, LATEST + 1 if high is None else high
    of = {"number": number, "start": start, "stop": stop}
    chunks = fetch(session, _CHUNKS, of)
    if len(chunks) < _FEW:
        return None
    tail = np.array([time for (time,) in fetch(session, _TAIL, of)], np.int64)
    kept, others = list[_Kept](), list[int]()
    for window, width, _, _, data in chunks:
        whole = start <= window and window + width <= stop
        alone = tail.searchsorted(window) == tail.searchsorted(window + width)
        found = sums.decode(data, window) if whole and alone else None
        if found is None:
            others.append(window)
        else:
            kept.append((window, window + width, found))
    if len(kept) < _FEW or len(kept) < len(others):
        return None
    ends = (max(chunks[0][2], start), *tail[:1].tolist()), (min(chunks[-1][3], stop - 1), *tail[-1:].tolist())
    if (edges := _edges(min(ends[0]), max(ends[1]), freq, clock)) is None:
        return None
    # Where something is besides what is kept.
    besides = np.sort(np.concatenate([tail, np.maximum(np.array(others, np.int64), start)]))
    parts = [*_parts(session, number, start, stop, kept, besides)]
    stamps, counts, totals = (np.concatenate([part[at] for part in parts]) for at in range(3))
    if not stamps.size:
        return Totals(stamps, totals, totals)
    positions = stamps.searchsorted(edges)
    held = np.diff(positions, append=stamps.size) > 0
    many = np.add.reduceat(counts, positions[held]).astype(np.float64)
    return Totals(edges[held], many, np.add.reduceat(totals, positions[held]))


_Kept = tuple[int, int, Hours]


def _parts(
    session: Session | Connection, number: int, start: int, stop: int, kept: list[_Kept], besides: Times
) -> Iterator[Hours]:
    """Yield what is kept, and between it the points themselves, in the order of time."""
    for window, end, hours in [*kept, (stop, stop, None)]:
        if start < window and besides.searchsorted(start) < besides.searchsorted(window):
            points = read_points(session, number, start, window)
            yield Hours(points.times, np.ones(len(points), np.int64), points.values)
        if hours is not None:
            yield hours
        start = end


def _edges(first: int, last: int, freq: Frequency, clock: Clock) -> Times | None:
    """Return the starts of the intervals from one instant to another; None where one begins within an hour of UTC."""
    if (last - first) // freq.longest > _MOST:
        return None
    edges = grid(int(floor_to_grid(np.array([first]), freq, clock)[0]), last + 1, freq, clock)
    return None if (edges % HOUR).any() else edges


_CHUNKS = (
    select(
        chunk_table.c.bucket,
        head_table.c.width,
        chunk_table.c.first,
        chunk_table.c.last,
        chunk_table.c.sums,
    )
    .join_from(series_table, head_table, head_table.c.series == series_table.c.number)
    .join(chunk_table, chunk_table.c.series == series_table.c.number)
    .where(
        series_table.c.number == bindparam("number"),
        series_table.c.damage.is_(None),
        # The window's end is spelled so that the key (series, bucket) finds it.
        chunk_table.c.bucket > bindparam("start", type_=BigInteger) - head_table.c.width,
        chunk_table.c.bucket < bindparam("stop", type_=BigInteger),
        chunk_table.c.last >= bindparam("start", type_=BigInteger),
        chunk_table.c.first < bindparam("stop", type_=BigInteger),
    )
    .order_by(chunk_table.c.bucket)
)
_TAIL = (
    select(tail_table.c.time)
    .where(
        tail_table.c.series == bindparam("number"),
        tail_table.c.time >= bindparam("start"),
        tail_table.c.time < bindparam("stop"),
    )
    .order_by(tail_table.c.time)
)
