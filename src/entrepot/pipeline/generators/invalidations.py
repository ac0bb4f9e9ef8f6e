"""What changed upstream and was not yet looked at: intervals to recompute, kept in the database until settled."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import delete, insert, select
from sqlalchemy.orm import Session

from entrepot.pipeline.intervals import EVER
from entrepot.pipeline.models import Invalidation

DAY = 86_400_000_000
#: Stands for all times; microseconds, far outside of any calendar.
ALWAYS = EVER
#: Changes nearer to each other than this are recomputed together.
_GAP = DAY
_MOST_SPANS = 200
#: Marks named in one statement.
_MOST_NAMED = 1000


@dataclass(frozen=True)
class Pending:
    """The intervals that a consumer has to recompute, by source, and the marks that say so."""

    spans: dict[str, list[tuple[int, int]]]
    marks: tuple[int, ...]

    def __bool__(self) -> bool:
        return bool(self.spans)


def spans(changed: NDArray[np.int64]) -> list[tuple[int, int]]:
    """Group sorted stamps that changed into few half-open intervals ``[start, stop)`` around them."""
    if changed.size == 0:
        return []
    gaps = np.diff(changed)
    cuts = np.flatnonzero(gaps > _GAP)
    if cuts.size >= _MOST_SPANS:
        cuts = np.sort(cuts[np.argsort(gaps[cuts])[-(_MOST_SPANS - 1) :]])
    starts = changed[np.concatenate(([0], cuts + 1))]
    stops = changed[np.concatenate((cuts, [changed.size - 1]))] + 1
    return list(zip(starts.tolist(), stops.tolist(), strict=True))


def mark(session: Session, consumer_id: str, source: str, intervals: Iterable[tuple[int, int]]) -> None:
    """Note that these intervals of a consumer's source changed."""
    rows = [{"consumer_id": consumer_id, "source": source, "start": a, "stop": b} for a, b in intervals]
    if rows:
        session.execute(insert(Invalidation), rows)


def pending(session: Session, consumer_id: str) -> Pending:
    """Return what the consumer has to recompute."""
    found: dict[str, list[tuple[int, int]]] = {}
    marks: list[int] = []
    query = select(Invalidation.number, Invalidation.source, Invalidation.start, Invalidation.stop).where(
        Invalidation.consumer_id == consumer_id
    )
    for number, source, start, stop in session.execute(query.order_by(Invalidation.start)):
        found.setdefault(source, []).append((start, stop))
        marks.append(number)
    return Pending(found, tuple(marks))


def settle(session: Session, done: Pending) -> None:
    """Forget what was recomputed; marks made meanwhile stay."""
    for first in range(0, len(done.marks), _MOST_NAMED):
        session.execute(delete(Invalidation).where(Invalidation.number.in_(done.marks[first : first + _MOST_NAMED])))


def forget(session: Session, consumer_id: str) -> None:
    """Forget all marks of a consumer that is cleared or deleted."""
    session.execute(delete(Invalidation).where(Invalidation.consumer_id == consumer_id))
