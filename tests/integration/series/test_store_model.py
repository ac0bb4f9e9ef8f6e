"""The store against a dictionary: whatever is written in whatever order, it holds what the dictionary holds."""

import os
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from entrepot.db import Database
from entrepot.series import chunks, store

MINUTE = 60_000_000
ORIGIN = 1_388_534_400_000_000
steps = st.sampled_from([1, 1000, 1_000_000, MINUTE, 600 * MINUTE, chunks.DAY, 30 * chunks.DAY])
places = st.integers(-300, 300)
values = st.floats(allow_nan=False, allow_infinity=False) | st.sampled_from([0.0, -0.0, 1.0, 2.0])
tags = st.sampled_from([None, None, None, "bad", "é"])
points = st.lists(st.tuples(places, values, tags), max_size=8)
Row = tuple[int, float, str | None]


class Machine(RuleBasedStateMachine):
    """Two series; what each shall hold is in `model`."""

    database: Database

    @initialize()
    def make(self) -> None:
        with self.database.write() as session:
            self.pks = [
                store.create_series(
                    session, organization_id="o", project_id="p", generator_kind="direct", generator_id=None, name=name
                ).number
                for name in (os.urandom(8).hex(), os.urandom(8).hex())
            ]
        self.model: dict[int, dict[int, tuple[float, str | None]]] = {pk: {} for pk in self.pks}

    def note(self, which: int, rows: list[Row]) -> store.Written:
        """Put rows into the model and return what the store should say."""
        model = self.model[self.pks[which]]
        before = dict(model)
        model.update({time: (value, tag) for time, value, tag in rows})
        return expected(before, model, {time for time, _, _ in rows})

    @rule(which=st.integers(0, 1), step=steps, rows=points, report=st.booleans())
    def append(self, which: int, step: int, rows: list[Row], report: bool) -> None:
        rows = [(ORIGIN + at * step, value, tag) for at, value, tag in rows]
        with self.database.write() as session:
            written = store.append(session, self.pks[which], *columns(rows), report=report)
        same(written, self.note(which, rows), report)

    @rule(step=steps, start=places, size=st.integers(60, 400), seed=st.integers(0, 9), stride=st.integers(1, 3))
    def append_many(self, step: int, start: int, size: int, seed: int, stride: int) -> None:
        values = np.random.default_rng(seed).integers(0, 3, size).astype(float)
        rows: list[Row] = [
            (ORIGIN + (start + at * stride) * step, value, None) for at, value in enumerate(values.tolist())
        ]
        with self.database.write() as session:
            written = store.append_many(session, {pk: columns(rows)[:2] for pk in self.pks})
        for which in (0, 1):
            same(written[self.pks[which]], self.note(which, rows))

    @rule(which=st.integers(0, 1), size=st.integers(1, 40))
    def stream(self, which: int, size: int) -> None:
        last = max(self.model[self.pks[which]], default=ORIGIN)
        for at in range(1, size):
            with self.database.write() as session:
                store.append(session, self.pks[which], [last + at * MINUTE], [float(at)])
            self.note(which, [(last + at * MINUTE, float(at), None)])

    @rule(
        which=st.integers(0, 1), step=steps, rows=points, start=st.none() | places, size=st.none() | st.integers(0, 300)
    )
    def replace(self, which: int, step: int, rows: list[Row], start: int | None, size: int | None) -> None:
        low = None if start is None else ORIGIN + start * step
        high = None if size is None else ORIGIN + ((start or 0) + size) * step
        rows = [(ORIGIN + at * step, value, tag) for at, value, tag in rows]
        rows = [row for row in rows if (low is None or row[0] >= low) and (high is None or row[0] < high)]
        model = self.model[self.pks[which]]
        before = dict(model)
        for time in [t for t in model if (low is None or t >= low) and (high is None or t < high)]:
            del model[time]
        model.update({time: (value, tag) for time, value, tag in rows})
        with self.database.write() as session:
            written = store.replace_range(session, self.pks[which], low, high, *columns(rows))
        same(written, expected(before, model, {time for time, _, _ in rows}))

    @rule(which=st.integers(0, 1), step=steps, at=places)
    def delete(self, which: int, step: int, at: int) -> None:
        instant = ORIGIN + at * step
        model = self.model[self.pks[which]]
        gone = sorted(time for time in model if time >= instant)
        for time in gone:
            del model[time]
        with self.database.write() as session:
            written = store.delete_after(session, self.pks[which], instant)
        assert (written.deleted, written.changed.tolist()) == (len(gone), gone)

    @rule(which=st.integers(0, 1))
    def fold(self, which: int) -> None:
        with self.database.write() as session:
            store.fold(session, self.pks[which])

    @rule()
    def fold_due(self) -> None:
        with self.database.write() as session:
            store.fold_due(session, idle=timedelta(0))

    @rule(
        step=steps, start=places, size=st.integers(0, 300), limit=st.none() | st.integers(0, 20), newest=st.booleans()
    )
    def read_window(self, step: int, start: int, size: int, limit: int | None, newest: bool) -> None:
        low, high = ORIGIN + start * step, ORIGIN + (start + size) * step
        with self.database.read() as session:
            for pk in self.pks:
                windows: list[tuple[Any, Callable[[int], bool]]] = [
                    ("left", lambda t: low <= t < high),
                    ("both", lambda t: low <= t <= high),
                    ("right", lambda t: low < t <= high),
                ]
                for bounds, inside in windows:
                    found = store.read(session, pk, low, high, limit=limit, newest=newest, inclusive=bounds)
                    rows = sorted((t, *row) for t, row in self.model[pk].items() if inside(t))
                    if limit is not None:
                        rows = rows[max(len(rows) - limit, 0) :] if newest else rows[:limit]
                    assert listed(found) == bits(rows)
            many = store.read_many(session, self.pks, low, high, limit)
            rows = sorted((t, *row) for t, row in self.model[self.pks[0]].items() if low <= t < high)
            assert listed(many[self.pks[0]]) == bits(rows[:limit])

    @precondition(lambda self: hasattr(self, "pks"))
    @invariant()
    def holds_what_the_model_holds(self) -> None:
        with self.database.read() as session:
            assert [p for pk in self.pks for p in store.check(session, pk)] == []
            found = store.read_many(session, self.pks)
            for pk, model in self.model.items():
                rows = sorted((time, *row) for time, row in model.items())
                assert listed(found[pk]) == bits(rows)
                series = store.get_series(session, pk)
                ends = (rows[0][0], rows[-1][0], rows[-1][1]) if rows else (None, None, None)
                assert (series.count, series.first, series.last, series.last_value) == (len(rows), *ends)


