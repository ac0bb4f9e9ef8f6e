"""Rows that analyses compute: a month of a wind farm against an independent computation; what makes a run fail."""

import hashlib
import io
from importlib.resources import files
from typing import Any

import numpy as np
import orjson
import pandas as pd
import pytest

from entrepot import lineage
from entrepot.errors import Forbidden, InvalidInput, NotFound
from entrepot.identity import Principal, Reach, Role, users
from entrepot.pipeline.analyses import rows as analysis_rows
from entrepot.pipeline.generators import actions
from entrepot.rows import places, result_sets, results
from entrepot.rows.filters import ROWS, compile_filter, find
from entrepot.rows.models import Row
from entrepot.rows.places import LOCATION, MODEL_DEFINITION, SITE
from entrepot.rows.vectors import unpack

from .conftest import World, analysis_of, hours

FARM = files("entrepot.cli.demo") / "wind_farm"
TURBINES = ("R80711", "R80721", "R80736", "R80790")
HOURLY = {"input_step": "1H", "step": "1H", "clock": "utc", "timezone": "UTC"}


def kept_under(world: World, name: str) -> int:
    """Make a result set of the wind farm, and the farm if there is none."""
    with world.database.write() as session:
        if not list(find(session, [SITE.model.id], compile_filter(session, SITE.entity, _own(world), []), [])):
            places.create(session, world.principal, SITE, {"id": 7, "name": "La Haute Borne"})
            for turbine in TURBINES:
                places.create(session, world.principal, LOCATION, {"name": turbine, "site": 7})
            places.create(session, world.principal, MODEL_DEFINITION, {"id": 1, "name": "as-built", "site": 7})
        fields = {"name": name, "model_definition": 1}
        return int(result_sets.create(session, world.principal, fields)["id"])


def _own(world: World) -> str:
    return world.principal.organization_id


def attach(world: World, analysis: str, kept: int | None) -> None:
    with world.database.write() as session:
        analysis_rows.keep_in(session, world.principal, analysis, kept)


def rows_of(world: World, kept: int) -> dict[str, dict[str, Any]]:
    """Return the rows of an analysis by description, their vectors as arrays."""
    with world.database.read() as session:
        filter_ = compile_filter(session, ROWS, _own(world), [("result_set", str(kept))])
        chunks = list(find(session, list(Row.__table__.columns), filter_, ["id"]))
        found = [dict(zip(results.COLUMNS, values, strict=True)) for chunk in chunks for values in chunk]
    assert len({row["name"] for row in found}) == len(found)
    return {row["name"]: {k: unpack(v) if isinstance(v, bytes) else v for k, v in row.items()} for row in found}


def hourly(world: World, contents: dict[str, bytes]) -> dict[str, pd.DataFrame]:
    """Return complete hours' mean wind and power by turbine, made of the files by pandas alone.

    They are then taken as the platform has them, which is the same but for the last digits: an hour of 5.5 m/s may be
    in one bin or the next by these.

    The last row of a stamp counts; an hour counts when a point lies before its start and one at or after its end; the
    hours of all series together begin with the latest of their beginnings and end with the earliest end of those that
    are not given up waiting for, which here are all.
    """
    by_turbine = {}
    for turbine in TURBINES:
        table = pd.read_csv(io.BytesIO(contents[f"{turbine}/2014-03.csv"]))
        stamps = pd.to_datetime(table["Date_time"], utc=True).dt.tz_localize(None)
        columns = {}
        for column, name in (("Ws_avg", "wind"), ("P_avg", "power")):
            by_stamp = dict(zip(stamps[table[column].notna()], table[column].dropna(), strict=True))
            points = pd.Series(by_stamp).sort_index()
            means = points.groupby(pd.DatetimeIndex(points.index).floor("h")).mean()
            whole = (means.index > points.index[0]) & (
                pd.DatetimeIndex(means.index) + pd.Timedelta("1h") <= points.index[-1]
            )
            series = world.series(world.cleaner)[f"{turbine} {name}"]
            assert series.index.equals(means[whole].index.as_unit("us"))
            assert np.abs(series.to_numpy() - means[whole].to_numpy()).max() < 1e-9
            columns[name] = series
        by_turbine[turbine] = pd.DataFrame(columns)
    begin = max(frame[name].dropna().index[0] for frame in by_turbine.values() for name in frame)
    end = max(frame[name].dropna().index[-1] for frame in by_turbine.values() for name in frame)
    return {turbine: frame.loc[begin:end] for turbine, frame in by_turbine.items()}


