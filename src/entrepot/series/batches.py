"""Points of many series in one write: checked, and written at the end of each, all together.

What loggers send is mostly a few new points of each of their series. What else comes, late, repeated, with tags or
long, goes the way of :func:`entrepot.series.store.append_many`, series by series.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise, repeat

import numpy as np
from sqlalchemy.orm import Session

from entrepot.series import chunks, heads, store
from entrepot.series.chunks import Written
from entrepot.series.heads import Head
from entrepot.series.points import EARLIEST, LATEST, Tags, Times, Values

Part = tuple[Times, Values, Tags | None]


@dataclass(frozen=True, slots=True)
class Batch:
    """Points of several series, as they were sent.

    Attributes
    ----------
    names
        What the sender calls the series, each once.
    edges
        Where the points of each begin, and at last where all end.
    times, values, tags
        Of all points, those of one series after those of the other.
    """

    names: Sequence[str]
    edges: Sequence[int]
    times: Times
    values: Values
    tags: Tags | None = None

    @classmethod
    def of(cls, parts: Mapping[str, Part]) -> "Batch":
        """Return parts as one."""
        tags = None
        if any(part[2] is not None for part in parts.values()):
            each = (np.full(times.size, None, object) if texts is None else texts for times, _, texts in parts.values())
            tags = np.concatenate([*each])
        return cls(
            [*parts],
            [0, *np.cumsum([times.size for times, _, _ in parts.values()]).tolist()],
            np.concatenate([np.empty(0, np.int64), *(times for times, _, _ in parts.values())]),
            np.concatenate([np.empty(0), *(values for _, values, _ in parts.values())]),
            tags,
        )

    def __len__(self) -> int:
        return len(self.names)

    def part(self, number: int) -> Part:
        """Return the points of one of the series."""
        own = slice(self.edges[number], self.edges[number + 1])
        return self.times[own], self.values[own], None if self.tags is None else self.tags[own]

    def is_plain(self) -> bool:
        """Tell whether all of it can be stored as it is: in order, finite, without tags, not out of all time."""
        if self.tags is not None or not self.times.size or not np.isfinite(self.values).all():
            return False
        later = self.times[1:] > self.times[:-1]
        begins = np.array(self.edges[1:-1], np.int64)
        later[begins[(begins > 0) & (begins < self.times.size)] - 1] = True
        return bool(later.all()) and self.times.min() >= EARLIEST and self.times.max() <= LATEST


def append(session: Session, held: Sequence[Head], batch: Batch, *, report: bool = True) -> dict[int, Written]:
    """Write points to series, whose rows are held, in the order of the batch; see :func:`store.append`."""
    if not batch.is_plain():
        parts = {head.number: batch.part(number) for number, head in enumerate(held)}
        return store.append_many(session, parts, report=report)
    times, values = batch.times.tolist(), (batch.values + 0.0).tolist()  # SQLite keeps no negative zero
    rows: list[tuple[int, int, float, None]] = []
    written, extended, began = {}, [], False
    others: dict[int, Part] = {}
    for number, (head, (start, stop)) in enumerate(zip(held, pairwise(batch.edges), strict=True)):
        if start == stop or not store.takes_at_its_end(head, times[start], stop - start):
            others[head.number] = batch.part(number)
            continue
        began = began or not head.tail
        head.count += stop - start
        head.tail += stop - start
        head.first = times[start] if head.first is None else head.first
        head.last, head.last_value = times[stop - 1], values[stop - 1]
        rows += zip(repeat(head.number), times[start:stop], values[start:stop], repeat(None))
        written[head.number] = Written(stop - start, changed=batch.times[start:stop] if report else _NONE)
        extended.append(head)
    chunks.add_to_tail(session, rows)
    heads.save(session, extended)
    if began:
        store.request_fold(session)
    store.grown(session, extended, written)
    return written | (store.append_many(session, others, report=report) if others else {})


_NONE: Times = np.empty(0, np.int64)
