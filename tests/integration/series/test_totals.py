"""Means, sums and counts of long ranges, from what is kept with chunks, against those of the points themselves."""

import random

import numpy as np
import pytest
from sqlalchemy import select, update

from entrepot.db import Database, Session
from entrepot.series import store, sums, totals
from entrepot.series.chunks import chunk_table
from entrepot.series.clocks import Clock, ceil_to_grid
from entrepot.series.frequency import DAY, HOUR, MINUTE, Frequency
from entrepot.series.points import Points
from entrepot.series.resample import resample
from entrepot.series.select import resampled_points
from entrepot.series.stepping import Steps

PARIS = Clock("local", "Europe/Paris")
CLOCKS = (Clock("utc"), PARIS, Clock("standard", "Europe/Paris"), Clock(None), Clock("local", "Asia/Kolkata"))
STEPS = ("1H", "7H", "1D", "1W", "1M")
#: Days of the spring in which clocks are put forward, and around.
START = int(np.datetime64("2024-02-10", "us").astype(np.int64))


def make(session: Session, name: str = "s") -> int:
    return store.create_series(
        session, organization_id="o", project_id="p", generator_kind="direct", generator_id=None, name=name
    ).number


def minutes(chance: np.random.Generator, days: float, step: int = MINUTE, begin: int = START) -> Points:
    """Return points a minute with gaps, a little out of step now and then."""
    times = np.arange(begin, begin + int(days * DAY), step)
    times = times + np.where(chance.random(times.size) < 0.05, chance.integers(0, step, times.size), 0)
    kept = chance.random(times.size) < 0.97
    kept &= (times // (5 * HOUR)) % 11 != 3
    return Points(times[kept], chance.normal(20, 100, int(kept.sum())))


def direct(session: Session, pk: int, low: int | None, high: int | None, freq: Frequency, clock: Clock, rule: str):  # type: ignore[no-untyped-def]
    points = store.read(session, pk, low, high)
    wanted = resample(points.times, points.values, freq, clock, rule)  # type: ignore[arg-type]
    return *wanted, resample(points.times, np.abs(points.values), freq, clock, rule)[1]  # type: ignore[arg-type]


def compare(session: Session, pk: int, chance: random.Random) -> int:
    """Compare all steps and clocks in a random range; return for how many the points were not all read."""
    used = 0
    for clock in CLOCKS:
        for step in STEPS:
            freq = Frequency.parse(step)
            ends = sorted(START + chance.randint(-5 * DAY, 70 * DAY) for _ in range(2))
            low, high = (int(ceil_to_grid(np.array([end]), freq, clock)[0]) for end in ends)
            bounds = chance.choice([(None, None), (low, None), (None, high), (low, high)])
            for rule in totals.RULES:
                times, values, sizes = direct(session, pk, *bounds, freq, clock, rule)
                got = resampled_points(session, pk, *bounds, freq, clock, rule)
                np.testing.assert_array_equal(got[0], times)
                assert (np.abs(got[1] - values) <= 1e-12 * sizes).all()
                if rule == "count":
                    np.testing.assert_array_equal(got[1], values)
            kept = totals.read(
                session, pk, ends[0], ends[1], freq, clock
            )  # as the native interface asks: ends anywhere
            for how in totals.RULES if kept is not None else ():
                steps = Steps(freq, clock, how, Frequency.parse("1min"))
                (wanted, complete), (got_, told) = steps.of(store.read(session, pk, *ends)), steps.of_totals(kept)
                np.testing.assert_array_equal(got_.times, wanted.times)
                np.testing.assert_allclose(got_.values, wanted.values, rtol=1e-9, atol=1e-8)
                np.testing.assert_array_equal(told, complete)
            used += totals.read(session, pk, bounds[0], bounds[1], freq, clock) is not None
    return used


@pytest.mark.parametrize("seed", range(3))
def test_they_are_those_of_the_points_whatever_was_written_deleted_and_corrected(database: Database, seed: int) -> None:
    numbers, chance = np.random.default_rng(seed), random.Random(seed)
    with database.write() as session:
        pk = make(session)
        points = minutes(numbers, 60)
        store.append(session, pk, points.times, points.values)
    with database.read() as session:
        assert compare(session, pk, chance) > 10
    late = minutes(numbers, 0.1, 20 * MINUTE, START + 17 * DAY)
    gone = START + chance.randint(30, 50) * DAY + chance.randint(0, DAY)
    with database.write() as session:
        store.append(session, pk, late.times + 1, late.values)  # stays in the tail
        store.replace_range(session, pk, gone, gone + 2 * DAY, [gone + HOUR], [1e6])
        store.append(session, pk, points.times[5000:15000:7], points.values[5000:15000:7] * 2)
    with database.read() as session:
        assert compare(session, pk, chance) > 10
    with database.write() as session:
        store.fold(session, pk)
        store.delete_after(session, pk, START + 41 * DAY + 12345)
    with database.read() as session:
        assert compare(session, pk, chance) > 5


def test_a_year_s_daily_means_decode_nothing_but_the_ends(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    with database.write() as session:
        pk = make(session)
        times = np.arange(START, START + 365 * DAY, MINUTE)
        store.append(session, pk, times, np.sin(times / DAY))
    seen: list[int] = []
    real = store.read
    monkeypatch.setattr(totals, "read_points", lambda *given: [found := real(*given), seen.append(len(found))][0])
    with database.read() as session:
        low, high = START + DAY - HOUR, START + 364 * DAY - 2 * HOUR
        starts, _ = resampled_points(session, pk, low, high, Frequency.parse("1D"), PARIS, "mean")
    assert starts.size == 363
    assert 0 < sum(seen) < 2 * 10_080


@pytest.mark.parametrize("clock", [Clock("local", "Asia/Kolkata"), Clock("local", "Africa/Monrovia")])
def test_days_that_begin_within_an_hour_are_of_the_points(database: Database, clock: Clock) -> None:
    begin = int(np.datetime64("1971-06-01", "us").astype(np.int64))  # Monrovia was 44 min 30 s behind until 1972
    with database.write() as session:
        pk = make(session)
        points = minutes(np.random.default_rng(1), 60, begin=begin)
        store.append(session, pk, points.times, points.values)
    with database.read() as session:
        freq = Frequency.parse("1D")
        assert totals.read(session, pk, None, None, freq, clock) is None
        times, values, _ = direct(session, pk, None, None, freq, clock, "mean")
        got = resampled_points(session, pk, None, None, freq, clock, "mean")
        np.testing.assert_array_equal(got, (times, values))


@pytest.mark.parametrize("points", [1, 480, 10_080, 25_000])
def test_what_is_kept_comes_back(points: int) -> None:
    chance = np.random.default_rng(points)
    for whole in (
        minutes(chance, points / 1440),
        Points(START + np.arange(points) * MINUTE, chance.normal(size=points)),
    ):
        window = START // (28 * DAY) * 28 * DAY
        found = sums.decode(sums.encode(whole, window, 28 * DAY), window)
        if found is None:
            assert len(whole) < 60
            continue
        hours, where = np.unique(whole.times // HOUR, return_inverse=True)
        np.testing.assert_array_equal(found.starts, hours * HOUR)
        np.testing.assert_array_equal(found.counts, np.bincount(where))
        np.testing.assert_allclose(found.sums, np.bincount(where, whole.values), rtol=0, atol=1e-9)


def test_sums_that_are_damaged_are_not_believed(database: Database) -> None:
    with database.write() as session:
        pk = make(session)
        points = minutes(np.random.default_rng(2), 60)
        store.append(session, pk, points.times, points.values)
        data = session.scalars(select(chunk_table.c.sums).where(chunk_table.c.series == pk)).first()
        assert data is not None
        wrong = data[:-1] + bytes([data[-1] ^ 1])
        session.execute(update(chunk_table).where(chunk_table.c.series == pk).values(sums=wrong))
        freq = Frequency.parse("1D")
        assert totals.read(session, pk, None, None, freq, PARIS) is None
        assert "sums" in " ".join(store.check(session, pk))
        times, values, _ = direct(session, pk, None, None, freq, PARIS, "mean")
        np.testing.assert_array_equal(resampled_points(session, pk, None, None, freq, PARIS, "mean"), (times, values))
