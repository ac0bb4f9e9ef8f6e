"""Chunks and tails as stored: which windows there are, reading them, writing them.

Everything here works on the tables themselves (SQLAlchemy Core): these are the hot paths.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, Self, cast

import numpy as np
import numpy.typing as npt
from sqlalchemy import (
    Connection,
    Float,
    Select,
    String,
    Table,
    bindparam,
    delete,
    insert,
    null,
    select,
    type_coerce,
    union_all,
)
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert
from sqlalchemy.orm import Session

from entrepot.db.driver import BATCH, Among, execute_many, fetch
from entrepot.series import codec, extremes, sums
from entrepot.series.heads import Head, head_table, series_table
from entrepot.series.models import SeriesChunk, SeriesTail
from entrepot.series.points import EARLIEST, EMPTY, LATEST, Points, Times, merge

MINUTE = 60_000_000
DAY = 1440 * MINUTE
LADDER = (MINUTE, 10 * MINUTE, 60 * MINUTE, 360 * MINUTE, DAY, 7 * DAY, 28 * DAY, 91 * DAY, 364 * DAY)
FULL = 25_000  # most points that a window is made to hold
TOO_FULL = 4 * FULL  # from here on a series gets narrower windows
SPARSE = FULL // 25  # below that, on average, wider ones
RECENT = 8  # windows that are looked at for it

chunk_table = cast("Table", SeriesChunk.__table__)
tail_table = cast("Table", SeriesTail.__table__)


@dataclass(frozen=True, slots=True)
class Written:
    """What a write did.

    Attributes
    ----------
    added, replaced, unchanged, deleted
        Numbers of points: new, with another value or tag than before, as before, gone.
    changed
        Times of the points added, replaced or deleted, sorted; empty when the writer did not ask for a report.
    fresh
        Those of the points added.
    """

    added: int = 0
    replaced: int = 0
    unchanged: int = 0
    deleted: int = 0
    changed: Times = field(default_factory=lambda: np.empty(0, np.int64))
    fresh: Times = field(default_factory=lambda: np.empty(0, np.int64))

    def of(self, points: Points) -> Self:
        """Return what a write that deleted nothing did with a part of its points, between which lie no others."""
        if not len(points):
            return type(self)()
        inside = int(points.times[0]), int(points.times[-1]) + 1
        changed, fresh = (times[slice(*times.searchsorted(inside))] for times in (self.changed, self.fresh))
        added, replaced = fresh.size, changed.size - fresh.size
        return type(self)(added, replaced, len(points) - added - replaced, changed=changed, fresh=fresh)


def width_for(times: Times) -> int:
    """Return the widest window of the ladder that holds at most `FULL` points at the step of these times."""
    step = float(np.median(np.diff(times))) if times.size > 1 else DAY / FULL
    return max((width for width in LADDER if width <= step * FULL), default=LADDER[0])


def load(
    session: Session | Connection, numbers: Sequence[int], start: int | None = None, stop: int | None = None
) -> dict[int, Points]:
    """Return the points of each series in [start, stop), chunks and tail merged.

    One statement reads both, so that a fold in another process cannot hide points between two.
    """
    chunks: dict[int, list[tuple[int, bytes]]] = defaultdict(list)
    tails: dict[int, list[tuple[int, float, str | None]]] = defaultdict(list)
    statement = _reading(start is not None, stop is not None)
    for at in range(0, len(numbers), BATCH):
        parameters = {"numbers": list(numbers[at : at + BATCH]), "start": start, "stop": stop}
        for number, time, data, value, tag in fetch(session, statement, parameters):
            if data is None:
                tails[number].append((time, value, tag))
            else:
                chunks[number].append((time, data))
    return {number: _assemble(session, number, chunks[number], tails[number], start, stop) for number in numbers}


def load_windows(session: Session, head: Head, windows: Times) -> Points:
    """Return the points of a series in the windows that start at these times (sorted)."""
    if head.count == 0 or not windows.size:
        return EMPTY
    assert head.first is not None
    assert head.last is not None
    windows = windows[(windows > head.first - head.width) & (windows <= head.last)]
    if not windows.size:
        return EMPTY
    start, stop = int(windows[0]), int(windows[-1]) + head.width
    if stop - start == windows.size * head.width:
        return load(session, [head.number], start, stop)[head.number]
    chunks: list[tuple[int, bytes]] = []
    for at in range(0, windows.size, BATCH):
        parameters = {"number": head.number, "windows": windows[at : at + BATCH].tolist()}
        chunks.extend((row.bucket, row.data) for row in session.execute(_SOME_CHUNKS, parameters))
    rows = tail_rows(session, head, start, stop)
    touched = np.isin(head.window(_times(rows)), windows)
    tail = [row for row, inside in zip(rows, touched, strict=True) if inside]
    return _assemble(session, head.number, chunks, tail, None, None)


def tail_rows(session: Session, head: Head, start: int, stop: int) -> list[tuple[int, float, str | None]]:
    """Return the rows (time, value, tag) of the series' tail in [start, stop), sorted."""
    if not head.tail:
        return []
    rows: list[Any] = fetch(session, _TAIL, {"number": head.number, "start": start, "stop": stop})
    return rows


