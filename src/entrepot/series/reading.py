"""Reading points: the verbs of the series store that change nothing."""

from collections.abc import Sequence
from typing import Literal

from sqlalchemy import Connection
from sqlalchemy.orm import Session

from entrepot.series import chunks
from entrepot.series.points import EARLIEST, EMPTY, LATEST, Points

Inclusive = Literal["left", "right", "both", "neither"]


def read(
    session: Session | Connection,
    number: int,
    start: int | None = None,
    stop: int | None = None,
    *,
    limit: int | None = None,
    newest: bool = False,
    inclusive: Inclusive = "left",
) -> Points:
    """Return the points of a series between two times; none when there is no such series.

    Parameters
    ----------
    session
        Any session; chunks and tail are read in one statement, so it needs no snapshot for one series to be whole.
    number
        Key of the series.
    start, stop
        Microseconds since 1970; None is no bound.
    limit
        Most points: the oldest of the range, or with `newest` the newest. Always sorted by time.
    inclusive
        Which of the bounds belong to the range.
    """
    low, high = _bounds(start, stop, inclusive)
    if limit is None:
        return chunks.load(session, [number], low, high)[number]
    if limit <= 0:
        return EMPTY
    low, high = chunks.narrow(session, number, low, high, limit, newest=newest)
    points = chunks.load(session, [number], low, high)[number]
    return points[-limit:] if newest else points[:limit]


def read_many(
    session: Session,
    numbers: Sequence[int],
    start: int | None = None,
    stop: int | None = None,
    limit: int | None = None,
    *,
    inclusive: Inclusive = "left",
) -> dict[int, Points]:
    """Return the points of several series, at most `limit` of each, the oldest; see :func:`read`."""
    if limit is None:
        return chunks.load(session, numbers, *_bounds(start, stop, inclusive))
    return {number: read(session, number, start, stop, limit=limit, inclusive=inclusive) for number in numbers}


def _bounds(start: int | None, stop: int | None, inclusive: Inclusive) -> tuple[int | None, int | None]:
    """Return the bounds of the half-open range of microseconds."""
    low = None if start is None else clip(start + (inclusive in {"right", "neither"}), EARLIEST)
    high = None if stop is None else clip(stop + (inclusive in {"right", "both"}), LATEST + 1)
    return low, high


def clip(time: int | None, default: int) -> int:
    """Return a time within those that can be stored; None is the default."""
    return default if time is None else min(max(time, EARLIEST), LATEST + 1)
