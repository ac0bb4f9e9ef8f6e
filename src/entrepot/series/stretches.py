"""Where a series has points at all, found without reading them."""

import numpy as np
from sqlalchemy import select
from sqlalchemy.orm import Session

from entrepot.series.models import SeriesChunk, SeriesTail
from entrepot.series.reading import read

Stretch = tuple[int, int]


def stretches(session: Session, number: int, apart: int) -> list[Stretch]:
    """Return from which point to which one the points of a series lie no further apart than `apart`.

    Chunks are looked into only where one alone may hold such a gap.
    """
    ends = select(SeriesChunk.first, SeriesChunk.last).where(SeriesChunk.series == number)
    found: list[Stretch] = []
    for first, last in session.execute(ends).all():
        if last - first <= apart:
            found.append((first, last))
            continue
        times = read(session, number, first, last + 1).times
        cuts = np.flatnonzero(np.diff(times) > apart)
        found += zip(times[np.append(0, cuts + 1)].tolist(), times[np.append(cuts, -1)].tolist(), strict=True)
    found += [(time, time) for time in session.scalars(select(SeriesTail.time).where(SeriesTail.series == number))]
    return joined(found, apart)


def joined(found: list[Stretch], apart: int) -> list[Stretch]:
    """Return stretches in their order, those joined that lie no further apart than `apart`."""
    whole: list[Stretch] = []
    for first, last in sorted(found):
        if whole and first - whole[-1][1] <= apart:
            whole[-1] = (whole[-1][0], max(whole[-1][1], last))
        else:
            whole.append((first, last))
    return whole
