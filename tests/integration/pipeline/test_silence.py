"""Series that fall silent and files that stay away, on a clock that the test turns, over a year of real gaps."""

import io
import zipfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sqlalchemy import select

from entrepot import jobs
from entrepot.events import Event, notifications
from entrepot.pipeline.generators import notices
from entrepot.pipeline.generators.finding import series_by_name
from entrepot.pipeline.importing import configuration as importers
from entrepot.pipeline.models import Importer
from entrepot.pipeline.runs import freshness as silence
from entrepot.series import store

from .conftest import World, hours

ARCHIVE = Path(__file__).parents[4] / "shared" / "data" / "la-haute-borne-2014.zip"
TURBINES = ("R80711", "R80721", "R80736", "R80790")
HOUR = 3_600_000_000


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def watch(world: World, grace: str | None, series: str = "", generator: str | None = None) -> str:
    with world.database.write() as session:
        return silence.watch(session, world.principal, generator or world.importer, grace, series).id


def look(world: World, instant: str) -> tuple[list[str], list[str]]:
    """Look at an instant; return the names of the series that fell silent, and of those that no longer are."""
    with world.database.write() as session:
        change = silence.check(session, at(instant))
    return sorted(one.name for one in change.silent), [name for _, name in change.over]


def told(world: World, name: str = notices.SILENT, resolved: bool = False) -> list[str | None]:
    with world.database.read() as session:
        found = notifications.list_notifications(
            session, world.principal, project_id=world.project, resolved=resolved, limit=10_000
        )
        return sorted(one.subject or "" for one in found if one.name == name)


def events(world: World) -> list[str]:
    with world.database.read() as session:
        found = session.query(Event).filter(Event.type == "notification").order_by(Event.number)
        return [f"{event.action} {event.data['subject']}" for event in found]


def test_a_series_is_told_of_once_and_cleared_once(world: World) -> None:
    world.put("a.csv", hours("2024-01-01", 24, p=1, q=2))
    world.act(world.importer)
    watch(world, "3H")
    watch(world, None, "q")  # may be silent
    assert look(world, "2024-01-02T02:00") == ([], [])
    assert look(world, "2024-01-02T02:01") == (["p"], [])
    assert look(world, "2024-01-05T00:00") == ([], [])
    assert told(world) == ["p"]
    world.put("b.csv", hours("2024-01-04 22:00", 2, p=1))
    world.act(world.importer)
    assert look(world, "2024-01-05T00:00") == ([], ["p"])
    assert look(world, "2024-01-05T00:00") == ([], [])
    assert (told(world), told(world, resolved=True)) == ([], ["p"])
    assert events(world) == ["raised p", "resolved p"]


def test_a_stamp_that_is_ahead_hides_no_silence(world: World) -> None:
    world.configure(plausible_ahead=None)
    world.put("a.csv", hours("2024-01-01", 24, p=1))
    world.put("b.csv", hours("2199-01-01", 1, p=1))
    world.act(world.importer)
    assert len(world.series(world.importer)["p"]) == 25
    watch(world, "1D")
    assert look(world, "2024-01-02T12:00") == ([], [])
    assert look(world, "2024-03-01") == (["p"], [])


def test_old_data_hide_no_silence_and_neither_does_a_clock_that_is_ahead(world: World) -> None:
    world.put("a.csv", hours("2024-01-01", 24, p=1))
    world.act(world.importer)
    watch(world, "1D")
    assert look(world, "2024-03-01") == (["p"], [])
    world.put("b.csv", hours("2023-01-01", 24, p=1))
    world.act(world.importer)
    assert look(world, "2024-03-01") == ([], [])
    world.put("c.csv", hours("2199-01-01", 2, p=1))
    world.act(world.importer)
    soon = datetime.now(UTC) + timedelta(days=2)
    assert look(world, soon.replace(tzinfo=None).isoformat()) == ([], [])
    assert told(world) == ["p"]


def test_stamps_of_loggers_are_read_by_the_clock_of_their_unit_cleaner(world: World) -> None:
    world.put("a.csv", hours("2024-01-01", 24, p=1))
    world.act(world.importer)
    watch(world, "2H")
    # 23:00 of Paris is 22:00 UTC.
    assert look(world, "2024-01-02T00:30") == ([], [])
    world.channel("p", step="1H", clock="standard", timezone="Europe/Paris")
    assert look(world, "2024-01-02T00:30") == (["p"], [])


def test_watches_end_with_what_they_watch(world: World) -> None:
    world.put("a.csv", hours("2024-01-01", 24, p=1))
    world.act(world.importer)
    watch_id = watch(world, "3H")
    assert look(world, "2024-02-01") == (["p"], [])
    with world.database.write() as session:
        silence.unwatch(session, world.principal, watch_id)
    world.work()
    assert told(world) == []
    with world.database.read() as session:
        assert session.get(jobs.Schedule, silence.WATCH) is None
    watch(world, "3H")
    assert look(world, "2024-02-01") == (["p"], [])
    with world.database.write() as session:
        assert session.get(jobs.Schedule, silence.WATCH) is not None
        importers.delete_importer(session, world.principal, world.importer)
    assert told(world) == []
    assert look(world, "2024-03-01") == ([], [])


