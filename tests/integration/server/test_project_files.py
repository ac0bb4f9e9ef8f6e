"""A project as a file: exported, planned and applied; what a plan tells is what then happens."""

import copy
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from entrepot.db import Database
from tests.support.interface import Api, interface

pytestmark = pytest.mark.turns

PARSE = """
import pandas as pd

def parse(content, path, **tools):
    return pd.read_csv(content, index_col=0, parse_dates=True)
"""
MEAN = """
import pandas as pd

def analyze(frame, **tools):
    return pd.DataFrame({"mean": frame.mean(axis=1)})

def rows(frame, **tools):
    yield {"name": "T1", "location": "T1", "hour": (frame.index.hour, ""), "wind": (frame["T1 wind"], "m/s")}
"""
DAY = "t,wind,gust,note\n" + "".join(
    f"2024-03-0{day}T{hour:02d}:{ten}0Z,{hour + ten / 10},{hour * 2},{hour % 5}\n"
    for day in (1, 2)
    for hour in range(24)
    for ten in range(6)
)
FARM: dict[str, Any] = {
    "project": "Farm",
    "description": "Two days of one turbine",
    "time_zone": "UTC",
    "sites": {"Hill": {"locations": {"T1": {"northing": 48.5}}, "model_definitions": {"as-built": {}}}},
    "result_sets": {"By hour": {"site": "Hill", "model": "as-built"}},
    "gates": {
        "scada": {
            "quarantine": True,
            "feeder": {"from": "https://historian.example/scada/", "schedule": "0 15 2 * * *", "secret": "historian",
                       "active": False, "options": {"include": ["*.csv"]}},
        }
    },
    "importers": {
        "scada": {
            "gate": "scada",
            "parse": PARSE,
            "channels": {
                "wind": {"name": "T1 wind", "unit": "m/s", "kind": "mean", "maximum": 60},
                "gust": {"name": "T1 gust", "unit": "m/s", "step": "30min"},
            },
        }
    },
    "analyses": {
        "Later": {"script": MEAN.replace('"mean"', '"later"'), "inputs": ["mean"], "outputs": ["later"], "step": "6h",
                  "input_step": "3h", "active": True},
        "Mean": {"script": MEAN, "inputs": ["T1 wind", {"series": "note", "of": "importer scada", "column": "n"}],
                 "outputs": [{"name": "mean", "unit": "m/s"}], "step": "3h", "into": "By hour", "active": True},
    },
    "watches": {"T1 wind": {"silent_for": "6h"}, "importer scada": {"silent_for": "1 day"}},
}  # fmt: skip
SECRETS = {"historian": {"login": "reader", "password": "swordfish-4711"}}


@pytest.fixture
def other(sqlite_template: Path, tmp_path: Path) -> Iterator[Api]:
    (tmp_path / "other").mkdir()
    shutil.copy(sqlite_template, tmp_path / "other" / "other.db")
    database = Database(f"sqlite:///{tmp_path / 'other' / 'other.db'}")
    yield interface(database, tmp_path / "other")
    database.close()


def put(api: Api, gate_id: str) -> None:
    api.client.put(f"/api/v1/gates/{gate_id}/files/T1/days.csv", content=DAY.encode()).raise_for_status()


def run(api: Api, importer_id: str) -> None:
    """Run an importer and what follows."""
    begun = api.ask("POST", f"/importers/{importer_id}/runs", 202, json={})
    api.work()
    ended = api.ask("GET", f"/runs/{begun['id']}")
    assert ended["status"] == "finished", ended


def points(api: Api) -> dict[str, bytes]:
    """Return the points of all series of the farm, by name, as they are on the wire."""
    found = api.ask("GET", "/series", params={"project": "Farm", "limit": 1000})["items"]
    path = "/api/v1/series/{}/points?format=csv"
    return {one["name"]: api.client.get(path.format(one["id"])).content.partition(b"\n")[2] for one in found}