def assert_histograms(rows: dict[str, dict[str, Any]], frames: dict[str, pd.DataFrame]) -> None:
    assert set(rows) == set(TURBINES)
    for turbine, frame in frames.items():
        wind, row = frame["wind"].dropna(), rows[turbine]
        counts = [int(((wind >= left) & (wind < left + 1)).sum()) for left in range(int(wind.max()) + 1)]
        assert row["values2"].tolist() == counts
        assert row["values1"].tolist() == list(range(len(counts)))
        assert row["values3"].tolist() == list(range(1, len(counts) + 1))
        assert (row["site_id"], orjson.loads(row["extra"])["analysis_kind"]) == (7, "histogram")


def assert_curves(rows: dict[str, dict[str, Any]], frames: dict[str, pd.DataFrame]) -> None:
    assert set(rows) == set(TURBINES)
    for turbine, frame in frames.items():
        both, row = frame.dropna(), rows[turbine]
        expected = []
        for left in np.arange(0, 40, 0.5):
            inside = both[(both["wind"] >= left) & (both["wind"] < left + 0.5)]
            if len(inside):
                expected.append((inside["wind"].mean(), inside["power"].mean(), len(inside)))
        got = np.column_stack([row[f"values{number}"] for number in (1, 2, 3)])
        assert np.allclose(got, expected, rtol=1e-12, atol=1e-9)
        assert got[:, 2].sum() == len(both) > 700
        assert (row["unit1"], row["unit2"]) == ("m/s", "kW")


def test_a_wind_farms_month_becomes_rows_and_a_corrected_file_changes_its_turbines_alone(world: World) -> None:
    contents = {f"{turbine}/2014-03.csv": (FARM / turbine / "2014-03.csv").read_bytes() for turbine in TURBINES}
    for path, content in contents.items():
        world.put(path, content)
    world.configure(parse=(FARM / "parse.py").read_text(), rereads=100)
    means = {"step": "1H", "raw_kind": "mean", "kind": "mean", "clock": "utc", "timezone": "Europe/Paris"}
    for turbine in TURBINES:
        world.channel(f"{turbine} Ws_avg", name=f"{turbine} wind", **means)
        world.channel(f"{turbine} P_avg", name=f"{turbine} power", **means)
    kept = {name: kept_under(world, name) for name in ("WindSpeedHistogram", "PowerCurve")}
    made = {}
    for name, script, columns in (
        ("WindSpeedHistogram", "wind_histogram.py", ("wind",)),
        ("PowerCurve", "power_curve.py", ("wind", "power")),
    ):
        inputs = {f"{turbine} {c}": (world.cleaner, f"{turbine} {c}") for turbine in TURBINES for c in columns}
        made[name] = world.analysis(name, inputs, [], script=(FARM / script).read_text(), **HOURLY)
        attach(world, made[name], kept[name])
        with world.database.write() as session:
            actions.set_active(session, analysis_of(session, made[name]), value=True)
    world.act(world.importer)
    first = {name: rows_of(world, id_) for name, id_ in kept.items()}
    assert_histograms(first["WindSpeedHistogram"], hourly(world, contents))
    assert_curves(first["PowerCurve"], hourly(world, contents))
    assert world.report(made["PowerCurve"])["rows"]["deleted"] == 0

    def files_of(row: dict[str, Any]) -> set[tuple[str, str]]:
        """Return the paths and digests of the files that a row goes back to."""
        with world.database.read() as session:
            ahead, found = lineage.explain(session, "row", str(row["id"])), set()
            assert ahead[0]["generator"] == {"kind": "analysis", "id": made["PowerCurve"]}
            assert ahead[0]["script_sha256"] == hashlib.sha256((FARM / "power_curve.py").read_bytes()).hexdigest()
            while ahead:
                for each in ahead.pop()["inputs"]:
                    ahead += each["made_by"]
                    if each["kind"] == "gate file":
                        found.add((each["id"].partition("/")[2], each["sha256"]))
            return found

    digests = {(path, hashlib.sha256(content).hexdigest()) for path, content in contents.items()}
    assert files_of(first["PowerCurve"]["R80711"]) == digests

    again = world.act(made["PowerCurve"])
    assert again.result["rows"] == {"created": 0, "updated": 4, "deleted": 0}
    assert str(rows_of(world, kept["PowerCurve"])) == str(first["PowerCurve"])

    table = pd.read_csv(io.BytesIO(contents["R80721/2014-03.csv"]))
    table.loc[1000:1999, ["Ws_avg", "P_avg"]] *= [1.1, 0.9]
    contents["R80721/2014-03.csv"] = table.to_csv(index=False).encode()
    world.put("R80721/2014-03.csv", contents["R80721/2014-03.csv"])
    world.act(world.importer)
    second = {name: rows_of(world, id_) for name, id_ in kept.items()}
    assert_histograms(second["WindSpeedHistogram"], hourly(world, contents))
    assert_curves(second["PowerCurve"], hourly(world, contents))
    for name, rows in second.items():
        assert [row["id"] for row in rows.values()] == [row["id"] for row in first[name].values()]
        assert [t for t in TURBINES if str(rows[t]) != str(first[name][t])] == ["R80721"]
    new = ("R80721/2014-03.csv", hashlib.sha256(contents["R80721/2014-03.csv"]).hexdigest())
    assert files_of(second["PowerCurve"]["R80721"]) == digests | {new}


