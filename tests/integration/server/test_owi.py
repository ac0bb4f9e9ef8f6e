"""The OWI door: addresses, credentials, records, errors."""

import base64
import json
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from entrepot.db import Database
from entrepot.identity import Role, User, keys, users
from entrepot.server.dialects.owi.names import PART_NAMES
from entrepot.server.dialects.owi.parts import PATHS
from entrepot.server.run.app import create_app
from entrepot.server.services import Services
from entrepot.settings import Settings
from tests.support.cases import Case

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # it would rather have a successor of httpx
    from starlette.testclient import TestClient

PASSWORD = "correct horse"
ROOT = "http://testserver/owi/api/v1"
ROW_KEYS = [
    "id", "name_col1", "name_col2", "name_col3", "units_col1", "units_col2", "units_col3", "value_col1", "value_col2",
    "value_col3", "analysis", "site", "location", "short_description", "description", "related_object",
    "additional_data", "slug", "visibility", "visibility_groups",
]  # fmt: skip
ANALYSIS_KEYS = [
    "id", "name", "model_definition", "location", "source_type", "source", "description", "user", "timestamp",
    "additional_data", "slug", "visibility", "visibility_groups",
]  # fmt: skip


@dataclass
class Door:
    clients: dict[str, TestClient]

    def call(self, method: str, path: str, body: Any = None, *, by: str = "writer", **params: Any) -> tuple[int, Any]:
        response = self.clients[by].request(
            method, f"{ROOT}{path}", json=body, params=params or None, follow_redirects=False
        )
        return response.status_code, response.json()

    def get(self, path: str, **params: Any) -> Any:
        status, body = self.call("GET", path, **params)
        assert status == 200, body
        return body

    def post(self, path: str, body: Any) -> Any:
        status, answer = self.call("POST", path, body)
        assert status == 201, answer
        return answer

    def row(self, analysis: int, short: str = "BBA01 - FA1", /, **fields: Any) -> dict[str, Any]:
        return {
            "analysis": analysis, "site": 35, "location": 435,
            "name_col1": "reference_index", "name_col2": "FA1", "units_col1": "index", "units_col2": "Hz",
            "value_col1": [0.0, 1.0, 2.0], "value_col2": [0.3406, 0.333, 0.3254], "short_description": short,
        } | fields  # fmt: skip


@pytest.fixture
def door(database: Database, tmp_path: Path) -> Door:
    settings = Settings(data_dir=tmp_path, attachment_max_bytes=2**20)
    headers: dict[str, dict[str, str]] = {"nobody": {}, "wrong": {"authorization": "Token wrong"}}
    with database.write() as session:
        own, other = (users.create_organization(session, name) for name in ("Openergy", "Others"))
        for login, organization, role in (
            ("admin", own, Role.ADMIN),
            ("writer", own, Role.WRITER),
            ("reader", own, Role.READER),
            ("stranger", other, Role.ADMIN),
        ):
            user = User(login=login, password_hash=users.hash_password(PASSWORD) if login == "writer" else "")
            session.add(user)
            session.flush()
            users.set_member(session, user, organization, role)
            headers[login] = {"authorization": f"Token {keys.create_key(session, user.id, organization.id)[1]}"}
    headers["basic"] = {"authorization": f"Basic {base64.b64encode(f'writer:{PASSWORD}'.encode()).decode()}"}
    app = create_app(Services(settings, database))
    door = Door({name: TestClient(app, headers=one, raise_server_exceptions=False) for name, one in headers.items()})
    door.post("/locations/projectsites/", {"id": 35, "title": "Belwind"})
    door.post("/locations/projectsites/", [{"id": 31, "title": "Nobelwind"}])
    door.post(
        "/locations/assetlocations/",
        {"id": 435, "title": "BBA01", "projectsite": 35, "northing": 51.67, "easting": 2.8, "elevation": -20.5},
    )
    door.post("/geometry/routes/modeldefinitions/", {"id": 12, "title": "as-built Belwind", "project": "Belwind"})
    return door


@pytest.fixture
def analysis(door: Door) -> int:
    return int(door.post("/results/routes/analysis/", {"name": "A", "model_definition_id": 12})["id"])


