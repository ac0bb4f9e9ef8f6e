"""Which intervals an analysis computes, what it is given for them, and what it has to compute anew."""

import itertools
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from entrepot.pipeline.analyses.windows import (
    AnalysisSpec,
    Input,
    analysis_intervals,
    build_frame,
    clip_intervals,
    merge_intervals,
    read_range,
    subtract_intervals,
    touched,
)
from entrepot.pipeline.cleaning.clean import clean
from entrepot.pipeline.cleaning.spec import CleaningSpec
from entrepot.series.clocks import Clock, to_naive
from entrepot.series.frequency import DAY, HOUR, MINUTE, Frequency

TZT = Clock("standard", "Europe/Paris")
MIDNIGHT = int(datetime(2012, 1, 1, tzinfo=UTC).timestamp()) * 10**6 - HOUR
NOW = MIDNIGHT + 4000 * DAY
HOURLY = Frequency.parse("1H")
SPEC = AnalysisSpec(Frequency.parse("3H"), Frequency.parse("3H"), TZT, patience=Frequency.parse("6H"))


def hours(*at: float) -> Any:
    return tuple(MIDNIGHT + round(h * HOUR) for h in at)


def covered(first: float, last: float, column: str = "a", freq: Frequency | None = HOURLY, **more: Any) -> Input:
    begin, end = hours(first, last)
    return Input(column, begin, end, freq, TZT, **more)


def bounds_of(inputs: Sequence[Input], spec: AnalysisSpec = SPEC, now: int = NOW) -> tuple[float, float] | None:
    found = analysis_intervals(inputs, spec, now)
    return None if found is None else ((found.start - MIDNIGHT) / HOUR, (found.stop - MIDNIGHT) / HOUR)


