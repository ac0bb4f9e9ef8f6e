"""How points are looked at: as they are or brought to steps, and beside them those of an earlier time."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Final, TypeVar

import numpy as np
from sqlalchemy.orm import Session

from entrepot.series import paging, totals
from entrepot.series.clocks import Clock, next_start
from entrepot.series.envelope import Envelope, Grid, envelope, pieces, summary
from entrepot.series.extremes import Extremes
from entrepot.series.frequency import DAY, Frequency
from entrepot.series.models import Series
from entrepot.series.points import Points
from entrepot.series.second_pass import as_delivered
from entrepot.series.stepping import Aggregate, Steps

PERIOD: Final = "period"
PartT = TypeVar("PartT", Points, Points | Extremes)


@dataclass(frozen=True)
class Look:
    """A way to look at points.

    Attributes
    ----------
    step, how
        To which steps they are brought, and by what; None: they are themselves.
    clock
        Whose days, months and years the steps follow; None: that of each series.
    before
        How long before the time that is asked for the points lie that are told in their place, such as ``1Y`` or
        ``4W``: then they are told as if they were of that time. ``period``: as long as that time is. Empty: they are of
        that time itself.
    """

    step: Frequency | None = None
    how: Aggregate = "mean"
    clock: Clock | None = None
    before: str = ""

    def offset(self, start: int, stop: int) -> int:
        """Return by how many microseconds what is told lies before the time in [start, stop)."""
        if not self.before:
            return 0
        if self.before == PERIOD:
            return stop - start
        span = Frequency.parse(self.before)
        return span.microseconds if span.microseconds is not None else start - _months_before(start, span.months)

    def points(
        self, session: Session, series: Series, start: int, stop: int, check: Callable[[], object] = lambda: None
    ) -> Iterator[Points]:
        """Yield what is seen of a series in [start, stop), part by part; a step is whole, whatever the time cuts of it.

        Parameters
        ----------
        session
            One whose reads are one snapshot.
        check
            Is called between parts, and raises when nobody waits any more.
        """
        offset = self.offset(start, stop)
        for found in self._seen(session, series, start - offset, stop - offset, check):
            if len(found):
                yield Points(found.times + offset, found.values) if offset else found

    def envelope(
        self, session: Session, series: Series, start: int, stop: int, pixels: int, check: Callable[[], object]
    ) -> Envelope:
        """Return the envelope of what is seen of a series in [start, stop); parameters are those of :meth:`points`."""
        offset = self.offset(start, stop)
        grid, start, stop = Grid.of(start, stop, pixels).earlier(offset), start - offset, stop - offset
        parts: Iterator[Points | Extremes] = self._seen(session, series, start, stop, check)
        if self.step is None and series.damage is None:
            parts = _checked(series, summary(session, series.number, start, stop, grid), check)
        found = envelope((part for part in parts if len(part)), grid)
        return replace(found, times=found.times + offset)

    def _seen(
        self, session: Session, series: Series, start: int, stop: int, check: Callable[[], object]
    ) -> Iterator[Points]:
        if self.step is None:
            yield from _pieces(session, series, start, stop, check)
            return
        if series.first is None or series.last is None:
            return
        native = None if series.step is None else Frequency.parse(series.step)
        clock = self.clock or Clock(series.clock or "utc", series.timezone if series.clock else None)  # type: ignore[arg-type]
        steps = Steps(self.step, clock, self.how, native)
        # The first step may begin in this time, and its first point come after it.
        first, last = max(start, steps.begins(series.first)), min(stop - 1, series.last)
        if last < first:
            return
        begin, end = steps.begins(first), int(next_start(np.array([last], np.int64), self.step, clock)[0])
        kept = None
        if self.how in totals.RULES and series.clock is not None:
            kept = totals.read(session, series.number, begin, end, steps.step, steps.clock)
        parts = (
            paging.stepped(_pieces(session, series, begin, end, check), steps)
            if kept is None
            else [steps.of_totals(kept)]
        )
        for found, _ in parts:
            yield found[found.within(start, stop)]


def _pieces(session: Session, series: Series, start: int, stop: int, check: Callable[[], object]) -> Iterator[Points]:
    return _checked(series, pieces(session, series.number, start, stop), check)


def _checked(series: Series, parts: Iterable[PartT], check: Callable[[], object]) -> Iterator[PartT]:
    """Yield parts with the stamps that were delivered; extremes are kept where these are the stamps that are kept."""
    for part in parts:
        check()
        yield as_delivered(part) if series.clock is None and isinstance(part, Points) else part


def _months_before(time: int, months: int) -> int:
    """Return the stamp so many calendar months before, in UTC; of a day that that month lacks, its last day."""
    stamp = np.datetime64(time, "us")
    month = stamp.astype("M8[M]") - months
    into = int((stamp - stamp.astype("M8[M]").astype("M8[us]")).astype(np.int64))
    begin, length = (int(at.astype("M8[us]").astype(np.int64)) for at in (month, month + 1))
    days = min(into // DAY, (length - begin) // DAY - 1)
    return begin + days * DAY + into % DAY