ROW = {"name": "a", "x": ([1.0, 2.0], ""), "y": ([3.0, 4.0], "")}


def stored(name: str, kept: int) -> dict[str, Any]:
    """Return the row of a name as the verbs of rows take it."""
    vectors = {"name1": "x", "unit1": "", "values1": [1.0, 2.0], "name2": "y", "unit2": "", "values2": [3.0, 4.0]}
    return {"result_set": kept, "name": name} | vectors


SCRIPT = "import numpy as np\ndef analyze(df, **tools):\n    return df.rename(columns={'a': 'out'})\n"


def returning(what: str) -> str:
    return f"{SCRIPT}\nROW = {ROW!r}\ndef rows(df, **tools):\n    return {what}\n"


@pytest.fixture
def made(world: World) -> tuple[str, int]:
    """An analysis with an output and rows, that has not run, and the rows' analysis."""
    world.put("2024-01-01.csv", hours("2024-01-01", 24, a=1))
    world.channel("a", step="1H", clock="utc", timezone="UTC")
    world.act(world.importer)
    script = returning("[ROW | {'y': ([len(df), df['a'].sum()], '')}, ROW | {'name': 'b'}]")
    analysis = world.analysis("both", {"a": (world.cleaner, "a-cleaned")}, ["out"], script=script, **HOURLY)
    kept = kept_under(world, "Both")
    attach(world, analysis, kept)
    return analysis, kept


def rewrite(world: World, analysis: str, script: str) -> None:
    from entrepot.pipeline.analyses import configuration as analyses

    with world.database.write() as session:
        config = analysis_of(session, analysis).config
        analyses.update_config(session, world.principal, config.id, {"script": script})


def test_the_rows_of_an_analysis_are_those_that_its_script_returned_last(world: World, made: tuple[str, int]) -> None:
    analysis, kept = made
    job = world.act(analysis)
    count = len(world.series(analysis)["out"])
    assert job.result["rows"] == {"created": 2, "updated": 0, "deleted": 0}
    assert rows_of(world, kept)["a"]["values2"].tolist() == [count, count]
    with world.database.write() as session:
        results.create(session, world.principal, stored("by hand", kept))
    rewrite(world, analysis, returning("[ROW | {'name': 'c', 'x': (np.arange(2), '')}]"))
    job = world.act(analysis)
    assert job.result["rows"] == {"created": 1, "updated": 0, "deleted": 2}
    assert set(rows_of(world, kept)) == {"by hand", "c"}
    other = kept_under(world, "Other")
    attach(world, analysis, other)
    world.act(analysis)
    assert (set(rows_of(world, kept)), set(rows_of(world, other))) == ({"by hand", "c"}, {"c"})
    attach(world, analysis, None)
    assert "rows" not in world.act(analysis).result


