"""Selecting and exporting series, with every parameter."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from entrepot.series import store
from tests.integration.server.ovbp.conftest import Door

NO_SUCH = "6a4d0e7e-0000-4000-8000-000000000000"
MIDNIGHT = 1_325_376_000_000  # 2012-01-01 in milliseconds
HOUR = 3_600_000


@pytest.fixture
def project(door: Door) -> str:
    return door.project()


def make(door: Door, project: str, name: str, values: list[float], **properties: Any) -> dict[str, Any]:
    """Make an hourly series from the first of January 2012, 00:00 UTC."""
    with door.services.database.write() as session:
        series = store.create_series(
            session,
            organization_id=door.organization,
            project_id=project,
            generator_kind="direct",
            generator_id=None,
            name=name,
            **properties,
        )
        times = [(MIDNIGHT + hour * HOUR) * 1000 for hour in range(len(values))]
        store.append(session, series.number, times, values)
        record = series.id
    return dict(door.get(f"odata/series/{record}/"))


def select(door: Door, series: dict[str, Any], **params: Any) -> tuple[list[float], list[float]]:
    """Return hours since midnight and values."""
    answer = door.get(f"odata/series/{series['id']}/select/", **params)
    assert answer["name"] == series["name"]
    assert all(isinstance(stamp, int) for stamp in answer["index"])
    assert all(isinstance(value, float) or value is None for value in answer["data"])
    return [(stamp - MIDNIGHT) / HOUR for stamp in answer["index"]], answer["data"]


def test_series_are_listed_newest_first(door: Door, project: str) -> None:
    made = [make(door, project, name, [1.0]) for name in ("a", "b", "c")]
    keys = ["id", "rights", "otsdb_pk", "name", "generator", "generator_model", "project", "unit", "label"]
    assert list(made[0]) == keys
    rows = door.rows("odata/series/", project=project)
    assert [row["name"] for row in rows] == ["c", "b", "a"]
    assert rows[0]["rights"] is None
    assert [row["name"] for row in door.rows("odata/series/", name="b")] == ["b"]
    assert [row["name"] for row in door.rows("odata/series/", project_name="project", start=2)] == ["a"]
    assert door.rows("odata/series/", project_name="other") == []
    assert door.rows("odata/series/", generator_model="importer") == []
    assert door.rows("odata/series/", generator_name="importer-a") == []
    assert len(door.rows("odata/series/", generator_model="direct", project=project)) == 3


def test_450_series_come_in_pages_of_200(door: Door, project: str) -> None:
    with door.services.database.write() as session:
        for number in range(450):
            store.create_series(
                session, organization_id=door.organization, project_id=project, generator_kind="direct",
                generator_id=None, name=str(number),
            )  # fmt: skip
    pages = [door.rows("odata/series/", project=project, start=start, length=200) for start in (0, 200, 400, 600)]
    assert [len(page) for page in pages] == [200, 200, 50, 0]
    pks = [row["otsdb_pk"] for page in pages for row in page]
    answer = door.post("odata/series/multi_select/", {"otsdb_pk": pks})
    assert list(answer) == [str(pk) for pk in sorted(pks)]
    assert answer[str(pks[0])] == {"name": "449", "index": [], "data": []}


def test_bounds(door: Door, project: str) -> None:
    series = make(door, project, "a", [float(hour) for hour in range(24)])
    start, end = "2012-01-01 06:00:00", "2012-01-01T08:00:00"
    assert select(door, series, start=start, end=end) == ([6, 7, 8], [6.0, 7.0, 8.0])
    assert select(door, series, start=start, end=end, closed="left")[0] == [6, 7]
    assert select(door, series, start=start, end=end, closed="right")[0] == [7, 8]
    assert select(door, series, start="2012-01-01 22:30:00.5")[0] == [23]
    assert select(door, series, end="2011-12-31") == ([], [])
    assert select(door, series, max_rows_nb=2)[0] == [0, 1]


def test_resampling(door: Door, project: str) -> None:
    series = make(door, project, "a", [float(hour) for hour in range(6)], clock="utc", step="1H")
    assert select(door, series, resample="3H") == ([0, 3], [1.0, 4.0])
    assert select(door, series, resample="3H", convention="right") == ([3, 6], [1.0, 4.0])
    for rule, values in {
        "sum": [3.0, 12.0],
        "first": [0.0, 3.0],
        "last": [2.0, 5.0],
        "min": [0.0, 3.0],
        "max": [2.0, 5.0],
        "mean": [1.0, 4.0],
    }.items():
        assert select(door, series, resample="3H", resample_rule=rule)[1] == values


def test_empty_intervals_are_null_or_left_out(door: Door, project: str) -> None:
    series = make(door, project, "a", [1.0], clock="utc")
    with door.services.database.write() as session:
        store.append(session, series["otsdb_pk"], [(MIDNIGHT + 2 * HOUR) * 1000], [3.0])
    assert select(door, series, resample="1H") == ([0, 1, 2], [1.0, None, 3.0])
    assert select(door, series, resample="1H", dropna=True) == ([0, 2], [1.0, 3.0])
    assert select(door, series, resample="1H", dropna=False) == ([0, 1, 2], [1.0, None, 3.0])


def test_clocks(door: Door, project: str) -> None:
    paris = make(door, project, "a", [1.0], clock="standard", timezone="Europe/Paris")
    assert [select(door, paris, clock=clock)[0] for clock in ("gmt", "tzt", "dst")] == [[0], [1], [1]]
    assert select(door, paris)[0] == [1]
    assert select(door, paris, start="2012-01-01T00:00:00+00:00", end="2012-01-01T00:00:00Z")[0] == [1]
    assert select(door, paris, start="2012-01-01T01:00:00", end="2012-01-01T01:00:00")[0] == [1]


def test_parameters_of_dashboards_are_read_and_change_nothing(door: Door, project: str) -> None:
    series = make(door, project, "a", [1.0])
    harmless = {"start_mode": "right", "utc_now": "2020-01-01", "max_acceptable_delay": "6H", "with_tags": True,
                "unfilter": False, "else": "x"}  # fmt: skip
    assert select(door, series, **harmless) == ([0], [1.0])


def test_multi_select_can_start_at_the_latest_start(door: Door, project: str) -> None:
    first = make(door, project, "a", [1.0, 2.0, 3.0])
    second = make(door, project, "b", [])
    with door.services.database.write() as session:
        store.append(session, second["otsdb_pk"], [(MIDNIGHT + HOUR) * 1000], [5.0])
    body = {"otsdb_pk": [second["otsdb_pk"], first["otsdb_pk"]]}
    right = door.post("odata/series/multi_select/", body, start_mode="right")
    assert [column["data"] for column in right.values()] == [[2.0, 3.0], [5.0]]
    left = door.post("odata/series/multi_select/", body, start_mode="left")
    assert [column["data"] for column in left.values()] == [[1.0, 2.0, 3.0], [5.0]]
    assert door.post("odata/series/multi_select/", {"otsdb_pk": []}) == {}


def test_keys_that_no_series_has(door: Door) -> None:
    for value in (
        -1,
        0,
        2**40,
        2**63,
        2**64,
        "12345678901234567890",
        True,
        None,
        1.5,
        "x",
        [1],
    ):
        response = door.call("POST", "odata/series/multi_select/", {"otsdb_pk": [value]})
        assert response.status_code in (400, 404)
        assert list(response.json()) in (["otsdb_pk"], ["detail"])


def test_a_selection_names_the_parameter_at_fault(door: Door, project: str) -> None:
    series = make(door, project, "a", [1.0])
    for name, value in (
        ("start", "yesterday"),
        ("end", "2012-13-01"),
        ("closed", "up"),
        ("resample", "1X"),
        ("resample", "0H"),
        ("resample_rule", "median"),
        ("convention", "middle"),
        ("dropna", "perhaps"),
        ("clock", "utc"),
        ("max_rows_nb", "-1"),
        ("max_rows_nb", "x"),
        ("start_mode", "x"),
        ("utc_now", "x"),
        ("max_acceptable_delay", "x"),
    ):
        response = door.call("GET", f"odata/series/{series['id']}/select/", **{name: value})
        assert (response.status_code, list(response.json())) == (400, [name])


def test_no_selection_makes_the_server_fail(door: Door, project: str) -> None:
    series = make(door, project, "a", [1.0, 2.0, 3.0], clock="standard", timezone="Europe/Paris")
    moments = st.sampled_from(["0001-01-01", "9999-12-31T23:59:59.999999", "2012-01-01", "0001-01-01T00:00:00+14:00",
                               "9999-12-31T23:59:59-14:00", "2012-03-25T02:30:00", "1600-01-01"])  # fmt: skip
    params = st.fixed_dictionaries(
        {},
        optional={
            "start": moments,
            "end": moments,
            "closed": st.sampled_from(["left", "right", "both"]),
            "resample": st.sampled_from(["1H", "1U", "1W", "MS", "100A", "7D", "1L", "99999999999H"]),
            "resample_rule": st.sampled_from(["mean", "sum", "first", "min", "max", "last"]),
            "convention": st.sampled_from(["left", "right"]),
            "clock": st.sampled_from(["gmt", "tzt", "dst"]),
            "dropna": st.booleans(),
            "max_rows_nb": st.sampled_from([0, 1, 2**31 - 1, 2**31]),
        },
    )

    @settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(params)
    def ask(query: dict[str, Any]) -> None:
        response = door.call("GET", f"odata/series/{series['id']}/select/", **query)
        assert response.status_code in (200, 400), (query, response.text)

    ask()


def test_strangers_select_and_export_nothing(door: Door, project: str) -> None:
    series = make(door, project, "a", [1.0])
    assert door.call("GET", f"odata/series/{series['id']}/select/", by="stranger").status_code == 404
    body = {"otsdb_pk": [series["otsdb_pk"]]}
    assert door.call("POST", "odata/series/multi_select/", body, by="stranger").status_code == 404
    assert door.call("POST", "odata/series/export/", {"series": [series["id"]]}, by="stranger").status_code == 404
    assert door.call("POST", "odata/series/multi_select/", body, by="reader").status_code == 200


def test_an_export_names_the_option_at_fault(door: Door, project: str) -> None:
    series = make(door, project, "a", [1.0])
    for field, value in (
        ("series", []),
        ("series", None),
        ("series", "x"),
        ("start", "soon"),
        ("out_freq", "1X"),
        ("clock", "utc"),
        ("out_mode", "frame"),
        ("sep", "::"),
        ("sep", "\n"),
        ("decimal", ";"),
        ("time_grouper", 5),
        ("in_start_mode", "middle"),
        ("with_tags", "yes"),
    ):
        response = door.call("POST", "odata/series/export/", {"series": [series["id"]], field: value})
        assert (response.status_code, list(response.json())) == (400, [field])
        assert door.call("POST", "odata/series/export/", {"series": [NO_SUCH]}).status_code == 404


def test_exports_are_kept_newest_first_and_not_for_ever(
    door: Door, project: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from entrepot.pipeline.runs import exports

    monkeypatch.setattr(exports, "KEPT", 3)
    series = make(door, project, "a", [1.0])
    tasks = [door.post("odata/series/export/", {"series": [series["id"]], "start": "2012-01-01"}) for _ in range(5)]
    done = [job for job in door.work() if job.kind == "series.export"]
    assert [job.id for job in done] == [task["id"] for task in tasks], "in the order in which they were asked for"
    paths = [job.result["path"] for job in done if isinstance(job.result, dict)]
    assert paths == sorted(paths)
    account = door.rows("odata/user_ftp_accounts/")[0]["id"]
    listing = door.post(f"odata/user_ftp_accounts/{account}/list_dir/", {"path": "series_exports"})["data"]
    assert [entry["path"] for entry in listing] == paths[:1:-1]


def test_an_export_stays_that_a_clock_set_back_names_older_than_all_others(
    door: Door, project: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from entrepot.pipeline.runs import exports

    monkeypatch.setattr(exports, "KEPT", 2)
    series = make(door, project, "a", [1.0])

    def export() -> Path:
        door.post("odata/series/export/", {"series": [series["id"]], "start": "2012-01-01"})
        (job,) = (job for job in door.work() if job.kind == "series.export")
        (path,) = door.services.settings.users_dir.glob(f"*/{job.result['path']}")
        return path

    first = export()
    later = [first.with_name(f"{year}-01-01-00-00-00-000000.zip") for year in (2098, 2099)]
    for path in later:
        path.touch()
    second = export()
    assert {*second.parent.iterdir()} == {second, later[-1]}


def test_an_export_of_series_that_are_gone_is_refused(door: Door, project: str) -> None:
    series = make(door, project, "a", [1.0])
    task = door.post("odata/series/export/", {"series": [series["id"]]})
    with door.services.database.write() as session:
        store.delete_series(session, series["otsdb_pk"])
    door.work()
    assert door.get(f"odata/series_export_tasks/{task['id']}/")["base"]["status"] == "refused"
