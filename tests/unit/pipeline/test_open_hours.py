"""What is told of files that begin inside an hour which the clock showed twice."""

import numpy as np
import pytest

from entrepot.pipeline.importing.open_hours import (
    Around,
    OpenHour,
    by_lag,
    guessed,
    in_known_zone,
    in_unknown_zone,
    told,
)
from entrepot.series import second_pass
from entrepot.series.clocks import Clock, to_utc
from entrepot.series.points import EMPTY, Points

BERLIN = Clock("local", "Europe/Berlin")
MINUTE = 60_000_000


def at(*clock: str, day: str = "2024-10-27") -> np.ndarray:
    return np.array([f"{day}T{each}" for each in clock], "datetime64[us]").astype(np.int64)


def open_of(stamps: np.ndarray, clock: Clock = BERLIN) -> list[str]:
    found = in_known_zone(stamps, to_utc(stamps, clock), clock)
    return [str(np.datetime64(hour.shown, "us"))[11:16] for hour in found]


def test_a_file_is_open_that_begins_inside_the_hour_or_after_a_gap_as_long_as_the_change() -> None:
    assert open_of(at("02:00", "02:30", "03:00")) == ["02:00"]
    assert open_of(at("02:40", "03:00")) == ["02:40"]
    assert open_of(at("00:50", "02:10", "02:20")) == ["02:10"]
    assert open_of(at("01:00", "02:00", "03:00")) == []
    assert open_of(at("02:00", "02:30", "02:00", "02:30")) == []
    assert open_of(at("03:00", "03:30")) == []
    assert open_of(at("02:10"), Clock("standard", "Europe/Berlin")) == []
    # Lord Howe goes back by half an hour.
    assert open_of(at("01:40", "02:10", day="2023-04-02"), Clock("local", "Australia/Lord_Howe")) == ["01:40"]
    assert open_of(at("01:10", "01:40", day="2023-04-02"), Clock("local", "Australia/Lord_Howe")) == []


def test_where_the_zone_is_not_known_any_zone_counts() -> None:
    assert [hour.turn for hour in in_unknown_zone(at("02:10", "02:20"), None)] == [None]
    assert in_unknown_zone(at("12:00"), None) == []
    assert in_unknown_zone(at("02:10", day="2024-07-01"), None) == []
    stamps = at("02:10", "02:50", "02:10", "02:50")
    assert in_unknown_zone(stamps, second_pass.marks(stamps)) == []
    assert in_unknown_zone(np.empty(0, np.int64), None) == []


def points(stamps: np.ndarray, *values: float) -> Points:
    return Points(stamps, np.array(values, float))


TURN = int(at("01:00")[0])
HOUR = OpenHour(TURN - 60 * MINUTE, int(at("02:00")[0]), TURN, 60 * MINUTE)
QUARTERS = HOUR.start + np.arange(4) * 15 * MINUTE
BEFORE = points(HOUR.start + np.arange(-4, 0) * 15 * MINUTE, 1, 2, 3, 4)
FIRST = points(np.append(BEFORE.times, QUARTERS), 1, 2, 3, 4, 5, 6, 7, 8)


@pytest.mark.parametrize(
    ("new", "around", "late", "which"),
    [
        # It goes on after the rows before it, or goes back with other values.
        (points(QUARTERS, 5, 6, 7, 8), Around(BEFORE, EMPTY, False), False, 1),
        (points(QUARTERS, 9, 8, 7, 6), Around(FIRST, EMPTY, False), False, 2),
        (points(QUARTERS[:1], 9), Around(FIRST, EMPTY, False), False, 2),
        (points(QUARTERS[2:], 7, 6), Around(FIRST, points(QUARTERS[:2], 9, 8), False), False, 2),
        # The same rows sent again, of either time.
        (points(QUARTERS, 5, 6, 7, 8), Around(FIRST, EMPTY, False), False, 1),
        (points(QUARTERS, 9, 8, 7, 6), Around(FIRST, points(QUARTERS, 9, 8, 7, 6), True), False, 2),
        (points(QUARTERS, 5, 6, 7, 8), Around(FIRST, points(QUARTERS, 9, 8, 7, 6), True), False, 1),
        # Nothing came before, nothing but nights came, or a gap that either would fill.
        (points(QUARTERS, 5, 6, 7, 8), Around(EMPTY, EMPTY, False), False, None),
        (points(QUARTERS, 0, 0, 0, 0), Around(points(FIRST.times, *[0] * 8), EMPTY, False), False, None),
        (points(QUARTERS, 5, 6, 7, 8), Around(BEFORE, EMPTY, True), False, None),
        (
            points(QUARTERS, 5, 6, 7, 8),
            Around(points(BEFORE.times - 90 * MINUTE, 1, 2, 3, 4), EMPTY, False),
            False,
            None,
        ),
        # A file that comes after it by its name was there before it.
        (points(QUARTERS, 9, 8, 7, 6), Around(FIRST, EMPTY, False), True, None),
        # A value of both that neither has.
        (points(QUARTERS, 9, 8, 7, 0), Around(FIRST, points(QUARTERS, 9, 8, 7, 6), True), False, None),
    ],
)
def test_what_came_before_tells(new: Points, around: Around, late: bool, which: int | None) -> None:
    assert told(new, around, HOUR, out_of_order=late) == which


def test_stamps_that_do_not_repeat_tell_by_going_back_where_there_is_no_gap() -> None:
    eleven = points(HOUR.start + (np.arange(11) * 11 - 62) * MINUTE, *range(11))  # up to 02:48
    new = points(HOUR.start + np.array([3, 14]) * MINUTE, 70, 71)
    assert told(new, Around(eleven, EMPTY, False), HOUR, out_of_order=False) == 2
    gap = eleven[(eleven.times < HOUR.start) | (eleven.times > HOUR.start + 30 * MINUTE)]
    assert told(new, Around(gap, EMPTY, False), HOUR, out_of_order=False) is None


def test_a_guess_overwrites_nothing() -> None:
    flat = points(QUARTERS, 0, 0, 0, 0)
    assert guessed([(flat, Around(points(FIRST.times, *[0] * 8), EMPTY, False))]) == 2
    assert guessed([(flat, Around(EMPTY, EMPTY, False))]) == 1


@pytest.mark.parametrize(("lag", "which"), [(2, 1), (62, 2), (45, None), (30, None), (-10, 1), (130, None)])
def test_the_lag_of_a_file_tells(lag: int, which: int | None) -> None:
    assert by_lag(lag * MINUTE, 2 * MINUTE, 60 * MINUTE) == which
