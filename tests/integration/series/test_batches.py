"""What is written to many series at once is what would be written to one after the other."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from entrepot.db import Database, new_id
from entrepot.series import batches, heads, store
from entrepot.series.batches import Batch, Part
from entrepot.series.models import SeriesHead

_values = st.one_of(st.floats(-1e6, 1e6), st.just(float("nan")), st.just(-0.0))
_later = st.lists(_values, max_size=5)


@st.composite
def writes(draw: st.DrawFn) -> list[list[Part]]:
    """Return some writes to three series: mostly to their ends, as loggers do, and now and then anything else."""
    ends, found = [0, 0, 0], []
    for _ in range(draw(st.integers(1, 6))):
        parts: list[Part] = []
        for number in range(3):
            values = draw(_later)
            times = np.arange(ends[number] + 1, ends[number] + 1 + len(values), dtype=np.int64)
            if draw(st.integers(0, 4)) == 0:
                times = np.array(
                    draw(st.lists(st.integers(0, 20), min_size=len(values), max_size=len(values))), np.int64
                )
            tags = np.array([*draw(st.lists(st.sampled_from(["t", None]), min_size=5, max_size=5)), None], object)
            parts.append((times, np.array(values), tags[: len(values)] if draw(st.integers(0, 9)) == 0 else None))
            ends[number] = max([ends[number], *times.tolist()])
        found.append(parts)
    return found


@pytest.mark.parametrize("database_kind", ["sqlite"])
@given(some=writes())
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_batch_is_what_its_parts_are(database: Database, some: list[list[Part]]) -> None:
    with database.write() as session:
        rows = [
            store.create_series(
                session,
                organization_id="o",
                project_id="p",
                generator_kind="importer",
                generator_id=new_id(),
                name="s",
            )
            for _ in range(6)
        ]
        one, other = [row.number for row in rows[:3]], [row.number for row in rows[3:]]
    for parts in some:
        with database.write() as session:
            batch = Batch.of(dict(zip("abc", parts, strict=True)))
            found = batches.append(session, [*heads.hold(session, one).values()], batch)
            expected = store.append_many(session, dict(zip(other, parts, strict=True)))
            for mine, theirs in zip(one, other, strict=True):
                said, meant = found[mine], expected[theirs]
                assert (said.added, said.replaced, said.unchanged) == (meant.added, meant.replaced, meant.unchanged)
                assert said.changed.tolist() == meant.changed.tolist()
    with database.read() as session:
        stored = store.read_many(session, [*one, *other])
        for mine, theirs in zip(one, other, strict=True):
            assert stored[mine].times.tolist() == stored[theirs].times.tolist()
            assert stored[mine].values.tobytes() == stored[theirs].values.tobytes()
            a, b = session.get_one(SeriesHead, mine), session.get_one(SeriesHead, theirs)
            assert (a.count, a.first, a.last, a.last_value, a.tail) == (b.count, b.first, b.last, b.last_value, b.tail)
        assert store.check(session) == []


def test_a_batch_goes_to_the_ends_of_its_series(database: Database) -> None:
    with database.write() as session:
        rows = [
            store.create_series(
                session,
                organization_id="o",
                project_id="p",
                generator_kind="direct",
                generator_id=None,
                name=str(n),
            )
            for n in range(3)
        ]
        pks = [row.number for row in rows]
    for round_ in range(3):
        batch = Batch("abc", [0, 1, 2, 3], np.full(3, round_), np.array([1.0, 2.0, 3.0]) + round_)
        with database.write() as session:
            written = batches.append(session, [*heads.hold(session, pks).values()], batch)
            assert [written[pk].added for pk in pks] == [1, 1, 1]
    with database.read() as session:
        assert [session.get_one(SeriesHead, pk).last_value for pk in pks] == [3.0, 4.0, 5.0]
        assert [session.get_one(SeriesHead, pk).tail for pk in pks] == [3, 3, 3]
        assert store.check(session) == []
