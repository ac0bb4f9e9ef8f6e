"""The envelope of a plot: whatever there is and however it is cut into pixels, no point lies outside of it."""

import os
import random
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import func, select, update

from entrepot.db import Database
from entrepot.series import chunks, codec, extremes, store
from entrepot.series import envelope as envelopes
from entrepot.series.envelope import Envelope, Grid
from entrepot.series.looking import Look
from entrepot.series.models import Series
from entrepot.series.second_pass import SECOND

ORIGIN = 1_388_534_400_000_000
HOUR = 3_600_000_000
MINUTE = chunks.MINUTE
USUAL = Look()
steps = st.sampled_from([1, 1000, 60_000_000, HOUR, 30 * chunks.DAY])
written = st.lists(
    st.tuples(st.integers(-50, 400), st.integers(1, 300), st.integers(0, 9)), min_size=1, max_size=4
)  # where a write begins, how many points it has, and what is in them


def made(session: Any, **fields: Any) -> int:
    return store.create_series(
        session, organization_id="o", project_id="p", generator_kind="direct", generator_id=None,
        name=os.urandom(8).hex(), **{"clock": "utc"} | fields,
    ).number  # fmt: skip


def envelope(
    session: Any, pk: int, start: int, stop: int, pixels: int, check: Any = lambda: None, look: Look = USUAL
) -> Envelope:
    series = session.scalars(select(Series).where(Series.number == pk).execution_options(populate_existing=True)).one()
    return look.envelope(session, series, start, stop, pixels, check)