def test_worked_example() -> None:
    """24 raw points, a cleaner of one hour, an analysis of three: 22 rows from 01:00, then 6 rows from 03:00."""
    raw = to_naive(MIDNIGHT + np.arange(24) * HOUR, TZT)
    cleaned = {name: clean(raw, np.full(24, v), CleaningSpec(HOURLY)) for name, v in (("a", 1.0), ("b", 2.0))}
    for each in cleaned.values():
        assert ((each.times - MIDNIGHT) // HOUR).tolist() == list(range(1, 23))
    inputs = [Input(name, int(each.times[0]), int(each.times[-1]), HOURLY, TZT) for name, each in cleaned.items()]
    bounds = analysis_intervals(inputs, SPEC, NOW)
    frame = build_frame(
        inputs, {name: (c.times, c.values) for name, c in cleaned.items()}, SPEC, bounds, bounds.start, bounds.stop
    )
    assert [str(t) for t in frame.naive.view("M8[us]").astype("M8[h]")] == [
        f"2012-01-01T{h:02}" for h in (3, 6, 9, 12, 15, 18)
    ]
    assert list(frame.columns) == ["a", "b"]
    assert np.mean(list(frame.columns.values()), axis=0).tolist() == [1.5] * 6


@pytest.mark.parametrize(
    ("inputs", "changes", "expected"),
    [
        ([covered(0, 23)], {}, (0, 24)),
        ([covered(1, 22), covered(5, 30, "b")], {}, (6, 30)),
        ([covered(1, 22), covered(5, 30, "b")], {"waits": True}, (6, 21)),
        ([covered(1, 22), covered(5, 30, "b")], {"starts_with_first": True}, (3, 30)),
        ([covered(1, 22), covered(5, 30, "b")], {"before": 5 * HOUR}, (6, 30)),
        ([covered(1, 22), covered(5, 30, "b")], {"before": 5 * HOUR, "strict_before": True}, (12, 30)),
        (
            [covered(1, 22), covered(5, 30, "b")],
            {"before": 5 * HOUR, "strict_before": True, "starts_with_first": True},
            (3, 30),
        ),
        ([covered(0, 23)], {"after": HOUR}, (0, 21)),
        ([covered(0, 23, freq=None)], {}, (0, 21)),
        ([covered(0, 49)], {"step": Frequency.parse("1D")}, (0, 48)),
        ([covered(1, 49)], {"step": Frequency.parse("1D")}, (24, 48)),
        ([covered(0, 0.5)], {}, (0, 0)),
    ],
)
def test_what_can_be_computed(inputs: list[Input], changes: dict[str, Any], expected: Any) -> None:
    assert bounds_of(inputs, replace(SPEC, **changes)) == expected


def test_a_late_input_holds_back_until_it_is_given_up() -> None:
    inputs = [covered(0, 11), covered(0, 23, "b")]
    at = MIDNIGHT + 12 * HOUR + 6 * HOUR
    assert bounds_of(inputs, now=at) == (0, 12)
    waiting = analysis_intervals(inputs, SPEC, at)
    assert waiting.due == at + 1
    assert bounds_of(inputs, now=waiting.due) == (0, 24)
    tolerant = [replace(inputs[0], patience=Frequency.parse("1D")), inputs[1]]
    assert bounds_of(tolerant, now=waiting.due) == (0, 12)
    assert bounds_of(inputs, replace(SPEC, waits=True)) == (0, 12)


def test_delay_holds_back_the_newest() -> None:
    spec = replace(SPEC, delay=Frequency.parse("2H"))
    now = MIDNIGHT + 13 * HOUR
    found = analysis_intervals([covered(0, 11)], spec, now)
    assert (found.stop - MIDNIGHT) / HOUR == 9
    assert found.due == MIDNIGHT + 14 * HOUR
    assert bounds_of([covered(0, 11)], spec, found.due) == (0, 12)


def test_inputs_without_values() -> None:
    empty = Input("b", None, None, HOURLY, TZT)
    assert analysis_intervals([], SPEC, NOW) is None
    assert analysis_intervals([empty], SPEC, NOW) is None
    assert analysis_intervals([covered(0, 23), empty], SPEC, NOW) is None
    assert bounds_of([covered(0, 23), empty], replace(SPEC, starts_with_first=True)) == (0, 24)
    assert bounds_of([covered(0, 23), empty], replace(SPEC, starts_with_first=True, waits=True)) is None


def test_frame_uses_what_there_is_in_each_row() -> None:
    inputs = [covered(0, 23), covered(0, 18, "daily", Frequency.parse("6H"), rule="sum"), covered(0, 23, "raw", None)]
    data = {
        "a": (np.array(hours(0, 2, 7)), np.array([1.0, 3.0, 5.0])),
        "daily": (np.array(hours(0, 6)), np.array([4.0, 8.0])),
        "raw": (np.array(hours(0.1, 0.2, 8)), np.array([1.0, 2.0, 3.0])),
    }
    bounds = analysis_intervals(inputs, SPEC, NOW)
    frame = build_frame(inputs, data, SPEC, bounds, *hours(0, 12))
    np.testing.assert_array_equal(frame.columns["a"], [2.0, np.nan, 5.0, np.nan])
    np.testing.assert_array_equal(frame.columns["daily"], [2.0, 2.0, 4.0, 4.0])
    np.testing.assert_array_equal(frame.columns["raw"], [1.5, np.nan, 3.0, np.nan])


def test_frame_has_the_offsets_rows_as_far_as_they_are_complete() -> None:
    spec = replace(SPEC, before=6 * HOUR, after=3 * HOUR)
    inputs = [covered(1, 22)]
    bounds = analysis_intervals(inputs, spec, NOW)
    assert ((bounds.start - MIDNIGHT) // HOUR, (bounds.stop - MIDNIGHT) // HOUR) == (3, 18)
    data = {"a": (np.array(hours(*range(1, 23))), np.arange(1.0, 23.0))}
    frame = build_frame(inputs, data, spec, bounds, *hours(6, 9))
    assert ((frame.times - MIDNIGHT) // HOUR).tolist() == [3, 6, 9]
    frame = build_frame(inputs, data, spec, bounds, *hours(12, 18))
    assert ((frame.times - MIDNIGHT) // HOUR).tolist() == [6, 9, 12, 15, 18]


@pytest.mark.parametrize(
    ("changed", "changes", "expected"),
    [
        ([(4, 5)], {}, [(3, 6)]),
        ([(3, 6)], {}, [(3, 6)]),
        ([(5, 7)], {}, [(3, 9)]),
        ([(0, 1)], {}, []),
        ([(22, 50)], {}, []),
        ([(4, 5), (13, 14)], {}, [(3, 6), (12, 15)]),
        ([(9, 10)], {"before": 3 * HOUR}, [(9, 15)]),
        ([(9, 10)], {"after": 3 * HOUR}, [(6, 12)]),
        ([(9, 10)], {"after": HOUR}, [(6, 12)]),
        ([(4, 5)], {"step": Frequency.parse("1D")}, []),
        ([(-(2**61), 2**61)], {}, [(3, 21)]),
        ([], {}, []),
    ],
)
def test_touched(changed: Any, changes: dict[str, Any], expected: Any) -> None:
    spec, inputs = replace(SPEC, **changes), [covered(1, 22)]
    bounds = analysis_intervals(inputs, spec, NOW)
    spans = [(max(a, -(2**62)), min(b, 2**62)) if abs(a) > 10**9 else hours(a, b) for a, b in changed]
    found = touched(bounds, {"a": spans, "other": [hours(0, 99)]}, inputs, spec)
    assert [((a - MIDNIGHT) / HOUR, (b - MIDNIGHT) / HOUR) for a, b in found] == expected


@settings(deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 90), st.floats(-100, 100)), min_size=2, max_size=60, unique_by=lambda p: p[0]),
    st.integers(0, 90),
    st.sampled_from(["30T", "1H", "2H", "6H"]),
    st.sampled_from(["1H", "3H", "1D"]),
    st.sampled_from(["1H", "3H", "1D"]),
    st.sampled_from([0, HOUR, 7 * HOUR]),
    st.sampled_from([0, 2 * HOUR]),
    st.sampled_from(["standard", "local"]),
)
def test_recomputing_what_was_touched_is_computing_everything(
    points: Any, which: Any, freq: Any, input_step: Any, step: Any, before: Any, after: Any, kind: Any
) -> None:
    """The frames of untouched intervals do not change, and windowed frames are parts of the whole one."""
    length = Frequency.parse(freq)
    shift = 2000 * DAY if kind == "local" else 0
    times = np.array(sorted(at for at, _ in points)) * length.microseconds + MIDNIGHT + shift
    values = np.array([value for _, value in sorted(points)])
    spec = AnalysisSpec(
        Frequency.parse(input_step),
        Frequency.parse(step),
        Clock(kind, "Europe/Paris"),
        before=before,
        after=after,
    )
    each = Input("a", int(times[0]), int(times[-1]), length, TZT)
    bounds = analysis_intervals([each], spec, NOW)
    if bounds.start >= bounds.stop:
        return

    def frame(values: Any, start: int, stop: int) -> Any:
        low, high = read_range(each, bounds, spec, start, stop)
        part = (times >= low) & (times < high)
        return build_frame([each], {"a": (times[part], values[part])}, spec, bounds, start, stop)

    changed = values.copy()
    i = which % len(times)
    changed[i] += 1
    spans = touched(bounds, {"a": [(int(times[i]), int(times[i]) + 1)]}, [each], spec)
    whole, after_change = frame(values, bounds.start, bounds.stop), frame(changed, bounds.start, bounds.stop)
    differs = ~((whole.columns["a"] == after_change.columns["a"]) | np.isnan(whole.columns["a"]))
    for start, stop in [(bounds.start, bounds.stop), *spans]:
        part = frame(changed, start, stop)
        at = np.searchsorted(after_change.times, part.times)
        np.testing.assert_array_equal(after_change.columns["a"][at], part.columns["a"])
    for t in after_change.times[differs].tolist():
        # Every interval that looks at the row is computed anew.
        for start, stop in subtract_intervals([(bounds.start, bounds.stop)], spans):
            assert not (start - before <= t < stop + after)


INTERVALS = st.lists(st.tuples(st.integers(0, 40), st.integers(0, 40)), max_size=8)


def points_in(intervals: list[tuple[int, int]]) -> set[int]:
    return {x for start, stop in intervals for x in range(start, stop)}


@given(INTERVALS, INTERVALS, st.integers(0, 40), st.integers(0, 40))
def test_interval_arithmetic(some: list[tuple[int, int]], others: list[tuple[int, int]], low: int, high: int) -> None:
    merged = merge_intervals(some)
    assert points_in(merged) == points_in(some)
    assert all(a < b for a, b in merged)
    assert all(b < c for (_, b), (c, _) in itertools.pairwise(merged))
    assert points_in(subtract_intervals(some, others)) == points_in(some) - points_in(others)
    assert points_in(clip_intervals(some, low, high)) == points_in(some) & set(range(low, high))


@given(INTERVALS, st.integers(1, 4))
def test_few_intervals(some: list[tuple[int, int]], most: int) -> None:
    merged, few = merge_intervals(some), merge_intervals(some, most)
    assert len(few) == min(len(merged), most)
    assert points_in(few) >= points_in(merged)
    assert {a for a, _ in few} <= {a for a, _ in merged}
    gaps = sorted(c - b for (_, b), (c, _) in itertools.pairwise(merged))
    assert len(points_in(few)) == len(points_in(merged)) + sum(gaps[: max(0, len(merged) - most)])


def test_configuration_is_read() -> None:
    spec = AnalysisSpec.of(
        {
            "input_step": "1H",
            "step": "1D",
            "clock": "local",
            "timezone": "Europe/Paris",
            "starts_with_first": True,
            "waits": False,
            "patience": "6H",
            "delay": None,
            "before": 3,
            "after": "30T",
            "strict_before": False,
        }
    )
    assert (spec.before, spec.after, spec.step.text) == (3 * HOUR, 30 * MINUTE, "1D")
    assert spec.clock == Clock("local", "Europe/Paris")
