"""Clocks: how instants are written down, and where the intervals of a step begin.

Instants are int64 microseconds since 1970 in UTC. *Naive* stamps are the same count of what a clock on the wall shows.

============  ==========================================================================================================
``utc``       UTC.
``standard``  The zone's standard time of that year, all year: the smaller of its offsets on 1 January and on 1 July,
              which changes only where a country took another standard time (see `zones.standard_time`).
``local``     The zone's wall clock, with all changes of time that the zone had from 1900 and will have until 2200.
unknown       Stamps as delivered, read as if they were UTC.
============  ==========================================================================================================
"""

from dataclasses import dataclass
from itertools import pairwise
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from entrepot.errors import InvalidInput
from entrepot.series.frequency import DAY, Frequency
from entrepot.series.search import count_upto
from entrepot.series.zones import Mask, Passes, Stamps, Zone, check_timezone, standard_time, wall_clock

__all__ = [
    "KINDS",
    "MAX_INTERVALS",
    "UNKNOWN_CLOCK",
    "UTC_CLOCK",
    "Clock",
    "Kind",
    "Mask",
    "Passes",
    "Stamps",
    "ceil_to_grid",
    "check_timezone",
    "count_steps",
    "floor_to_grid",
    "grid",
    "grid_near",
    "next_start",
    "to_naive",
    "to_utc",
    "unusual",
]

Kind = Literal["utc", "standard", "local"]

KINDS: Final[tuple[Kind, ...]] = ("utc", "standard", "local")
MAX_INTERVALS: Final = 50_000_000
_FEW_INTERVALS: Final = 1_000_000
# Weeks begin on Monday; 1970 began on a Thursday.
_FIRST_MONDAY: Final = -3 * DAY


@dataclass(frozen=True, slots=True)
class Clock:
    """A way to write instants down.

    Parameters
    ----------
    kind
        ``utc``, ``standard``, ``local``, or None where it is not known.
    timezone
        The IANA name of the zone; needed for ``standard`` and ``local``.
    day_begins
        What the clock shows when its days begin, in microseconds: that of all intervals follows.

    Raises
    ------
    InvalidInput
        Names the field ``clock`` or ``timezone``.
    """

    kind: Kind | None
    timezone: str | None = None
    day_begins: int = 0

    def __post_init__(self) -> None:
        if self.kind is not None and self.kind not in KINDS:
            raise InvalidInput.field("clock", f"{self.kind!r} is not one of {', '.join(KINDS)}.")
        if self.kind in ("standard", "local") or self.timezone is not None:
            check_timezone(self.timezone)

    @property
    def zone(self) -> Zone | None:
        """Its changes of time; None where it is UTC."""
        if self.kind not in ("standard", "local"):
            return None
        return (standard_time if self.kind == "standard" else wall_clock)(self.timezone)

    @property
    def fixed(self) -> bool:
        """Whether the clock never changes its offset from UTC."""
        zone = self.zone
        return zone is None or len(zone.changes) == 0

    @property
    def offset(self) -> int:
        """What a fixed clock is ahead of UTC, in microseconds."""
        zone = self.zone
        return 0 if zone is None else int(zone.offsets[0])


UTC_CLOCK: Final = Clock("utc")
UNKNOWN_CLOCK: Final = Clock(None)


def to_naive(times: Stamps, clock: Clock) -> Stamps:
    """Return what `clock` shows at instants in UTC."""
    zone = clock.zone
    if zone is None or not len(zone.changes):
        return times + clock.offset
    return times + zone.offsets[count_upto(zone.changes, times)]


