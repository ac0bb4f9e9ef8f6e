"""Writing points: the verbs of the series store, on a unit of work of the caller; those that read are here by name.

Writers of one series take turns: each holds the series' row until its transaction ends. A unit of work that writes
several series in several calls takes them all first, with :func:`lock`, so that two of them cannot wait for each other.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from time import time_ns
from typing import Any

import numpy as np
import numpy.typing as npt
from sqlalchemy import and_, bindparam, func, or_, select, update
from sqlalchemy.orm import Session
from sqlalchemy.orm.attributes import set_committed_value
from sqlalchemy.orm.util import identity_key

from entrepot import jobs
from entrepot.db import now
from entrepot.errors import InvalidInput, Locked, NotFound
from entrepot.identity import limits
from entrepot.series import chunks, damage
from entrepot.series.catalog import create_series, get_series, list_series
from entrepot.series.chunks import Head, Written, series_table, tail_of
from entrepot.series.codec import DamagedChunk
from entrepot.series.discarding import discard
from entrepot.series.integrity import check
from entrepot.series.models import DISCARDED, Series
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
    pk: int,
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
    pk
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
    return append_many(session, {pk: (times, values, tags)}, report=report)[pk]


def append_many(session: Session, batch: Mapping[int, Input], *, report: bool = True) -> dict[int, Written]:
    """Write points to several series (key to times, values and perhaps tags); see :func:`append`."""
    points = {pk: tidy(*parts) for pk, parts in sorted(batch.items())}
    heads = _heads(session, points)
    written, tail, began = {}, [], False
    for pk, new in points.items():
        head = heads[pk]
        if head.damage is not None and len(new):
            written[pk] = damage.keep(session, head, new)
            continue
        late = bool(len(new)) and head.last is not None and int(new.times[0]) <= head.last
        if late or len(new) + head.tail >= TAIL_LIMIT or len(new) >= LONG:
            try:
                written[pk] = _change(session, head, new)
            except DamagedChunk as error:  # found before anything was written
                damage.set_aside(session, head, error)
                written[pk] = damage.keep(session, head, new)
        elif len(new):
            began = began or not head.tail
            tail += tail_of(head, new)
            head.tail += len(new)
            _extend(head, new, added=len(new))
            written[pk] = Written(added=len(new), changed=new.times)
        else:
            written[pk] = Written()
    if tail:
        chunks.save_tail(session, tail, fresh=True)
    if began:
        _request_fold(session)
    for pk, result in written.items():
        _require_open(session, heads[pk], result)
    _save_heads(session, [heads[pk] for pk, result in written.items() if result.added or result.replaced])
    _grown(session, heads, written)
    if not report:
        return {pk: Written(w.added, w.replaced, w.unchanged, w.deleted) for pk, w in written.items()}
    return written


def replace_range(
    session: Session,
    pk: int,
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
    head = _heads(session, [pk])[pk]
    written = _change(session, head, new, (low, high))
    _require_open(session, head, written)
    if written.changed.size:
        _save_heads(session, [head])
    _grown(session, {pk: head}, {pk: written})
    return written


def delete_after(session: Session, pk: int, instant: int) -> Written:
    """Delete the points of a series at and after an instant (microseconds since 1970)."""
    return replace_range(session, pk, instant, None, _NONE, np.empty(0))


def delete_series(session: Session, pk: int) -> None:
    """Delete a series with all its points.

    Raises
    ------
    NotFound
        When there is no such series.
    """
    lock(session, [pk])
    discard(session, [pk])


def lock(session: Session, pks: Iterable[int]) -> None:
    """Take these series for writing until the transaction ends.

    Raises
    ------
    NotFound
        When one of them does not exist.
    """
    _heads(session, pks)


def fold(session: Session, pk: int) -> None:
    """Move a series' tail into its chunks."""
    heads = _heads(session, [pk])
    _fold(session, heads[pk])
    _save_heads(session, heads.values(), written=False)