def test_the_analysis_of_the_guide(door: Door) -> None:
    payload = {
        "name": "LifetimeDesignFrequencies", "model_definition_id": 12, "source_type": "notebook", "source": None,
        "description": "Lifetime design frequencies for Belwind.",
        "additional_data": {"sheet_name": "Lifetime -  Design frequencies"}, "location": None, "model_definition": 12,
    }  # fmt: skip
    made = door.post("/results/routes/analysis/", payload)
    assert list(made) == ANALYSIS_KEYS
    assert made["timestamp"].endswith("Z")
    assert made | {"timestamp": ""} == {
        "id": made["id"], "name": "LifetimeDesignFrequencies", "model_definition": 12, "location": None,
        "source_type": "notebook", "source": None, "description": "Lifetime design frequencies for Belwind.",
        "user": "writer", "timestamp": "", "additional_data": {"sheet_name": "Lifetime -  Design frequencies"},
        "slug": f"belwind_none_lifetimedesignfrequencies_{made['id']}", "visibility": "usergroup",
        "visibility_groups": [],
    }  # fmt: skip
    assert door.get("/results/routes/analysis") == [made]


def test_location_id_wins_over_a_null_location_and_naive_timestamps_are_utc(door: Door) -> None:
    payload = {
        "name": "Ceit", "model_definition_id": 12, "location_id": 435, "source": "https://example.org/x.json",
        "user": "bob", "timestamp": "2026-03-26T00:00:00", "additional_data": {}, "location": None,
    }  # fmt: skip
    made = door.post("/results/routes/analysis/", payload)
    assert (made["location"], made["timestamp"], made["user"]) == (435, "2026-03-26T00:00:00Z", "bob")
    same = {"non_field_errors": ["The fields name, model_definition, timestamp, location must make a unique set."]}
    assert door.call("POST", "/results/routes/analysis/", payload) == (400, same)
    without = {name: value for name, value in payload.items() if name != "location_id"}
    door.post("/results/routes/analysis/", without)
    assert door.call("POST", "/results/routes/analysis/", without) == (400, same)
    shifted = payload | {"timestamp": "2026-03-26T02:00:00+02:00"}
    assert door.call("POST", "/results/routes/analysis/", shifted) == (400, same)
    assert door.get("/results/routes/analysis", timestamp="2026-03-26T00:00:00", location__id=435) == [made]


BAD_ANALYSES: list[tuple[Any, dict[str, list[str]]]] = [
    ({}, {"name": ["This field is required."]}),
    ({"name": "x"}, {"model_definition": ["This field is required."]}),
    ({"name": "x", "model_definition": 18}, {"model_definition": ['Invalid pk "18" - object does not exist.']}),
    (
        {"name": "x", "model_definition": 12, "model_definition_id": 4},
        {"model_definition": ["model_definition and model_definition_id differ."]},
    ),
    (
        {"name": "x", "model_definition": 12, "location": 9},
        {"location": ['Invalid pk "9" - object does not exist.']},
    ),
    (
        {"name": "x", "model_definition": 12, "timestamp": "soon"},
        {"timestamp": ["Enter a valid date and time."]},
    ),
    ([], {"non_field_errors": ["Invalid data. Expected a dictionary, but got list."]}),
]


def test_bad_analyses_are_refused_by_field(door: Door) -> None:
    for payload, errors in BAD_ANALYSES:
        assert door.call("POST", "/results/routes/analysis/", payload) == (400, errors)
    assert door.get("/results/routes/analysis") == []


def test_bulk_rows_come_back_whole_and_in_order(door: Door, analysis: int) -> None:
    data = {"analysis_kind": "comparison", "result_scope": "location", "reference_labels": ["INFL", "ACTU", "FLEX"]}
    payloads = [door.row(analysis, "b", additional_data=data), door.row(analysis, "a", ignored=1)]
    made = door.post("/results/routes/result/bulk/", payloads)
    assert [row["short_description"] for row in made] == ["b", "a"]
    assert all(list(row) == ROW_KEYS for row in made)
    assert made[0]["value_col2"] == [0.3406, 0.333, 0.3254]
    assert made[0]["value_col3"] is None
    assert list(made[0]["additional_data"].items()) == list(data.items())
    assert door.get("/results/routes/result", analysis__id=analysis) == [made[1], made[0]]
    assert door.post("/results/routes/result/bulk/", []) == []