def to_utc(
    naive: Stamps,
    clock: Clock,
    *,
    ambiguous: Literal["infer", "first", "second"] | Passes = "infer",
    nonexistent: Literal["shift", "next"] = "shift",
) -> Stamps:
    """Return the instants in UTC at which `clock` showed the stamps.

    Parameters
    ----------
    naive
        Stamps, in the order in which they came.
    clock
        The clock that they were written by. What follows matters where it changes.
    ambiguous
        What the wall clock showed twice, when it was put back: ``first`` is the summer side, ``second`` the winter
        side. ``infer`` takes the order as evidence: within one change of time, the second of two equal stamps is the
        second time around, as is each stamp, not itself repeated, that comes after such a one or after a step
        backwards; without such evidence, it is the first. An array says of each stamp whether it is known to be of
        the first (1) or of the second time around (2); where there are such of the second, all stamps after those that
        are known are of the second, too, and the others of the first.
    nonexistent
        What the wall clock never showed, when it was put forward: ``shift`` moves the stamp forward by as much as the
        clock was (so that distances are kept), ``next`` to the instant of the change.
    """
    zone = clock.zone
    if zone is None or not len(zone.changes):
        return naive - clock.offset
    first = naive - zone.offsets[count_upto(zone.later, naive)]
    if nonexistent == "next":
        change = count_upto(zone.earlier, naive) - 1
        never = (change >= 0) & ~zone.repeats[change] & (naive < zone.later[change])
        first = np.where(never, zone.changes[change], first)
    if isinstance(ambiguous, str) and ambiguous == "first":
        return first
    twice, _ = unusual(naive, clock)
    if not isinstance(ambiguous, str) or ambiguous == "infer":
        where = np.flatnonzero(twice)
        change = count_upto(zone.later, naive[where])
        if isinstance(ambiguous, str):
            twice[where] = _second_time(naive[where], change)
        else:
            twice[where] = _from_marks(naive[where], change, ambiguous[where])
    second = naive - zone.offsets[count_upto(zone.earlier, naive)]
    return np.where(twice, second, first)


def unusual(naive: Stamps, clock: Clock) -> tuple[Mask, Mask]:
    """Return which stamps `clock` showed twice, and which it never showed."""
    zone = clock.zone
    if zone is None or not len(zone.changes):
        return np.zeros(len(naive), bool), np.zeros(len(naive), bool)
    change = count_upto(zone.earlier, naive) - 1
    near = (change >= 0) & (naive < zone.later[change])
    return near & zone.repeats[change], near & ~zone.repeats[change]


def _second_time(naive: Stamps, change: NDArray[np.intp]) -> Mask:
    """Return which of ambiguous stamps are from the second time around, judged by their order."""
    order = np.lexsort((naive, change))  # stable: equal stamps stay as they came
    equal = np.zeros(len(naive), bool)
    equal[1:] = (naive[order][1:] == naive[order][:-1]) & (change[order][1:] == change[order][:-1])
    repeat, alone = np.empty_like(equal), np.empty_like(equal)
    repeat[order] = equal
    alone[order] = ~equal & ~np.append(equal[1:], False)
    back = np.zeros(len(naive), bool)
    back[1:] = (naive[1:] < naive[:-1]) & (change[1:] == change[:-1])
    turned = np.flatnonzero(repeat | back)
    latest = np.searchsorted(turned, np.arange(len(naive)), "right") - 1
    after = (latest >= 0) & (change[turned[latest]] == change) if len(turned) else back
    second: Mask = repeat | (alone & after)
    return second


def _from_marks(naive: Stamps, change: NDArray[np.intp], passes: Passes) -> Mask:
    """Return which of ambiguous stamps are from the second time around, given some of which that is known."""
    second = passes == 2
    turned, place = np.unique(change, return_inverse=True)
    known, latest = np.zeros(turned.size, bool), np.full(turned.size, np.iinfo(np.int64).min)
    known[place[second]] = True
    np.maximum.at(latest, place[passes > 0], naive[passes > 0])
    result: Mask = second | ((passes == 0) & known[place] & (naive > latest[place]))
    return result


def floor_to_grid(times: Stamps, freq: Frequency, clock: Clock) -> Stamps:
    """Return the start, in UTC, of the interval of `freq` that each instant lies in.

    Intervals are counted from midnight of `clock`: steps of less than a day start anew each midnight, days and weeks
    (from Monday) are counted from those of 1970, months, quarters and years from January 1970, all as the clock's
    calendar has them, so that in ``dst`` a day may have 23 or 25 hours. Where the clock was put back, steps that fit a
    whole number of times into the repeated time occur twice; an interval of a longer step holds the repetition.
    """
    return _interval(times, freq, clock)[0]