def test_what_is_cleared_is_not_silent(world: World) -> None:
    world.put("a.csv", hours("2024-01-01", 24, p=1))
    world.act(world.importer)
    watch(world, "3H")
    assert look(world, "2024-02-01") == (["p"], [])
    world.act(world.importer, "clear")
    assert look(world, "2024-02-01") == ([], ["p"])


# The wind farm


@pytest.fixture(scope="module")
def year() -> dict[str, np.ndarray]:
    """The instants (microseconds, UTC) at which each turbine delivered its power."""
    if not ARCHIVE.exists():
        pytest.skip("needs the wind farm's year")
    found: dict[str, list[Any]] = {turbine: [] for turbine in TURBINES}
    with zipfile.ZipFile(ARCHIVE) as archive:
        for name in archive.namelist():
            if name.endswith(".csv"):
                rows = pd.read_csv(io.BytesIO(archive.read(name)), usecols=["Date_time", "P_avg"]).dropna()
                found[name.partition("/")[0]].append(pd.to_datetime(rows["Date_time"], utc=True))
    return {
        turbine: np.unique(pd.concat(parts).dt.tz_localize(None).to_numpy().astype("datetime64[us]").astype(np.int64))
        for turbine, parts in found.items()
    }


def silences(points: np.ndarray, instants: np.ndarray, grace: int) -> list[tuple[int, int | None]]:
    """Return by plain arithmetic when somebody who looks at these instants is told of a silence, and of its end."""
    found: list[tuple[int, int | None]] = []
    for before, after in zip(points, [*points[1:], None], strict=True):
        up = instants[np.searchsorted(instants, before + grace, "right") :]
        down = instants[np.searchsorted(instants, after, "left") :] if after is not None else instants[:0]
        if len(up) and (after is None or up[0] < after):
            found.append((int(up[0]), int(down[0]) if len(down) else None))
    return found


@pytest.mark.parametrize(("grace_hours", "expected"), [(3, 9), (12, 0)])
def test_a_year_of_real_gaps_every_ten_minutes(year: dict[str, np.ndarray], grace_hours: int, expected: int) -> None:
    """With a grace of half a day nobody is bothered; with three hours, of each longer gap once, and of its end once."""
    grace, step = grace_hours * HOUR, HOUR // 6
    instants = np.arange(min(p[0] for p in year.values()), max(p[-1] for p in year.values()) + 1, step)
    seen = {
        turbine: points[np.searchsorted(points, instants, "right") - 1].tolist() for turbine, points in year.items()
    }
    told: set[tuple[str, str]] = set()
    raised: dict[str, list[int]] = {turbine: [] for turbine in TURBINES}
    cleared: dict[str, list[int]] = {turbine: [] for turbine in TURBINES}
    for number, instant in enumerate(instants.tolist()):
        watched = [silence.Watched("g", turbine, seen[turbine][number], grace) for turbine in TURBINES]
        change = silence.compare(watched, told, instant)
        for one in change.silent:
            raised[one.name].append(instant)
        for _, name in change.over:
            cleared[name].append(instant)
        told = (told | {(one.generator_id, one.name) for one in change.silent}) - set(change.over)
    for turbine, points in year.items():
        wanted = silences(points, instants, grace)
        assert raised[turbine] == [up for up, _ in wanted]
        assert cleared[turbine] == [down for _, down in wanted if down is not None]
    assert sum(map(len, raised.values())) == expected


@pytest.mark.parametrize("database_kind", ["sqlite"])  # the rule is the same on both, and a year is long
def test_a_year_day_by_day_through_the_database(world: World, year: dict[str, np.ndarray]) -> None:
    """Files come in each morning. Nothing is told of the year's real gaps, and of a gate that breaks once, all once."""
    day, broken = 24 * HOUR, range(200, 214)
    begin = min(int(points[0]) for points in year.values()) // day * day
    world.put("first.csv", pd.DataFrame({t: [1.0] for t in TURBINES}, index=[pd.Timestamp(begin, unit="us")]))
    world.configure(told_after=2)
    world.act(world.importer)
    watch(world, "2D")
    with world.database.read() as session:
        pks = {name: series.number for name, series in series_by_name(session, world.importer).items()}
    silent: dict[int, list[str]] = {}
    over: dict[int, list[str]] = {}
    for number in range(1, 366):
        morning = begin + number * day
        new = {pks[t]: p[(p >= morning - day) & (p < morning)] for t, p in year.items() if number not in broken}
        with world.database.write() as session:
            store.append_many(
                session, {pk: (points, np.ones(points.size)) for pk, points in new.items() if points.size}
            )
            importer = session.scalars(select(Importer).where(Importer.id == world.importer)).one()
            found = any(points.size for points in new.values())
            notices.scheduled_run(session, importer, found=found, scheduled=True)
            change = silence.check(session, at("1970-01-01") + timedelta(microseconds=morning))
        if change.silent or change.over:
            silent[number] = sorted(one.name for one in change.silent)
            over[number] = sorted(name for _, name in change.over)
    assert silent == {201: [*TURBINES], 214: []}
    assert over == {201: [], 214: [*TURBINES]}
    assert (told(world), told(world, resolved=True)) == ([], [*TURBINES])
    missing = notices.MISSING_FILES
    assert (told(world, missing), told(world, missing, resolved=True)) == ([], [""])
    assert [action for action in events(world) if "None" in action] == ["raised None", "resolved None"]
