"""Resampling against plain Python, bin by bin."""

import math
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from entrepot.errors import InvalidInput
from entrepot.series.clocks import Clock, floor_to_grid, next_start, to_naive
from entrepot.series.frequency import DAY, HOUR, MINUTE, Frequency
from entrepot.series.resample import RULES, overlaps, resample, spread

START = int(datetime(2014, 10, 25, tzinfo=UTC).timestamp()) * 10**6
PARIS = {kind: Clock(kind, "Europe/Paris") for kind in ("utc", "standard", "local")}

BY_RULE: dict[str, Callable[[list[float]], float]] = {
    "mean": lambda v: math.fsum(v) / len(v),
    "sum": math.fsum,
    "first": lambda v: v[0],
    "last": lambda v: v[-1],
    "min": min,
    "max": max,
    "count": len,
}


def series(max_size: int = 60, span: int = 4 * 24 * 60) -> st.SearchStrategy[Any]:
    points = st.dictionaries(
        st.integers(0, span).map(lambda m: START + m * MINUTE),
        st.one_of(st.integers(-1000, 1000).map(float), st.just(math.nan)),
        max_size=max_size,
    )
    return points.map(lambda p: (np.array(sorted(p), np.int64), np.array([p[t] for t in sorted(p)], np.float64)))


@settings(deadline=None)
@given(
    series(),
    st.sampled_from(["10T", "1H", "3H", "7H", "1D", "W", "MS", "30s"]),
    st.sampled_from(list(PARIS)),
    st.sampled_from(RULES),
    st.sampled_from(["left", "right"]),
)
def test_against_plain_python(points: Any, text: str, kind: str, rule: Any, label: Any) -> None:
    times, values = points
    freq, clock = Frequency.parse(text), PARIS[kind]
    bins: dict[int, list[Any]] = {}
    for t, v in zip(times, values, strict=True):
        if not math.isnan(v):
            at = (floor_to_grid if label == "left" else next_start)(np.array([t]), freq, clock)[0]
            bins.setdefault(int(at), []).append(float(v))
    starts, out = resample(times, values, freq, clock, rule, label)
    assert starts.tolist() == sorted(bins)
    assert out.dtype == np.float64
    expected = np.array([BY_RULE[rule](bins[t]) for t in sorted(bins)], np.float64)
    np.testing.assert_allclose(out, expected, rtol=1e-12, atol=1e-9)


def test_dense_and_sparse_agree() -> None:
    times = START + np.arange(0, 3 * DAY, 7 * MINUTE)
    values = np.sin(times / HOUR)
    for text in ("1T", "10T", "1H", "1D"):
        for clock in PARIS.values():
            freq = Frequency.parse(text)
            floors = floor_to_grid(times, freq, clock)
            starts, out = resample(times, values, freq, clock, "last")
            assert starts.tolist() == np.unique(floors).tolist()
            assert out.tolist() == [values[floors == t][-1] for t in starts]


def test_daily_means_over_the_change_to_winter_time() -> None:
    times = START - 2 * HOUR + np.arange(0, 73 * HOUR, HOUR)
    starts, counts = resample(times, np.ones(len(times)), Frequency.parse("1D"), PARIS["local"], "count")
    assert counts.tolist() == [24, 25, 24]
    assert (to_naive(starts, PARIS["local"]) % DAY == 0).all()


def test_unknown_rule() -> None:
    with pytest.raises(InvalidInput) as error:
        resample(np.array([0]), np.array([1.0]), Frequency.parse("1H"), PARIS["utc"], cast("Any", "median"))
    assert list(error.value.fields) == ["rule"]


def test_spread_repeats_or_splits() -> None:
    day, hours = Frequency.parse("3H"), Frequency.parse("1H")
    times = START + np.array([3, 6, 18]) * HOUR
    values = np.array([1.5, 3.0, 6.0])
    starts, out = spread(times, values, day, hours, PARIS["utc"], "mean")
    assert ((starts - START) // HOUR).tolist() == [3, 4, 5, 6, 7, 8, 18, 19, 20]
    assert out.tolist() == [1.5] * 3 + [3.0] * 3 + [6.0] * 3
    _, split = spread(times, values, day, hours, PARIS["utc"], "sum")
    assert split.tolist() == [0.5] * 3 + [1.0] * 3 + [2.0] * 3


def test_spread_of_a_day_of_25_hours() -> None:
    start = START + 22 * HOUR
    starts, out = spread(
        np.array([start]), np.array([50.0]), Frequency.parse("1D"), Frequency.parse("1H"), PARIS["local"], "sum"
    )
    assert starts.tolist() == [start + i * HOUR for i in range(25)]
    assert out.tolist() == [2.0] * 25


def test_spread_of_unaligned_steps_weighs_by_time() -> None:
    times = START + np.array([0, 45]) * MINUTE
    args = Frequency.parse("45T"), Frequency.parse("30T"), PARIS["utc"]
    assert spread(times, np.array([9.0, 18.0]), *args, "sum")[1].tolist() == [6.0, 9.0, 12.0]
    assert spread(times, np.array([9.0, 18.0]), *args, "mean")[1].tolist() == [9.0, 13.5, 18.0]


@given(series(max_size=20), st.sampled_from(["2H", "1D", "MS"]), st.sampled_from(["10T", "30T", "45T"]))
@settings(deadline=None)
def test_spread_loses_nothing(points: Any, text: str, out_text: str) -> None:
    times, values = points
    starts, out = spread(times, values, Frequency.parse(text), Frequency.parse(out_text), PARIS["local"], "sum")
    assert (np.diff(starts) > 0).all()
    assert math.isclose(out.sum(), np.nansum(values), rel_tol=1e-9, abs_tol=1e-6)


@given(
    st.lists(st.tuples(st.integers(-5, 30), st.integers(0, 12)), max_size=8),
    st.lists(st.integers(0, 25), min_size=2, unique=True),
)
def test_overlaps_against_counting(spans: list[tuple[int, int]], edges: list[int]) -> None:
    edges = sorted(edges)
    starts = np.array([s for s, _ in spans], np.int64)
    ends = starts + np.array([n for _, n in spans], np.int64)
    which, bins, shared = overlaps(starts, ends, np.array(edges, np.int64))
    pieces: dict[tuple[int, int], int] = {}
    for i, (s, e) in enumerate(zip(starts.tolist(), ends.tolist(), strict=True)):
        for unit in range(s, e):
            for b in range(len(edges) - 1):
                if edges[b] <= unit < edges[b + 1]:
                    pieces[i, b] = pieces.get((i, b), 0) + 1
    assert dict(zip(zip(which.tolist(), bins.tolist(), strict=True), shared.tolist(), strict=True)) == pieces


def test_no_points() -> None:
    empty = np.empty(0, np.int64), np.empty(0)
    for out in (
        resample(*empty, Frequency.parse("1H"), PARIS["local"]),
        spread(*empty, Frequency.parse("1D"), Frequency.parse("1H"), PARIS["local"], "sum"),
    ):
        assert [len(a) for a in out] == [0, 0]


def test_stamps_are_whole_hours_of_the_zone() -> None:
    times = START + np.arange(0, 2 * DAY, 10 * MINUTE)
    lord_howe = Clock("local", "Australia/Lord_Howe")
    starts, _ = resample(times, np.ones(len(times)), Frequency.parse("1H"), lord_howe)
    assert {datetime.fromtimestamp(t / 1e6, UTC).minute for t in to_naive(starts, lord_howe)} == {0}
    assert timedelta(microseconds=int(starts[1] - starts[0])) == timedelta(hours=1)