def pixel_of(found: Envelope, times: Any) -> Any:
    origin = int(found.times[0])
    return found.times.searchsorted(origin + (times - origin) // found.width * found.width)


@settings(deadline=None, max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(written, steps, st.integers(1, 500), st.integers(-60, 300), st.integers(1, 900))
def test_no_point_lies_outside_of_its_pixel(
    database: Database, writes: Any, step: int, pixels: int, begin: int, length: int
) -> None:
    start, stop = ORIGIN + begin * step, ORIGIN + (begin + length) * step
    with database.write() as session:
        pk = made(session)
        for at, size, seed in writes:
            values = np.random.default_rng(seed).normal(size=size) * 10.0**seed
            store.append(session, pk, ORIGIN + (at + np.arange(size)) * step, values)
        store.append(session, pk, [ORIGIN + 7 * step], [-1e9])  # in the tail
        points = store.read(session, pk, start, stop)
        found = envelope(session, pk, start, stop, pixels)
    assert found.count == len(points)
    assert len(found.times) <= pixels
    assert (np.diff(found.times) > 0).all()
    if len(points) <= pixels:
        assert (found.width, found.times.tolist(), found.low.tolist()) == (
            0,
            points.times.tolist(),
            found.high.tolist(),
        )
        assert found.low.tolist() == points.values.tolist()
        return
    at = pixel_of(found, points.times)
    assert (found.low[at] <= points.values).all()
    assert (found.high[at] >= points.values).all()
    for position in range(len(found.times)):
        inside = points.values[at == position]
        assert (inside.min(), inside.max()) == (found.low[position], found.high[position])


def test_a_peak_of_one_point_is_seen_among_a_million(database: Database) -> None:
    values = np.zeros(1_000_000)
    values[777_777], values[333_333] = 9.0, -9.0
    with database.write() as session:
        pk = made(session)
        store.append(session, pk, ORIGIN + np.arange(values.size) * 1_000_000, values)
        for pixels in (1, 7, 1000):
            found = envelope(session, pk, ORIGIN, ORIGIN + values.size * 1_000_000, pixels)
            assert (found.low.min(), found.high.max(), found.count) == (-9.0, 9.0, values.size)
            assert (found.high > 0).sum() == 1
        assert envelope(session, pk, 0, ORIGIN, 100).count == 0
        looked: list[int] = []
        envelope(session, pk, ORIGIN, ORIGIN + values.size * 1_000_000, 10_000, check=lambda: looked.append(1))
        assert len(looked) > 30, "somebody who has gone is noticed between two chunks"


def test_stamps_as_delivered_repeat(database: Database) -> None:
    stamps = [ORIGIN, ORIGIN + HOUR, ORIGIN + HOUR + 1, ORIGIN + 2 * HOUR]
    with database.write() as session:
        pk = made(session, clock=None)
        store.append(session, pk, stamps, [1.0, 2.0, 3.0, 4.0], [None, None, SECOND, None])
        found = envelope(session, pk, ORIGIN + HOUR, ORIGIN + 3 * HOUR, 10)
        assert found.times.tolist() == [ORIGIN + HOUR, ORIGIN + HOUR, ORIGIN + 2 * HOUR]
        coarse = envelope(session, pk, ORIGIN + HOUR + 1, ORIGIN + 3 * HOUR, 1)
        assert (coarse.low.tolist(), coarse.high.tolist()) == ([3.0], [4.0])


def test_a_damaged_chunk_is_told_and_not_left_out(database: Database) -> None:
    with database.write() as session:
        pk = made(session)
        store.append(session, pk, ORIGIN + np.arange(1000) * HOUR, np.arange(1000.0))
        session.execute(chunks.chunk_table.update().values(data=b"nonsense, and long enough to be a head"))
        with pytest.raises(codec.DamagedChunk, match="are damaged"):
            envelope(session, pk, ORIGIN, ORIGIN + 1000 * HOUR, 10)


def by_points(session: Any, pk: int, start: int, stop: int, pixels: int, offset: int = 0) -> Envelope:
    """Return the envelope that all points themselves make."""
    parts = envelopes.pieces(session, pk, start - offset, stop - offset)
    found = envelopes.envelope(parts, Grid.of(start, stop, pixels).earlier(offset))
    return replace(found, times=found.times + offset)


def same(found: Envelope, wanted: Envelope) -> bool:
    arrays = ("times", "low", "high")
    return (found.count, found.width) == (wanted.count, wanted.width) and all(
        np.array_equal(getattr(found, name), getattr(wanted, name)) for name in arrays
    )


def scattered(seed: int, days: int) -> tuple[Any, Any]:
    """Return times a minute, a little out of step now and then, with gaps of all sizes, and values with peaks."""
    chance = np.random.default_rng(seed)
    times = ORIGIN + np.arange(days * 1440) * MINUTE
    times = times + np.where(chance.random(times.size) < 0.05, chance.integers(0, MINUTE, times.size), 0)
    kept = (chance.random(times.size) < 0.97) & (times // (5 * HOUR) % 11 != 3) & (times // (7 * chunks.DAY) % 9 != 4)
    return times[kept], chance.standard_cauchy(int(kept.sum()))


@pytest.mark.parametrize("seed", range(2))
def test_it_is_that_of_all_points_whatever_is_kept(
    database: Database, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    chance, used = random.Random(seed), list[int]()
    real = extremes.decode
    monkeypatch.setattr(extremes, "decode", lambda *given: [found := real(*given), used.append(len(found))][0])
    days = 250
    times, values = scattered(seed, days)

    def compare(session: Any) -> None:
        used.clear()
        for _ in range(25):
            start, stop = sorted(ORIGIN + chance.randint(-20 * chunks.DAY, (days + 20) * chunks.DAY) for _ in range(2))
            pixels = chance.choice([1, 2, 7, 40, 300, 1370])
            assert same(envelope(session, pk, start, stop + 1, pixels), by_points(session, pk, start, stop + 1, pixels))
            before = Look(before=chance.choice(["4W", "1D", "1M", "period"]))
            offset = before.offset(start, stop + 1)
            assert same(
                envelope(session, pk, start, stop + 1, pixels, look=before),
                by_points(session, pk, start, stop + 1, pixels, offset),
            )
        assert len(used) > 5, "extremes serve"

    with database.write() as session:
        pk = made(session)
        store.append(session, pk, times, values)
        compare(session)
        peaks = np.sort(np.argsort(np.abs(values))[-10:])
        store.append(session, pk, times[peaks], np.zeros(10))  # in the tail, and in place of what is kept
        assert session.scalar(select(func.count()).where(chunks.tail_table.c.series == pk)) == 10
        compare(session)
        gone = ORIGIN + chance.randint(90, 120) * chunks.DAY
        store.replace_range(session, pk, gone, gone + 2 * chunks.DAY, [gone + HOUR], [-1e12])
        store.append(session, pk, times[50_000:60_000:7], np.zeros(len(times[50_000:60_000:7])))
        compare(session)
        store.fold(session, pk)
        store.delete_after(session, pk, ORIGIN + 180 * chunks.DAY + 12345)
        compare(session)
        assert store.check(session, pk) == []


def test_wide_pixels_of_several_series_are_the_same(database: Database) -> None:
    with database.write() as session:
        found = []
        for step in (1_000_000, MINUTE, 10 * MINUTE):
            pk = made(session)
            store.append(session, pk, ORIGIN + np.arange(100_000) * step, np.arange(1e5))
            found.append(envelope(session, pk, ORIGIN, ORIGIN + 700 * chunks.DAY, 100))
    assert len({one.width for one in found}) == 1
    assert all(set(one.times.tolist()) <= set(found[-1].times.tolist()) for one in found)


def test_a_plot_of_many_points_decodes_few(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    with database.write() as session:
        pk = made(session)
        times = ORIGIN + np.arange(500_000) * MINUTE
        store.append(session, pk, times, np.sin(times / chunks.DAY))
    seen: list[int] = []
    real = codec.decode
    monkeypatch.setattr(codec, "decode", lambda data: [found := real(data), seen.append(len(found))][0])
    with database.read() as session:
        found = envelope(session, pk, int(times[5000]), int(times[-5000]), 300)
    assert found.count == 490_000
    assert 0 < sum(seen) <= 2 * 10_080


@pytest.mark.parametrize("damage", [lambda data: data[:-1] + bytes([data[-1] ^ 1]), lambda data: data[:-8]])
def test_extremes_that_are_damaged_are_not_believed(database: Database, damage: Any) -> None:
    with database.write() as session:
        pk = made(session)
        times, values = scattered(3, 60)
        store.append(session, pk, times, values)
        rows = session.execute(select(chunks.chunk_table.c.bucket, chunks.chunk_table.c.extremes)).all()
        wrong = update(chunks.chunk_table).where(chunks.chunk_table.c.series == pk)
        for bucket, data in rows:
            if data is not None:
                session.execute(wrong.where(chunks.chunk_table.c.bucket == bucket).values(extremes=damage(data)))
        assert "extremes" in " ".join(store.check(session, pk))
        window = int(times[0]), int(times[-1]) + 1
        assert same(envelope(session, pk, *window, 20), by_points(session, pk, *window, 20))


def test_none_are_kept_of_stamps_that_are_delivered_otherwise(database: Database) -> None:
    with database.write() as session:
        pk = made(session, clock=None)
        times = ORIGIN + np.arange(60 * 1440) * MINUTE
        times[20_000] = times[19_999] + 1  # it came a second time around
        tags = np.full(times.size, None, object)
        tags[20_000] = SECOND
        store.append(session, pk, times, np.arange(times.size * 1.0), tags)
        kept = session.scalars(
            select(chunks.chunk_table.c.extremes).where(chunks.chunk_table.c.series == pk).order_by("bucket")
        ).all()
        assert [data is None for data in kept].count(True) == 1 + sum(len(part) < 2048 for part in _parts(session, pk))
        found = envelope(session, pk, ORIGIN, int(times[-1]) + 1, 20)
        assert (found.count, found.low[0], found.high[-1]) == (times.size, 0.0, times.size - 1)


def _parts(session: Any, pk: int) -> list[Any]:
    return list(envelopes.pieces(session, pk, 0, 2**62))
