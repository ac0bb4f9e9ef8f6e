"""One stamp of 1970 or 2000 among an analysis' inputs: the years in between cost nothing, and are told."""

import numpy as np
import pandas as pd
import pytest

from entrepot.series import store
from entrepot.series.stretches import stretches

from .conftest import World, hours

COUNT = """
import pandas as pd
def analyze(df, **tools):
    return df.notna().sum(axis=1).resample("1h").sum().to_frame("points")
"""
DAY = 86_400_000_000


@pytest.mark.parametrize("stray", ["1970-01-01 00:00:07", "2000-01-01 00:00:00"])
def test_windows_without_a_point_are_skipped_and_told(world: World, stray: str) -> None:
    world.configure(plausible_from=None)
    good = hours("2024-01-01", 48, a=1)
    outage = hours("2024-01-05", 24, a=1)
    world.put("a.csv", pd.concat([good, outage]))
    world.put("b.csv", pd.DataFrame({"a": [5.0]}, pd.DatetimeIndex([stray])))
    world.act(world.importer)
    analysis = world.analysis(
        "availability",
        {"a": (world.importer, "a")},
        ["points"],
        input_step="1min",
        step="1h",
        clock="utc",
        timezone="UTC",
        script=COUNT,
    )
    job = world.act(analysis)
    assert job.status == "finished", job.error
    ((first, last),) = job.result["without_points"]
    assert (first[:10], last[:10]) == (stray[:10], "2023-12-31")
    # Minutes of some hours, and of five days: not of decades.
    assert job.result["rows_in"] <= 7 * 24 * 60
    points = world.series(analysis)["points"]
    # An outage of days is no silence of years: what is missing then is counted.
    assert points["2024-01-03 00:00":"2024-01-04 23:00"].tolist() == [0.0] * 48
    assert points["2024-01-01":"2024-01-02"].sum() == 48
    assert len(points["2000-01-02":"2023-12-30"]) == 0
    # Once somebody deletes the stamp, or points come in between, only that is computed.
    world.put("c.csv", hours("2015-06-01", 3, a=1))
    world.act(world.importer)
    job = world.act(analysis)
    assert world.series(analysis)["points"]["2015-06-01"].sum() == 3
    assert 0 < job.result["rows_in"] <= 24 * 60


def test_stretches_are_found_in_chunks_and_tail(world: World) -> None:
    with world.database.write() as session:
        series = store.create_series(
            session,
            organization_id=world.principal.organization_id,
            project_id=world.project,
            generator_kind="direct",
            generator_id=None,
            name="x",
        )
        days = np.arange(4000) * DAY
        late = 30_000 * DAY + np.arange(3) * DAY
        store.append(session, series.number, np.concatenate([days[:300], days[2000:]]), np.ones(2300))
        store.append(session, series.number, late, np.ones(3))
        assert stretches(session, series.number, 400 * DAY) == [
            (0, 299 * DAY),
            (2000 * DAY, 3999 * DAY),
            (int(late[0]), int(late[-1])),
        ]
        assert len(stretches(session, series.number, 2000 * DAY)) == 2