def next_start(times: Stamps, freq: Frequency, clock: Clock) -> Stamps:
    """Return the first start, in UTC, of an interval of `freq` that comes after each instant."""
    return _interval(times, freq, clock)[1]


def ceil_to_grid(times: Stamps, freq: Frequency, clock: Clock) -> Stamps:
    """Return the first start, in UTC, of an interval of `freq` that is at or after each instant."""
    return next_start(times - 1, freq, clock)


def grid(start: int, stop: int, freq: Frequency, clock: Clock) -> Stamps:
    """Return the starts, in UTC and ascending, of the intervals of `freq` with ``start <= t < stop``.

    Raises
    ------
    InvalidInput
        There would be more than 50 million.
    """
    if stop <= start:
        return np.empty(0, np.int64)
    zone, begins = clock.zone, clock.day_begins
    low, high = to_naive(np.array([start, stop], np.int64), clock).tolist()
    if zone is not None and len(zone.changes):
        # Where the clock was put back or forward, it showed more than lies between what it shows at both ends.
        near = slice(*np.searchsorted(zone.changes, [start - DAY, stop + DAY]))
        slack = int((zone.later - zone.earlier)[near].max(initial=0))
        low, high = low - slack, high + slack
    if (high - low) // freq.longest > MAX_INTERVALS:
        raise InvalidInput(f"{freq.text} makes more than {MAX_INTERVALS} steps of this range of time.")
    naive = _naive_range(low - begins, high - begins, freq) + begins
    if zone is None or not len(zone.changes):
        starts = naive - clock.offset
    else:
        starts = to_utc(naive, clock, ambiguous="first", nonexistent="next")
        change = count_upto(zone.earlier, naive) - 1
        again = (change >= 0) & (naive < zone.later[change]) & _twofold(zone, freq, begins)[change]
        starts = np.sort(np.concatenate([starts, to_utc(naive[again], clock, ambiguous="second")]), kind="stable")
        starts = starts[np.append(True, starts[1:] > starts[:-1])]
    return starts[np.searchsorted(starts, start) : np.searchsorted(starts, stop)]


def grid_near(times: Stamps, low: int, high: int, freq: Frequency, clock: Clock, reach: int) -> tuple[Stamps, Mask]:
    """Return edges of the intervals of ``[low, high)``, and which of the spans between these are intervals.

    Where there are very many, those that are further than `reach` from all of the (ascending) times are left out; then
    some of the spans are what lies between.
    """
    if (high - low) // freq.longest <= _FEW_INTERVALS:
        pieces = [(low, high)]
    else:
        near = times[(times >= low - reach) & (times < high + reach)]
        # Pieces do not touch.
        cuts = np.flatnonzero(np.diff(near) > 2 * reach + 3 * freq.longest)
        firsts, lasts = near[np.append(0, cuts + 1)[: len(near)]], near[np.append(cuts, -1)[: len(near)]]
        starts = floor_to_grid(firsts - reach, freq, clock)
        stops = next_start(lasts + reach, freq, clock)
        pieces = [
            (max(start, low), min(stop, high)) for start, stop in zip(starts.tolist(), stops.tolist(), strict=True)
        ]
    edges, whole = [np.empty(0, np.int64)], [np.empty(0, bool)]
    for start, stop in pieces:
        if start < stop:
            found = grid(start, stop, freq, clock)
            edges += [found, np.array([stop], np.int64)]
            whole += [np.ones(len(found), bool), np.zeros(1, bool)]
    return np.concatenate(edges), np.concatenate(whole)[:-1]


def count_steps(start: int, stop: int, freq: Frequency, clock: Clock) -> int:
    """Return how many intervals of `freq` begin in ``[start, stop)``, which are begins of some."""
    step = freq.microseconds
    if step is not None and clock.fixed and not _restarts(step):
        return max(0, stop - start) // step
    cuts = [*range(start, stop, _FEW_INTERVALS * freq.longest), stop]
    return sum(len(grid(since, until, freq, clock)) for since, until in pairwise(cuts))


