"""What the order of rows tells of an hour that was shown twice, and that storing it loses nothing."""

from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from entrepot.series.clocks import Clock, to_naive, to_utc
from entrepot.series.frequency import HOUR, MINUTE, SECOND
from entrepot.series.points import Points
from entrepot.series.second_pass import FIRST, as_delivered, marks, newest_first, passes, repeated, stored
from entrepot.series.zones import shown_twice_somewhere

TURNS = {
    "Europe/Berlin": "2023-10-29 01:00",
    "Europe/Madrid": "2024-10-27 01:00",
    "Australia/Lord_Howe": "2023-04-01 15:00",
    "America/New_York": "2024-11-03 06:00",
    "America/Santiago": "2023-04-02 03:00",
    "Antarctica/Troll": "2023-10-29 01:00",
    "Asia/Tehran": "2021-09-21 19:30",
}


def micro(text: str) -> int:
    return int(pd.Timestamp(text).value // 1000)


@settings(deadline=None, max_examples=60)
@given(
    st.sampled_from(sorted(TURNS)),
    st.sampled_from([10, 60, 300, 420, 600, 660, 780, 900, 1800, 3600]),
    st.integers(0, 3599),
    st.sets(st.integers(0, 200), max_size=4),
)
def test_rows_in_order_become_the_instants_that_they_are(zone: str, step: int, shift: int, missing: set[int]) -> None:
    """Of regular rows around a change, some missing, each goes back to its instant, through the store as well."""
    turn, clock = micro(TURNS[zone]), Clock("local", zone)
    instants = np.arange(turn - 5 * HOUR + shift * SECOND, turn + 5 * HOUR, step * SECOND)
    instants = np.delete(instants, [at for at in missing if at < len(instants)])
    naive = to_naive(instants, clock)
    tags = marks(naive)
    times = stored(naive, tags)
    assert len(np.unique(times)) == len(times)
    order = np.argsort(times)
    kept = Points(times[order], np.arange(len(times), dtype=np.float64)[order], None if tags is None else tags[order])
    delivered = as_delivered(kept)
    assert sorted(delivered.times.tolist()) == sorted(naive.tolist())
    back = to_utc(delivered.times, clock, ambiguous=passes(kept.tags, len(kept)))
    # Without a step back or a repeated stamp, nothing tells the two apart.
    if (np.diff(naive) <= 0).any():
        assert back.tolist() == instants[order].tolist()


def test_what_is_no_change_of_time_is_no_second_pass() -> None:
    day = micro("2023-06-15 02:00")  # no clock was put back there
    rows = day + np.array([0, 10, 20, 30, 0, 10, 20, 30, 40]) * MINUTE
    assert marks(rows) is None
    night = micro("2023-10-29 02:00")
    assert marks(night + np.arange(50) * MINUTE) is None  # nothing steps back
    assert marks(np.array([], np.int64)) is None
    assert not shown_twice_somewhere(rows).any()
    assert shown_twice_somewhere(np.array([night])).all()


def test_the_last_rows_of_the_first_pass_are_known_as_such() -> None:
    two = micro("2024-10-27 02:00")
    rows = two + np.array([-10, 0, 20, 40, 58, 2, 22, 42, 62]) * MINUTE
    tags = marks(rows)
    assert tags is not None
    assert passes(tags, len(rows)).tolist() == [0, 0, 0, 0, 1, 2, 2, 2, 0]
    assert tags[4] == FIRST
    assert repeated(rows, tags) == 6
    # What a later file brings of that hour is of the second pass.
    late = np.append(rows, two + 59 * MINUTE)
    found = to_utc(
        late, Clock("local", "Europe/Madrid"), ambiguous=np.append(passes(tags, len(rows)), 0).astype(np.int8)
    )
    assert found[-1] == two - HOUR + 59 * MINUTE


@pytest.mark.parametrize("reverse", [False, True])
def test_rows_may_have_the_newest_first(*, reverse: bool) -> None:
    rows = np.arange(5)[:: -1 if reverse else 1]
    assert newest_first(rows) == reverse


def test_every_zone_here_was_put_back_then() -> None:
    for zone, turn in TURNS.items():
        at = pd.Timestamp(turn, tz="UTC")
        before, after = ((at + pd.Timedelta(minutes=m)).astimezone(ZoneInfo(zone)).utcoffset() for m in (-1, 1))
        assert before > after
