"""Clocks against the zone data itself, instant by instant, over every change of time."""

from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any, cast
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from entrepot.errors import InvalidInput
from entrepot.series.clocks import (
    Clock,
    Kind,
    ceil_to_grid,
    floor_to_grid,
    grid,
    next_start,
    to_naive,
    to_utc,
    unusual,
)
from entrepot.series.frequency import DAY, HOUR, MINUTE, Frequency

ZONES = [
    "Europe/Paris",
    "America/New_York",
    "Australia/Lord_Howe",
    "Asia/Kolkata",
    "America/Sao_Paulo",
    "Europe/Dublin",
]
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
STEP = 15 * MINUTE


def stamp(year: int, month: int, day: int, hour: int = 0, minute: int = 0) -> int:
    return int((datetime(year, month, day, hour, minute, tzinfo=UTC) - EPOCH) / timedelta(microseconds=1))


def moment(at: int) -> datetime:
    return EPOCH + timedelta(microseconds=int(at))


def offset_of(at: int, zone: Any) -> int:
    return int(moment(at).astimezone(zone).utcoffset() / timedelta(microseconds=1))


@cache
def changes(name: str) -> Any:
    """The changes of time since 1970 as (instant, offset before, offset after), by bisection on hours, then seconds."""
    zone, found = ZoneInfo(name), []
    hours = range(0, stamp(2038, 1, 1), 12 * HOUR)
    offsets = [offset_of(at, zone) for at in hours]
    for at, before, after in zip(hours, offsets, offsets[1:], strict=False):
        if before != after:
            exact = next(t for t in range(at, at + 12 * HOUR + 1, 15 * MINUTE) if offset_of(t, zone) == after)
            found.append((exact, before, after))
    return found


def around(at: Any, hours: int = 40) -> Any:
    return np.arange(at - hours * HOUR, at + hours * HOUR, STEP, dtype=np.int64)


@pytest.mark.parametrize("name", ZONES)
def test_every_change_of_time(name: str) -> None:
    zone, clock = ZoneInfo(name), Clock("local", name)
    for at, before, after in changes(name):
        times = around(at, 4)
        naive = to_naive(times, clock)
        assert naive.tolist() == [t + offset_of(t, zone) for t in times.tolist()]
        twice, never = unusual(naive, clock)
        assert not never.any()
        overlap = (at + min(before, after) <= naive) & (naive < at + max(before, after)) & (after < before)
        assert twice.tolist() == overlap.tolist()
        # In order, the repetition shows: every stamp goes back to where it came from.
        assert to_utc(naive, clock).tolist() == times.tolist()
        sides: tuple[Any, ...] = ("first", "second")
        for fold, side in enumerate(sides):
            back = to_utc(naive, clock, ambiguous=side)
            local = [moment(n).replace(tzinfo=None, fold=fold) for n in naive.tolist()]
            assert back.tolist() == [round(n.replace(tzinfo=zone).timestamp()) * 10**6 for n in local]
        if after > before:
            gap = np.arange(at + before, at + after, STEP, dtype=np.int64)
            assert unusual(gap, clock)[1].all()
            assert to_utc(gap, clock).tolist() == (gap - before).tolist()
            assert set(to_utc(gap, clock, nonexistent="next").tolist()) == {at}


def test_inference_of_the_repeated_hour() -> None:
    paris = Clock("local", "Europe/Paris")
    two, three = stamp(2014, 10, 26, 2), stamp(2014, 10, 26, 3)
    half = two + 30 * MINUTE
    summer, winter = two - 2 * HOUR, two - HOUR
    h = 30 * MINUTE

    def read(*stamps: Any) -> Any:
        return to_utc(np.array(stamps, np.int64), paris).tolist()

    assert read(two, half, three) == [summer, summer + h, winter + HOUR]
    assert read(two, half, two, half) == [summer, summer + h, winter, winter + h]
    assert read(two, two, half, half) == [summer, winter, summer + h, winter + h]
    assert read(two, two, half) == [summer, winter, winter + h]
    assert read(half, two) == [summer + h, winter]
    # One change of time is no evidence for another.
    other = stamp(2015, 10, 25, 2)
    assert read(two, two, other) == [summer, winter, other - 2 * HOUR]