def apply(api: Api, file: dict[str, Any], what: str = "apply", status: int = 200) -> Any:
    return api.ask("POST", f"/projects/{what}", status, json={"file": file, "secrets": SECRETS})


def named(told: Any) -> set[str]:
    return {f"{one['action']} {one['kind']} {one['name']}" for one in told["changes"]}


def farm(api: Api) -> dict[str, Any]:
    """Apply the farm, send its files, and have all of it computed; return its ids by kind."""
    apply(api, FARM)
    (gate,) = api.ask("GET", "/gates?project=Farm")["items"]
    (importer,) = api.ask("GET", "/importers?project=Farm")["items"]
    (channel, _) = api.ask("GET", "/channels?project=Farm")["items"][::-1]
    put(api, gate["id"])
    run(api, importer["id"])
    return {"gate": gate["id"], "importer": importer["id"], "channel": channel["id"], "cleaner": channel["cleaner"]}


def exported(api: Api) -> dict[str, Any]:
    (project,) = api.ask("GET", "/projects?name=Farm")["items"]
    file: dict[str, Any] = api.ask("GET", f"/projects/{project['id']}/file")
    return file


def test_a_second_apply_changes_nothing(other: Api) -> None:
    told = apply(other, FARM)
    wanted = {
        "made project Farm", "made gate scada", "made feeder scada", "made channel scada/wind", "made analysis Mean",
            "made watch importer scada", "made location Hill/T1", "made result set By hour",
    }  # fmt: skip
    assert wanted <= named(told)
    assert (told["secrets_missing"], told["computed_again"]) == ([], [])
    for again in (apply(other, FARM, "plan"), apply(other, FARM), apply(other, exported(other), "plan")):
        assert (again["changes"], again["computed_again"], again["files_read_again"]) == ([], [], {})


def test_the_same_farm_elsewhere_has_equal_series_to_the_bit(api: Api, other: Api) -> None:
    farm(api)
    file = exported(api)
    assert "swordfish" not in str(file)
    planned = apply(other, file, "plan")
    assert other.ask("GET", "/projects")["items"] == []
    assert other.ask("GET", "/sites")["items"] == []
    assert apply(other, file) == planned
    (gate,) = other.ask("GET", "/gates?project=Farm")["items"]
    (importer,) = other.ask("GET", "/importers?project=Farm")["items"]
    put(other, gate["id"])
    run(other, importer["id"])
    mine = points(api)
    assert set(mine) >= {"wind", "T1 wind", "T1 gust", "mean", "later"}
    assert all(mine.values())
    # CSV has every digit of a value; but for the ids of the series, both answers are the same bytes.
    assert {name: _of_no_series(one) for name, one in mine.items()} == {
        name: _of_no_series(one) for name, one in points(other).items()
    }
    assert api.ask("GET", "/rows")["items"][0]["columns"] == other.ask("GET", "/rows")["items"][0]["columns"]
    assert exported(other) == file | {"gates": exported(other)["gates"]}


def _of_no_series(lines: bytes) -> list[bytes]:
    return [b",".join(line.split(b",")[-2:]) for line in lines.splitlines()]