def load_tail(session: Session, number: int, start: int, stop: int) -> Points:
    """Return the points of a series' tail in [start, stop)."""
    rows = session.execute(_TAIL, {"number": number, "start": start, "stop": stop}).all()
    return _of_tail(rows) if rows else EMPTY


def tail_times(session: Session, head: Head, start: int = EARLIEST, stop: int = LATEST + 1) -> Times:
    """Return the times of the rows of the series' tail in [start, stop), sorted."""
    return _times(tail_rows(session, head, start, stop))


def narrow(
    session: Session | Connection, number: int, start: int | None, stop: int | None, limit: int, *, newest: bool
) -> tuple[int | None, int | None]:
    """Return bounds that may be tighter, but hold `limit` points of [start, stop) if there are as many."""
    parameters = {
        "number": number,
        "start": EARLIEST if start is None else start,
        "stop": LATEST + 1 if stop is None else stop,
        "limit": limit,
    }
    held = 0
    for count, first, last in fetch(session, _NEWEST_WHOLE if newest else _OLDEST_WHOLE, parameters):
        held += count
        if held >= limit:
            return (first, stop) if newest else (start, last + 1)
    return start, stop


def save(session: Session, head: Head, points: Points, touched: Times) -> None:
    """Write the windows that hold the `touched` times: `points` are all that they shall hold.

    Rows of the tail in these windows are part of `points` and leave the tail.
    """
    windows = np.unique(head.window(touched))
    starts = points.times.searchsorted(windows)
    stops = points.times.searchsorted(windows + head.width)
    rows, gone = [], []
    for window, start, stop in zip(windows.tolist(), starts.tolist(), stops.tolist(), strict=True):
        if start == stop:
            gone.append(window)
            continue
        part = points[start:stop]
        rows.append(
            {
                "series": head.number,
                "bucket": window,
                "count": stop - start,
                "first": int(part.times[0]),
                "last": int(part.times[-1]),
                "sums": sums.encode(part, window, head.width),
                "extremes": extremes.encode(part, window, head.width),
                "data": codec.encode(part),
            }
        )
    if rows:
        execute_many(session, _upsert(chunk_table, session), rows)
    if gone:
        session.execute(_DELETE_CHUNK, [{"number": head.number, "window": window} for window in gone])
    if head.tail:
        folded = tail_times(session, head, int(windows[0]), int(windows[-1]) + head.width)
        folded = folded[np.isin(head.window(folded), windows)].tolist()
        if folded:
            execute_many(session, _DELETE_TAIL, [{"number": head.number, "time": time} for time in folded])
            head.tail -= len(folded)


def tail_of(head: Head, points: Points) -> list[dict[str, Any]]:
    """Return points as rows of the series' tail."""
    tags = [None] * len(points) if points.tags is None else points.tags.tolist()
    return [
        {"series": head.number, "time": time, "value": value, "tag": tag}
        for time, value, tag in zip(points.times.tolist(), points.values.tolist(), tags, strict=True)
    ]


