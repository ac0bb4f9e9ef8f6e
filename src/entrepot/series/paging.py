"""Points of a series page by page, so that memory does not grow with how many there are."""

from collections.abc import Iterable, Iterator
from functools import partial

from sqlalchemy import Connection
from sqlalchemy.orm import Session

from entrepot.bounds.budget import Budget
from entrepot.db import Database
from entrepot.errors import TooLarge
from entrepot.series import store
from entrepot.series.points import EMPTY, Points, Values, concatenate
from entrepot.series.stepping import Steps

PAGE = 250_000
MOST_IN_INTERVAL = 20_000_000  # points of one interval that is resampled


def first_page(
    session: Session | Connection,
    number: int,
    start: int | None,
    stop: int | None,
    limit: int | None,
    held: int | None = None,
) -> Points:
    """Return the first page of the points in [start, stop) of a series, which has as many as it `held` of late."""
    if limit is None and held is not None and held < PAGE // 2:  # a page has them all; to look for its end takes time
        return store.read(session, number, start, stop)[:PAGE]
    return store.read(session, number, start, stop, limit=PAGE if limit is None else min(PAGE, limit))


def pages(
    database: Database, number: int, start: int | None, stop: int | None, limit: int | None, budget: Budget
) -> Iterator[Points]:
    """Yield the points in [start, stop), at most so many; each page is read in a transaction of its own.

    So whoever reads slowly keeps neither a connection nor a snapshot; what is changed meanwhile is seen where it
    comes later.
    """
    left = limit
    while left is None or left > 0:
        budget.check()
        points = database.read_long(partial(first_page, number=number, start=start, stop=stop, limit=left))
        budget.made(len(points))
        if len(points):
            yield points
        if len(points) < PAGE:
            return
        start = int(points.times[-1]) + 1
        left = None if left is None else left - len(points)


def stepped(parts: Iterable[Points], steps: Steps) -> Iterator[tuple[Points, Values]]:
    """Yield points brought to steps, each whole whatever pages it lies in, and how complete these are in per cent.

    Raises
    ------
    TooLarge
        A step has too many points to be held.
    """
    held: list[Points] = []
    begin = 0
    before: tuple[int, float] | None = None

    def whole() -> tuple[Points, Values]:
        nonlocal before
        points = concatenate(held or [EMPTY])
        found = steps.of(points, before)
        if len(points):
            before = int(points.times[-1]), float(points.values[-1])
        return found

    for page in parts:
        edge = steps.begins(int(page.times[-1]))
        if held and edge == begin:
            held.append(page)
        else:
            cut = int(page.times.searchsorted(edge))
            held.append(page[:cut])
            yield whole()
            held, begin = [page[cut:]], edge
        if sum(map(len, held)) > MOST_IN_INTERVAL:
            raise TooLarge.field("step", f"An interval of it has more than {MOST_IN_INTERVAL} points.")
    yield whole()
