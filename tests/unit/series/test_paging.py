"""Pages of points: brought to steps, they give what the whole gives, wherever they are cut."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from entrepot.series.clocks import Clock, next_start
from entrepot.series.frequency import Frequency
from entrepot.series.paging import stepped
from entrepot.series.points import Points
from entrepot.series.resample import resample
from entrepot.series.stepping import AGGREGATES, WEIGHTED, Steps

HOUR = 3_600_000_000
AUTUMN = 1_351_375_200_000_000  # 2012-10-27 22:00 UTC
HOURS = st.lists(st.integers(0, 80), min_size=1, max_size=60, unique=True).map(sorted)
CUTS = st.lists(st.integers(1, 59), max_size=6).map(sorted)
STEPS = st.sampled_from(["1H", "3H", "1D", "1MS"])


def points_of(hours: list[int]) -> Points:
    times = AUTUMN + np.array(hours) * HOUR // 2
    return Points(times, np.sin(times.astype(float)))


def pages_of(whole: Points, cuts: list[int]) -> list[Points]:
    edges = [0, *dict.fromkeys(cut for cut in cuts if cut < len(whole)), len(whole)]
    return [whole[low:high] for low, high in pairwise(edges) if low < high]


@settings(deadline=None)
@given(HOURS, CUTS, STEPS, st.sampled_from(AGGREGATES))
def test_pages_give_what_the_whole_gives(hours: list[int], cuts: list[int], step: str, how: str) -> None:
    whole = points_of(hours)
    freq, clock = Frequency.parse(step), Clock("local", "Europe/Paris")
    steps = Steps(freq, clock, how, Frequency.parse("30min"))  # type: ignore[arg-type]
    found = list(stepped(pages_of(whole, cuts), steps))
    if how == WEIGHTED:
        (expected, _) = steps.of(whole)
        stamps, values = expected.times, expected.values
    else:
        stamps, values = resample(whole.times, whole.values, freq, clock, how)  # type: ignore[arg-type]
    assert np.concatenate([part.times for part, _ in found]).tolist() == stamps.tolist()
    assert np.concatenate([part.values for part, _ in found]).tolist() == values.tolist()
    counts = resample(whole.times, whole.values, freq, clock, "count")[1]
    shares = 100 * counts * HOUR / 2 / (next_start(stamps, freq, clock) - stamps)
    assert np.concatenate([share for _, share in found]) == pytest.approx(np.minimum(shares, 100))


@settings(deadline=None)
@given(HOURS, STEPS)
def test_a_weighted_mean_is_the_mean_of_what_stood_each_moment(hours: list[int], step: str) -> None:
    """Each value stands until the next one; so many quarters of an hour are looked at one by one."""
    whole, freq, clock = points_of(hours), Frequency.parse(step), Clock("local", "Europe/Paris")
    found, _ = Steps(freq, clock, WEIGHTED).of(whole)
    quarter = HOUR // 4
    for start, end, mean in zip(found.times, next_start(found.times, freq, clock), found.values.tolist(), strict=True):
        moments = np.arange(start, min(end, whole.times[-1] + 40 * 24 * HOUR), quarter)
        stood = np.searchsorted(whole.times, moments, "right") - 1
        looked = whole.values[stood[stood >= 0]]
        if end <= moments[-1] + quarter:
            assert mean == pytest.approx(looked.mean(), abs=1e-9)
    equal = Points(whole.times, np.full(len(whole), 0.1))
    assert set(Steps(freq, clock, WEIGHTED).of(equal)[0].values.tolist()) == {0.1}


def test_no_page_gives_nothing() -> None:
    ((empty, complete),) = stepped([], Steps(Frequency.parse("1D"), Clock("utc"), "mean"))
    assert (len(empty), len(complete)) == (0, 0)
