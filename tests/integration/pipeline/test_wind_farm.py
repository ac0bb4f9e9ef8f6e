"""A year of a real wind farm, with all its gaps and both changes of time, against an independent computation."""

import io
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from entrepot.pipeline.generators import actions

from .conftest import World, analysis_of

ARCHIVE = Path(__file__).parents[4] / "shared" / "data" / "la-haute-borne-2014.zip"
TURBINES = ("R80711", "R80721", "R80736", "R80790")
PARSE = """
import pandas as pd

def parse(content_bytes, rel_path, **tools):
    df = pd.read_csv(content_bytes, index_col="Date_time", usecols=["Date_time", "P_avg"])
    df.index = pd.to_datetime(df.index, utc=True)
    return df.rename(columns={"P_avg": rel_path.split("/")[0]})
"""
CAPACITY_FACTOR = "def analyze(df, **tools):\n    return df.resample('D').mean() / 2050\n"

pytestmark = [pytest.mark.slow, pytest.mark.skipif(not ARCHIVE.exists(), reason="needs the wind farm's year")]


@pytest.fixture
def farm(world: World) -> dict[str, bytes]:
    """The year's 48 files on the gate, and a pipeline for them."""
    with zipfile.ZipFile(ARCHIVE) as archive:
        files = {name: archive.read(name) for name in archive.namelist() if name.endswith(".csv")}
    for name, content in files.items():
        world.put(name, content)
    world.configure(parse=PARSE, rereads=1000)
    for turbine in TURBINES:
        world.channel(
            turbine,
            name=turbine,
            step="1H",
            raw_kind="mean",
            kind="mean",
            clock="utc",
            timezone="Europe/Paris",
        )
    return files


def expected(files: dict[str, bytes]) -> tuple[dict[str, pd.Series], dict[str, pd.Series]]:
    """Return hourly means and daily capacity factors by turbine, made by pandas and plain loops alone.

    The last row of a stamp counts. An hour counts when a point lies before its start and one at or after its end; its
    value is the mean of the ten-minute means in it. A day, from midnight to midnight in Paris, counts when it lies
    between the latest of the series' beginnings and the latest of their ends.
    """
    hourly = {}
    for turbine in TURBINES:
        parts = [pd.read_csv(io.BytesIO(files[name])) for name in sorted(files) if name.startswith(turbine)]
        rows = pd.concat(parts).dropna(subset=["P_avg"])
        by_stamp = dict(zip(pd.to_datetime(rows["Date_time"], utc=True), rows["P_avg"], strict=True))
        points = pd.Series(by_stamp).sort_index()
        means = points.groupby(pd.DatetimeIndex(points.index).floor("h")).mean()
        first, last = points.index[0], points.index[-1]
        hourly[turbine] = means[(means.index > first) & (pd.DatetimeIndex(means.index) + pd.Timedelta("1h") <= last)]
    begin = max(series.index[0] for series in hourly.values())
    end = max(series.index[-1] for series in hourly.values()) + pd.Timedelta("1h")
    daily = {}
    for turbine, series in hourly.items():
        local = series.tz_convert("Europe/Paris")
        days = local.groupby(local.index.normalize()).mean() / 2050
        daily[turbine] = days[(days.index >= begin) & (days.index + pd.DateOffset(days=1) <= end)].tz_convert("UTC")
    return hourly, daily


def assert_same(got: dict[str, pd.Series], wanted: dict[str, pd.Series]) -> None:
    assert set(got) == set(wanted)
    for name, series in wanted.items():
        assert got[name].index.equals(pd.DatetimeIndex(series.index).tz_localize(None).as_unit("us")), name
        assert np.abs(got[name].to_numpy() - series.to_numpy()).max() < 1e-9, name


def test_the_year_equals_an_independent_computation_and_a_corrected_month_changes_itself_alone(
    world: World, farm: dict[str, bytes]
) -> None:
    job = world.act(world.importer)
    assert job.result["read"] == 48
    assert sum(file["duplicate_stamps"] for file in job.result["files"]) >= 24  # the last hours of winter time
    analysis = world.analysis(
        "capacity factor",
        {turbine: (world.cleaner, turbine) for turbine in TURBINES},
        list(TURBINES),
        input_step="1H",
        step="1D",
        clock="local",
        timezone="Europe/Paris",
        script=CAPACITY_FACTOR,
    )
    with world.database.write() as session:
        actions.set_active(session, analysis_of(session, analysis), value=True)
    world.work()
    hourly, daily = expected(farm)
    assert len(hourly["R80711"]) > 8000
    assert len(daily["R80711"]) > 350
    cleaned, factors = world.series(world.cleaner), world.series(analysis)
    assert_same(cleaned, hourly)
    assert_same(factors, daily)

    # May of one turbine is sent again, corrected.
    name = "R80721/2014-05.csv"
    corrected = pd.read_csv(io.BytesIO(farm[name]))
    corrected["P_avg"] += 10
    world.put(name, corrected.to_csv(index=False))
    farm[name] = corrected.to_csv(index=False).encode()
    job = world.act(world.importer)
    assert [(file["path"], file["again"]) for file in job.result["files"]] == [(name, True)]
    assert job.result["added"] == 0
    hourly, daily = expected(farm)
    now_cleaned, now_factors = world.series(world.cleaner), world.series(analysis)
    assert_same(now_cleaned, hourly)
    assert_same(now_factors, daily)
    stamps = pd.to_datetime(corrected.dropna(subset=["P_avg"])["Date_time"], utc=True)
    own_hours = set(stamps.dt.floor("h").dt.tz_localize(None))
    own_days = set(stamps.dt.tz_convert("Europe/Paris").dt.normalize().dt.tz_convert("UTC").dt.tz_localize(None))
    for before, after, own in ((cleaned, now_cleaned, own_hours), (factors, now_factors, own_days)):
        for turbine in TURBINES:
            changed = set(after[turbine].index[after[turbine] != before[turbine]])
            assert changed == (own & set(after[turbine].index) if turbine == "R80721" else set()), turbine
    counts = world.report(world.cleaner)["series"]
    assert list(counts) == ["R80721"]
    assert counts["R80721"]["replaced"] == len(own_hours)
    assert world.report(analysis)["series"]["R80721"]["replaced"] == len(own_days)
    assert world.report(analysis)["added"] == 0
