"""What the published client's users rely on beyond the documented day: exports, long lists, workbooks."""

import pytest

from tests.conformance.ovbp.conftest import RunScript
from tests.support.server import ServerProcess

pytestmark = pytest.mark.conformance


def test_of_two_exports_within_a_second_each_call_gets_its_own(ovbp: RunScript) -> None:
    taken = ovbp("ovbp_exports", project="Exports")
    names = [[series["name"] for series in exported] for exported in taken["exported"]]
    assert names == [[f"{name} [importer=importer]"] for name in "xyxy"]
    assert [exported[0]["values"][0][0] for exported in taken["exported"]] == [1.0, 2.0, 1.0, 2.0]
    assert len(set(taken["names"])) == 4
    assert taken["names"] == sorted(taken["names"], reverse=True)
    assert all(name.endswith(".zip") for name in taken["names"])
    assert taken["empty"]["index"] == []
    assert taken["empty"]["columns"] == ["x [importer=importer]"]


def test_450_series_are_listed_whole_and_newest_first(ovbp: RunScript) -> None:
    taken = ovbp("ovbp_many_series", project="Many")
    assert taken["names"] == [f"series-{number:03}" for number in reversed(range(450))]
    assert len(set(taken["ids"])) == 450
    assert taken["of_importer"] == 450
    assert taken["importer_series"] == 450


def test_a_configuration_goes_through_a_workbook_and_back(ovbp: RunScript) -> None:
    taken = ovbp("ovbp_excel", project="Workbook")
    # Configured ones as they are listed, newest first, then what is not configured yet.
    b, a, left, end, project = taken["before"]
    assert project == "Workbook"
    assert b == ["b", "b-cleaned", "1H", 0]
    assert a == ["a", "a-cleaned", "1H", 0]
    assert left[0] == "left"
    assert left[1] is None
    assert end == [None] * 4
    ((method, path, _query, body, status),) = taken["changed"]
    assert (method, body, status) == ("PATCH", {"interpolate_limit": 3}, 200)
    assert "/odata/unitcleaners/" in path
    assert taken["unchanged"] == []
    ((method, path, _query, body, status),) = taken["created"]
    assert (method, status) == ("POST", 201)
    assert body["external_name"] == "left"
    assert taken["unchanged_again"] == []
    assert ["b", "b-cleaned", "1H", 3] in taken["after"]
    assert ["left", "left-cleaned", "30T", 0] in taken["after"]
    assert taken["doubled"] == [6.0]


def test_pushed_series_are_reached_by_generator_and_name(ovbp: RunScript, shared_server: ServerProcess) -> None:
    with shared_server.http() as http:
        project = http.post("/api/v1/projects", json={"name": "Pushed"}).raise_for_status().json()["id"]
        fields = {"project": project, "name": "kW", "importer": "meters"}
        series = http.post("/api/v1/series", json=fields).raise_for_status().json()["id"]
        times = [f"2024-01-01T{hour:02}:00:00Z" for hour in range(13)]
        points = {series: {"time": times, "value": [float(hour) for hour in range(13)]}}
        http.post("/api/v1/points", json=points).raise_for_status()
    taken = ovbp("ovbp_pushed", project="Pushed")
    assert (taken["raw"], taken["known"], taken["found"]) == (["kW"], ["kW"], "kW")
    assert taken["raw_values"] == [float(hour) for hour in range(13)]
    assert taken["clean"] == taken["total"] == [2.5, 4.5, 6.5, 8.5, 10.5]
    assert all(any(generator in text for text in taken["generators"]) for generator in taken["ids"])


def test_every_other_call(ovbp: RunScript) -> None:
    """Those that its documentation has no example of."""
    seen = ovbp("ovbp_calls", project="Calls")
    assert (len(seen["listed"]), all(seen["listed"].values())) == (26, True)
    assert all(found == [[], []] for found in seen["empty"].values())
    assert (seen["project"], seen["mail alerts"]) == (["after", "after"], [True, False])
    assert (seen["user"], seen["gate"]) == ([True] * 3, [True, True, []])
    assert (seen["feeder"], seen["child"]) == ([None, True], [True, "pass"])
    assert (seen["active"], seen["fed"]) == ([True, False, True, False], True)
    # Its own mistake, which no server can mend.
    assert seen["gate's run"] == "'Client' object has no attribute 'detail_action'"
    assert (seen["cleaner"], seen["odata project"]) == (["ours", True, True], True)
    assert "Cleaners come and go with their importers" in seen["cleaner of its own"]
    assert (seen["put"], seen["renamed"], seen["destroyed"]) == ("renamed", "renamed", None)
    assert (seen["analysis"], seen["config"], seen["activated"]) == ([None, []], "1H", True)
