"""Writing points: the verbs of the series store, on a unit of work of the caller; those that read are here by name.

Writers of one series take turns: each holds the series' row until its transaction ends. A unit of work that writes
several series in several calls takes them all first, with :func:`lock`, so that two of them cannot wait for each other.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from time import time_ns

import numpy as np
import numpy.typing as npt
from sqlalchemy import and_, func, or_, select
from sqlalchemy.orm import Session

from entrepot import jobs
from entrepot.db import now
from entrepot.errors import InvalidInput, Locked
from entrepot.identity import limits
from entrepot.series import chunks, damage
from entrepot.series.catalog import create_series, get_series, list_series
from entrepot.series.chunks import Written, tail_of
from entrepot.series.codec import DamagedChunk
from entrepot.series.discarding import discard
from entrepot.series.heads import Head, head_table, hold, hold_free, series_table
from entrepot.series.heads import save as save_heads
from entrepot.series.integrity import check
from entrepot.series.points import EARLIEST, EMPTY, LATEST, Points, Tags, Times, compare, concatenate, merge, tidy
from entrepot.series.reading import clip, read, read_many

__all__ = [
    "Points",
    "Written",
    "append",
    "append_many",
    "check",
    "create_series",
    "delete_after",
    "delete_series",
    "discard",
    "fold",
    "fold_due",
    "fold_later",
    "get_series",
    "heal",
    "list_series",
    "lock",
    "read",
    "read_many",
    "replace_range",
]

FOLD_AT = 64  # rows of a tail
LONG = 256  # points of a write that go straight to the chunks; fewer cost less as rows of the tail
TAIL_LIMIT = 1024  # rows of the tail from which writers fold themselves, should nobody else do it
FOLD = "series.fold"  # kind of the job that folds
IDLE = timedelta(minutes=1)  # without a write, after which fewer rows are folded too

Input = tuple[npt.ArrayLike, npt.ArrayLike] | tuple[npt.ArrayLike, npt.ArrayLike, Sequence[str | None] | Tags | None]
_NONE: Times = np.empty(0, np.int64)


def append(
    session: Session,
    number: int,
    times: npt.ArrayLike,
    values: npt.ArrayLike,
    tags: Sequence[str | None] | Tags | None = None,
    *,
    report: bool = True,
) -> Written:
    """Write points to a series; the last write of a time wins, also within one call.

    Parameters
    ----------
    session
        A unit of work (`Database.write`).
    number
        Key of the series.
    times
        Microseconds since 1970 in UTC, in any order; a time may come several times.
    values
        As many floats; NaN is no point, and does not erase an older value.
    tags
        As many texts or Nones.
    report
        Whether `Written.changed` is wanted.

    Raises
    ------
    InvalidInput
        When values are infinite, lengths differ or times are outside the years 1 to 9999.
    NotFound
        When there is no such series.
    Locked
        When it is locked, and would change; nothing may be committed then.
    """
    return append_many(session, {number: (times, values, tags)}, report=report)[number]


def append_many(session: Session, batch: Mapping[int, Input], *, report: bool = True) -> dict[int, Written]:
    """Write points to several series (key to times, values and perhaps tags); see :func:`append`."""
    points = {number: tidy(*parts) for number, parts in sorted(batch.items())}
    heads = hold(session, points)
    written, tail, began = {}, [], False
    for number, new in points.items():
        head = heads[number]
        if head.damage is not None and len(new):
            written[number] = damage.keep(session, head, new)
            continue
        late = bool(len(new)) and head.last is not None and int(new.times[0]) <= head.last
        try:
            if late or len(new) >= LONG:
                written[number] = _change(session, head, new)
                continue
            _make_room(session, head, len(new))
        except DamagedChunk as error:  # found before anything was written
            damage.set_aside(session, head, error)
            written[number] = damage.keep(session, head, new)
            continue
        if len(new):
            began = began or not head.tail
            tail += tail_of(head, new)
            head.tail += len(new)
            head.extend(new, added=len(new))
            written[number] = Written(added=len(new), changed=new.times, fresh=new.times)
        else:
            written[number] = Written()
    if tail:
        chunks.save_tail(session, tail, fresh=True)
    if began:
        request_fold(session)
    for number, result in written.items():
        _require_open(session, heads[number], result)
    save_heads(session, [heads[number] for number, result in written.items() if result.added or result.replaced])
    grown(session, heads.values(), written)
    if not report:
        return {number: Written(w.added, w.replaced, w.unchanged, w.deleted) for number, w in written.items()}
    return written


def replace_range(
    session: Session,
    number: int,
    start: int | None,
    stop: int | None,
    times: npt.ArrayLike,
    values: npt.ArrayLike,
    tags: Sequence[str | None] | Tags | None = None,
) -> Written:
    """Make the points of a series in [start, stop) exactly these; None is no bound.

    `Written.changed` holds only the times whose value (bit for bit) or tag really changed, appeared or disappeared.

    Raises
    ------
    InvalidInput
        As :func:`append`, and when a time is outside the range.
    NotFound
        When there is no such series.
    """
    new = tidy(times, values, tags)
    low, high = clip(start, EARLIEST), clip(stop, LATEST + 1)
    if len(new) and (new.times[0] < low or new.times[-1] >= high):
        raise InvalidInput.field("times", "a time is outside the range that is to be replaced")
    head = hold(session, [number])[number]
    written = _change(session, head, new, (low, high))
    _require_open(session, head, written)
    if written.changed.size:
        save_heads(session, [head])
    grown(session, [head], {number: written})
    return written


def delete_after(session: Session, number: int, instant: int) -> Written:
    """Delete the points of a series at and after an instant (microseconds since 1970)."""
    return replace_range(session, number, instant, None, _NONE, np.empty(0))


def delete_series(session: Session, number: int) -> None:
    """Delete a series with all its points.

    Raises
    ------
    NotFound
        When there is no such series.
    """
    lock(session, [number])
    discard(session, [number])


def lock(session: Session, numbers: Iterable[int]) -> None:
    """Take these series for writing until the transaction ends.

    Raises
    ------
    NotFound
        When one of them does not exist.
    """
    hold(session, numbers)


def fold(session: Session, number: int) -> None:
    """Move a series' tail into its chunks."""
    heads = hold(session, [number])
    _fold(session, heads[number])
    save_heads(session, heads.values(), written=False)