def add_to_tail(session: Session, rows: Sequence[tuple[int, int, float, str | None]]) -> None:
    """Add rows (series, time, value, tag) to tails, which are known not to be there yet."""
    if rows:
        execute_many(session, _INSERT_TAIL, rows, _TAIL_COLUMNS)


def save_tail(session: Session, rows: Sequence[dict[str, Any]], *, fresh: bool) -> None:
    """Add rows to tails; `fresh` rows are known not to be there yet."""
    execute_many(session, _INSERT_TAIL if fresh else _upsert(tail_table, session), rows)


def refit(session: Session, head: Head) -> None:
    """Give a series other windows when its own have become far too full or far too empty."""
    recent: list[int] = list(session.scalars(_RECENT, {"number": head.number}))
    if not recent:
        return
    width = head.width
    if max(recent) > TOO_FULL and width > LADDER[0]:
        points = load(session, [head.number])[head.number]
        fitting = (w for w in reversed(LADDER) if np.unique(points.times // w, return_counts=True)[1].max() <= TOO_FULL)
        width = next(fitting, LADDER[0])
    elif len(recent) == RECENT and sum(recent) < RECENT * SPARSE and width < LADDER[-1]:
        wider = LADDER[LADDER.index(width) + 1]
        largest = session.execute(_LARGEST, {"number": head.number}).scalar_one()
        if largest * wider / width <= FULL:
            points = load(session, [head.number])[head.number]
            width = wider
    if width != head.width:
        session.execute(_DELETE_CHUNKS, {"number": head.number})
        head.width = width
        save(session, head, points, points.times)


def _assemble(
    session: Session | Connection,
    number: int,
    chunks: list[tuple[int, bytes]],
    tail: list[tuple[int, float, str | None]],
    start: int | None,
    stop: int | None,
) -> Points:
    points = EMPTY
    if chunks:
        chunks.sort(key=lambda chunk: chunk[0])
        try:
            points = _decode_all([data for _, data in chunks])
        except (codec.DamagedChunk, RuntimeError, ValueError) as error:
            raise codec.DamagedChunk(damage(session, number, chunks)) from error
        points = points[points.within(start, stop)]
    return merge(points, _of_tail(tail)) if tail else points


def _of_tail(rows: Sequence[Any]) -> Points:
    times, values, tags = zip(*sorted(rows, key=lambda row: row[0]), strict=True)
    texts = np.array(tags, object) if any(tag is not None for tag in tags) else None
    return Points(np.array(times, np.int64), np.array(values, np.float64), texts)


def damage(session: Session | Connection, number: int, chunks: list[tuple[int, bytes]]) -> str:
    """Say in a sentence which points of which series cannot be read."""
    name, width = session.execute(_NAME, {"number": number}).one()
    for bucket, data in chunks:
        try:
            codec.decode(data)
        except (codec.DamagedChunk, RuntimeError, ValueError):
            first, stop = (
                datetime.fromtimestamp(time / 1_000_000, UTC).isoformat() for time in (bucket, bucket + width)
            )
            return f"The points of series {name} from {first} to {stop} are damaged: restore them from a backup."
    return f"Points of series {name} are damaged: restore them from a backup."


def _decode_all(chunks: Sequence[bytes]) -> Points:
    if len(chunks) == 1:
        return codec.decode(chunks[0])
    edges = np.cumsum([0, *map(codec.count, chunks)]).tolist()
    times, values = np.empty(edges[-1], np.int64), np.empty(edges[-1])
    tags: npt.NDArray[np.object_] | None = None
    for data, start, stop in zip(chunks, edges[:-1], edges[1:], strict=True):
        texts = codec.decode_into(data, times[start:stop], values[start:stop])
        if texts is not None:
            if tags is None:
                tags = np.full(times.size, None, object)
            tags[start:stop] = texts
    return Points(times, values, tags)


def _times(rows: Iterable[tuple[int, float, str | None]]) -> Times:
    return np.array([row[0] for row in rows], np.int64)


@lru_cache(4)
def _reading(bounded_below: bool, bounded_above: bool) -> Any:
    """Return the statement that reads chunks and tails of some series, with or without bounds of time."""
    chunks = (
        select(
            chunk_table.c.series,
            chunk_table.c.bucket,
            chunk_table.c.data,
            type_coerce(null(), Float),
            type_coerce(null(), String),
        )
        .join_from(head_table, chunk_table, chunk_table.c.series == head_table.c.series)
        .where(Among(head_table.c.series, "numbers"))
    )
    tails: Select[Any] = select(
        tail_table.c.series, tail_table.c.time, null(), tail_table.c.value, tail_table.c.tag
    ).where(Among(tail_table.c.series, "numbers"))
    if bounded_below:
        # The window's end is spelled so that the key (series, bucket) finds it; `last` alone would read every chunk.
        start = bindparam("start", type_=chunk_table.c.bucket.type)
        chunks = chunks.where(chunk_table.c.bucket > start - head_table.c.width, chunk_table.c.last >= start)
        tails = tails.where(tail_table.c.time >= start)
    if bounded_above:
        stop = bindparam("stop", type_=chunk_table.c.bucket.type)
        chunks = chunks.where(chunk_table.c.bucket < stop, chunk_table.c.first < stop)
        tails = tails.where(tail_table.c.time < stop)
    return union_all(chunks, tails)


@lru_cache(4)
def _upserting(table: Table, dialect: str) -> Any:
    statement = (postgresql_insert if dialect == "postgresql" else sqlite_insert)(table)
    keys = [column.name for column in table.primary_key]
    others = {column.name: statement.excluded[column.name] for column in table.columns if column.name not in keys}
    return statement.on_conflict_do_update(index_elements=keys, set_=others)


def _upsert(table: Table, session: Session) -> Any:
    return _upserting(table, session.get_bind().dialect.name)


_NAME = (
    select(series_table.c.name, head_table.c.width)
    .join_from(series_table, head_table, head_table.c.series == series_table.c.number)
    .where(series_table.c.number == bindparam("number"))
)
_SOME_CHUNKS = select(chunk_table.c.bucket, chunk_table.c.data).where(
    chunk_table.c.series == bindparam("number"), chunk_table.c.bucket.in_(bindparam("windows", expanding=True))
)
_TAIL = (
    select(tail_table.c.time, tail_table.c.value, tail_table.c.tag)
    .where(
        tail_table.c.series == bindparam("number"),
        tail_table.c.time >= bindparam("start"),
        tail_table.c.time < bindparam("stop"),
    )
    .order_by(tail_table.c.time)
)
_RECENT = (
    select(chunk_table.c.count)
    .where(chunk_table.c.series == bindparam("number"))
    .order_by(chunk_table.c.bucket.desc())
    .limit(RECENT)
)
_LARGEST = (
    select(chunk_table.c.count)
    .where(chunk_table.c.series == bindparam("number"))
    .order_by(chunk_table.c.count.desc())
    .limit(1)
)
_DELETE_CHUNK = delete(chunk_table).where(
    chunk_table.c.series == bindparam("number"), chunk_table.c.bucket == bindparam("window")
)
_DELETE_CHUNKS = delete(chunk_table).where(chunk_table.c.series == bindparam("number"))
_DELETE_TAIL = delete(tail_table).where(
    tail_table.c.series == bindparam("number"), tail_table.c.time == bindparam("time")
)
_INSERT_TAIL = insert(tail_table)
_TAIL_COLUMNS = [column.name for column in tail_table.columns]

# Chunks that lie wholly in a range; the bounds of the bucket are there for the key.
_WHOLE = (
    select(chunk_table.c.count, chunk_table.c.first, chunk_table.c.last)
    .where(
        chunk_table.c.series == bindparam("number"),
        chunk_table.c.bucket > bindparam("start", type_=chunk_table.c.bucket.type) - LADDER[-1],
        chunk_table.c.bucket < bindparam("stop", type_=chunk_table.c.bucket.type),
        chunk_table.c.first >= bindparam("start", type_=chunk_table.c.bucket.type),
        chunk_table.c.last < bindparam("stop", type_=chunk_table.c.bucket.type),
    )
    .limit(bindparam("limit"))
)
_OLDEST_WHOLE = _WHOLE.order_by(chunk_table.c.bucket)
_NEWEST_WHOLE = _WHOLE.order_by(chunk_table.c.bucket.desc())