def fold_due(session: Session, limit: int = 50, *, idle: timedelta = IDLE) -> int:
    """Fold the tails that are long enough, or idle, of at most `limit` series; return how many.

    Series that are being written are left for the next time; those that cannot be read are set aside and told of.
    """
    due = or_(
        series_table.c.tail >= FOLD_AT,
        and_(series_table.c.tail > 0, series_table.c.written <= time_ns() // 1000 - idle // timedelta(microseconds=1)),
    )
    statement = (
        _HEADS.where(due, series_table.c.damage.is_(None))
        .limit(limit)
        .with_for_update(key_share=True, skip_locked=True)
    )
    heads = [Head(*row) for row in session.execute(statement)]
    for head in heads:
        try:
            _fold(session, head)
        except DamagedChunk as error:
            damage.set_aside(session, head, error)
    _save_heads(session, heads, written=False)
    return len(heads)


def heal(session: Session) -> int:
    """Take back the damaged series that can be read again, and return how many."""
    statement = _HEADS.where(series_table.c.damage.is_not(None)).with_for_update(key_share=True, skip_locked=True)
    heads = [head for row in session.execute(statement).all() if damage.heal(session, head := Head(*row))]
    _save_heads(session, heads, written=False)
    return len(heads)


def fold_later(session: Session) -> None:
    """Have the tails that are not due yet, if there are any, folded when they are."""
    if session.scalar(_WITH_TAIL) is not None:
        _request_fold(session)


def _heads(session: Session, pks: Iterable[int]) -> dict[int, Head]:
    """Return the rows of these series, locked in the order of their keys."""
    wanted = sorted(set(pks))
    heads: dict[int, Head] = {}
    for at in range(0, len(wanted), chunks.BATCH):
        rows = session.execute(_HEADS_OF, {"pks": wanted[at : at + chunks.BATCH]})
        heads.update((row[0], Head(*row)) for row in rows)
    if len(heads) < len(wanted):
        raise NotFound(f"no series {next(pk for pk in wanted if pk not in heads)}")
    return heads


def _save_heads(session: Session, heads: Iterable[Head], *, written: bool = True) -> None:
    rows: list[dict[str, Any]] = [
        {
            "row": head.pk,
            "count": head.count,
            "first": head.first,
            "last": head.last,
            "last_value": head.last_value,
            "width": head.width,
            "tail": head.tail,
            "damage": head.damage,
        }
        for head in heads
    ]
    if not rows:
        return
    if written:
        instant = time_ns() // 1000
        for row in rows:
            row["written"] = instant
    chunks.execute_many(session, _SAVE_HEAD_WRITTEN if written else _SAVE_HEAD, rows)
    for row in rows:
        loaded = session.identity_map.get(identity_key(Series, row["row"]))
        if loaded is not None:
            for name, value in row.items():
                if name != "row":
                    set_committed_value(loaded, name, value)


def _require_open(session: Session, head: Head, written: Written) -> None:
    if head.locked and (written.added or written.replaced or written.deleted):
        name = session.scalar(select(series_table.c.name).where(series_table.c.pk == head.pk))
        raise Locked(f"Series {name} is locked.")


def _grown(session: Session, heads: Mapping[int, Head], written: Mapping[int, Written]) -> None:
    """Hold organizations to their limits of points."""
    by: dict[str, int] = {}
    for pk, result in written.items():
        organization_id = heads[pk].organization_id
        by[organization_id] = by.get(organization_id, 0) + result.added - result.deleted
    for organization_id, points in by.items():
        limits.grown(session, organization_id, "points", points)


@limits.measured_by("points")
def _points_of(session: Session, organization_id: str) -> int:
    query = select(func.sum(series_table.c.count)).where(series_table.c.organization_id == organization_id)
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
    written = Written(added, replaced, len(new) - added - replaced, gone.size, np.sort(np.append(changes.times, gone)))
    if not written.changed.size:
        return written
    if not gone.size and len(changes) < LONG and len(changes) + head.tail < TAIL_LIMIT:
        held = chunks.tail_times(session, head, int(changes.times[0]), int(changes.times[-1]) + 1)
        chunks.save_tail(session, tail_of(head, changes), fresh=False)
        if not head.tail:
            _request_fold(session)
        head.tail += len(changes) - int(np.isin(changes.times, held).sum())
    else:
        _save_chunks(session, head, whole, written.changed)
    _extend(head, changes, added=added)
    if gone.size:
        head.count -= gone.size
        _save_heads(session, [head])  # finding the ends reads with its width
        _find_ends(session, head, gone)
    return written


def _touched(session: Session, head: Head, new: Points, within: tuple[int, int] | None) -> Points:
    """Return the points of every window that a change touches; all points while there are no windows yet."""
    if head.first is None or head.last is None:
        return EMPTY
    if not head.width:
        return chunks.load(session, [head.pk])[head.pk]
    if within is None:
        return chunks.load_windows(session, head, np.unique(head.window(new.times)))
    edges = new.times[[0, -1]].tolist() if len(new) else []
    low, high = max(within[0], head.first), min(within[1] - 1, head.last)
    if low <= high:
        edges += [low, high]
    if not edges:
        return EMPTY
    start, last = head.window(np.array([min(edges), max(edges)])).tolist()
    return chunks.load(session, [head.pk], start, last + head.width)[head.pk]


def _fold(session: Session, head: Head) -> None:
    touched = chunks.tail_times(session, head)
    if touched.size:
        windows = np.unique(head.window(touched)) if head.width else None
        points = (
            chunks.load(session, [head.pk])[head.pk] if windows is None else chunks.load_windows(session, head, windows)
        )
        _save_chunks(session, head, points, touched)


def _request_fold(session: Session) -> None:
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


def _extend(head: Head, points: Points, *, added: int) -> None:
    """Let the summary know of points that were written."""
    head.count += added
    if len(points):
        first, last = int(points.times[0]), int(points.times[-1])
        if head.last is None or last >= head.last:
            head.last, head.last_value = last, float(points.values[-1])
        head.first = first if head.first is None else min(first, head.first)


def _find_ends(session: Session, head: Head, gone: Times) -> None:
    """Correct the summary after points have gone."""
    if not head.count:
        head.first = head.last = head.last_value = None
        head.width = 0
        return
    if head.first in gone[[0, -1]]:
        head.first = int(read(session, head.pk, limit=1).times[0])
    if head.last in gone[[0, -1]]:
        newest = read(session, head.pk, limit=1, newest=True)
        head.last, head.last_value = int(newest.times[0]), float(newest.values[0])


_HEADS = (
    select(*(series_table.c[name] for name in Head.__slots__))
    .where(series_table.c.project_id != DISCARDED)
    .order_by(series_table.c.pk)
)
_HEADS_OF = _HEADS.where(series_table.c.pk.in_(bindparam("pks", expanding=True))).with_for_update(key_share=True)
_WITH_TAIL = select(series_table.c.pk).where(series_table.c.tail > 0, series_table.c.damage.is_(None)).limit(1)
_SAVE_HEAD = (
    update(series_table)
    .where(series_table.c.pk == bindparam("row"))
    .values({name: bindparam(name) for name in Head.__slots__ if name not in ("pk", "organization_id", "locked")})
)
_SAVE_HEAD_WRITTEN = _SAVE_HEAD.values(written=bindparam("written"))