@pytest.mark.pairs
@pytest.mark.parametrize(
    ("what", "says"),
    [
        ("[ROW, ROW | {'name': 'z', 'y': ([1], '')}]", ["values2: All value", "row 1, 'z'"]),
        ("[ROW, ROW | {'x': ([1, np.nan], '')}]", ["rows()", "1.x.0.1"]),
        ("[ROW | {'y': (df['a'] / 0, '')}]", ["rows()", "0.y.0.0"]),
        ("[ROW | {'location': 'R9'}]", ["location", "'R9'", "row 0, 'a'"]),
        ("[ROW | {'location': 99999}]", ["location", "99999", "row 0, 'a'"]),
        ("[ROW | {'analysis': 99999}]", ["analysis: a vector is", "row 0, 'a'"]),
        ("[ROW | {'z': ([1, 2], ''), 'w': ([1, 2], '')}]", ["w: a row has two or three", "row 0, 'a'"]),
        ("[{'name': 'a', 'x': ([1], '')}]", ["name2: This field is required", "row 0, 'a'"]),
        ("[ROW, ROW]", ["several rows of the same", "a"]),
        ("[ROW, 3]", ["Row 1"]),
        ("ROW", ["rows() must return a list"]),
        ("[][0]", ["IndexError"]),
    ],
)
def test_bad_rows_fail_the_run_and_leave_nothing(
    world: World, made: tuple[str, int], what: str, says: list[str]
) -> None:
    analysis, kept = made
    rewrite(world, analysis, returning(what))
    job = world.act(analysis)
    assert job.status == "failed"
    assert all(part in job.error for part in says), job.error
    assert rows_of(world, kept) == {}
    assert world.series(analysis) == {}
    assert "added" not in world.report(analysis)


def test_locked_rows_fail_the_run_that_would_change_them(world: World, made: tuple[str, int]) -> None:
    analysis, kept = made
    world.act(analysis)
    before = rows_of(world, kept)
    with world.database.write() as session:
        results.set_locked(session, world.principal, [before["b"]["id"]], locked=True)
    assert world.act(analysis).status == "finished"  # which changes nothing
    rewrite(world, analysis, returning("[ROW | {'x': ([0, 0], '')}]"))
    job = world.act(analysis)
    assert (job.status, job.error) == ("failed", f"Row {before['b']['id']} is locked.")
    assert rows_of(world, kept)["a"]["values1"].tolist() == [1.0, 2.0]
    with world.database.write() as session:
        results.set_locked(session, world.principal, [before["b"]["id"]], locked=False)
        result_sets.remove(session, world.principal, kept)
    assert world.act(analysis).error == f"There is no result set {kept}."


def test_who_may_have_rows_kept_where(world: World, made: tuple[str, int]) -> None:
    analysis, kept = made
    own = _own(world)
    with world.database.write() as session:
        other = users.create_organization(session, "Others")
        stranger = Principal("", "eve", other.id, {other.id: Role.ADMIN})
        reader = Principal("", "rob", own, {own: Role.READER})
        narrow = Principal("", "key", own, {own: Role.ADMIN}, "k", Reach(frozenset({"series:write"})))
        for principal, error in ((stranger, NotFound), (reader, Forbidden), (narrow, Forbidden)):
            with pytest.raises(error):
                analysis_rows.keep_in(session, principal, analysis, kept)
        both = Principal("", "bob", other.id, {other.id: Role.ADMIN, own: Role.WRITER})
        analysis_rows.keep_in(session, both, analysis, kept)
        for wrong in (kept + 1000, 0):
            with pytest.raises(InvalidInput, match="object does not exist"):
                analysis_rows.keep_in(session, both, analysis, wrong)
