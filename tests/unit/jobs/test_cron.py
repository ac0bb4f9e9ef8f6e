"""Crons in time zones, across both changes of time."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from entrepot.errors import InvalidInput
from entrepot.jobs.cron import next_after, validate_cron

PARIS = "Europe/Paris"


def fires(cron: str, zone: str, start: str, count: int) -> list[str]:
    """The next runs after a wall-clock time, each with its offset."""
    instant = datetime.fromisoformat(start).replace(tzinfo=ZoneInfo(zone))
    found = []
    for _ in range(count):
        instant = next_after(cron, zone, instant)
        assert instant.utcoffset() == timedelta()
        found.append(instant.astimezone(ZoneInfo(zone)).strftime("%d %H:%M:%S%z"))
    return found


@pytest.mark.parametrize(
    ("cron", "zone", "start", "expected"),
    [
        # Seconds come first.
        ("15 30 2 * * *", "UTC", "2026-01-01T00:00", ["01 02:30:15+0000", "02 02:30:15+0000"]),
        ("*/20 * * * * *", "UTC", "2026-01-01T00:00:05", ["01 00:00:20+0000", "01 00:00:40+0000", "01 00:01:00+0000"]),
        ("0 0 0 1 1 *", "UTC", "2026-03-01T00:00", ["01 00:00:00+0000"]),
        ("0 0 6 * * mon", "UTC", "2026-01-01T00:00", ["05 06:00:00+0000", "12 06:00:00+0000"]),
        # Spring: 02:30 of 29 March does not exist.
        ("0 30 2 * * *", PARIS, "2026-03-28T00:00", ["28 02:30:00+0100", "29 03:30:00+0200", "30 02:30:00+0200"]),
        ("0 0 3 * * *", PARIS, "2026-03-28T12:00", ["29 03:00:00+0200", "30 03:00:00+0200"]),
        # Autumn: 02:30 of 25 October comes twice, and counts once.
        ("0 30 2 * * *", PARIS, "2026-10-24T12:00", ["25 02:30:00+0200", "26 02:30:00+0100"]),
        ("0 0 3 * * *", PARIS, "2026-10-24T12:00", ["25 03:00:00+0100", "26 03:00:00+0100"]),
        # Each hour means each hour that passes.
        ("0 0 * * * *", PARIS, "2026-03-29T00:30", ["29 01:00:00+0100", "29 03:00:00+0200", "29 04:00:00+0200"]),
        (
            "0 0 * * * *",
            PARIS,
            "2026-10-25T01:30",
            ["25 02:00:00+0200", "25 02:00:00+0100", "25 03:00:00+0100", "25 04:00:00+0100"],
        ),
        ("0 */30 * * * *", PARIS, "2026-10-25T02:15", ["25 02:30:00+0200", "25 02:00:00+0100", "25 02:30:00+0100"]),
        # Lord Howe Island moves its clocks by half an hour.
        ("0 15 2 * * *", "Australia/Lord_Howe", "2026-10-03T12:00", ["04 02:45:00+1100", "05 02:15:00+1100"]),
        (
            "0 15 * * * *",
            "Australia/Lord_Howe",
            "2026-10-04T00:30",
            ["04 01:15:00+1030", "04 03:15:00+1100", "04 04:15:00+1100"],
        ),
        # A change at midnight: the day begins at 01:00.
        ("0 0 0 * * *", "America/Santiago", "2026-09-05T12:00", ["06 01:00:00-0300", "07 00:00:00-0300"]),
    ],
)
def test_golden(cron: str, zone: str, start: str, expected: list[str]) -> None:
    assert fires(cron, zone, start, len(expected)) == expected


def test_a_run_in_the_second_of_two_hours_is_not_found_again() -> None:
    in_second = datetime(2026, 10, 25, 1, 10, tzinfo=UTC)  # 02:10, winter time
    assert next_after("0 30 2 * * *", PARIS, in_second) == datetime(2026, 10, 26, 1, 30, tzinfo=UTC)


@given(
    start=st.datetimes(datetime(2024, 1, 1), datetime(2027, 1, 1), timezones=st.just(UTC)),
    zone=st.sampled_from(
        [PARIS, "America/New_York", "Australia/Lord_Howe", "Asia/Kolkata", "UTC", "Africa/Casablanca"]
    ),
    minutes=st.sampled_from([1, 5, 15, 30]),
)
def test_a_cron_of_every_few_minutes_never_pauses(start: datetime, zone: str, minutes: int) -> None:
    instants = [start]
    for _ in range(6):
        instants.append(next_after(f"0 */{minutes} * * * *", zone, instants[-1]))
    assert instants[1] - instants[0] <= timedelta(minutes=minutes)
    assert all(later - earlier == timedelta(minutes=minutes) for earlier, later in pairwise(instants[1:]))


@pytest.mark.parametrize("year", [2024, 2025, 2026])
@pytest.mark.parametrize("hour", [0, 1, 2, 3, 23])
def test_a_daily_cron_fires_once_each_day_of_the_year(year: int, hour: int) -> None:
    instant = datetime(year, 1, 1, tzinfo=ZoneInfo(PARIS)) - timedelta(seconds=1)
    days = []
    for _ in range(366 if year == 2024 else 365):
        instant = next_after(f"0 30 {hour} * * *", PARIS, instant)
        days.append(instant.astimezone(ZoneInfo(PARIS)).date())
    assert days == [days[0] + timedelta(days=n) for n in range(len(days))]
    assert (days[0], days[-1].month, days[-1].day) == (datetime(year, 1, 1).date(), 12, 31)


@pytest.mark.parametrize(
    ("cron", "reason"),
    [
        ("", "six fields"),
        ("0 0 * * *", "six fields"),
        ("@daily", "six fields"),
        ("0 0 0 * * * 2027", "six fields"),
        ("0 0 25 * * *", "out of range"),
        ("0-70 * * * * *", "out of bands"),
        ("*/0 * * * * *", "step"),
        ("R R * * * *", "Random"),
        ("H H * * * *", "hashed"),
        ("a b c d e f", "Not a cron"),
        ("0 0 0 30 2 *", "next date"),
    ],
)
def test_what_is_no_cron_is_refused_with_the_reason(cron: str, reason: str) -> None:
    with pytest.raises(InvalidInput, match=reason) as caught:
        validate_cron(cron)
    assert caught.value.fields == {}


def cron_or_refused(text: str) -> None:
    try:
        validate_cron(text)
    except InvalidInput:
        return
    assert next_after(text, PARIS, datetime(2026, 1, 1, tzinfo=UTC)) > datetime(2026, 1, 1, tzinfo=UTC)


@given(st.text(max_size=30))
def test_any_text_is_a_cron_or_refused(text: str) -> None:
    cron_or_refused(text)


@given(st.lists(st.text("0123456789*/-,lLwW#?monjan ", max_size=6), min_size=6, max_size=6).map(" ".join))
def test_what_looks_like_a_cron_is_one_or_refused(text: str) -> None:
    cron_or_refused(text)
