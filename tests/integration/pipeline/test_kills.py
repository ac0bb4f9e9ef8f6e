"""Workers killed at random moments of importing, cleaning and analysing: the end is the same as without."""

import os
import random
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from entrepot.db import Database
from entrepot.pipeline.generators import actions
from entrepot.pipeline.generators.finding import find_generator
from tests.support import forks, pipeline_worker
from tests.support.deadline import eventually

from .conftest import World, analysis_of, build_world

KILLS = 50 if os.environ.get("HYPOTHESIS_PROFILE") == "deep" else 8
LEASE_SECONDS = 0.4
SCRIPT = "import pandas as pd\ndef analyze(df, **tools):\n    return pd.DataFrame({'mean': df.mean(axis=1)})\n"


def day(number: int, seed: int) -> pd.DataFrame:
    """Return a day of ten-minute rows."""
    generator = np.random.default_rng([number, seed])
    index = pd.date_range(f"2024-01-{number:02d}", periods=144, freq="10min")
    return pd.DataFrame({"a": generator.normal(size=144), "b": generator.normal(size=144)}, index)


def configure(world: World) -> str:
    world.configure(rereads=1000)
    for name in ("a", "b"):
        world.channel(name, step="1H", convert="def fct(value):\n    return value * 2\n")
    inputs = {name: (world.cleaner, f"{name}-cleaned") for name in ("a", "b")}
    analysis = world.analysis("mean", inputs, ["mean"], input_step="1H", step="3H", script=SCRIPT)
    with world.database.write() as session:
        actions.set_active(session, analysis_of(session, analysis), value=True)
    return analysis


def start_import(world: World) -> None:
    with world.database.write() as session:
        actions.start(session, find_generator(session, world.importer), "run")


@pytest.mark.slow
def test_the_pipeline_ends_in_the_same_state_as_without_kills(database: Database, tmp_path: Path) -> None:
    scripts = pipeline_worker.InPlaceScripts()
    calm = build_world(database, tmp_path / "data", scripts, "calm")
    stormy = build_world(database, tmp_path / "data", scripts, "stormy")
    calm_analysis, stormy_analysis = configure(calm), configure(stormy)
    calm.work()
    files = [(number, 0) for number in range(1, 26)] + [(number, 1) for number in range(3, 25, 4)]
    context = forks.context()
    url = database.engine.url.render_as_string(hide_password=False)
    chance = random.Random(7)
    for kill in range(KILLS):
        while files and len(files) > len(range(kill, KILLS)) * 31 // KILLS:
            number, seed = files.pop(0)
            for world in (calm, stormy):
                world.put(f"day-{number:02d}.csv", day(number, seed))
        start_import(stormy)
        worker = context.Process(target=pipeline_worker.work, args=(url, str(tmp_path / "data"), LEASE_SECONDS))
        worker.start()
        time.sleep(chance.uniform(0.05, 2 * LEASE_SECONDS))  # the random moment, not a wait for something
        worker.kill()
        worker.join()
    start_import(stormy)
    worker = context.Process(target=pipeline_worker.work, args=(url, str(tmp_path / "data"), LEASE_SECONDS))
    worker.start()
    try:
        eventually(lambda: pipeline_worker.idle(database), 120)
    finally:
        worker.kill()
        worker.join()
    calm.act(calm.importer)
    assert pipeline_worker.statuses(database) == {"finished"}
    generators = ((calm.importer, stormy.importer), (calm.cleaner, stormy.cleaner), (calm_analysis, stormy_analysis))
    for wanted, got in generators:
        expected, found = calm.series(wanted), stormy.series(got)
        assert set(expected) == set(found)
        for name, series in expected.items():
            assert len(series) > 50
            assert found[name].index.symmetric_difference(series.index).empty
            pd.testing.assert_series_equal(found[name], series, check_exact=True)
