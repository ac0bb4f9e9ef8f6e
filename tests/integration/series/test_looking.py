"""Looking at points: steps are whole whatever one sees of them, and an earlier period lies over it."""

from typing import Any

import numpy as np
import pandas as pd
from hypothesis import example, given, settings
from hypothesis import strategies as st

from entrepot.db import Database
from entrepot.series import store
from entrepot.series.clock_names import read_clock
from entrepot.series.frequency import DAY, HOUR, Frequency
from entrepot.series.looking import PERIOD, Look
from entrepot.series.points import EMPTY, Points, concatenate
from entrepot.series.stepping import AGGREGATES, Steps

ORIGIN = 1_709_164_800_000_000  # 2024-02-29
STEP = 17 * 60_000_000
steps, hows = st.sampled_from(["1h", "7h", "1D", "1W", "1M"]), st.sampled_from(AGGREGATES)
clocks = st.sampled_from(["UTC", "Europe/Paris", "Asia/Kolkata standard"])
befores = st.sampled_from(["", PERIOD, "1D", "1M", "1Y"])


def seen(session: Any, series: Any, look: Look, start: int, stop: int) -> Points:
    return concatenate([EMPTY, *look.points(session, series, start, stop)])


def test_a_step_is_whole_and_an_earlier_period_is_moved(database: Database) -> None:
    times, values = ORIGIN + np.arange(3000) * STEP, np.random.default_rng(4).normal(size=3000)
    with database.write() as session:
        series = store.create_series(
            session, organization_id="o", project_id="p", generator_kind="direct", generator_id=None, name="a",
            clock="utc",
        )  # fmt: skip
        store.append(session, series.number, times, values)
        session.flush()
        session.refresh(series)

        @settings(deadline=None, max_examples=40)
        @example("1h", "mean", "Asia/Kolkata standard", PERIOD, 0, HOUR // 2)
        @given(steps, hows, clocks, befores, st.integers(-20 * DAY, 40 * DAY), st.integers(1, 60 * DAY))
        def check(step: str, how: Any, clock: str, before: str, begin: int, length: int) -> None:
            start, stop = ORIGIN + begin, ORIGIN + begin + length
            look = Look(Frequency.parse(step), how, read_clock(clock), before)
            offset = look.offset(start, stop)
            found = seen(session, series, look, start, stop)
            whole, _ = Steps(Frequency.parse(step), read_clock(clock), how).of(Points(times, values))
            wanted = whole[whole.within(start - offset, stop - offset)]
            assert (found.times - offset).tolist() == wanted.times.tolist()
            if how != "weighted_mean":  # what stood before the first step that is looked at is not known
                np.testing.assert_allclose(found.values, wanted.values, rtol=1e-9, atol=1e-9)
            raw = seen(session, series, Look(before=before), start, stop)
            inside = (times >= start - offset) & (times < stop - offset)
            assert (raw.times - offset).tolist() == times[inside].tolist()

        check()


@given(st.datetimes(pd.Timestamp("1900-01-01"), pd.Timestamp("2100-01-01")), st.integers(1, 60))
def test_months_before_are_those_of_the_calendar(at: Any, months: int) -> None:
    start = pd.Timestamp(at).value // 1000
    wanted = (pd.Timestamp(start, unit="us") - pd.DateOffset(months=months)).value // 1000
    assert start - Look(before=f"{months}M").offset(start, start + HOUR) == wanted
    assert Look(before=PERIOD).offset(start, start + 7) == 7
