"""Pages of points: resampled, they give what the whole gives, wherever they are cut."""

from itertools import pairwise

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from entrepot.series.clocks import Clock
from entrepot.series.frequency import Frequency
from entrepot.series.paging import resampled
from entrepot.series.points import Points
from entrepot.series.resample import resample

HOUR = 3_600_000_000
AUTUMN = 1_351_375_200_000_000  # 2012-10-27 22:00 UTC


@settings(deadline=None)
@given(
    st.lists(st.integers(0, 80), min_size=1, max_size=60, unique=True).map(sorted),
    st.lists(st.integers(1, 59), max_size=6).map(sorted),
    st.sampled_from(["1H", "3H", "1D", "1MS"]),
    st.sampled_from(["mean", "sum", "first", "last", "min", "max", "count"]),
)
def test_pages_give_what_the_whole_gives(hours: list[int], cuts: list[int], step: str, rule: str) -> None:
    times = AUTUMN + np.array(hours) * HOUR // 2
    whole = Points(times, np.sin(times.astype(float)))
    freq, clock = Frequency.parse(step), Clock("local", "Europe/Paris")
    edges = [0, *dict.fromkeys(cut for cut in cuts if cut < len(hours)), len(hours)]
    pages = [whole[low:high] for low, high in pairwise(edges) if low < high]
    found = list(resampled(pages, freq, clock, rule))  # type: ignore[arg-type]
    stamps, values = resample(whole.times, whole.values, freq, clock, rule)  # type: ignore[arg-type]
    assert np.concatenate([part.times for part in found]).tolist() == stamps.tolist()
    assert np.concatenate([part.values for part in found]).tolist() == values.tolist()


def test_no_page_gives_nothing() -> None:
    (empty,) = resampled([], Frequency.parse("1D"), Clock("utc"), "mean")
    assert not len(empty)
