"""Selecting: points of some series between two times, on a clock, perhaps resampled."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal, get_args

import numpy as np
from sqlalchemy.orm import Session

from entrepot.bounds.budget import Budget, unlimited
from entrepot.errors import InvalidInput
from entrepot.series import store, totals
from entrepot.series.catalog import frequency
from entrepot.series.clocks import Clock, Kind, ceil_to_grid, floor_to_grid, grid, next_start, to_naive, to_utc
from entrepot.series.frequency import Frequency
from entrepot.series.models import Series
from entrepot.series.points import EARLIEST, EMPTY, LATEST, Points, Tags, Times, Values
from entrepot.series.resample import RULES, Rule, resample
from entrepot.series.second_pass import as_delivered

MOST_POINTS = 1_000_000  # of one selection, all series together
PAGE = 1_000_000  # points that are resampled at a time

Closed = Literal["left", "right", "both", "neither"]
Side = Literal["left", "right"]
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """What to return of each series.

    Attributes
    ----------
    start, end
        Bounds of the times that are returned; aware, or naive on the output clock. When resampling, intervals whose
        label is within them are returned whole.
    closed
        Which of the bounds belong to the range.
    resample
        The step to resample to; None for the points as they are.
    rule
        How the points of an interval become one.
    convention
        Whether an interval is labelled with its start or its end.
    dropna
        Whether intervals without a point are left out when resampling; else they are NaN.
    clock, timezone
        The output clock; None for that of each series. A series whose clock is unknown keeps its stamps.
    max_rows
        Most points of each series, the oldest.
    cap
        Most points of all series together, equally shared, the oldest of each; None for no cap.
    """

    start: datetime | None = None
    end: datetime | None = None
    closed: Closed = "both"
    resample: str | None = None
    rule: Rule = "mean"
    convention: Side = "left"
    dropna: bool = False
    clock: Kind | None = None
    timezone: str | None = None
    max_rows: int | None = None
    cap: int | None = MOST_POINTS

    def __post_init__(self) -> None:
        for name, value, allowed in (
            ("closed", self.closed, get_args(Closed)),
            ("convention", self.convention, get_args(Side)),
            ("rule", self.rule, RULES),
        ):
            if value not in allowed:
                raise InvalidInput.field(name, f"{value!r} is not one of {', '.join(allowed)}.")
        if self.max_rows is not None and self.max_rows < 0:
            raise InvalidInput.field("max_rows_nb", "must not be negative.")


@dataclass(frozen=True, slots=True)
class Selected:
    """What was selected of a series.

    Attributes
    ----------
    series
        The series.
    times
        Naive microseconds: what the output clock showed, ascending, without duplicates.
    values
        As many floats; NaN for an interval without a point.
    tags
        As many texts or Nones; None when there are none, and when resampled.
    """

    series: Series
    times: Times
    values: Values
    tags: Tags | None = None


def select(
    session: Session, series: Sequence[Series], selection: Selection, budget: Budget | None = None
) -> list[Selected]:
    """Return what a selection asks for of each series, in the order of the series.

    Parameters
    ----------
    session
        A snapshot (`Database.read`).
    series
        The series, whose rights the caller has checked.
    selection
        What to return.
    budget
        What it may take; by default, anything.

    Raises
    ------
    InvalidInput
        When the frequency, the clock or the time zone is not known.
    """
    freq = None if selection.resample is None else frequency("resample", selection.resample)
    limits = [
        limit
        for limit in (selection.max_rows, selection.cap and selection.cap // max(len(series), 1))
        if limit is not None
    ]
    limit = min(limits, default=None)
    clocks = [output_clock(each, selection.clock, selection.timezone) for each in series]
    bounds = [limits_in_utc(selection.start, selection.end, selection.closed, clock) for clock in clocks]
    if freq is not None:
        return [
            _resampled(session, each, selection, freq, clock, bound, limit, budget or unlimited())
            for each, clock, bound in zip(series, clocks, bounds, strict=True)
        ]
    found = _read(session, series, bounds, limit)
    selected = []
    for each, clock in zip(series, clocks, strict=True):
        points = found[each.number] if each.clock is not None else as_delivered(found[each.number])
        naive = to_naive(points.times, clock)
        selected.append(Selected(each, *once_with_tags(naive, points.values, points.tags, each.rule)))
    return selected


def output_clock(series: Series, kind: Kind | None = None, timezone: str | None = None) -> Clock:
    """Return the clock on which a series is shown when `kind` is asked for: its own where it is None.

    Nothing can be said of a series whose clock is unknown, so it keeps its stamps. A series in `utc` without a time
    zone stays in `utc` unless a zone is asked for.
    """
    if series.clock is None:
        return Clock(None)
    zone = timezone or series.timezone
    shown = kind or series.clock
    return Clock(shown, zone) if zone is not None or shown == "utc" else Clock("utc")  # type: ignore[arg-type]


def limits_in_utc(
    start: datetime | None, end: datetime | None, closed: Closed, clock: Clock
) -> tuple[int | None, int | None]:
    """Return the half-open range in UTC of two bounds, which are aware, or naive on `clock`.

    A naive bound that the clock showed twice is its first occurrence as a start, its second as an end.
    """
    low = None if start is None else _instant(start, clock, "first") + (closed in {"right", "neither"})
    high = None if end is None else _instant(end, clock, "second") + (closed in {"right", "both"})
    return low, high


def once(times: Times, values: Values, rule: str) -> tuple[Times, Values]:
    """Return naive stamps sorted and without duplicates: where the clock was put back, the first of two counts.

    Of sums, both do, added.
    """
    if times.size < 2 or (times[1:] > times[:-1]).all():
        return times, values
    order = np.argsort(times, kind="stable")
    stamps, firsts = np.unique(times[order], return_index=True)
    ordered = values[order]
    return stamps, np.add.reduceat(ordered, firsts) if rule == "sum" else ordered[firsts]


def once_with_tags(times: Times, values: Values, tags: Tags | None, rule: str) -> tuple[Times, Values, Tags | None]:
    """Do as :func:`once`; the tag of the first counts."""
    stamps, numbers = once(times, values, rule)
    if tags is None or stamps is times:
        return stamps, numbers, tags
    order = np.argsort(times, kind="stable")
    return stamps, numbers, tags[order[times[order].searchsorted(stamps)]]


def resampled_points(
    session: Session,
    number: int,
    low: int | None,
    high: int | None,
    freq: Frequency,
    clock: Clock,
    rule: Rule,
    limit: int | None = None,
    budget: Budget | None = None,
) -> tuple[Times, Values]:
    """Resample the points of a series in [low, high), a page at a time, and return starts in UTC and values.

    The bounds must be starts of intervals, for these to be whole. With a limit, reading stops once there are as many.
    """  # fmt: skip
    budget = budget or unlimited()
    if rule in totals.RULES and (found := totals.read(session, number, low, high, freq, clock)) is not None:
        budget.made(found.starts.size)
        return found.starts, found.by(rule)
    times: list[Times] = [EMPTY.times]
    values: list[Values] = [EMPTY.values]
    rows = 0
    while limit is None or rows < limit:
        points = store.read(session, number, low, high, limit=PAGE)
        budget.made(len(points))
        if more := len(points) == PAGE:
            edge = int(floor_to_grid(points.times[-1:], freq, clock)[0])
            if edge <= points.times[0]:  # one interval fills the page
                edge = int(next_start(points.times[-1:], freq, clock)[0])
                points = store.read(session, number, low, edge if high is None else min(edge, high))
            points, low = points[points.within(None, edge)], edge
        starts, means = resample(points.times, points.values, freq, clock, rule)
        times.append(starts)
        values.append(means)
        rows += starts.size
        if not more:
            break
    return np.concatenate(times), np.concatenate(values)


def _resampled(
    session: Session,
    series: Series,
    selection: Selection,
    freq: Frequency,
    clock: Clock,
    bounds: tuple[int | None, int | None],
    limit: int | None,
    budget: Budget,
) -> Selected:
    low, high = (None if bound is None else _first_start(bound, freq, clock, selection.convention) for bound in bounds)
    rule = selection.rule
    starts, values = resampled_points(session, series.number, low, high, freq, clock, rule, limit, budget)
    starts, values = starts[:limit], values[:limit]
    if not selection.dropna and starts.size:
        stop = int(starts[-1]) + 1
        if limit is not None:
            # No step takes more than its longest length and a change of time.
            stop = min(stop, int(starts[0]) + (limit + 1) * (freq.longest + 86_400_000_000))
        every = grid(int(starts[0]), stop, freq, clock)[:limit]
        filled = np.full(every.size, np.nan)
        where = every.searchsorted(starts)
        kept = where < every.size
        filled[where[kept]] = values[kept]
        starts, values = every, filled
    if selection.convention == "right" and starts.size:
        starts = next_start(starts, freq, clock)
    return Selected(series, *once(to_naive(starts, clock), values, rule))


def _first_start(bound: int, freq: Frequency, clock: Clock, convention: Side) -> int:
    """Return the start of the first interval whose label is at or after a bound."""
    label = ceil_to_grid(np.array([bound]), freq, clock)
    return int(label[0] if convention == "left" else floor_to_grid(label - 1, freq, clock)[0])


def _read(
    session: Session, series: Sequence[Series], bounds: Sequence[tuple[int | None, int | None]], limit: int | None
) -> dict[int, Points]:
    """Read series together where their bounds are the same and no limit can matter."""
    found: dict[int, Points] = {}
    together: dict[tuple[int | None, int | None], list[int]] = defaultdict(list)
    for each, (low, high) in zip(series, bounds, strict=True):
        if limit is None or each.count <= limit:
            together[low, high].append(each.number)
        else:
            found[each.number] = store.read(session, each.number, low, high, limit=limit)
    for (low, high), numbers in together.items():
        found.update(store.read_many(session, numbers, low, high))
    return found


def _instant(moment: datetime, clock: Clock, ambiguous: Literal["first", "second"]) -> int:
    microsecond = timedelta(microseconds=1)
    if moment.tzinfo is not None and clock.kind is not None:
        return (moment - _EPOCH) // microsecond
    naive = np.array([(moment.replace(tzinfo=UTC) - _EPOCH) // microsecond])
    return min(max(int(to_utc(naive, clock, ambiguous=ambiguous)[0]), EARLIEST), LATEST)
