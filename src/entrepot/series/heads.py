"""The rows of series, held while points are written: how many there are, from when to when, and where they lie."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from operator import attrgetter
from time import time_ns
from typing import Any, cast

from sqlalchemy import ColumnElement, Table, bindparam, select, update
from sqlalchemy.orm import Session
from sqlalchemy.orm.attributes import set_committed_value
from sqlalchemy.orm.util import identity_key

from entrepot.db.driver import Among, execute_many, fetch
from entrepot.errors import NotFound
from entrepot.series.models import DISCARDED, Series, SeriesHead
from entrepot.series.points import Points, Times

series_table = cast("Table", Series.__table__)
head_table = cast("Table", SeriesHead.__table__)


@dataclass(slots=True)
class Head:
    """What the store needs to know of a series in order to write to it: its row, held for this transaction."""

    number: int
    count: int
    first: int | None
    last: int | None
    last_value: float | None
    width: int
    tail: int
    organization_id: str
    damage: str | None
    locked: bool

    @classmethod
    def of(cls, row: Sequence[Any]) -> "Head":
        """Return what a row of :data:`HEADS` says."""
        head = cls(*row)
        head.locked = bool(head.locked)  # SQLite has numbers for truths
        return head

    def window(self, times: Times) -> Times:
        """Return the start of the window of each time."""
        return times // self.width * self.width

    def extend(self, points: Points, *, added: int) -> None:
        """Know of points that were written."""
        self.count += added
        if len(points):
            first, last = int(points.times[0]), int(points.times[-1])
            if self.last is None or last >= self.last:
                self.last, self.last_value = last, float(points.values[-1])
            self.first = first if self.first is None else min(first, self.first)


def hold(session: Session, numbers: Iterable[int]) -> dict[int, Head]:
    """Return the rows of these series, held from now on, in the order of their keys.

    Raises
    ------
    NotFound
        When there is no such series.
    """
    wanted = sorted(set(numbers))
    heads = {row[0]: Head.of(row) for row in fetch(session, _OF, {"numbers": wanted})}
    if len(heads) < len(wanted):
        raise NotFound(f"no series {next(number for number in wanted if number not in heads)}")
    return heads


def hold_free(session: Session, *where: ColumnElement[bool], limit: int | None = None) -> list[Head]:
    """Return the rows of series of which all this is true, and which nobody else holds."""
    statement = HEADS.where(*where).limit(limit).with_for_update(key_share=True, skip_locked=True)
    return [Head.of(row) for row in session.execute(statement)]


def save(session: Session, heads: Iterable[Head], *, written: bool = True) -> None:
    """Store rows as they are now; `written` says that it is for points that came."""
    instant = (time_ns() // 1000,) if written else ()
    rows = [(*_saved(head), *instant, head.number) for head in heads]
    if not rows:
        return
    execute_many(
        session, _SAVE_WRITTEN if written else _SAVE, rows, [*_SAVED, *(["written_at"] if written else []), "row"]
    )
    for row in rows if len(session.identity_map) else ():
        if (loaded := session.identity_map.get(identity_key(SeriesHead, row[-1]))) is not None:
            for name, value in zip(_SAVED, row, strict=False):
                set_committed_value(loaded, name, value)


_SAVED = ("count", "first", "last", "last_value", "width", "tail")
_saved = attrgetter(*_SAVED)
#: To be held, both rows: what changes a series itself, and what writes to it, take turns.
HEADS = (
    select(
        head_table.c.series,
        *(head_table.c[name] for name in _SAVED),
        *(series_table.c.organization_id, series_table.c.damage, series_table.c.locked),
    )
    .join_from(series_table, head_table, head_table.c.series == series_table.c.number)
    .where(series_table.c.project_id != DISCARDED)
    .order_by(series_table.c.number)
)
_OF = HEADS.where(Among(series_table.c.number, "numbers")).with_for_update(key_share=True)
_SAVE = (
    update(head_table).where(head_table.c.series == bindparam("row")).values({name: bindparam(name) for name in _SAVED})
)
_SAVE_WRITTEN = _SAVE.values(written_at=bindparam("written_at"))