def test_errors_of_rows_stand_where_the_rows_stand(door: Door, analysis: int) -> None:
    bad = door.row(analysis, "bad", value_col2=[1.0])
    lengths = {"value_col2": ["All value columns must have the same length."]}
    assert door.call("POST", "/results/routes/result/bulk/", [door.row(analysis), bad]) == (400, [{}, lengths])
    assert door.call("PUT", "/results/routes/result/bulk/", [door.row(analysis), bad]) == (400, [{}, lengths])
    assert door.call("POST", "/results/routes/result/", bad) == (400, lengths)
    assert door.call("POST", "/results/routes/result/bulk/", {})[0] == 400
    assert door.get("/results/routes/result") == []


def test_create_or_update_in_one_request(door: Door, analysis: int) -> None:
    first = door.post("/results/routes/result/", door.row(analysis, "a"))
    status, answer = door.call(
        "PUT", "/results/routes/result/bulk/", [door.row(analysis, "b"), door.row(analysis, "a", description="new")]
    )
    assert status == 200
    assert answer["summary"] == [
        {"analysis": analysis, "short_description": "b", "result_id": answer["data"][0]["id"], "action": "created"},
        {"analysis": analysis, "short_description": "a", "result_id": first["id"], "action": "updated"},
    ]
    assert answer["data"][1] == first | {"description": "new"}


def test_a_patch_answers_the_whole_row(door: Door, analysis: int) -> None:
    row = door.post("/results/routes/result/", door.row(analysis, description="old"))
    path = f"/results/routes/result/{row['id']}"
    for spelling, description in ((f"{path}/", "new"), (path, None)):
        changed = {"description": description, "id": 7, "slug": "x"}
        assert door.call("PATCH", spelling, changed) == (200, row | {"description": description})
    assert door.call("PATCH", path, {"value_col1": [1]})[0] == 400
    assert door.call("PATCH", "/results/routes/result/999/", {}) == (404, {"detail": "There is no row 999."})


def test_administrators_delete_an_analysis_with_its_rows(door: Door, analysis: int) -> None:
    door.post("/results/routes/result/", door.row(analysis))
    assert door.call("DELETE", f"/results/routes/analysis/{analysis}/")[0] == 403
    assert door.call("DELETE", f"/results/routes/analysis/{analysis}/", by="admin")[0] == 200
    assert door.get("/results/routes/result") == door.get("/results/routes/analysis") == []


def test_places_are_listed_as_the_clients_ask_for_them(door: Door) -> None:
    assert [site["title"] for site in door.get("/locations/projectsites")] == ["Nobelwind", "Belwind"]
    (site,) = door.get("/locations/projectsites", projectsite="Belwind")
    assert site["id"] == 35
    (location,) = door.get("/locations/assetlocations", projectsite="Belwind", assetlocation="BBA01")
    assert (location["id"], location["projectsite"], location["projectsite_name"]) == (435, 35, "Belwind")
    assert (location["northing"], location["easting"], location["elevation"]) == (51.67, 2.8, -20.5)
    assert door.get("/locations/assetlocations", projectsite__title="Nobelwind") == []
    repeated = {"assetlocations": ["BBA01", "BBA02"], "assetlocation": "BBA01"}
    assert len(door.get("/locations/assetlocations", **repeated)) == 1
    assert [m["id"] for m in door.get("/geometry/routes/modeldefinitions", site="Belwind")] == [12]
    assert door.get("/geometry/routes/modeldefinitions", site="Nobelwind") == []