def columns(rows: list[Row]) -> tuple[list[int], list[float], list[str | None]]:
    return [r[0] for r in rows], [r[1] for r in rows], [r[2] for r in rows]


def bits(rows: list[Any]) -> list[tuple[int, str, str | None]]:
    return [(time, (value + 0.0).hex(), tag) for time, value, tag in rows]


def listed(points: store.Points) -> list[tuple[int, str, str | None]]:
    tags = [None] * len(points) if points.tags is None else points.tags.tolist()
    return bits(list(zip(points.times.tolist(), points.values.tolist(), tags, strict=True)))


def expected(before: dict[int, Any], after: dict[int, Any], sent: set[int]) -> store.Written:
    added, deleted = sorted(after.keys() - before.keys()), sorted(before.keys() - after.keys())
    replaced = sorted(t for t in sent & before.keys() if before[t] != after[t])
    unchanged = len(sent) - len(added) - len(replaced)
    changed = np.array(sorted(added + deleted + replaced), np.int64)
    return store.Written(len(added), len(replaced), unchanged, len(deleted), changed)


def same(written: store.Written, wanted: store.Written, report: bool = True) -> None:
    counts = [(w.added, w.replaced, w.unchanged, w.deleted) for w in (written, wanted)]
    assert counts[0] == counts[1]
    assert written.changed.tolist() == (wanted.changed.tolist() if report else [])


@pytest.mark.parametrize("small", [False, True], ids=["as-is", "small-windows"])
def test_store_is_a_dictionary(database: Database, small: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """With small windows too, so that splits, joins and changes of the step happen all the time."""
    if small:
        for name, value in {"FULL": 40, "TOO_FULL": 100, "SPARSE": 4, "RECENT": 3, "BATCH": 5}.items():
            monkeypatch.setattr(chunks, name, value)
        monkeypatch.setattr(store, "TAIL_LIMIT", 90)
    monkeypatch.setattr(store, "LONG", 40)
    machine = type("Bound", (Machine,), {"database": database})
    deep = os.environ.get("HYPOTHESIS_PROFILE") == "deep"
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=300 if deep else 8,
            stateful_step_count=50 if deep else 20,
            deadline=None,
            phases=[phase for phase in Phase if deep or phase is not Phase.shrink],
            suppress_health_check=list(HealthCheck),
        ),
    )