def _interval(times: Stamps, freq: Frequency, clock: Clock) -> tuple[Stamps, Stamps]:
    naive, zone, begins = to_naive(times, clock), clock.zone, clock.day_begins
    if zone is None or not len(zone.changes):
        start = _naive_floor(naive - begins, freq)
        return start + begins - clock.offset, _naive_next(start, freq) + begins - clock.offset
    twofold = _twofold(zone, freq, begins)
    change = count_upto(zone.changes, times) - 1
    again = (change >= 0) & zone.repeats[change] & (naive < zone.later[change])
    apart = again & twofold[change]
    # An interval that holds the whole repetition goes on as if the clock had not been put back.
    naive = np.where(again & ~apart, zone.later[change] - 1, naive)
    floor = _naive_floor(naive - begins, freq)
    floor, after = floor + begins, _naive_next(floor, freq) + begins
    start = to_utc(floor, clock, ambiguous="first", nonexistent="next")
    stop = to_utc(after, clock, ambiguous="first", nonexistent="next")
    start = np.where(apart, to_utc(floor, clock, ambiguous="second", nonexistent="next"), start)
    stop = np.where(apart, to_utc(after, clock, ambiguous="second", nonexistent="next"), stop)
    # The last interval of the first time around ends where the second time begins.
    coming = np.minimum(change + 1, len(zone.changes) - 1)
    cut = twofold[coming] & (times < zone.changes[coming]) & (zone.changes[coming] < stop)
    return start, np.where(cut, zone.changes[coming], stop)


def _twofold(zone: Zone, freq: Frequency, begins: int) -> Mask:
    """Return at which changes of time the repeated wall time is a whole number of steps."""
    step = freq.microseconds
    if step is None or step >= DAY:
        return np.zeros(len(zone.changes), bool)
    whole = (zone.later - zone.earlier) % step == 0
    earlier, later = zone.earlier - begins, zone.later - begins
    aligned = (_naive_floor(earlier, freq) == earlier) & (_naive_floor(later, freq) == later)
    twofold: Mask = zone.repeats & whole & aligned
    return twofold


def _restarts(step: int) -> bool:
    return step < DAY and DAY % step != 0


def _naive_floor(naive: Stamps, freq: Frequency) -> Stamps:
    step = freq.microseconds
    if step is None:
        months = naive.view("M8[us]").astype("M8[M]").astype(np.int64)
        return _month_starts(months // freq.months * freq.months)
    if freq.unit == "W":
        return (naive - _FIRST_MONDAY) // step * step + _FIRST_MONDAY
    if _restarts(step):
        day = naive // DAY * DAY
        return day + (naive - day) // step * step
    return naive // step * step


def _naive_next(start: Stamps, freq: Frequency) -> Stamps:
    """Return the starts after those that are given."""
    step = freq.microseconds
    if step is None:
        return _month_starts(start.view("M8[us]").astype("M8[M]").astype(np.int64) + freq.months)
    if _restarts(step):
        return np.minimum(start + step, start // DAY * DAY + DAY)
    return start + step


def _naive_range(low: int, high: int, freq: Frequency) -> Stamps:
    """Return the starts of the intervals from that of `low` to that of `high`, both included."""
    first, last = _naive_floor(np.array([low, high], np.int64), freq).tolist()
    step = freq.microseconds
    if step is None:
        months = np.array([first, last], np.int64).view("M8[us]").astype("M8[M]").astype(np.int64)
        return _month_starts(np.arange(months[0], months[1] + 1, freq.months))
    if _restarts(step):
        days = range(first // DAY * DAY, last + 1, DAY)
        return np.concatenate([np.arange(max(day, first), min(day + DAY, last + 1), step) for day in days])
    return np.arange(first, last + 1, step, dtype=np.int64)


def _month_starts(months: Stamps) -> Stamps:
    starts: Stamps = months.astype("M8[M]").astype("M8[us]").astype(np.int64)
    return starts
