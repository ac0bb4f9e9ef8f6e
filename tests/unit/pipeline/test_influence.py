"""What a change of raw points can change, and that this is made anew exactly."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from entrepot.pipeline.cleaning.clean import clean
from entrepot.pipeline.cleaning.influence import Extent, further, influence
from entrepot.pipeline.cleaning.spec import CleaningSpec, Stamped, UnitType
from entrepot.pipeline.cleaning.steps import NEIGHBOURS
from entrepot.pipeline.intervals import EVER
from entrepot.series.clocks import to_utc
from entrepot.series.frequency import DAY, HOUR, MINUTE, Frequency
from tests.unit.pipeline.reference import FUNCTIONS, TYPES, Raw, Times, arrays, raws, specs

Types = tuple[UnitType, UnitType]


def neighbours(times: Times, start: int, stop: int, spec: CleaningSpec) -> tuple[Times, Times]:
    """The stamps around a range, as `raw_reading.neighbours` reads them."""
    slack = DAY if spec.looks_around and not spec.input_clock.fixed else 0
    count = NEIGHBOURS + 1 if spec.looks_around else 1
    low, high = np.searchsorted(times, [start - slack, stop + slack])
    near = times[max(0, low - count) : high + count]
    return near[near < start], near[near >= stop]


def check(old: dict[int, float], new: dict[int, float], start: int, stop: int, spec: CleaningSpec) -> None:
    """Making anew what a change of points from `start` to `stop` influences is enough, and is exact."""
    if spec.looks_around:  # the store keeps no empty values
        old, new = ({t: v for t, v in points.items() if not np.isnan(v)} for points in (old, new))
        if not new:
            return
    before, after = (
        clean(*arrays(sorted(old.items())), spec, FUNCTIONS),
        clean(*arrays(sorted(new.items())), spec, FUNCTIONS),
    )
    times, values = arrays(sorted(new.items()))
    extent = Extent.of(to_utc(times, spec.input_clock, ambiguous="first"))
    found = influence(spec, start, stop, *neighbours(times, start, stop, spec))
    low, high = np.searchsorted(times, found[:2])
    read = slice(max(0, low - further(spec)), high + further(spec))
    part = clean(times[read], values[read], spec, FUNCTIONS, extent=extent, window=found[2:])
    inside = (after.times >= found.write_start) & (after.times < found.write_stop)
    assert part.times.tolist() == after.times[inside].tolist()
    assert part.values.tolist() == after.values[inside].tolist()
    assert part.report.kept == inside.sum()
    outside = (before.times < found.write_start) | (before.times >= found.write_stop)
    assert before.times[outside].tolist() == after.times[~inside].tolist()
    assert before.values[outside].tolist() == after.values[~inside].tolist()


@pytest.mark.parametrize("types", TYPES)
@pytest.mark.parametrize("convention", ["start", "end"])
@pytest.mark.parametrize(("text", "step", "limit"), [("1H", 20, 0), ("1H", 20, 2), ("30T", 60, 0)])
def test_every_single_change(types: Types, convention: Stamped, text: str, step: int, limit: int) -> None:
    """Each point removed or rewritten, and one added in each place, before, between and after the others."""
    spec = CleaningSpec(Frequency.parse(text), *types, convention, fill=limit)
    at = [0, 1, 2, 3, 4, 5, 9, 10, 11, 12, 13, 21, 22, 23, 24]
    old = {i * step * MINUTE: float(i * i % 17) for i in at}
    for i in range(-3, 28):
        for shift in (0, 7):
            changed = (i * step + shift) * MINUTE
            check(old, old | {changed: 99.0}, changed, changed + 1, spec)
        others = {t: v for t, v in old.items() if t != i * step * MINUTE}
        check(old, others, i * step * MINUTE, i * step * MINUTE + 1, spec)
    for i in range(0, 30, 3):
        start, stop = i * step * MINUTE, (i + 6) * step * MINUTE
        check(old, {t: v for t, v in old.items() if not start <= t < stop}, start, stop, spec)


@settings(deadline=None, max_examples=150)
@given(raws(), specs(custom=True), st.data())
def test_windowed_cleaning_is_whole_cleaning(raw: Raw, spec: CleaningSpec, data: st.DataObject) -> None:
    """After any change of raw points, making the influenced intervals anew gives what making everything gives."""
    stamps = [t for t, _ in raw]
    low, high = sorted(data.draw(st.tuples(*[st.integers(-3, len(raw) + 2)] * 2), label="dirty"))

    def stamp(i: int) -> int:
        return (
            stamps[i]
            if 0 <= i < len(stamps)
            else stamps[0] + i * HOUR
            if i < 0
            else stamps[-1] + (i - len(stamps) + 1) * HOUR
        )

    start, stop = stamp(low), stamp(high) + 1
    old = dict(raw)
    new = {t: v for t, v in raw if not (start <= t < stop and data.draw(st.sampled_from([False, False, True])))}
    for at in data.draw(
        st.lists(st.integers(start // MINUTE + 1, max(start // MINUTE + 1, (stop - 1) // MINUTE)), max_size=6)
    ):
        if start <= at * MINUTE < stop:
            new[at * MINUTE] = float(data.draw(st.integers(-200, 200)))
    if not new:
        return
    spec = replace(
        spec,
        filter_first=data.draw(st.booleans()),
        completeness=data.draw(st.sampled_from([None, None, 0.4, 1.0])),
        day_begins=data.draw(st.sampled_from([None, None, 6 * HOUR])),
    )
    check(old, new, start, stop, spec)


@settings(deadline=None)
@given(raws(), specs(), st.integers(-5, 40), st.integers(0, 30))
def test_any_window_of_everything(raw: Raw, spec: CleaningSpec, start: int, hours: int) -> None:
    window = (raw[0][0] + start * HOUR + 1, raw[0][0] + (start + hours) * HOUR)
    whole, part = clean(*arrays(raw), spec, FUNCTIONS), clean(*arrays(raw), spec, FUNCTIONS, window=window)
    inside = (whole.times >= window[0]) & (whole.times < window[1])
    assert part.times.tolist() == whole.times[inside].tolist()
    assert part.values.tolist() == whole.values[inside].tolist()


def test_what_influences_everything() -> None:
    hour, before, after = Frequency.parse("1H"), np.array([4]), np.array([7])
    for spec in (CleaningSpec(hour, has_custom=True), CleaningSpec(hour, has_derivative_filter=True)):
        assert influence(spec, 5, 6, before, after) == (*EVER, *EVER)


@pytest.mark.parametrize("types", TYPES)
def test_a_rewritten_point_touches_its_neighbourhood_only(types: Types) -> None:
    spec = CleaningSpec(Frequency.parse("1H"), raw_kind=types[0], kind=types[1], clock="utc")
    at, step = 50 * HOUR, 10 * MINUTE
    steps = np.arange(1, NEIGHBOURS + 2) * step
    found = influence(spec, at, at + 1, at - steps[::-1], at + steps)
    if spec.is_index:  # a meter's reading at the hour ends one interval and begins the next
        expected = (49 * HOUR, 51 * HOUR)
    elif spec.has_durations:  # six points before and after are told by it how long they last
        expected = (49 * HOUR, 52 * HOUR)
    else:
        expected = (50 * HOUR, 51 * HOUR)
    assert found[2:] == expected
