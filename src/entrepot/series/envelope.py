"""What a plot shows of a series: the lowest and the highest value of each pixel, so that no peak vanishes.

Where pixels are wide, they are made of the extremes that are kept with chunks. Other chunks are looked at a few at a
time and let go, so that memory does not grow with how many points there are.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from typing import Any, Self

import numpy as np
from sqlalchemy import Executable, bindparam, select
from sqlalchemy.orm import Session

from entrepot.db.driver import Among, fetch
from entrepot.series import chunks, codec, extremes
from entrepot.series.extremes import PARTS, Extremes
from entrepot.series.heads import head_table
from entrepot.series.points import Points, Times, Values, concatenate, merge

_AT_ONCE, _KEPT_AT_ONCE = 16, 1000  # chunks whose points, and whose extremes, are fetched together
_FINE = 4  # parts that a pixel has at least where its ends are theirs
_table = chunks.chunk_table


@dataclass(frozen=True, slots=True)
class Envelope:
    """The extremes of what a series holds between two times.

    Attributes
    ----------
    times
        Where each pixel begins that has points, or where there are no more points than pixels, their times.
    low, high
        The lowest and the highest value of each.
    count
        How many points there are.
    width
        Of a pixel, in microseconds; 0 where these are the points themselves.
    """

    times: Times
    low: Values
    high: Values
    count: int
    width: int


@dataclass(frozen=True, slots=True)
class Grid:
    """How a time is cut into pixels of one width, the first of which begins at `origin`."""

    origin: int
    width: int
    pixels: int

    @classmethod
    def of(cls, start: int, stop: int, pixels: int) -> Self:
        """Return the grid of at most so many pixels over [start, stop).

        Wide pixels begin and end where parts of chunks do, whatever series is asked for: so their extremes are those
        of whole parts, and several series have the same pixels. The first may begin before the time does.
        """
        parts = (width // PARTS for width in reversed(chunks.LADDER))
        part = next((part for part in parts if _FINE * part * pixels <= stop - start), 1)
        origin = start // part * part
        return cls(origin, -(-(stop - origin) // (pixels * part)) * part, pixels)

    def earlier(self, offset: int) -> Self:
        """Return the same grid by so many microseconds before."""
        return replace(self, origin=self.origin - offset)

    def holds(self, part: int) -> bool:
        """Tell whether parts of this width each lie in one pixel."""
        return self.origin % part == 0 and self.width % part == 0


def envelope(parts: Iterable[Points | Extremes], grid: Grid) -> Envelope:
    """Return the envelope of points that lie within a grid.

    Parameters
    ----------
    parts
        The points, none of them empty, one after the other; or extremes in their place, of more points than pixels.
    grid
        How the time is cut; where there are no more points than pixels, these are returned.
    """
    low, high = np.full(grid.pixels, np.inf), np.full(grid.pixels, -np.inf)
    held: list[Points] = []
    count = 0
    for part in parts:
        lows, highs = (part.values, part.values) if isinstance(part, Points) else (part.low, part.high)
        count += len(part)
        held = [*held, part] if count <= grid.pixels and isinstance(part, Points) else []
        # Stamps as delivered lie up to a microsecond before those that are kept, and so perhaps before the first pixel.
        first, last = (max(0, (int(part.times[at]) - grid.origin) // grid.width) for at in (0, -1))
        edges = grid.origin + np.arange(first + 1, last + 1) * grid.width
        begins = np.concatenate(([0], part.times.searchsorted(edges)))
        filled = np.flatnonzero(begins < np.append(begins[1:], part.times.size))
        at, begins = first + filled, begins[filled]
        low[at] = np.minimum(low[at], np.minimum.reduceat(lows, begins))
        high[at] = np.maximum(high[at], np.maximum.reduceat(highs, begins))
    if held:
        points = concatenate(held)
        return Envelope(points.times, points.values, points.values, count, 0)
    there = np.flatnonzero(low <= high)
    return Envelope(grid.origin + there * grid.width, low[there], high[there], count, grid.width if count else 0)


def pieces(session: Session, number: int, start: int, stop: int) -> Iterator[Points]:
    """Yield the points in [start, stop) a chunk at a time, those that wait in the tail merged in; none is empty.

    The session's reads are one snapshot.
    """
    windows = [bucket for (bucket,) in fetch(session, _WINDOWS, {"number": number, "start": start, "stop": stop})]
    return _pieces(session, number, start, stop, windows)


def summary(session: Session, number: int, start: int, stop: int, grid: Grid) -> Iterator[Points | Extremes]:
    """Yield what the envelope of the points in [start, stop) is made of: extremes as far as those that are kept serve.

    They do where a chunk's points are many and all in the range, and none waits in the tail to be merged with them.
    """
    rows = fetch(session, _ROWS, {"number": number, "start": start, "stop": stop})
    width: int = rows[0][1] if rows else 1
    waiting = set((chunks.load_tail(session, number, start, stop).times // width * width).tolist())
    good = {
        window: count
        for window, _, count, first, last, is_kept in rows
        if is_kept and start <= first and last < stop and window not in waiting
    }
    if sum(good.values()) <= grid.pixels or width % PARTS or not grid.holds(width // PARTS):
        yield from pieces(session, number, start, stop)
        return
    others = {row[0] for row in rows} - good.keys()
    for kept in _fetched(session, _KEPT, number, list(good), _KEPT_AT_ONCE):
        whole = {window: data for window, data in kept if extremes.is_whole(data)}
        others.update(window for window, _ in kept if window not in whole)
        if whole:
            yield extremes.decode(whole, width, sum(good[window] for window in whole))
    yield from _pieces(session, number, start, stop, sorted(others))


def _pieces(session: Session, number: int, start: int, stop: int, windows: list[int]) -> Iterator[Points]:
    """Yield the points in some windows, and all that wait in the tail."""
    waiting = chunks.load_tail(session, number, start, stop)
    for bucket, data in chain.from_iterable(_fetched(session, _DATA, number, windows, _AT_ONCE)):
        points = _decoded(session, number, bucket, data)
        points = points[points.within(start, stop)]
        if len(waiting) and len(points):
            until = int(waiting.times.searchsorted(points.times[-1], "right"))
            points, waiting = merge(points, waiting[:until]), waiting[until:]
        if len(points):
            yield points
    if len(waiting):
        yield waiting


def _fetched(
    session: Session, statement: Executable, number: int, windows: Sequence[int], most: int
) -> Iterator[list[tuple[int, bytes]]]:
    """Yield what is stored of some windows, at most so many at a time."""
    for begin in range(0, len(windows), most):
        some: Any = fetch(session, statement, {"number": number, "windows": windows[begin : begin + most]})
        yield some


def _decoded(session: Session, number: int, bucket: int, data: bytes) -> Points:
    try:
        return codec.decode(data)
    except (codec.DamagedChunk, RuntimeError, ValueError) as error:
        raise codec.DamagedChunk(chunks.damage(session, number, [(bucket, data)])) from error


_WINDOWS = (
    select(_table.c.bucket)
    .join_from(head_table, _table, _table.c.series == head_table.c.series)
    .where(
        head_table.c.series == bindparam("number"),
        # As in `chunks`: spelled so that the key (series, bucket) finds it.
        _table.c.bucket > bindparam("start", type_=_table.c.bucket.type) - head_table.c.width,
        _table.c.bucket < bindparam("stop", type_=_table.c.bucket.type),
        _table.c.last >= bindparam("start", type_=_table.c.bucket.type),
        _table.c.first < bindparam("stop", type_=_table.c.bucket.type),
    )
    .order_by(_table.c.bucket)
)
_ROWS = _WINDOWS.add_columns(
    head_table.c.width, _table.c.count, _table.c.first, _table.c.last, _table.c.extremes.is_not(None)
)
_KEPT = (
    select(_table.c.bucket, _table.c.extremes)
    .where(_table.c.series == bindparam("number"), Among(_table.c.bucket, "windows"))
    .order_by(_table.c.bucket)
)
_DATA = (
    select(_table.c.bucket, _table.c.data)
    .where(_table.c.series == bindparam("number"), Among(_table.c.bucket, "windows"))
    .order_by(_table.c.bucket)
)
