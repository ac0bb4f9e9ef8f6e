"""Cleaning against a slow reference in plain Python, and by its own laws."""

import csv
import io
import math
import zipfile
from dataclasses import replace
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from entrepot.errors import InvalidInput
from entrepot.pipeline.cleaning.clean import clean
from entrepot.pipeline.cleaning.spec import CleaningSpec, Stamped, UnitType
from entrepot.series.clocks import Clock, to_naive
from entrepot.series.frequency import DAY, HOUR, MINUTE, SECOND, Frequency
from tests.unit.pipeline.reference import (
    FUNCTIONS,
    TYPES,
    Functions,
    Raw,
    Values,
    arrays,
    micro,
    moment,
    raws,
    slow_clean,
    slow_utc,
    specs,
)


@settings(deadline=None, max_examples=150)
@given(raws(), specs())
def test_against_plain_python(raw: Raw, spec: CleaningSpec) -> None:
    found = clean(*arrays(raw), spec, FUNCTIONS)
    expected = slow_clean(raw, spec)
    assert found.times.tolist() == [micro(t) for t, _ in expected]
    np.testing.assert_allclose(found.values, [v for _, v in expected], rtol=1e-9, atol=1e-9)
    report = found.report
    assert report.kept == len(found.times)
    dropped = report.missing + report.filtered + report.derivative_filtered
    assert report.intervals == report.kept + dropped
    assert report.points == len(raw)
    assert report.empty == sum(math.isnan(v) for _, v in raw)


@settings(deadline=None, max_examples=40)
@given(raws(max_size=30), specs())
def test_months_against_plain_python(raw: Raw, spec: CleaningSpec) -> None:
    raw = [(at + (at - raw[0][0]) * 60, value) for at, value in raw]
    spec = replace(spec, step=Frequency.parse("MS"), has_derivative_filter=False)
    found, expected = clean(*arrays(raw), spec, FUNCTIONS), slow_clean(raw, spec)
    assert found.times.tolist() == [micro(t) for t, _ in expected]
    np.testing.assert_allclose(found.values, [v for _, v in expected], rtol=1e-9, atol=1e-9)


@settings(deadline=None)
@given(raws(), st.sampled_from(["30T", "1H", "3H"]), st.sampled_from([0, 3, 1000]))
def test_meters_sum_up_to_their_difference(raw: Raw, text: str, limit: int) -> None:
    raw = [(t, v) for t, v in raw if not math.isnan(v)]
    spec = CleaningSpec(Frequency.parse(text), kind="amount", fill=limit)
    if len(raw) < 2:
        return
    found = clean(*arrays(raw), spec)
    step = spec.step.microseconds
    runs = np.split(np.arange(len(found.times)), np.flatnonzero(np.diff(found.times) != step) + 1)
    if limit == 1000 and len(found.times):
        assert len(runs) == 1
    points = {micro(slow_utc(t, spec)): v for t, v in raw}
    for run in runs:
        if len(run):
            ends = found.times[run[0]], found.times[run[-1]] + step
            low, high = (np.interp(float(at), [float(t) for t in points], list(points.values())) for at in ends)
            assert math.isclose(found.values[run].sum(), high - low, abs_tol=1e-6)


@settings(deadline=None)
@given(raws(), st.sampled_from(["30T", "1H", "3H", "1D"]), st.sampled_from(["start", "end"]))
def test_amounts_are_neither_lost_nor_doubled(raw: Raw, text: str, convention: Stamped) -> None:
    """With zeros around them, so that the completeness rule cuts nothing off, all amounts come out."""
    raw = [(t, 0.0 if math.isnan(v) else v) for t, v in raw]
    total = math.fsum(v for _, v in raw)
    around = [(raw[0][0] - i * DAY, 0.0) for i in range(9, 0, -1)], [(raw[-1][0] + i * DAY, 0.0) for i in range(1, 10)]
    spec = CleaningSpec(Frequency.parse(text), raw_kind="amount", kind="amount", stamped=convention)
    found = clean(*arrays([*around[0], *raw, *around[1]]), spec)
    assert math.isclose(found.values.sum(), total, abs_tol=1e-6)


@settings(deadline=None)
@given(raws(), specs())
def test_longer_gaps_stay_empty(raw: Raw, spec: CleaningSpec) -> None:
    spec = replace(spec, has_operation=False, has_filter=False, has_derivative_filter=False)
    bare, filled = (clean(*arrays(raw), replace(spec, fill=n)) for n in (0, spec.fill))
    assert set(bare.times.tolist()) <= set(filled.times.tolist())
    if not len(bare.times):
        assert not len(filled.times)
        return
    known = bare.times
    added = np.setdiff1d(filled.times, known)
    assert filled.report.interpolated == len(added)
    for a, b in pairwise(known.tolist()):
        count = ((added > a) & (added < b)).sum()
        assert count <= spec.fill
    assert ((added > known[0]) & (added < known[-1])).all()


