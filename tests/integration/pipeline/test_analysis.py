"""Analyses: what is computed, when, and what a change upstream or of the configuration does."""

import numpy as np
import pandas as pd

from entrepot.events import Notification
from entrepot.pipeline.analyses import configuration as analyses
from entrepot.pipeline.generators import actions

from .conftest import World, analysis_of, hours

MEAN = "import pandas as pd\ndef analyze(df, **tools):\n    return pd.DataFrame({'mean': df.mean(axis=1)})\n"


def make(world: World, **config: object) -> str:
    """A gate's file, two cleaned series and the mean of them."""
    world.put("2024-01-01.csv", hours("2024-01-01", 24, a=1, b=2))
    world.act(world.importer)
    for name in ("a", "b"):
        world.channel(name, step="1H", clock="utc", timezone="UTC")
    world.work()
    inputs = {name: (world.cleaner, f"{name}-cleaned") for name in ("a", "b")}
    defaults = {"input_step": "3H", "step": "3H", "script": MEAN, "clock": "utc", "timezone": "UTC"}
    return world.analysis("mean", inputs, ["mean"], **{**defaults, **config})


def activate(world: World, analysis: str) -> None:
    with world.database.write() as session:
        actions.set_active(session, analysis_of(session, analysis), value=True)
    world.work()


def test_the_guides_six_rows(world: World) -> None:
    analysis = make(world)
    job = world.act(analysis)
    assert job.status == "finished"
    mean = world.series(analysis)["mean"]
    assert list(mean.index) == list(pd.date_range("2024-01-01 03:00", "2024-01-01 18:00", freq="3h"))
    assert set(mean) == {1.5}


def test_new_data_reach_an_active_analysis_by_themselves(world: World) -> None:
    analysis = make(world)
    activate(world, analysis)
    assert len(world.series(analysis)["mean"]) == 6
    world.put("2024-01-02.csv", hours("2024-01-02", 24, a=3, b=4))
    world.act(world.importer)
    mean = world.series(analysis)["mean"]
    assert mean.index[-1] == pd.Timestamp("2024-01-02 18:00")
    assert world.report(analysis)["added"] == 8
    assert world.report(analysis)["replaced"] == 0
    assert world.report(analysis)["intervals"] == [["2024-01-01T21:00:00", "2024-01-02T21:00:00"]]


def test_a_corrected_hour_recomputes_its_own_interval_only(world: World) -> None:
    world.configure(rereads=5)
    analysis = make(world)
    activate(world, analysis)
    corrected = hours("2024-01-01", 24, a=1, b=2)
    corrected.loc["2024-01-01 10:00", "a"] = 10
    world.put("2024-01-01.csv", corrected)
    world.act(world.importer)
    mean = world.series(analysis)["mean"]
    assert mean["2024-01-01 09:00"] == 3.0
    assert set(mean.drop(pd.Timestamp("2024-01-01 09:00"))) == {1.5}
    assert world.report(analysis)["intervals"] == [["2024-01-01T09:00:00", "2024-01-01T12:00:00"]]
    assert (world.report(analysis)["replaced"], world.report(analysis)["added"]) == (1, 0)


def test_what_was_cleared_upstream_makes_results_obsolete(world: World) -> None:
    analysis = make(world)
    world.act(analysis)
    world.act(world.cleaner, "clear")
    with world.database.read() as session:
        assert analysis_of(session, analysis).behind
        notifications = session.query(Notification).all()
        assert [(found.name, found.resolved) for found in notifications] == [("Analysis obsolete", False)]
    assert len(world.series(analysis)["mean"]) == 6  # kept until somebody resets it
    world.act(world.cleaner)
    assert world.act(analysis, "reset").status == "finished"
    assert len(world.series(analysis)["mean"]) == 6
    with world.database.read() as session:
        assert not analysis_of(session, analysis).behind


def test_an_active_analysis_is_computed_anew_after_an_upstream_reset(world: World) -> None:
    analysis = make(world)
    activate(world, analysis)
    world.act(world.importer, "reset")
    assert len(world.series(analysis)["mean"]) == 6
    with world.database.read() as session:
        assert not analysis_of(session, analysis).behind
        assert [found.resolved for found in session.query(Notification)] == [False]


def test_a_change_of_the_script_recomputes_an_active_analysis(world: World) -> None:
    analysis = make(world)
    activate(world, analysis)
    with world.database.write() as session:
        config = analysis_of(session, analysis).config
        analyses.update_config(session, world.principal, config.id, {"script": MEAN.replace("mean(axis", "sum(axis")})
    world.work()
    assert set(world.series(analysis)["mean"]) == {3.0}


def test_a_missing_column_fails_the_run_and_says_so(world: World) -> None:
    analysis = make(world, script="def analyze(df, **tools):\n    return df\n")
    job = world.act(analysis)
    assert (job.status, job.error) == ("failed", "The script returned no column mean.")


def test_a_traceback_has_the_scripts_own_lines(world: World) -> None:
    analysis = make(world, script="def analyze(df, **tools):\n    x = 1\n    return df / undefined\n")
    assert world.act(analysis).status == "failed"
    assert "line 3" in world.report(analysis)["traceback"]
    assert "return df / undefined" in world.report(analysis)["traceback"]


def test_without_configuration_or_inputs_a_wanted_run_is_refused(world: World) -> None:
    with world.database.write() as session:
        bare = analyses.create_analysis(session, world.principal, {"project": world.project, "name": "bare"}).id
    assert world.act(bare).status == "refused"


def test_analyses_of_analyses_follow_in_order(world: World) -> None:
    first = make(world)
    second = world.analysis(
        "daily",
        {"mean": (first, "mean")},
        ["top"],
        input_step="3H",
        step="1D",
        clock="utc",
        timezone="UTC",
        script="import pandas as pd\ndef analyze(df, **tools):\n"
        "    return pd.DataFrame({'top': df['mean'].resample('D').max()})\n",
    )
    for analysis in (second, first):
        activate(world, analysis)
    world.put("2024-01-02.csv", hours("2024-01-02", 48, a=3, b=4))
    world.act(world.importer)
    top = world.series(second)["top"]
    assert list(top.index) == [pd.Timestamp("2024-01-02")]
    assert np.isclose(top.iloc[0], 3.5)