def fold_due(session: Session, limit: int = 50, *, idle: timedelta = IDLE) -> int:
    """Fold the tails that are long enough, or idle, of at most `limit` series; return how many.

    Series that are being written are left for the next time; those that cannot be read are set aside and told of.
    """
    due = or_(
        head_table.c.tail >= FOLD_AT,
        and_(head_table.c.tail > 0, head_table.c.written_at <= time_ns() // 1000 - idle // timedelta(microseconds=1)),
    )
    heads = hold_free(session, due, series_table.c.damage.is_(None), limit=limit)
    for head in heads:
        try:
            _fold(session, head)
        except DamagedChunk as error:
            damage.set_aside(session, head, error)
    save_heads(session, heads, written=False)
    return len(heads)


def heal(session: Session) -> int:
    """Take back the damaged series that can be read again, and return how many."""
    heads = [head for head in hold_free(session, series_table.c.damage.is_not(None)) if damage.heal(session, head)]
    save_heads(session, heads, written=False)
    return len(heads)


def fold_later(session: Session) -> None:
    """Have the tails that are not due yet, if there are any, folded when they are."""
    of = head_table.c.series == series_table.c.number
    waiting = select(series_table.c.number).where(of, head_table.c.tail > 0, series_table.c.damage.is_(None)).limit(1)
    if session.scalar(waiting) is not None:
        request_fold(session)


def _require_open(session: Session, head: Head, written: Written) -> None:
    if head.locked and (written.added or written.replaced or written.deleted):
        name = session.scalar(select(series_table.c.name).where(series_table.c.number == head.number))
        raise Locked(f"Series {name} is locked.")


def grown(session: Session, heads: Iterable[Head], written: Mapping[int, Written]) -> None:
    """Hold organizations to their limits of points."""
    by: dict[str, int] = {}
    for head in heads:
        result = written[head.number]
        by[head.organization_id] = by.get(head.organization_id, 0) + result.added - result.deleted
    for organization_id, points in by.items():
        limits.grown(session, organization_id, "points", points)


@limits.measured_by("points")
def _points_of(session: Session, organization_id: str) -> int:
    of = head_table.c.series == series_table.c.number
    query = select(func.sum(head_table.c.count)).where(of, series_table.c.organization_id == organization_id)
    return int(session.scalar(query) or 0)


def _change(session: Session, head: Head, new: Points, within: tuple[int, int] | None = None) -> Written:
    """Write `new`; where a range is given, its other points go."""
    old = _touched(session, head, new, within)
    kept = old
    if within is not None:
        inside = old.within(*within)
        kept = concatenate([old[: inside.start], old[inside.stop :]])
    whole = merge(kept, new)
    difference = compare(old, whole)
    changes, gone = whole[difference.added | difference.replaced], old.times[difference.deleted]
    added, replaced = int(difference.added.sum()), int(difference.replaced.sum())
    written = Written(
        added,
        replaced,
        len(new) - added - replaced,
        gone.size,
        np.sort(np.append(changes.times, gone)),
        whole.times[difference.added],
    )
    if not written.changed.size:
        return written
    if not gone.size and len(changes) < LONG:
        _make_room(session, head, len(changes))
        held = chunks.tail_times(session, head, int(changes.times[0]), int(changes.times[-1]) + 1)
        chunks.save_tail(session, tail_of(head, changes), fresh=False)
        if not head.tail:
            request_fold(session)
        head.tail += len(changes) - int(np.isin(changes.times, held).sum())
    else:
        _save_chunks(session, head, whole, written.changed)
    head.extend(changes, added=added)
    if gone.size:
        head.count -= gone.size
        save_heads(session, [head])  # finding the ends reads with its width
        _find_ends(session, head, gone)
    return written


def _touched(session: Session, head: Head, new: Points, within: tuple[int, int] | None) -> Points:
    """Return the points of every window that a change touches; all points while there are no windows yet."""
    if head.first is None or head.last is None:
        return EMPTY
    if not head.width:
        return chunks.load(session, [head.number])[head.number]
    if within is None:
        return chunks.load_windows(session, head, np.unique(head.window(new.times)))
    edges = new.times[[0, -1]].tolist() if len(new) else []
    low, high = max(within[0], head.first), min(within[1] - 1, head.last)
    if low <= high:
        edges += [low, high]
    if not edges:
        return EMPTY
    start, last = head.window(np.array([min(edges), max(edges)])).tolist()
    return chunks.load(session, [head.number], start, last + head.width)[head.number]


def _fold(session: Session, head: Head) -> None:
    touched = chunks.tail_times(session, head)
    if touched.size:
        windows = np.unique(head.window(touched)) if head.width else None
        points = (
            chunks.load(session, [head.number])[head.number]
            if windows is None
            else chunks.load_windows(session, head, windows)
        )
        _save_chunks(session, head, points, touched)


def _make_room(session: Session, head: Head, count: int) -> None:
    """Fold a tail that cannot take so many more rows: all of it, so that the next writes have room, too."""
    if head.tail + count >= TAIL_LIMIT:
        _fold(session, head)


def takes_at_its_end(head: Head, first: int, count: int) -> bool:
    """Tell whether so many points from a time on can go to the end of a series' tail, whatever is stored."""
    late = head.last is not None and first <= head.last
    return not (late or head.damage or head.locked) and count < LONG and count + head.tail < TAIL_LIMIT


def request_fold(session: Session) -> None:
    """Have tails folded soon, because one begins; the job asks again for as long as there are any."""
    jobs.enqueue(session, FOLD, {}, key=FOLD, coalesce=FOLD, run_at=now() + IDLE + timedelta(seconds=5))


def _save_chunks(session: Session, head: Head, points: Points, touched: Times) -> None:
    if not head.width:
        head.width = chunks.width_for(points.times)
        touched = np.append(points.times, touched)
    chunks.save(session, head, points, touched)
    try:
        chunks.refit(session, head)
    except DamagedChunk as error:
        damage.set_aside(session, head, error)


def _find_ends(session: Session, head: Head, gone: Times) -> None:
    """Correct the summary after points have gone."""
    if not head.count:
        head.first = head.last = head.last_value = None
        head.width = 0
        return
    if head.first in gone[[0, -1]]:
        head.first = int(read(session, head.number, limit=1).times[0])
    if head.last in gone[[0, -1]]:
        newest = read(session, head.number, limit=1, newest=True)
        head.last, head.last_value = int(newest.times[0]), float(newest.values[0])