def test_worked_example() -> None:
    times = micro(datetime(2012, 1, 1)) + np.arange(24) * HOUR
    found = clean(times, np.ones(24), CleaningSpec(Frequency.parse("1H")))
    naive = to_naive(found.times, Clock("standard", "Europe/Paris"))
    assert [moment(t).hour for t in naive] == list(range(1, 23))
    assert found.values.tolist() == [1.0] * 22
    assert (found.report.intervals, found.report.incomplete, found.report.kept) == (22, 2, 22)


def test_hourly_amounts_split_into_half_hours() -> None:
    times = np.arange(10, dtype=np.int64) * HOUR
    spec = CleaningSpec(Frequency.parse("30T"), raw_kind="amount", kind="amount")
    found = clean(times, np.arange(10.0), spec)
    assert found.values.tolist() == [0.0] + [v / 2 for v in range(1, 9) for _ in (0, 1)]
    right = clean(times, np.arange(10.0), replace(spec, stamped="end"))
    assert right.values.tolist() == [0.5] + [v / 2 for v in range(2, 10) for _ in (0, 1)]


def test_stamps_of_the_wall_clock_are_counted() -> None:
    spec = CleaningSpec(Frequency.parse("1H"), clock="local")
    times = micro(datetime(2014, 10, 26)) + np.arange(0, 6 * HOUR, 10 * MINUTE)
    autumn = clean(times, np.ones(len(times)), spec)
    assert (autumn.report.ambiguous, autumn.report.nonexistent, autumn.report.missing) == (6, 0, 1)
    times = micro(datetime(2014, 3, 30)) + np.arange(0, 6 * HOUR, 10 * MINUTE)
    spring = clean(times, np.ones(len(times)), spec)
    assert (spring.report.ambiguous, spring.report.nonexistent, spring.report.duplicates) == (0, 6, 6)


def test_what_is_dropped_is_counted() -> None:
    times = np.arange(12, dtype=np.int64) * HOUR
    values = np.array([0, 0, 0, 0, np.nan, 0, 900, -400, 0, np.inf, 0, 0])
    times[3] += 1
    spec = CleaningSpec(Frequency.parse("1H"), on_grid=True, has_filter=True, has_derivative_filter=True)
    report = clean(times, values, spec, FUNCTIONS).report
    assert (report.points, report.empty, report.off_grid) == (12, 2, 1)
    assert (report.missing, report.filtered, report.derivative_filtered) == (3, 1, 2)
    assert report.as_dict()["kept"] == report.kept == report.intervals - 6


def test_delay_holds_back_until_due() -> None:
    times = np.arange(12, dtype=np.int64) * HOUR
    spec = CleaningSpec(Frequency.parse("1H"), delay=Frequency.parse("3H"))
    found = clean(times, np.ones(12), spec, now=11 * HOUR)
    assert (found.times[-1], found.report.delayed, found.due) == (7 * HOUR, 2, 12 * HOUR)
    assert clean(times, np.ones(12), spec, now=found.due).times[-1] == 8 * HOUR
    assert clean(times, np.ones(12), spec, now=99 * HOUR).due is None
    assert clean(times, np.ones(12), spec, now=0).due == 4 * HOUR


@pytest.mark.parametrize("count", [0, 1, 2])
def test_few_points(count: int) -> None:
    times = np.arange(count, dtype=np.int64) * HOUR
    for source, target in TYPES:
        spec = CleaningSpec(Frequency.parse("1H"), raw_kind=source, kind=target, fill=3)
        assert len(clean(times, np.ones(count), spec).times) == 0


@pytest.mark.parametrize(
    ("field", "spec", "name"),
    [
        ("convert", {"has_operation": True}, "operation"),
        ("keep", {"has_filter": True}, "filter"),
        ("keep_rate", {"has_derivative_filter": True}, "derivative_filter"),
        ("custom", {"has_custom": True}, "custom"),
    ],
)
def test_a_function_must_answer_for_each_value(field: str, spec: dict[str, Any], name: str) -> None:
    class Short(Functions):
        pass

    setattr(Short, name, (lambda _, t, v: (t[1:], v)) if name == "custom" else (lambda _, v: v[1:]))
    with pytest.raises(InvalidInput) as error:
        clean(np.arange(9) * HOUR, np.ones(9), CleaningSpec(Frequency.parse("1H"), **spec), Short())
    assert list(error.value.fields) == [field]


def test_too_fine_a_frequency_is_refused() -> None:
    with pytest.raises(InvalidInput, match="more than"):
        clean(
            np.arange(400) * DAY,
            np.ones(400),
            CleaningSpec(Frequency.parse("1us"), raw_kind="mean", kind="mean"),
        )


