"""Reading of a raw series what cleaning a part of it needs: the points, their neighbours, and the ends of the whole."""

from typing import Final

import numpy as np
from sqlalchemy.orm import Session

from entrepot.pipeline.cleaning.influence import Extent, Influence, further
from entrepot.pipeline.cleaning.spec import CleaningSpec
from entrepot.pipeline.cleaning.steps import NEIGHBOURS
from entrepot.pipeline.intervals import EVER
from entrepot.series import second_pass, store
from entrepot.series.clocks import Passes, Stamps, to_utc
from entrepot.series.frequency import DAY
from entrepot.series.points import EMPTY, Points
from entrepot.series.resample import Values

Raw = tuple[Stamps, Values, Passes]


def bounds(start: int, stop: int) -> tuple[int | None, int | None]:
    """Return a range as the store is asked for it."""
    return (None if start <= EVER[0] else start), (None if stop >= EVER[1] else stop)


def points(session: Session, number: int, stretch: Influence, spec: CleaningSpec) -> Raw:
    """Return the points that a stretch needs: stamps as delivered, values, and what tells equal stamps apart."""
    start, stop = bounds(stretch.read_start, stretch.read_stop)
    return _delivered(_wider(session, number, start, stop, further(spec)), spec)


def instants(session: Session, number: int, start: int, stop: int, spec: CleaningSpec) -> Points:
    """Return the points between two times of a raw series, at the instants that its channel's clock says."""
    stamps, values, passes = _delivered(store.read(session, number, start, stop), spec)
    times = to_utc(stamps, spec.input_clock, ambiguous=passes)
    order = np.argsort(times, kind="stable")
    return Points(times[order], values[order], None)


def neighbours(session: Session, number: int, start: int, stop: int, spec: CleaningSpec) -> tuple[Stamps, Stamps]:
    """Return the stamps before and after a range of times that `influence` asks for."""
    count = NEIGHBOURS + 1 if spec.looks_around else 1
    # Around a change of time, the order of stamps is not that of instants.
    slack = 0 if spec.input_clock.fixed or not spec.looks_around else DAY
    before = store.read(session, number, None, start - slack, limit=count, newest=True).times
    after = store.read(session, number, stop + slack, None, limit=count).times
    if slack:
        before = np.append(before, store.read(session, number, start - slack, start).times)
        after = np.append(store.read(session, number, stop, stop + slack).times, after)
    return before, after


def extent(session: Session, number: int, first: int, last: int, spec: CleaningSpec) -> Extent:
    """Return the first and the last instant of a raw series, of which the first and the last time are given."""
    slack = 0 if spec.input_clock.fixed else DAY
    found = []
    for start, stop in ((first, first + slack + 1), (last - slack, last + 1)):
        stamps, _, passes = _delivered(store.read(session, number, start, stop), spec)
        found.append(to_utc(stamps, spec.input_clock, ambiguous=passes))
    return Extent(int(found[0].min()), int(found[1].max()))


def _wider(session: Session, number: int, start: int | None, stop: int | None, count: int) -> Points:
    """Return the points of a range, and so many before and after it."""
    low, high = start, stop
    if count and start is not None:
        before = store.read(session, number, None, start, limit=count, newest=True).times
        low = int(before[0]) if before.size else start
    if count and stop is not None:
        after = store.read(session, number, stop, None, limit=count).times
        high = int(after[-1]) + 1 if after.size else stop
    return store.read(session, number, low, high)


def _delivered(found: Points, spec: CleaningSpec) -> Raw:
    if spec.instants:
        return found.times, found.values, np.zeros(len(found), np.int8)
    delivered = second_pass.as_delivered(found)
    return delivered.times, delivered.values, second_pass.passes(found.tags, len(found))


NONE: Final[Raw] = (EMPTY.times, EMPTY.values, np.empty(0, np.int8))
