"""What a file's stamps become, and what the cleaner makes of them: hours shown twice, zones, stamps that cannot be."""

from typing import Any

import numpy as np
import pandas as pd
import pytest

from entrepot import jobs
from entrepot.events import notifications
from tests.support.cases import Case

from .conftest import World


def play(world: World, name: str) -> tuple[Case, list[jobs.Job]]:
    """Run the rounds of a case; its unit cleaners are made after the first one. Return the importer's runs."""
    case = Case(name)
    world.configure(parse_script=case.text("parse.py"))
    settings = case.json("case.json") if (case.path / "case.json").exists() else {}
    day = {"day_begins": settings["day_begins"]} if "day_begins" in settings else {}
    done: list[jobs.Job] = []
    for files in case.rounds():
        for path, content in files.items():
            world.put(path, content)
        done.append(world.act(world.importer))
        if len(done) == 1:
            for fields in settings.get("unit_cleaners", []):
                world.unitcleaner(**fields, **day)
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