def test_given_ids_are_kept_and_fresh_ones_go_on_after_them(door: Door) -> None:
    assert door.post("/locations/projectsites/", {"title": "Next"})["id"] > 35
    assert door.call("POST", "/locations/projectsites/", {"id": 35, "title": "Other"}) == (
        400,
        {"id": ["A site with this id already exists."]},
    )
    assert door.call("POST", "/locations/projectsites/", {"title": "Belwind"}) == (
        400,
        {"title": ["A site with this title already exists."]},
    )
    assert door.call("POST", "/locations/assetlocations/", {"title": "X"}) == (
        400,
        {"projectsite": ["This field is required."]},
    )
    path = "/locations/assetlocations/435/"
    assert door.call("PATCH", path, {"elevation": -21})[1]["elevation"] == -21
    assert door.call("DELETE", "/locations/projectsites/35/", by="admin")[0] == 409
    assert door.call("DELETE", path, by="admin")[0] == 200


def test_unknown_filters_are_refused_by_name(door: Door) -> None:
    for name, reason in (
        ("nonsense", "Unknown filter."),
        ("analysis__nonsense", "Unknown filter."),
        ("short_description__like", "Unknown lookup 'like'."),
        ("id__year", "Unknown lookup 'year'."),
    ):
        assert door.call("GET", "/results/routes/result", **{name: "1"}) == (400, {name: [reason]})


def test_who_may_come_in(door: Door, analysis: int) -> None:
    path, payload = "/results/routes/result/", door.row(analysis)
    assert door.call("GET", path, by="nobody") == (401, {"detail": "Authentication credentials were not provided."})
    assert door.call("GET", path, by="wrong") == (401, {"detail": "Invalid token."})
    assert door.call("POST", path, payload, by="reader")[0] == 403
    assert door.call("POST", path, payload, by="stranger")[0] == 400
    row = door.call("POST", path, payload, by="basic")[1]
    assert door.call("GET", path, by="reader") == (200, [row])
    assert door.call("GET", path, by="stranger") == (200, [])
    for method in ("GET", "PATCH", "DELETE"):
        assert door.call(method, f"{path}{row['id']}/", {}, by="stranger")[0] == 404
    assert door.call("DELETE", f"{path}{row['id']}/", by="reader")[0] == 403


def test_every_spelling_of_an_address_is_served(door: Door, analysis: int) -> None:
    for path in ("/results/routes/analysis", "/results/routes/analysis/", "//results/routes/analysis"):
        assert [one["id"] for one in door.get(path)] == [analysis]
    assert door.call("POST", "//results/routes/result/", door.row(analysis))[0] == 201
    assert door.call("GET", "/results/routes/nothing") == (404, {"detail": "Not found."})
    assert door.call("PUT", "/results/routes/result/", {}) == (405, {"detail": 'Method "PUT" not allowed.'})
    for path in ("/geometry/userroutes/subassemblies", "/shm/routes/sensor"):
        assert door.get(path) == []


CASE = Case("vectors-with-gaps")
GAPS = {name.removeprefix("strain, "): vector for name, vector in CASE.json("expected.json")["value_col2"].items()}


def test_vectors_have_gaps(door: Door, analysis: int) -> None:
    """The case `vectors-with-gaps`: null is stored, filtered and comes back; the published client reads NaN."""
    made = door.post(
        "/results/routes/result/bulk/", [door.row(analysis, short, value_col2=gaps) for short, gaps in GAPS.items()]
    )
    assert {one["short_description"]: one["value_col2"] for one in made} == GAPS
    path = "/results/routes/result"
    assert {one["short_description"]: one["value_col2"] for one in door.get(path)} == GAPS
    for filters, found in (
        ({"value_col2__0__isnull": "True"}, ["all gaps", "first gap"]),
        ({"value_col2__1__isnull": "False"}, ["first gap", "no gap"]),
        ({"value_col2__0": "1.5"}, ["no gap"]),
        ({"value_col2__0__lt": "9"}, ["no gap"]),
        ({"value_col2__contains": "2.5"}, ["first gap", "no gap"]),
        ({"value_col2__len": "3"}, ["all gaps", "first gap", "no gap"]),
    ):
        assert [one["short_description"] for one in door.get(path, **filters)] == found, filters
    for accept, text in (("*/*", "[NaN,2.5,3.5]"), ("application/json", "[null,2.5,3.5]")):
        headers = {"user-agent": "python-requests/2.32.5", "accept": accept}
        assert text in door.clients["reader"].get(f"{ROOT}{path}", headers=headers).text
    assert door.call("PATCH", f"{path}/{made[2]['id']}", {"value_col2": [0, None, 1]})[1]["value_col2"] == [0, None, 1]