@pytest.mark.parametrize("types", TYPES)
@pytest.mark.parametrize("away", [-24 * 365 * DAY, 9 * 365 * DAY])
def test_a_stamp_years_away_costs_no_steps(types: tuple[UnitType, UnitType], away: int) -> None:
    """Of 10-second data, a stamp years off would make tens of millions of steps; all others are as they were."""
    times = np.arange(600) * 10 * SECOND + DAY * 20_000
    values = (np.arange(600) % 7).astype(float) + 1.0
    spec = CleaningSpec(Frequency.parse("30s"), *types, clock="utc", fill=3)
    right = clean(times, values, spec)
    order = slice(None, None, 1 if away > 0 else -1)
    stray = np.sort(np.append(times, times[0] + away))
    found = clean(stray, np.concatenate([values, np.array([5.0])][order]), spec)
    inside = (found.times > times[0]) & (found.times < times[-1] - 30 * SECOND)
    kept = right.times < times[-1] - 30 * SECOND
    assert found.times[inside].tolist() == right.times[kept].tolist()
    assert found.values[inside].tolist() == right.values[kept].tolist()
    assert found.report.intervals > 9_000_000
    assert found.report.missing == found.report.intervals - found.report.kept
    # No more than the stray point itself, and the intervals at either end of the others.
    assert found.report.kept <= right.report.kept + 4


@pytest.mark.parametrize("convention", ["start", "end"])
@pytest.mark.parametrize(("first", "then"), [(30, 15), (15, 30), (10, 60)])
def test_a_changed_step_rewrites_nothing(first: int, then: int, convention: Stamped) -> None:
    """What was cleaned before the step of a series changed stays to the bit, however much of the new step comes."""
    old = np.arange(100) * first * MINUTE
    new = old[-1] + np.arange(1, 400) * then * MINUTE
    spec = CleaningSpec(Frequency.parse("15T"), "mean", "mean", convention, clock="utc")
    before = clean(old, np.arange(100, dtype=np.float64) % 7, spec)
    after = clean(np.append(old, new), np.append(np.arange(100.0), np.arange(399.0)) % 7, spec)
    settled = before.times < old[-2]
    assert after.times[: settled.sum()].tolist() == before.times[settled].tolist()
    assert after.values[: settled.sum()].tolist() == before.values[settled].tolist()
    assert after.report.missing == 0


def test_a_step_needs_the_share_of_its_points_that_is_asked_for() -> None:
    """Ten-minute data: of three hours with 6, 5 and 3 points, two have 80 per cent; how many each has is kept."""
    minutes = [0, 10, 20, 30, 40, 50, 60, 70, 90, 100, 110, 120, 140, 160, 180, 190, 200, 210]
    times = np.array([-10, *minutes]) * MINUTE
    hours = Frequency.parse("1H")
    for types in (("instant", "mean"), ("mean", "mean"), ("amount", "amount")):
        found = clean(times, np.ones(len(times)), CleaningSpec(hours, *types, clock="utc", completeness=0.8))
        assert (found.times // HOUR).tolist() == [0, 1]
        assert found.counts.tolist() == [6, 5]
        assert found.report.missing == 1
        assert clean(times, np.ones(len(times)), CleaningSpec(hours, *types, clock="utc")).counts is None


def test_a_filter_may_come_before_the_steps() -> None:
    """One spike of 900 among ones: left out before the mean, it leaves the hour; else the hour goes with it."""

    class Below(Functions):
        def filter(self, values: Values) -> NDArray[np.bool_]:
            return values < 100

    times = np.arange(-1, 30) * 10 * MINUTE
    values = np.where(times == 70 * MINUTE, 900.0, 1.0)
    spec = CleaningSpec(Frequency.parse("1H"), "mean", "mean", clock="utc", has_filter=True)
    late, early = clean(times, values, spec, Below()), clean(times, values, replace(spec, filter_first=True), Below())
    assert (late.times // HOUR).tolist() == [0, 2, 3]
    assert (early.times // HOUR).tolist() == [0, 1, 2, 3]
    assert set(early.values.tolist()) == {1.0}
    assert (late.report.filtered, early.report.filtered) == (1, 1)


WIND_FARM = Path(__file__).parents[4] / "shared" / "data" / "la-haute-borne-2014.zip"


@pytest.mark.skipif(not WIND_FARM.exists(), reason="the year of the wind farm is not here")
def test_a_month_of_the_wind_farm() -> None:
    """Ten-minute means to hours, over the change to summer time, with its gaps and its two rows for one stamp."""
    with zipfile.ZipFile(WIND_FARM) as archive:
        rows = list(csv.DictReader(io.StringIO(archive.read("R80711/2014-03.csv").decode())))
    points = {}
    for row in rows:
        at = datetime.fromisoformat(row["Date_time"]).astimezone(UTC).replace(tzinfo=None)
        if row["P_avg"]:
            points[micro(at)] = float(row["P_avg"])
    assert len(points) < len(rows)
    raw = sorted(points.items())
    spec = CleaningSpec(Frequency.parse("1H"), raw_kind="mean", kind="mean", clock="utc")
    found = clean(*arrays(raw), spec)
    hours: dict[int, list[float]] = {}
    for stamp, value in raw:
        hours.setdefault(stamp // HOUR * HOUR, []).append(value)
    first, last = raw[0][0], raw[-1][0]
    expected = {t: sum(v) / len(v) for t, v in hours.items() if t > first and t + HOUR <= last}
    assert found.times.tolist() == sorted(expected)
    np.testing.assert_allclose(found.values, [expected[t] for t in sorted(expected)], rtol=1e-9)
