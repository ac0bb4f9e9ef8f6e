"""Old runs go, or are condensed; the lineage of what is there stays, whatever was made, remade, read and deleted."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from entrepot import lineage
from entrepot.db import Database, new_id
from entrepot.lineage import Link, Run, results, retention
from entrepot.settings import Settings

NOON = datetime(2024, 3, 1, 12, tzinfo=UTC)
LENGTH = 6


@dataclass
class World:
    """Runs of one organization, and things that they make and read."""

    database: Database
    settings: Settings
    organization: str = field(default_factory=new_id)
    deleted: set[str] = field(default_factory=set)

    def run(
        self,
        generator: str,
        minutes: int,
        made: Sequence[tuple[str, int | None, int | None]] = (),
        read: Sequence[tuple[str, int | None, int | None]] = (),
        status: str = "finished",
        script: str | None = None,
        **report: Any,
    ) -> str:
        started, run_id = NOON + timedelta(minutes=minutes), new_id()
        run = {
            "id": run_id, "organization_id": self.organization, "generator_kind": "importer", "status": status,
            "generator_id": f"{generator}{self.organization}", "started_at": started, "script_sha256": script,
            "ended_at": started + timedelta(seconds=5), "report": report,
        }  # fmt: skip
        links = [
            {"run_id": run_id, "direction": way, "kind": "thing", "result_id": self.id(name), "start": a, "stop": b}
            for way, some in (("out", made), ("in", read))
            for name, a, b in some
        ]
        with self.database.write() as session:
            lineage.record_ended(session, [run], links)
        return run_id

    def id(self, name: str) -> str:
        return f"{name} {self.organization}"

    def review(self, before: datetime = NOON + timedelta(days=1000)) -> int:
        reviewed = 0
        while True:
            with self.database.write() as session:
                part = retention.review(session, self.settings, before, before)
            if not part:
                return reviewed
            reviewed += part

    def runs(self) -> list[Run]:
        with self.database.read() as session:
            query = select(Run).where(Run.organization_id == self.organization).order_by(Run.started_at)
            return list(session.scalars(query))

    def makers(self, name: str, at: int | None) -> list[dict[str, Any]]:
        with self.database.read() as session:
            return lineage.explain(session, "thing", self.id(name), at, depth=2)


@pytest.fixture
def world(database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    made = World(database, Settings(data_dir=tmp_path))

    def found(_session: Session, _settings: Settings, _organization: str, ids: Sequence[str]) -> list[str]:
        return [id_ for id_ in ids if id_ not in made.deleted]

    monkeypatch.setitem(results._finders, "thing", found)
    return made


SPAN = st.tuples(st.integers(0, LENGTH - 1), st.integers(1, 4)).map(lambda pair: (pair[0], pair[0] + pair[1]))
THING = st.sampled_from(["a", "b", "c"])
LINKS = st.lists(st.tuples(THING, SPAN).map(lambda link: (link[0], *link[1])), max_size=2)
RUN = st.fixed_dictionaries(
    {
        "generator": st.sampled_from(["g", "h"]),
        "made": LINKS,
        "read": LINKS,
        "status": st.sampled_from(["finished", "finished", "failed"]),
        "script": st.sampled_from([None, "x"]),
        "after": st.sampled_from([1, 7, 1440]),
    }
)


def _told(explained: list[dict[str, Any]]) -> list[Any]:
    """Return what must be said of a point after a review, too: by what it was made, out of what."""
    return [
        (
            (run["generator"]["id"], run["script_sha256"], run["status"]),
            [((each["id"], each["start"], each["stop"]), bool(each["made_by"])) for each in run["inputs"]],
        )
        for run in explained
    ]


_FINISHED: dict[str, Any] = {"generator": "g", "status": "finished", "script": "x", "after": 1}


@example(  # what is deleted was read and made by one run, which is merged with a later one
    runs=[
        _FINISHED | {"made": [], "read": [("c", 3, 6)]},
        _FINISHED | {"made": [("a", 3, 7), ("b", 3, 6)], "read": [("a", 2, 4)]},
        _FINISHED | {"made": [("c", 2, 6), ("c", 0, 4)], "read": [("b", 5, 9), ("c", 3, 6)]},
        _FINISHED | {"made": [], "read": [], "status": "failed", "after": 7},
    ],
    deleted={"a"},
)
@given(runs=st.lists(RUN, min_size=1, max_size=8), deleted=st.sets(THING, max_size=1))
@settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
def test_no_lineage_of_what_is_there_is_lost(world: World, runs: list[dict[str, Any]], deleted: set[str]) -> None:
    world.organization, minutes = new_id(), 0
    world.deleted = {world.id(name) for name in deleted}
    for run in runs:
        minutes += run["after"]
        world.run(minutes=minutes, **{name: value for name, value in run.items() if name != "after"})
    points = [(name, at) for name in {"a", "b", "c"} - deleted for at in range(0, LENGTH + 3, 2)]
    before = {point: _told(world.makers(*point)) for point in points}
    world.review()
    for point in points:
        after = _told(world.makers(*point))
        assert [maker for maker, _ in after] == [maker for maker, _ in before[point]], point
        for (_, was_read), (_, is_read) in zip(before[point], after, strict=True):
            for (name, start, stop), explained in was_read:
                covering = [
                    made for (id_, a, b), made in is_read if id_ == name and a <= start and stop <= b
                ]  # fmt: skip
                assert covering, (point, name)
                assert any(covering) or not explained
    assert world.review() == 0, "what was looked at is not looked at again"


def test_runs_of_a_day_become_one_with_the_sums_of_their_reports(world: World) -> None:
    for minute in range(60):
        world.run("g", minute, [("a", minute, minute + 1)], [("b", minute, minute + 1)], added=2, files=["x"])
    last = world.run("g", 3 * 1440, [("a", 100, 101)], added=1)
    assert world.review() == 61
    first, kept = world.runs()
    assert (first.report, first.ended_at) == ({"added": 120, "condensed": 60}, NOON + timedelta(minutes=59, seconds=5))
    assert (kept.id, kept.report) == (last, {"added": 1})
    with world.database.read() as session:
        links = session.scalars(select(Link).where(Link.run_id == first.id).order_by(Link.direction)).all()
    assert [(link.direction, link.start, link.stop) for link in links] == [("in", 0, 60), ("out", 0, 60)]


def test_runs_go_that_made_what_is_gone_or_was_made_anew(world: World) -> None:
    world.run("g", 0, [("a", 0, 5)])
    world.run("g", 1440, [("b", 0, 5)])
    world.run("g", 2 * 1440)
    failed = world.run("g", 3 * 1440, status="failed", error="no")
    made = world.run("g", 4 * 1440, [("a", 0, 6)])
    world.deleted.add(world.id("b"))
    world.review()
    assert [run.id for run in world.runs()] == [failed, made]


def test_what_was_read_by_a_run_that_stays_is_explained_though_it_is_gone(world: World) -> None:
    raw = world.run("g", 0, [("a", 0, 5)])
    world.run("h", 1, [("b", 0, 5)], [("a", 0, 5)])
    for generator in "gh":
        world.run(generator, 9 * 1440)
    world.deleted.add(world.id("a"))
    world.review()
    ((maker,),) = [world.makers("b", 1)]
    assert [made["run"] for made in maker["inputs"][0]["made_by"]] == [raw]


def test_of_results_without_intervals_the_first_and_the_last_maker_stay(world: World) -> None:
    ids = [world.run("g", day * 1440, [("a", None, None)]) for day in range(5)]
    world.run("g", 9 * 1440)
    world.review()
    assert [run.id for run in world.runs()][:-1] == [ids[0], ids[-1]]


def test_young_runs_stay_as_they_are(world: World) -> None:
    old = world.run("g", 0)
    young = [world.run("g", 1440 + minute, [("a", 0, 1)], files=["x"]) for minute in range(3)]
    world.review(NOON + timedelta(hours=12))
    assert [run.id for run in world.runs()] == young
    assert old not in young
    assert all(run.report == {"files": ["x"]} for run in world.runs())


def test_what_is_kept_by_another_organization_is_its_own(world: World) -> None:
    world.run("g", 0, [("a", None, None)])
    mine, world.organization = world.organization, new_id()
    world.run("g", 1440, [("a", None, None)])
    world.review()
    with world.database.read() as session:
        count = select(func.count()).select_from(Run)
        assert session.scalar(count.where(Run.organization_id == mine)) == 1