def test_what_is_no_number_is_named_by_row_and_vector(door: Door, analysis: int) -> None:
    rows = [door.row(analysis) | row for row in json.loads(CASE.text("rows-with-nan.txt"))]

    def post(path: str, body: Any, method: str = "POST") -> tuple[int, Any]:
        answer = door.clients["writer"].request(method, f"{ROOT}{path}", content=json.dumps(body))
        return answer.status_code, answer.json()

    named = {"value_col2": ["Item 1: NaN is no number; send null for a gap."]}
    for method in ("POST", "PUT"):
        assert post("/results/routes/result/bulk/", rows, method) == (400, [{}, {}, named, {}])
    assert post("/results/routes/result/", rows[2]) == (400, named)
    infinite = door.row(analysis, additional_data={"a": [float("-inf")]})
    assert post("/results/routes/result/", infinite) == (
        400, {"additional_data": ["Item a.0: -Infinity is no number; send null for a gap."]},
    )  # fmt: skip
    assert post("/results/routes/result/bulk/", [float("nan")])[0] == 400
    assert post("/results/routes/result/", float("nan"))[0] == 400
    assert post("/results/routes/analysis/", {"name": float("nan")}) == (
        400, {"name": ["NaN is no number of JSON: send null."]},
    )  # fmt: skip
    assert door.get("/results/routes/result") == []


PARTS: list[tuple[str, dict[str, Any]]] = [
    ("/geometry/userroutes/materials", {"id": 3, "title": "S355", "density": 7850, "young_modulus": 2.1e11}),
    (
        "/geometry/userroutes/subassemblies",
        {"id": 7, "title": "BBA01_TW", "subassembly_type": "TW", "asset": 435, "model_definition": 12, "z_position": 1},
    ),
    (
        "/geometry/userroutes/buildingblocks",
        {"title": "can 1", "sub_assembly": 7, "material": "3", "height": 2500, "bottom_outer_diameter": 4.2e3},
    ),
    ("/shm/routes/sensortype", {"name": "strain gauge", "type": "SG"}),
    ("/shm/routes/sensor", {"id": 92, "serial_number": "S1-07", "sensor_type_id": 1, "cabinet": 2}),
    ("/shm/routes/sensorcalibration", {"sensor_id": 92, "calibration_date": "2024-01-01", "value": 1.5}),
    ("/shm/routes/signal", {"signal_id": "BB_S1", "site": 35, "asset_location": 435, "stats": {"max": 1}}),
    (
        "/shm/routes/signalhistory",
        {
            "signal_id": 1,
            "legacy_signal_id": "S1",
            "status": "ok",
            "activity_start_timestamp": "2024-01-01T01:00+01:00",
        },
    ),
    ("/shm/routes/signalcalibration", {"signal_id": 1, "data": {"offset": 3}}),
    ("/shm/routes/derivedsignal", {"derived_signal_id": "BB_D1", "site": 35}),
    ("/shm/routes/derivedsignalhistory", {"derived_signal_id": 1, "parent_signals": [1, 2]}),
    ("/shm/routes/derivedsignalcalibration", {"derived_signal_id": 1, "data": {"yaw_offset": 2}}),
]


