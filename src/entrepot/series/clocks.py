"""Clocks: how instants are written down, and where the intervals of a step begin.

Instants are int64 microseconds since 1970 in UTC. *Naive* stamps are the same count of what a clock on the wall shows.

========  ==============================================================================================================
``gmt``   UTC.
``tzt``   The zone's standard time all year: one fixed offset, which is the smaller of the zone's offsets on 1 January
          and 1 July 2025. It is the same for all time, also for zones whose standard time was another once, so that a
          ``tzt`` stamp never repeats and never jumps.
``dst``   The zone's wall clock, with all changes of time that the zone had from 1900 and will have until 2200.
unknown   Stamps as delivered, read as if they were UTC.
========  ==============================================================================================================
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Final, Literal, NamedTuple
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from entrepot.errors import InvalidInput
from entrepot.series.frequency import DAY, SECOND, Frequency
from entrepot.series.search import count_upto

Stamps = NDArray[np.int64]
Mask = NDArray[np.bool_]
Kind = Literal["gmt", "tzt", "dst"]

KINDS: Final[tuple[Kind, ...]] = ("gmt", "tzt", "dst")
MAX_INTERVALS: Final = 50_000_000
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
# Three days is less than the shortest time that any zone kept an offset since 1900 (a week, in Brazil in 2000).
_PROBE: Final = 3 * 86_400
_PROBED: Final = (-2_208_988_800, 7_258_118_400)
# Weeks begin on Monday; 1970 began on a Thursday.
_FIRST_MONDAY: Final = -3 * DAY


class _Zone(NamedTuple):
    """The changes of time of a zone, all arrays by change."""

    offsets: Stamps  # before the first change, after the first, ...
    changes: Stamps  # the instants
    earlier: Stamps  # the smaller of the wall times just before and just after
    later: Stamps  # the greater one
    repeats: Mask  # whether the wall time between the two came twice, rather than never
    standard: int


@dataclass(frozen=True, slots=True)
class Clock:
    """A way to write instants down.

    Parameters
    ----------
    kind
        ``gmt``, ``tzt``, ``dst``, or None where it is not known.
    timezone
        The IANA name of the zone; needed for ``tzt`` and ``dst``.

    Raises
    ------
    InvalidInput
        Names the field ``clock`` or ``timezone``.
    """

    kind: Kind | None
    timezone: str | None = None

    def __post_init__(self) -> None:
        if self.kind is not None and self.kind not in KINDS:
            raise InvalidInput.field("clock", f"{self.kind!r} is not one of {', '.join(KINDS)}.")
        if self.kind in ("tzt", "dst") or self.timezone is not None:
            check_timezone(self.timezone)

    @property
    def fixed(self) -> bool:
        """Whether the clock never changes its offset from UTC."""
        return self.kind != "dst" or len(_zone(self.timezone).changes) == 0

    @property
    def offset(self) -> int:
        """What a fixed clock is ahead of UTC, in microseconds."""
        return _zone(self.timezone).standard if self.kind in ("tzt", "dst") else 0


UTC_CLOCK: Final = Clock("gmt")


def check_timezone(name: object) -> None:
    """Refuse what is not the name of a known zone, naming the field ``timezone``."""
    try:
        _zone(name if isinstance(name, str) else "")
    except (KeyError, ValueError, OSError) as error:
        raise InvalidInput.field("timezone", f"{str(name)[:60]!r} is not the name of a known time zone.") from error


@lru_cache(maxsize=1024)
def _zone(name: str | None) -> _Zone:
    zone = ZoneInfo(name or "")

    def offset(at: int) -> int:
        found = (_EPOCH + timedelta(seconds=at)).astimezone(zone).utcoffset()
        assert found is not None
        return round(found.total_seconds())

    offsets, changes = [offset(_PROBED[0])], []
    for probe in range(_PROBED[0] + _PROBE, _PROBED[1], _PROBE):
        after = offset(probe)
        if after == offsets[-1]:
            continue
        low, high = probe - _PROBE, probe
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (low, middle) if offset(middle) == after else (middle, high)
        offsets.append(after)
        changes.append(high)
    year = [int(datetime(2025, month, 1, tzinfo=UTC).timestamp()) for month in (1, 7)]
    all_offsets = np.array(offsets, dtype=np.int64) * SECOND
    instants = np.array(changes, dtype=np.int64) * SECOND
    before, after_ = instants + all_offsets[:-1], instants + all_offsets[1:]
    return _Zone(
        all_offsets,
        instants,
        np.minimum(before, after_),
        np.maximum(before, after_),
        after_ < before,
        min(offset(at) for at in year) * SECOND,
    )


def to_naive(times: Stamps, clock: Clock) -> Stamps:
    """Return what `clock` shows at instants in UTC."""
    if clock.fixed:
        return times + clock.offset
    zone = _zone(clock.timezone)
    return times + zone.offsets[count_upto(zone.changes, times)]


def to_utc(
    naive: Stamps,
    clock: Clock,
    *,
    ambiguous: Literal["infer", "first", "second"] = "infer",
    nonexistent: Literal["shift", "next"] = "shift",
) -> Stamps:
    """Return the instants in UTC at which `clock` showed the stamps.

    Parameters
    ----------
    naive
        Stamps, in the order in which they came.
    clock
        The clock that they were written by. What follows matters for ``dst`` only.
    ambiguous
        What the wall clock showed twice, when it was put back: ``first`` is the summer side, ``second`` the winter
        side. ``infer`` takes the order as evidence: within one change of time, the second of two equal stamps is the
        second time around, as is each stamp, not itself repeated, that comes after such a one or after a step
        backwards; without such evidence, it is the first.
    nonexistent
        What the wall clock never showed, when it was put forward: ``shift`` moves the stamp forward by as much as the
        clock was (so that distances are kept), ``next`` to the instant of the change.
    """
    if clock.fixed:
        return naive - clock.offset
    zone = _zone(clock.timezone)
    first = naive - zone.offsets[count_upto(zone.later, naive)]
    if nonexistent == "next":
        change = count_upto(zone.earlier, naive) - 1
        never = (change >= 0) & ~zone.repeats[change] & (naive < zone.later[change])
        first = np.where(never, zone.changes[change], first)
    if ambiguous == "first":
        return first
    twice, _ = unusual(naive, clock)
    if ambiguous == "infer":
        where = np.flatnonzero(twice)
        twice[where] = _second_time(naive[where], count_upto(zone.later, naive[where]))
    second = naive - zone.offsets[count_upto(zone.earlier, naive)]
    return np.where(twice, second, first)


def unusual(naive: Stamps, clock: Clock) -> tuple[Mask, Mask]:
    """Return which stamps `clock` showed twice, and which it never showed."""
    if clock.fixed:
        return np.zeros(len(naive), bool), np.zeros(len(naive), bool)
    zone = _zone(clock.timezone)
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
    low, high = to_naive(np.array([start, stop], np.int64), clock).tolist()
    if not clock.fixed:
        # Where the clock was put back or forward, it showed more than lies between what it shows at both ends.
        zone = _zone(clock.timezone)
        near = slice(*np.searchsorted(zone.changes, [start - DAY, stop + DAY]))
        slack = int((zone.later - zone.earlier)[near].max(initial=0))
        low, high = low - slack, high + slack
    if (high - low) // freq.longest > MAX_INTERVALS:
        raise InvalidInput(f"{freq.text} makes more than {MAX_INTERVALS} steps of this range of time.")
    naive = _naive_range(low, high, freq)
    if clock.fixed:
        starts = naive - clock.offset
    else:
        zone = _zone(clock.timezone)
        starts = to_utc(naive, clock, ambiguous="first", nonexistent="next")
        change = count_upto(zone.earlier, naive) - 1
        again = (change >= 0) & (naive < zone.later[change]) & _twofold(zone, freq)[change]
        starts = np.sort(np.concatenate([starts, to_utc(naive[again], clock, ambiguous="second")]), kind="stable")
        starts = starts[np.append(True, starts[1:] > starts[:-1])]
    return starts[np.searchsorted(starts, start) : np.searchsorted(starts, stop)]


def _interval(times: Stamps, freq: Frequency, clock: Clock) -> tuple[Stamps, Stamps]:
    naive = to_naive(times, clock)
    if clock.fixed:
        start = _naive_floor(naive, freq)
        return start - clock.offset, _naive_next(start, freq) - clock.offset
    zone = _zone(clock.timezone)
    twofold = _twofold(zone, freq)
    change = count_upto(zone.changes, times) - 1
    again = (change >= 0) & zone.repeats[change] & (naive < zone.later[change])
    apart = again & twofold[change]
    # An interval that holds the whole repetition goes on as if the clock had not been put back.
    naive = np.where(again & ~apart, zone.later[change] - 1, naive)
    floor = _naive_floor(naive, freq)
    after = _naive_next(floor, freq)
    start = to_utc(floor, clock, ambiguous="first", nonexistent="next")
    stop = to_utc(after, clock, ambiguous="first", nonexistent="next")
    start = np.where(apart, to_utc(floor, clock, ambiguous="second", nonexistent="next"), start)
    stop = np.where(apart, to_utc(after, clock, ambiguous="second", nonexistent="next"), stop)
    # The last interval of the first time around ends where the second time begins.
    coming = np.minimum(change + 1, len(zone.changes) - 1)
    cut = twofold[coming] & (times < zone.changes[coming]) & (zone.changes[coming] < stop)
    return start, np.where(cut, zone.changes[coming], stop)


def _twofold(zone: _Zone, freq: Frequency) -> Mask:
    """Return at which changes of time the repeated wall time is a whole number of steps."""
    step = freq.microseconds
    if step is None or step >= DAY:
        return np.zeros(len(zone.changes), bool)
    whole = (zone.later - zone.earlier) % step == 0
    aligned = (_naive_floor(zone.earlier, freq) == zone.earlier) & (_naive_floor(zone.later, freq) == zone.later)
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