def test_a_plan_of_a_changed_channel_names_what_is_then_computed(api: Api) -> None:
    made = farm(api)
    before = points(api)
    file = copy.deepcopy(FARM)
    file["importers"]["scada"]["channels"]["wind"]["maximum"] = 20
    planned = apply(api, file, "plan")
    (change,) = planned["changes"]
    assert change == {
        "action": "changed", "kind": "channel", "name": "scada/wind",
        "fields": {"maximum": {"before": 60.0, "after": 20.0, "lines": None}},
    }  # fmt: skip
    assert points(api) == before, "nothing was done"
    assert apply(api, file) == planned
    api.work()
    runs = api.ask("GET", f"/runs?of={made['cleaner']}&limit=1")["items"]
    report = runs[0]["report"]["series"]
    again = {one["series"]: one for one in planned["computed_again"]}
    # The two analyses follow: one reads the channel, the other what the first makes.
    assert set(again) == {"T1 wind", "mean", "later"}
    assert set(report) == {"T1 wind"}
    wind = again["T1 wind"]
    assert (wind["exact"], wind["of"], wind["because"]) == (True, "cleaner scada", "channel scada/wind")
    assert wind["intervals"] == report["T1 wind"]["added"] == 39
    (series,) = api.ask("GET", "/series?project=Farm&name=T1%20wind")["items"]
    assert series["count"] == wind["intervals"]
    assert [wind["first_at"], wind["last_at"]] == [series["first_at"], series["last_at"]]
    after = points(api)
    assert {name for name in after if after[name] != before[name]} <= {"T1 wind", "mean", "later"}
    assert after["T1 gust"] == before["T1 gust"]


def test_a_plan_of_a_changed_script_names_the_files_and_all_that_follows(other: Api) -> None:
    farm(other)
    file = copy.deepcopy(FARM)
    file["importers"]["scada"] |= {"parse": PARSE.replace("index_col=0", "index_col='t'"), "active": True}
    planned = apply(other, file, "plan")
    fields = {one["name"]: one["fields"] for one in planned["changes"]}["scada"]
    assert fields["parse"] == {"before": None, "after": None, "lines": 2}
    assert planned["files_read_again"] == {"scada": 1}
    assert {one["series"] for one in planned["computed_again"]} == {
        "wind", "gust", "note", "T1 wind", "T1 gust", "mean", "later",
    }  # fmt: skip


def test_what_a_file_leaves_out_of_a_section_goes_and_of_sections_stays(other: Api) -> None:
    farm(other)
    file: dict[str, Any] = {"project": "Farm", "watches": {}}
    assert named(apply(other, file)) == {"removed watch T1 wind", "removed watch importer scada"}
    file = copy.deepcopy(FARM)
    del file["analyses"]["Later"], file["gates"]["scada"]["feeder"], file["importers"]["scada"]["channels"]["gust"]
    del file["watches"], file["sites"], file["result_sets"], file["description"]
    planned = apply(other, file, "plan")
    assert named(planned) == {"removed analysis Later", "removed feeder scada", "removed channel scada/gust"}
    apply(other, file)
    assert "T1 gust" not in points(other)
    assert set(exported(other)["sites"]) == {"Hill"}
    assert other.ask("GET", "/feeders")["items"] == []


def test_a_file_that_fails_leaves_nothing_behind(other: Api) -> None:
    for change, place in (
        ({"importers": {"scada": {"gate": "nowhere"}}}, "importer scada: gate"),
        (
            {"analyses": {"Mean": {"script": MEAN, "inputs": ["nothing"], "outputs": ["mean"]}}},
            "analysis Mean: inputs.0",
        ),
        ({"watches": {"nothing": {"silent_for": "6h"}}}, "watch nothing: of"),
        ({"gates": {"scada": {"feeder": {}}}}, "feeder scada: from"),
        ({"importers": {"scada": {"channels": {"a": {"name": "b", "step": "often"}}}}}, "channel scada/a: step"),
    ):
        for what in ("plan", "apply"):
            refused = apply(other, {"project": "Farm", "sites": {"Hill": {}}, **change}, what, 422)
            assert place in refused["fields"], refused
            assert other.ask("GET", "/projects")["items"] == []
            assert other.ask("GET", "/sites")["items"] == []
    answer = other.client.post("/api/v1/projects/apply", json={"file": {"project": "Farm", "gate": {}}})
    assert answer.status_code in (400, 422)
    assert "gate" in answer.text


