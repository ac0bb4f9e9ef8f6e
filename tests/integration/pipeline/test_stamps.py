"""What a file's stamps become, and what the cleaner makes of them: hours shown twice, zones, stamps that cannot be."""

from datetime import UTC, datetime

import numpy as np
import pandas as pd
import pytest

from entrepot import jobs
from entrepot.events import notifications
from entrepot.pipeline.importing import parsing
from tests.support.cases import Case

from .conftest import World


@pytest.fixture(autouse=True)
def _today(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have these files come in when they did, whatever day the tests are run on: 2036 lies ahead."""
    monkeypatch.setattr(parsing, "now", lambda: datetime(2026, 11, 29, tzinfo=UTC))


def play(world: World, name: str) -> tuple[Case, list[jobs.Job]]:
    """Run the rounds of a case; its channels are made after the first one. Return the importer's runs."""
    case = Case(name)
    world.configure(parse=case.text("parse.py"))
    settings = case.json("case.json") if (case.path / "case.json").exists() else {}
    day = {"day_begins": settings["day_begins"]} if "day_begins" in settings else {}
    done: list[jobs.Job] = []
    for files in case.rounds():
        for path, content in files.items():
            world.put(path, content)
        done.append(world.act(world.importer))
        if len(done) == 1:
            for fields in case.channels():
                world.channel(**fields, **day)
            world.work()
    return case, done


def cleaned(world: World) -> dict[str, dict[str, float]]:
    """Return what the cleaner made, as the cases write it."""
    return {
        name: {f"{stamp:%Y-%m-%dT%H:%M:%SZ}": value for stamp, value in series.items()}
        for name, series in world.series(world.cleaner).items()
    }


def assert_right(world: World, case: Case) -> None:
    made, right = cleaned(world), case.points("cleaned")
    assert made.keys() == right.keys()
    for name in right:
        assert made[name] == pytest.approx(right[name], abs=1e-9), name


def told(world: World) -> str:
    with world.database.read() as session:
        found = notifications.list_notifications(session, world.principal, project_id=world.project)
        return " ".join(one.message for one in found)


@pytest.mark.pairs
@pytest.mark.parametrize(
    "name",
    [
        "autumn-half-hours",
        "autumn-11-minutes",
        "autumn-half-an-hour-back",
        "autumn-with-a-column",
        "offsets-in-the-stamps",
        "zulu-stamps",
        "clock-reset-1970",
        "stamp-of-2036",
        "means-of-30-then-15-minutes",
        "standard-time-of-that-year",
        "day-begins-at-six",
    ],
)
def test_case(world: World, name: str) -> None:
    case, done = play(world, name)
    assert {job.status for job in done} == {"finished"}
    assert_right(world, case)


def test_every_row_of_a_repeated_hour_is_kept(world: World) -> None:
    case, (job,) = play(world, "autumn-half-hours")
    right = case.json("expected.json")
    assert job.result["added"] == right["rows_kept"] == len(world.series(world.importer)["kW"])
    assert job.result["files"][0]["rows_of_repeated_hours"] == right["rows_in_the_repeated_hour"]
    report = world.report(world.cleaner)["series"]["kW by hour"]
    assert (report["points"], report["ambiguous"], report["duplicates"]) == (30, 4, 0)


def test_an_hour_that_a_logger_shows_twice_in_spring_is_counted(world: World) -> None:
    case, (job,) = play(world, "spring-shows-an-hour-twice")
    right = case.json("expected.json")
    assert job.result["files"][0]["duplicate_stamps"] == right["repeated_stamps"]
    made, hour = cleaned(world)["degC by hour"], right["hour_shown_twice"]
    assert made.pop(hour["begin"]) in hour["either_of"]
    assert made == case.points("cleaned")["degC by hour"]


@pytest.mark.pairs
@pytest.mark.parametrize("name", ["clock-reset-1970", "stamp-of-2036"])
def test_a_stamp_that_cannot_be_is_set_aside_and_told(world: World, name: str) -> None:
    case, done = play(world, name)
    right = case.json("expected.json")
    assert [job.result["rows_set_aside"] for job in done] == [0, right["rows_set_aside"], 0]
    assert all(word in told(world) for word in right["told"])
    file = done[1].result["files"][0]
    assert (file["path"], file["set_aside"][0]["row"]) == ("b.csv", 1)
    assert right["told"][0] in file["first"] + file["last"]
    assert str(world.series(world.importer)["V"].index[-1]) == right["last_point_of_the_raw_series"]
    # Whoever says that there is no such bound has it.
    world.configure(plausible_from=None, plausible_ahead=None)
    world.act(world.importer, "reset")
    assert len(world.series(world.importer)["V"]) == 91
    assert len(world.series(world.cleaner)["V"]) in (88, 89)


def test_stamps_with_a_zone_and_without_are_not_mixed(world: World) -> None:
    case, (job,) = play(world, "zones-in-one-file-only")
    assert job.status == "failed"
    assert all(name in job.error for name in case.json("expected.json")["told"])
    # Nor by a later run, in either order.
    assert all(name in world.act(world.importer).error for name in case.json("expected.json")["told"])
    # An importer that says what stamps without a zone show takes both.
    world.configure(clock="standard", timezone="America/Denver")
    world.act(world.importer)
    assert pd.DatetimeIndex(world.series(world.importer)["kW"].index).hour.tolist() == [7, 8, 9, 10, 11, 12, 13, 14]


def test_an_importer_that_knows_its_clock_makes_instants(world: World) -> None:
    """No cleaner's clock shifts what became instants at import; newest-first files are read from their end."""
    world.configure(clock="local", timezone="Europe/Berlin")
    case = Case("autumn-half-hours")
    (files,) = case.rounds()
    head, *rows = next(iter(files.values())).decode().splitlines()
    world.put("log.csv", "\n".join([head, *reversed(rows)]))
    job = world.act(world.importer)
    assert job.result["files"][0]["rows_of_repeated_hours"] == 4
    fields = case.channels()[0]
    world.channel(**{**fields, "clock": "standard", "timezone": "Asia/Tokyo"})
    world.work()
    assert_right(world, case)


@pytest.mark.pairs
@pytest.mark.parametrize(("name", "reverse"), [("autumn-half-hours", False), ("autumn-11-minutes", True)])
def test_a_repeated_hour_survives_what_files_go_through(world: World, name: str, *, reverse: bool) -> None:
    """Read again as it was, grown row by row, with the newest row first, and with a corrected row: always exact."""
    case = Case(name)
    (files,) = case.rounds()
    head, *rows = next(iter(files.values())).decode().splitlines()
    fields = case.channels()[0]
    world.channel(**fields)

    def deliver(part: list[str]) -> None:
        world.put("log.csv", "\n".join([head, *(reversed(part) if reverse else part)]) + "\n")
        assert world.act(world.importer).status == "finished"

    for count in (len(rows) // 3, len(rows) // 2 + 1, len(rows), len(rows)):
        deliver(rows[:count])
    assert_right(world, case)
    assert len(world.series(world.importer)[fields["raw"]]) == len(rows)
    # A corrected row of the second pass corrects that one alone.
    stamp = "2023-10-29 02:30" if name == "autumn-half-hours" else "2024-10-27 02:49"
    places = [at for at, row in enumerate(rows) if row.startswith(stamp)]
    rows[places[-1]] = f"{stamp},1000"
    deliver(rows)
    made, right = cleaned(world)[fields["name"]], case.points("cleaned")[fields["name"]]
    changed = [at for at in right if abs(made[at] - right[at]) > 1e-9]
    assert changed == [f"{stamp[:10]}T01:00:00Z"]


def test_a_cleaner_made_first_or_last_makes_the_same(world: World) -> None:
    case = Case("autumn-11-minutes")
    for fields in case.channels():
        world.channel(**fields)
    (files,) = case.rounds()
    for path, content in files.items():
        world.put(path, content)
    world.act(world.importer)
    assert_right(world, case)


def test_old_values_stay_to_the_bit_when_the_step_changes(world: World) -> None:
    case = Case("means-of-30-then-15-minutes")
    first, second = case.rounds()
    world.configure(parse=case.text("parse.py"))
    for fields in case.channels():
        world.channel(**fields)
    for files, last in ((first, 0), (second, 1)):
        for path, content in files.items():
            world.put(path, content)
        world.act(world.importer)
        if not last:
            before = world.series(world.cleaner)["W by 15 minutes"]
    after = world.series(world.cleaner)["W by 15 minutes"]
    assert (len(before), len(after), after.sum()) == (141, 242, 28158)
    pd.testing.assert_series_equal(after.iloc[:141], before, check_exact=True)
    assert world.report(world.cleaner)["deleted"] == 0


ZONES = [
    "Europe/Paris",
    "America/New_York",
    "Australia/Lord_Howe",
    "Africa/Casablanca",
    "America/Santiago",
    "Asia/Kathmandu",
]


def test_a_year_in_six_zones_on_the_wall_clock(world: World) -> None:
    """Hourly sums of five-minute amounts are those that pandas makes of the instants, in every hour of the year."""
    instants = pd.date_range("2023-01-01", "2024-01-02", freq="5min", tz="UTC")
    for zone in ZONES:
        values = pd.Series(np.arange(len(instants)) % 997 + 1.0, instants)
        local = instants.tz_convert(zone).strftime("%Y-%m-%d %H:%M")
        name = zone.rpartition("/")[2]
        rows = "\n".join(f"{at},{value}" for at, value in zip(local, values, strict=True))
        world.put(f"{name}.csv", f"time,{name}\n{rows}\n")
        fields = {"step": "1H", "raw_kind": "amount", "kind": "amount", "clock": "local"}
        world.channel(name, name=zone, timezone=zone, **fields)
    job = world.act(world.importer)
    assert (job.status, job.result["added"]) == ("finished", len(ZONES) * len(instants))
    made = world.series(world.cleaner)
    for zone in ZONES:
        # Hours are counted from midnight of standard time there: Lord Howe's and Kathmandu's are off the hour.
        offset = pd.Timedelta(minutes={"Australia/Lord_Howe": 30, "Asia/Kathmandu": 15}.get(zone, 0))
        right = values.tz_localize(None).resample("1h", offset=offset).sum()
        right = right[(right.index > instants[0].tz_localize(None))][: len(made[zone])]
        assert made[zone].index.equals(right.index), zone
        assert (made[zone].to_numpy() == right.to_numpy()).all(), zone
        assert len(made[zone]) >= 365 * 24