@pytest.mark.parametrize(
    ("name", "hours"),
    [
        ("Europe/Paris", 1),
        ("America/New_York", -5),
        ("Asia/Kolkata", 5.5),
        ("UTC", 0),
    ],
)
def test_standard_time_is_one_offset_where_it_never_changed(name: str, hours: Any) -> None:
    clock = Clock("standard", name)
    times = np.array([stamp(1950, 7, 1), stamp(2014, 1, 1), stamp(2014, 7, 1), stamp(2090, 7, 1)])
    assert clock.fixed
    assert (to_naive(times, clock) - times).tolist() == [hours * HOUR] * 4
    assert to_utc(to_naive(times, clock), clock).tolist() == times.tolist()


@pytest.mark.parametrize(
    ("name", "year", "hours"),
    [
        ("Europe/Istanbul", 2014, 2),
        ("Europe/Istanbul", 2020, 3),
        ("America/Caracas", 2012, -4.5),
        ("America/Caracas", 2006, -4),
        ("Pacific/Apia", 2010, -11),
        ("Pacific/Apia", 2013, 13),
        ("Asia/Yekaterinburg", 2013, 6),
        ("Asia/Yekaterinburg", 2016, 5),
        ("Africa/Casablanca", 2013, 0),
        ("Africa/Casablanca", 2025, 1),
        ("Europe/Dublin", 2025, 0),
        ("Australia/Lord_Howe", 2025, 10.5),
        ("America/Sao_Paulo", 2014, -3),
        ("Europe/Moscow", 2012, 4),
    ],
)
def test_standard_time_is_that_of_the_year(name: str, year: int, hours: Any) -> None:
    clock = Clock("standard", name)
    times = np.array([stamp(year, month, 1, 3) for month in range(1, 13)])
    assert (to_naive(times, clock) - times).tolist() == [hours * HOUR] * 12
    assert to_utc(to_naive(times, clock), clock).tolist() == times.tolist()


def test_standard_time_changes_where_the_wall_clock_made_that_step() -> None:
    """No stamp of real clocks on standard time falls where none could be: Samoa skipped a day, 30 December 2011."""
    clock = Clock("standard", "Pacific/Apia")
    skipped = stamp(2011, 12, 30, 10)
    assert to_naive(np.array([skipped - HOUR, skipped]), clock).tolist() == [
        stamp(2011, 12, 29, 22),
        stamp(2011, 12, 30, 23),
    ]
    assert to_naive(np.array([stamp(2012, 1, 1)]), clock).tolist() == [stamp(2012, 1, 1, 13)]


def test_known_passes_decide_what_the_repeated_hour_is() -> None:
    """The first pass went to 2:49, the second one from 2:02 to 2:57: what is known of each, in any order."""
    paris = Clock("local", "Europe/Paris")
    two = stamp(2014, 10, 26, 2)
    minutes = [2, 5, 49, 46, 57, 58]
    naive = np.array([two + at * MINUTE for at in minutes])
    passes = np.array([2, 0, 1, 2, 0, 0], np.int8)
    hours = [1, 2, 2, 1, 1, 1]
    assert to_utc(naive, paris, ambiguous=passes).tolist() == [
        at - hour * HOUR for at, hour in zip(naive.tolist(), hours, strict=True)
    ]
    assert to_utc(naive, paris, ambiguous=np.zeros(6, np.int8)).tolist() == (naive - 2 * HOUR).tolist()


@pytest.mark.parametrize("freq", ["1D", "1W", "1MS", "6H"])
def test_days_that_begin_at_six(freq: str) -> None:
    """Every interval begins six hours after one of days that begin at midnight."""
    plain, late = Clock("local", "Europe/Paris"), Clock("local", "Europe/Paris", 6 * HOUR)
    start, stop, step = stamp(2014, 1, 5), stamp(2014, 12, 20), Frequency.parse(freq)
    starts = grid(start, stop, step, late)
    shown = {at + 6 * HOUR for at in to_naive(grid(start - 32 * DAY, stop + DAY, step, plain), plain).tolist()}
    assert set(to_naive(starts, late).tolist()) <= shown
    times = np.arange(starts[0], starts[-1], 37 * MINUTE)
    assert floor_to_grid(times, step, late).tolist() == starts[np.searchsorted(starts, times, "right") - 1].tolist()
    assert next_start(times, step, late).tolist() == starts[np.searchsorted(starts, times, "right")].tolist()