def test_feeders_keep_their_secrets_and_say_which_are_missing(other: Api) -> None:
    told = other.ask("POST", "/projects/apply", json={"file": FARM})
    assert told["secrets_missing"] == ["historian"]
    apply(other, FARM | {"gates": {"scada": {"quarantine": True}}})
    told = apply(other, FARM)
    assert (told["secrets_missing"], named(told)) == ([], {"changed gate scada", "made feeder scada"} & named(told))
    (feeder,) = other.ask("GET", "/feeders")["items"]
    assert feeder["credentials"] == ["login", "password"]
    assert "swordfish" not in str(exported(other))
    file = copy.deepcopy(FARM)
    file["gates"]["scada"]["feeder"] |= {"from": "https://elsewhere.example/", "secret": "historian"}
    refused = other.ask("POST", "/projects/apply", 422, json={"file": file})
    assert "Give them again" in str(refused), "or they would be sent to whoever may change the address"


def test_names_may_have_any_sign(other: Api) -> None:
    channels = {"raw/of: that": {"name": "made/of: that"}}
    file = {
        "project": "a/b: c",
        "sites": {"x/y": {"locations": {"p/q": {}}, "model_definitions": {"m/n": {}}}},
        "result_sets": {"r/s": {"site": "x/y", "model": "m/n", "location": "p/q"}},
        "gates": {"g/h": {}},
        "importers": {"i": {"gate": "g/h", "channels": channels}, "i/raw": {"gate": "g/h", "channels": channels}},
        "watches": {"importer i/raw": {"silent_for": "6h"}},
    }
    apply(other, file)
    again = apply(other, file)
    assert again["changes"] == []
    assert len(other.ask("GET", "/channels")["items"]) == 2
    assert apply(other, {**file, "importers": {}, "watches": {}})["changes"]
    assert other.ask("GET", "/channels")["items"] == []


def test_the_schema_is_that_of_the_file(other: Api) -> None:
    schema = other.ask("GET", "/schemas/project")
    assert schema["properties"]["time_zone"]["description"].startswith("The clock of channels")
    assert schema["additionalProperties"] is False


def test_webhooks_are_made_and_changed_and_their_secrets_told_once(other: Api) -> None:
    address = "https://example.org/hooks"
    file = {"project": "Farm", "webhooks": {address: {"types": ["run"], "active": False}}}
    assert apply(other, file, "plan")["secrets_made"] == {}
    assert other.ask("GET", "/webhooks")["items"] == []
    told = apply(other, file)
    assert f"made webhook {address}" in named(told)
    assert len(told["secrets_made"][address]) > 20
    (made,) = other.ask("GET", "/webhooks")["items"]
    assert (made["url"], made["types"], made["status"]) == (address, ["run"], "deactivated")
    for again in (
        apply(other, file),
        apply(other, exported(other), "plan"),
        apply(other, {"project": "Farm", "webhooks": {}}),
    ):
        assert (again["changes"], again["secrets_made"]) == ([], {})
    file["webhooks"] = {address: {}}
    assert apply(other, file)["changes"][0]["fields"].keys() == {"types", "active"}
    (made,) = other.ask("GET", "/webhooks")["items"]
    assert (made["types"], made["status"]) == (None, "new")
    problem = apply(other, {"project": "Farm", "webhooks": {"https://10.0.0.1/x": {}}}, status=422)
    assert "webhook https://10.0.0.1/x: url" in problem["fields"]


def test_who_may_not_make_webhooks_makes_none_by_a_file(other: Api) -> None:
    file = {"project": "Farm", "webhooks": {"https://example.org/hooks": {}}}
    narrow = other.ask("POST", "/keys", 201, json={"scopes": ["series:write", "rows:write"]})["token"]
    other.client.headers["authorization"] = f"Token {narrow}"
    assert "events:admin" in apply(other, file, status=403)["detail"]
    other.client.headers["authorization"] = f"Token {other.token}"
    assert other.ask("GET", "/webhooks")["items"] == []
    assert other.ask("GET", "/projects")["items"] == []
