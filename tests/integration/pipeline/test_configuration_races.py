"""What happens at the same moment, and what is left when something is deleted."""

import threading
from datetime import UTC, datetime
from typing import Any

import pandas as pd
import pytest

from entrepot import jobs
from entrepot.errors import InvalidInput
from entrepot.pipeline.analyses import configuration as analyses
from entrepot.pipeline.generators import actions
from entrepot.pipeline.generators.finding import find_generator
from entrepot.pipeline.importing import configuration as importers

from .conftest import World, hours


def test_two_changes_at_once_close_no_circle(world: World) -> None:
    """Each of the two inputs is fine alone; of two requests at once, the second one sees the first."""
    config = {"input_step": "1H", "step": "1H", "script": "def analyze(df): pass"}
    one, two = (world.analysis(name, {"x": (world.cleaner, "p")}, ["y"], **config) for name in ("one", "two"))
    barrier, refused = threading.Barrier(2, timeout=20), []

    def connect(analysis: str, other: str) -> None:
        barrier.wait()
        try:
            with world.database.write() as session:
                column = {"series_name": "y", "column": "z"}
                fields = {"analysis": analysis, "generator_id": other, **column}
                analyses.create_input(session, world.principal, fields)
                # Long enough that without a lock the other one would look before this commits.
                threading.Event().wait(0.2)
        except InvalidInput as error:
            refused.append(error)

    threads = [threading.Thread(target=connect, args=pair) for pair in ((one, two), (two, one))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert len(refused) == 1
    assert "generator_id" in refused[0].fields


@pytest.mark.parametrize("what", ["importer", "analysis"])
def test_jobs_of_what_is_deleted_are_cancelled(world: World, what: str) -> None:
    world.put("a.csv", hours("2024-01-01", 3, p=1))
    analysis = world.analysis(
        "a", {"x": (world.cleaner, "p")}, ["y"], input_step="1H", step="1H", script="def analyze(df): pass"
    )
    world.work()
    ids = [world.importer, world.cleaner] if what == "importer" else [analysis]
    with world.database.write() as session:
        waiting = [actions.start(session, find_generator(session, id_), "run").id for id_ in ids]
    with world.database.write() as session:
        if what == "importer":
            importers.delete_importer(session, world.principal, world.importer)
        else:
            analyses.delete_analysis(session, world.principal, analysis)
    with world.database.read() as session:
        assert [jobs.get(session, job).status for job in waiting] == ["cancelled"] * len(ids)


def test_an_instant_with_an_offset_is_the_same_instant_in_every_clock(world: World) -> None:
    """13:00 of Paris' winter is noon in UTC; in the stamps of a logger that tells Paris' time it is 13:00."""
    world.channel("p", step="1H", clock="standard", timezone="Europe/Paris")
    world.put("a.csv", hours("2024-01-01", 24, p=1))
    noon = int(datetime(2024, 1, 1, 12, tzinfo=UTC).timestamp()) * 1_000_000

    def clear(generator: str, **options: Any) -> None:
        with world.database.write() as session:
            actions.start(session, find_generator(session, generator), "clear", **options)
        world.work()

    world.act(world.importer)
    assert world.series(world.cleaner)["p-cleaned"].index[-1] == pd.Timestamp("2024-01-01 21:00")  # UTC
    clear(world.cleaner, instant_us=noon, utc=True)
    assert world.series(world.cleaner)["p-cleaned"].index[-1] == pd.Timestamp("2024-01-01 11:00")
    world.act(world.cleaner)
    clear(world.cleaner, instant_us=noon)  # of the series' own clock
    assert world.series(world.cleaner)["p-cleaned"].index[-1] == pd.Timestamp("2024-01-01 10:00")
    clear(world.importer, instant_us=noon, utc=True)
    assert world.series(world.importer)["p"].index[-1] == pd.Timestamp("2024-01-01 12:00")