def test_unknown_and_gmt_are_utc() -> None:
    times = np.array([0, 1, stamp(2014, 7, 1)])
    for clock in (Clock(None), Clock("utc"), Clock("utc", "Europe/Paris"), Clock("local", "UTC")):
        assert to_naive(times, clock).tolist() == to_utc(times, clock).tolist() == times.tolist()


@pytest.mark.parametrize(
    "name", ["", "Europe", "Mars/Olympus", "../etc/passwd", "/etc/passwd", "Europe/Paris\0", None, 3, []]
)
def test_unknown_zone(name: str) -> None:
    with pytest.raises(InvalidInput) as error:
        Clock("local", name)
    assert list(error.value.fields) == ["timezone"]


def test_unknown_clock() -> None:
    with pytest.raises(InvalidInput) as error:
        Clock(cast("Any", "summer"), "Europe/Paris")
    assert list(error.value.fields) == ["clock"]


def slow_starts(times: Any, zone: Any, freq: Frequency, shift: Any) -> Any:
    """The start of each instant's interval, by looking at the wall clock every quarter of an hour."""

    def label(local: datetime) -> Any:
        midnight = local.replace(hour=0, minute=0, second=0, microsecond=0)
        if freq.months:
            month = (local.year * 12 + local.month - 1) // freq.months * freq.months
            return datetime(month // 12, month % 12 + 1, 1)
        if freq.unit == "W":
            return midnight - timedelta(days=local.weekday())
        if freq.unit == "D":
            return midnight
        step = timedelta(microseconds=freq.microseconds)
        return midnight + (local - midnight) // step * step

    locals_ = [moment(t).astimezone(zone).replace(tzinfo=None) for t in times]
    labels = [label(local) for local in locals_]
    step = freq.microseconds
    if step is not None and step < DAY and shift > 0 and shift % step == 0:
        keys = [(lab, offset_of(t, zone)) for lab, t in zip(labels, times, strict=True)]
    else:
        keys = np.maximum.accumulate(np.array(labels, "M8[us]")).tolist()
    starts, start = [], None
    for i, key in enumerate(keys):
        if i == 0 or key != keys[i - 1]:
            start = times[i]
        starts.append(start)
    return starts


@pytest.mark.parametrize("name", ZONES)
@pytest.mark.parametrize("text", ["15T", "30T", "45T", "1H", "2H", "3H", "5H", "6H", "1D"])
def test_grid_over_every_change_of_time(name: str, text: str) -> None:
    zone, clock, freq = ZoneInfo(name), Clock("local", name), Frequency.parse(text)
    for at, before, after in changes(name)[-14:]:
        times = around(at)
        slow = np.array(slow_starts(times.tolist(), zone, freq, before - after))
        sure = slow > times[0]
        assert floor_to_grid(times, freq, clock)[sure].tolist() == slow[sure].tolist()
        starts = np.unique(slow[sure])
        assert grid(int(starts[0]), int(times[-1]) + 1, freq, clock).tolist() == starts.tolist()
        assert next_start(starts[:-1], freq, clock).tolist() == starts[1:].tolist()
        inner = times[sure & (times < starts[-1])]
        following = starts[np.searchsorted(starts, inner, "right")]
        assert next_start(inner, freq, clock).tolist() == following.tolist()


@pytest.mark.parametrize("name", ["Europe/Paris", "Australia/Lord_Howe", "America/Sao_Paulo"])
@pytest.mark.parametrize("text", ["W", "MS", "Q", "YS"])
def test_calendar_grid(name: str, text: str) -> None:
    zone, clock, freq = ZoneInfo(name), Clock("local", name), Frequency.parse(text)
    times = np.arange(stamp(2013, 12, 30), stamp(2015, 2, 1), 30 * MINUTE, dtype=np.int64)
    slow = np.array(slow_starts(times.tolist(), zone, freq, 0))
    sure = slow > times[0]
    assert floor_to_grid(times, freq, clock)[sure].tolist() == slow[sure].tolist()
    assert grid(int(times[0]) + 1, int(times[-1]), freq, clock).tolist() == np.unique(slow[sure]).tolist()


def test_days_of_23_and_25_hours() -> None:
    paris, day = Clock("local", "Europe/Paris"), Frequency.parse("1D")
    for date, hours in ((30, 23), (31, 24)):
        starts = grid(stamp(2014, 3, date) - 3 * HOUR, stamp(2014, 3, date) + 23 * HOUR, day, paris)
        assert np.diff(starts).tolist() == [hours * HOUR]
    assert next_start(np.array([stamp(2014, 10, 26)]), day, paris)[0] - stamp(2014, 10, 25, 22) == 25 * HOUR


def test_steps_restart_at_midnight() -> None:
    clock = Clock("standard", "Europe/Paris")
    starts = grid(stamp(2014, 1, 1) - HOUR, stamp(2014, 1, 2), Frequency.parse("7H"), clock)
    assert [(moment(t) + timedelta(hours=1)).hour for t in starts] == [0, 7, 14, 21, 0]


def test_samoa_skipped_a_day() -> None:
    apia, day = Clock("local", "Pacific/Apia"), Frequency.parse("1D")
    starts = grid(stamp(2011, 12, 29), stamp(2012, 1, 2), day, apia)
    labels = [str(moment(t).date()) for t in to_naive(starts, apia)]
    assert labels == ["2011-12-29", "2011-12-31", "2012-01-01", "2012-01-02"]
    assert floor_to_grid(starts, day, apia).tolist() == starts.tolist()


FREQS = ["7us", "10ms", "13s", "10T", "45T", "1H", "5H", "36H", "1D", "2D", "W", "MS", "2MS", "Q", "A"]


@settings(deadline=None)
@given(
    st.sampled_from(FREQS),
    st.sampled_from([*ZONES, "Pacific/Apia", "America/Havana", "Africa/Monrovia"]),
    st.sampled_from(["utc", "standard", "local"]),
    st.integers(stamp(1901, 1, 1), stamp(2100, 1, 1)),
    st.integers(1, 40),
)
@example("45T", "Europe/Paris", "local", stamp(2014, 10, 26, 0, 20), 1)
@example("1H", "Europe/Paris", "local", stamp(2014, 10, 26, 0, 20), 1)
@example("1D", "Pacific/Apia", "local", stamp(2011, 12, 30), 2)
def test_grid_is_monotone_and_agrees_with_floor(text: str, name: str, kind: Kind, start: Any, steps: Any) -> None:
    freq, clock = Frequency.parse(text), Clock(kind, name)
    starts = grid(start, start + steps * freq.longest, freq, clock)
    assert (np.diff(starts) > 0).all()
    assert floor_to_grid(starts, freq, clock).tolist() == starts.tolist()
    assert next_start(starts[:-1], freq, clock).tolist() == starts[1:].tolist()
    assert ceil_to_grid(np.array([start]), freq, clock)[0] == next_start(np.array([start - 1]), freq, clock)[0]
    assert (len(starts) > 0) == (int(ceil_to_grid(np.array([start]), freq, clock)[0]) < start + steps * freq.longest)
    inner = np.linspace(start, start + steps * freq.longest, 50).astype(np.int64)
    floors, nexts = floor_to_grid(inner, freq, clock), next_start(inner, freq, clock)
    assert ((floors <= inner) & (inner < nexts)).all()
    assert next_start(floors, freq, clock).tolist() == nexts.tolist()


def test_too_many_intervals() -> None:
    with pytest.raises(InvalidInput, match="more than"):
        grid(0, stamp(2014, 1, 1), Frequency.parse("1us"), Clock("utc"))


def test_nothing_between() -> None:
    assert len(grid(5, 5, Frequency.parse("1us"), Clock("utc"))) == 0