def test_parts_of_structures_and_sensors_are_stored_and_served(door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    for path, payload in PARTS:
        made = door.post(f"{path}/", payload)
        sent = {name: value for name, value in payload.items() if "timestamp" not in name and "date" not in name}
        assert {name: made[name] for name in sent} == sent | ({"material": 3} if "material" in sent else {}), path
        assert door.get(path) == [made] == door.get(path, id=made["id"])
        assert door.get(f"{path}/{made['id']}") == made
        assert door.call("GET", path, by="stranger") == (200, [])
        assert door.call("GET", f"{path}/{made['id']}", by="stranger")[0] == 404
        assert door.call("POST", f"{path}/", payload, by="reader")[0] == 403
        assert door.post(f"{path}/", [{**payload, "id": 1000}])[0]["id"] == 1000
        assert door.call("DELETE", f"{path}/1000", by="writer")[0] == 403
        assert door.call("DELETE", f"{path}/1000", by="admin")[0] == 200
        kind = next(kind for kind, address in PATHS.items() if path.endswith(address))
        native = door.clients["reader"].get(f"http://testserver/api/v1/parts/{kind}").json()
        here = PART_NAMES[kind].received({name: made[name] for name in sent})
        assert {name: native["items"][0][name] for name in here} == here
        assert native["next"] is None
    for path, filters, count in (
        (PARTS[1][0], {"asset__title": "BBA01", "asset__projectsite__title": "Belwind", "subassembly_type": "TW"}, 1),
        (PARTS[1][0], {"model_definition": "12", "asset__title": "BBA01"}, 1),
        (PARTS[1][0], {"model_definition": "13"}, 0),
        (PARTS[2][0], {"sub_assembly__asset__title": "BBA01", "sub_assembly__subassembly_type": "TW"}, 1),
        (PARTS[2][0], {"sub_assembly__asset__projectsite__title": "Elsewhere"}, 0),
        (PARTS[2][0], {"sub_assembly__id": "7", "mass__isnull": "True", "height__gt": "2000"}, 1),
        (PARTS[4][0], {"serial_number__contains": "S1-"}, 1),
        (PARTS[6][0], {"signal_id": "BB_S1", "asset_location__title": "BBA01"}, 1),
        (PARTS[7][0], {"legacy_signal_id": "S1", "signal_id": "1", "activity_start_timestamp__gte": "2024"}, 1),
    ):
        assert len(door.get(path, **filters)) == count, (path, filters)
    (block,) = door.get(PARTS[2][0])
    about = [block[name] for name in ("projectsite_name", "asset_name", "subassembly_name", "material_name", "density")]
    assert about == ["Belwind", "BBA01", "BBA01_TW", "S355", 7850.0]
    cans = [{"title": f"can {at}", "sub_assembly": 7} for at in range(5)]
    assert {one["asset_name"] for one in door.post(PARTS[2][0], cans)} == {"BBA01"}
    monkeypatch.setattr("entrepot.rows.filters._CHUNK", 2)
    assert [one["subassembly_name"] for one in door.get(PARTS[2][0])] == ["BBA01_TW"] * 6
    assert door.get(PARTS[7][0])[0]["activity_start_timestamp"] == "2024-01-01T00:00:00Z"


def test_parts_that_cannot_be_are_refused_by_name(door: Door) -> None:
    subassemblies = "/geometry/userroutes/subassemblies"
    good = PARTS[1][1]
    for change, errors in (
        ({"title": ""}, {"title": ["This field may not be blank."]}),
        ({"asset": 999}, {"asset": ['Invalid pk "999" - object does not exist.']}),
        ({"asset": None}, {"asset": ["This field is required."]}),
        ({"model_definition": "x"}, {"model_definition": ["Incorrect type. Expected pk value, received str."]}),
        ({"x_position": "left"}, {"x_position": ["A valid number is required."]}),
        ({"id": -1}, {"id": ['Invalid pk "-1" - object does not exist.']}),
    ):
        assert door.call("POST", subassemblies, good | change) == (400, errors), change
    assert door.call("POST", subassemblies, [good, 3])[0] == 400
    assert door.post(subassemblies, []) == []
    for path, _ in PARTS:
        assert door.call("POST", path, {})[0] == 400, path
        assert door.call("POST", path, {"nonsense": 1})[0] == 400, path
    assert door.get(subassemblies) == []
    door.post(PARTS[0][0], PARTS[0][1])
    door.post(subassemblies, good)
    block = door.post(PARTS[2][0], PARTS[2][1])
    assert door.call("POST", subassemblies, good)[0] == 400  # its id is taken
    sensors, several = "/shm/routes/sensor", [{"serial_number": "a"}, {"id": 5, "serial_number": "b"}]
    assert door.call("POST", sensors, [*several, {"id": 5, "name": "c"}])[0] == 400
    assert door.get(sensors) == []
    assert [one["id"] for one in door.post(sensors, [*several, {"name": "c"}])] == [6, 5, 7]
    wrong = [{**good, "id": None}, {**good, "id": None, "asset": 998}, {**good, "id": None, "asset": 999}]
    assert door.call("POST", subassemblies, wrong) == (400, {"asset": ['Invalid pk "998" - object does not exist.']})
    for path in (f"{subassemblies}/7", "/locations/assetlocations/435", f"{PARTS[0][0]}/3"):
        assert door.call("DELETE", path, by="admin")[0] == 409
    assert door.call("PATCH", f"{subassemblies}/7", {"asset": None})[0] == 400
    changed = door.call("PATCH", f"{PARTS[2][0]}/{block['id']}", {"material": None, "mass": 3})[1]
    assert (changed["material"], changed["mass"], changed["height"]) == (None, 3.0, 2500.0)
    assert door.call("GET", subassemblies, nonsense="1") == (400, {"nonsense": ["Unknown filter."]})
    unknown = door.clients["writer"].get("http://testserver/api/v1/parts/cabbages")
    assert unknown.status_code == 404
    native = "http://testserver/api/v1/parts/materials"
    assert door.clients["writer"].post(native, json={"name": "oak"}).status_code == 201
    assert door.clients["writer"].patch(f"{native}/4", json={"density": 700}).json()["density"] == 700.0
    assert door.clients["admin"].delete(f"{native}/4").status_code == 204
    assert door.clients["writer"].get(f"{native}/{2**40}").status_code == 404


PICTURE = bytes(range(256)) * 8 + b"\r\n--boundary\r\n"


def test_files_that_are_attached(door: Door) -> None:
    """As the published client of sensors sends them: a form whose fields are texts, beside the file."""
    writer, reader, stranger = (door.clients[name] for name in ("writer", "reader", "stranger"))
    fields = {"name": "393B04", "type": "accelerometer", "visibility": "usergroup", "visibility_groups": [1, 2]}
    answer = writer.post(f"{ROOT}/shm/routes/sensortype/", data=fields, files={"file": ("pic ü.png", PICTURE)})
    made = answer.json()
    assert (answer.status_code, made["name"]) == (201, "393B04")
    assert made["file"] == f"{ROOT}/shm/routes/sensortype/{made['id']}/file"
    assert door.get("/shm/routes/sensortype", name="393B04") == [made]
    got = reader.get(made["file"])
    assert (got.content, got.headers["content-type"]) == (PICTURE, "image/png")
    assert got.headers["content-disposition"].startswith("attachment;")
    assert got.headers["x-content-type-options"] == "nosniff"
    assert reader.get(made["file"], headers={"range": "bytes=10-19"}).content == PICTURE[10:20]
    assert reader.get(made["file"], headers={"if-none-match": got.headers["etag"]}).status_code == 304
    assert stranger.get(made["file"]).status_code == 404
    assert door.clients["nobody"].get(made["file"]).status_code == 401
    assert reader.post(f"{ROOT}/shm/routes/sensortype/", data=fields, files={"file": PICTURE}).status_code == 403
    dated = {"sensor_serial_number": 92, "calibration_date": "2024-03-01T00:00:00", "value": "1.5"}
    sheets = {"file": ("sheet.pdf", b"%PDF-1.4"), "datasheet": ("more.pdf", b"%PDF-1.5")}
    made = writer.post(f"{ROOT}/shm/routes/sensorcalibration/", data=dated, files=sheets).json()
    assert (made["sensor_serial_number"], made["value"]) == (92, 1.5)
    assert made["calibration_date"] == "2024-03-01T00:00:00Z"
    assert [reader.get(made[name]).content for name in ("file", "datasheet")] == [b"%PDF-1.4", b"%PDF-1.5"]
    assert door.get("/shm/routes/sensorcalibration", sensor_serial_number=92) == [made]
    changed = writer.patch(f"{ROOT}/shm/routes/sensorcalibration/{made['id']}/", files={"file": ("new.pdf", b"new")})
    assert (changed.json(), reader.get(made["file"]).content) == (made, b"new")
    # What is deleted takes its files along, and its id does not come back with them.
    assert door.call("DELETE", f"/shm/routes/sensorcalibration/{made['id']}", by="admin")[0] == 200
    assert reader.get(made["file"]).status_code == 404
    again = {"id": made["id"], "sensor_id": 1}
    assert door.post("/shm/routes/sensorcalibration/", again)["file"] is None
    assert reader.get(made["file"]).status_code == 404


def test_files_are_attached_natively_too(door: Door) -> None:
    native = "http://testserver/api/v1/parts/signal-history"
    writer, reader, stranger = (door.clients[name] for name in ("writer", "reader", "stranger"))
    made = writer.post(native, json={"signal_id": 1, "status": "ok"}).json()
    assert made["attachments"] == []
    at = f"{native}/{made['id']}/attachments/photo"
    put = writer.put(at, content=PICTURE, params={"name": "../../up.jpg"})
    assert (put.status_code, put.json()["name"], put.json()["size"]) == (200, "up.jpg", len(PICTURE))
    assert reader.get(f"{native}/{made['id']}").json()["attachments"] == [put.json()]
    assert reader.get(native).json()["items"][0]["attachments"] == [put.json()]
    shown = door.get("/shm/routes/signalhistory")[0]
    assert reader.get(shown["photo"]).content == reader.get(at).content == PICTURE
    assert reader.head(at).headers["content-length"] == str(len(PICTURE))
    assert stranger.get(at).status_code == stranger.put(at, content=b"x", params={"name": "x"}).status_code == 404
    assert reader.put(at, content=b"x", params={"name": "x"}).status_code == reader.delete(at).status_code == 403
    for field in ("status", "id", "attachments", "Photo", "signal_id"):
        refused = writer.put(f"{native}/{made['id']}/attachments/{field}", content=b"x", params={"name": "x"})
        assert (refused.status_code, list(refused.json()["fields"])) == (422, [field])
    assert writer.put(at, content=b"x").json()["fields"] == {"name": "Say how the file is called."}
    assert writer.put(f"{native}/77/attachments/photo", content=b"x", params={"name": "x"}).status_code == 404
    assert writer.delete(at).status_code == 204
    assert (writer.delete(at).status_code, reader.get(at).status_code) == (404, 404)


def test_forms_that_cannot_be_leave_nothing(door: Door) -> None:
    writer = door.clients["writer"]
    path, file = f"{ROOT}/shm/routes/sensortype/", {"file": ("x.png", b"x")}
    good = {"name": "393B04"}
    form = {"content-type": "multipart/form-data; boundary=b"}
    open_ended = b'--b\r\ncontent-disposition: form-data; name="name"\r\n\r\nx'
    for options, field in (
        ({"data": {"name": ""}, "files": file}, "name"),
        ({"data": {**good, "type": ["a", "b"]}, "files": file}, "type"),
        ({"data": good, "files": {"name": ("x.png", b"x")}}, "name"),
        ({"data": good, "files": [("file", ("x.png", b"x")), ("file", ("y.png", b"y"))]}, "file"),
        ({"data": good, "files": {"file": ("x.png", bytes(2**20 + 1))}}, "file"),
        ({"data": {f"f{at}": "1" for at in range(101)}, "files": file}, "f100"),
        ({"content": open_ended, "headers": form}, "non_field_errors"),
        ({"content": b"no form", "headers": form}, "non_field_errors"),
        ({"content": b"--b--", "headers": {"content-type": "multipart/form-data"}}, "non_field_errors"),
    ):
        answer = writer.post(path, **options)
        assert answer.status_code in (400, 413), (options, answer.text)
        assert field in answer.json() or "detail" in answer.json(), answer.text
    assert door.get("/shm/routes/sensortype") == []


def test_names_of_older_clients(door: Door, analysis: int) -> None:
    door.post("/results/routes/result/", door.row(analysis))
    assert len(door.get("/results/routes/result", analysis__title="A")) == 1
    assert len(door.get("/results/routes/result", analysis__title__icontains="b")) == 0
    assert len(door.get("/results/routes/analysis", title="A")) == 1
