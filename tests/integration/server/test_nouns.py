"""The nouns of the interface: made, shown, changed, listed and deleted by the same verbs, in the same words."""

from typing import Any

import pytest
from sqlalchemy import select

from entrepot.pipeline.models import Channel
from tests.support.interface import DAY, MEAN, Api

pytestmark = pytest.mark.turns


def test_a_farm_is_made_and_run_by_the_interface_alone(api: Api, farm: dict[str, Any]) -> None:
    gate, importer, channel, analysis = (farm[each] for each in ("gate", "importer", "channel", "analysis"))
    assert importer["gate"] == {"id": gate["id"], "name": "scada"}
    assert channel["importer"] == {"id": importer["id"], "name": "scada"}
    assert (channel["raw_kind"], channel["kind"], channel["step"], channel["clock"]) == ("mean", "mean", "1h", "UTC")
    (input_,) = analysis["inputs"]
    assert (input_["column"], input_["series"], input_["of"]["id"]) == ("T1 wind", "T1 wind", channel["cleaner"])
    api.client.put(f"/api/v1/gates/{gate['id']}/files/T1/day.csv", content=DAY.encode()).raise_for_status()
    (folder,) = api.ask("GET", f"/gates/{gate['id']}/files")["items"]
    (file,) = api.ask("GET", f"/gates/{gate['id']}/files?folder=T1")["items"]
    assert (folder["path"], folder["type"], file["path"], file["size"]) == ("T1", "directory", "T1/day.csv", len(DAY))
    assert api.ask("GET", f"/gates/{gate['id']}/use")["files"] == 1
    for kind, maker in (("importers", importer["id"]), ("cleaners", channel["cleaner"]), ("analyses", analysis["id"])):
        run = api.ask("POST", f"/{kind}/{maker}/runs", 202, json={})
        assert (run["status"], run["of"]["id"]) == ("pending", maker)
        api.work()
        run = api.ask("GET", f"/runs/{run['id']}")
        assert (run["status"], run["error"]) == ("finished", None), run
    runs = api.ask("GET", "/runs?project=Farm&limit=2")
    assert len(runs["items"]) == 2
    more = api.client.get(runs["next"]).json()["items"]
    assert not {run["id"] for run in runs["items"]} & {run["id"] for run in more}
    series = {one["name"]: one for one in api.ask("GET", "/series?project=Farm")["items"]}
    # The hour of 23 is beyond the maximum; the first and the last interval are never sure to be complete.
    points = api.client.get(f"/api/v1/series/{series['T1 wind']['id']}/points").json()
    assert points["value"] == [hour + 0.25 for hour in range(1, 23) if hour + 0.25 <= 22.5]
    assert series["mean"]["count"] > 0
    cleared = api.ask("POST", f"/analyses/{analysis['id']}/clear", 202, json={"from": "2024-03-01T09:00:00Z"})
    assert cleared["action"] == "clear"
    api.ask("POST", f"/runs/{cleared['id']}/cancel")
    assert api.ask("GET", f"/runs/{cleared['id']}")["status"] == "cancelled"


def test_what_somebody_else_changed_is_not_overwritten(api: Api, farm: dict[str, Any]) -> None:
    for kind, name, change in (
        ("gates", "gate", {"description": "a"}),
        ("importers", "importer", {"description": "a"}),
        ("channels", "channel", {"title": "a"}),
        ("analyses", "analysis", {"step": "6h"}),
    ):
        path = f"/api/v1/{kind}/{farm[name]['id']}"
        seen = api.client.get(path)
        tag = seen.headers["etag"]
        assert tag == f'"{seen.json()["version"]}"'
        assert api.client.get(path, headers={"if-none-match": tag}).status_code == 304
        changed = api.client.patch(path, json=change, headers={"if-match": tag})
        assert changed.status_code == 200, changed.text
        assert changed.headers["etag"] != tag
        assert changed.json().items() >= change.items()
        for method in ("PATCH", "DELETE"):
            late = api.client.request(
                method, path, headers={"if-match": tag}, **({"json": change} if method == "PATCH" else {})
            )
            assert late.status_code == 412
        assert api.client.patch(path, json=change).headers["etag"] == changed.headers["etag"], "nothing changed"


def test_what_is_wrong_is_named_in_the_words_of_the_interface(api: Api, farm: dict[str, Any]) -> None:
    importer = farm["importer"]["id"]
    for method, path, body, field in (
        ("POST", "/gates", {"project": "Farm", "name": ""}, "name"),
        ("POST", "/gates", {"project": "nowhere", "name": "x"}, "project"),
        ("POST", "/importers", {"project": "Farm", "name": "x", "gate": "none"}, "gate"),
        ("POST", "/importers", {"project": "Farm", "name": "x", "clock": "Mars"}, "clock"),
        ("POST", "/importers", {"project": "Farm", "name": "x", "schedule": "whenever"}, "schedule"),
        ("PATCH", f"/importers/{importer}", {"folder": "../x"}, "folder"),
        ("POST", "/channels", {"importer": importer, "raw": "p", "name": "q", "step": "fortnight"}, "step"),
        ("POST", "/channels", {"importer": importer, "raw": "wind", "name": "q"}, "raw"),
        ("POST", "/channels", {"importer": importer, "raw": "p", "name": "q", "raw_kind": "mean",
                               "kind": "rate"}, "kind"),
        ("POST", "/channels", {"importer": importer, "raw": "p", "name": "q", "minimum": 2, "maximum": 1}, "maximum"),
        ("POST", "/analyses", {"project": "Farm", "name": "x", "step": "3h"}, "script"),
        ("POST", "/analyses", {"project": "Farm", "name": "x", "inputs": ["nothing"]}, "inputs.0"),
        ("POST", "/analyses", {"project": "Farm", "name": "x", "script": MEAN, "step": "-1h"}, "step"),
        ("GET", "/gates?cursor=x", None, "cursor"),
    ):  # fmt: skip
        answer = api.client.request(method, f"/api/v1{path}", json=body)
        assert 400 <= answer.status_code < 500, (path, body, answer.text)
        assert field in answer.json()["fields"], (path, body, answer.text)
    assert [one["name"] for one in api.ask("GET", "/importers?project=Farm")["items"]] == ["scada"]


def test_lists_end_and_miss_nothing_while_others_insert_and_delete(api: Api, farm: dict[str, Any]) -> None:
    for number in range(7):
        api.ask("POST", "/gates", 201, json={"project": "Farm", "name": f"gate {number}"})
    found: list[str] = []
    path = "/api/v1/gates?project=Farm&limit=2"
    while path:
        page = api.client.get(path).json()
        found += [gate["name"] for gate in page["items"]]
        path = page["next"]
        if len(found) == 4:
            api.ask("POST", "/gates", 201, json={"project": "Farm", "name": "a gate"})  # before what was seen
            api.ask("DELETE", f"/gates/{page['items'][0]['id']}", 204)
    assert found == [*(f"gate {number}" for number in range(7)), "scada"]


def test_deleting(api: Api, farm: dict[str, Any]) -> None:
    for kind, name in (("analyses", "analysis"), ("channels", "channel"), ("importers", "importer"), ("gates", "gate"),
                       ("projects", "project")):  # fmt: skip
        path = f"/{kind}/{farm[name]['id']}"
        api.ask("DELETE", path, 204)
        api.ask("GET", path, 404)
    assert api.ask("GET", "/projects")["items"] == []


def test_a_gate_tells_how_files_are_sent_to_it(api: Api, farm: dict[str, Any]) -> None:
    path = f"/gates/{farm['gate']['id']}/account"
    assert api.ask("GET", path)["login"]
    assert "password" not in api.ask("GET", path)
    first = api.ask("GET", f"{path}/password")["password"]
    api.ask("PUT", f"{path}/password", 204, json={"password": "another password"})
    assert api.ask("GET", f"{path}/password")["password"] == "another password" != first


def test_the_days_of_a_channel_are_those_of_its_clock(api: Api, farm: dict[str, Any]) -> None:
    given = {"importer": "scada", "raw": "p", "name": "p", "clock": "Europe/Paris"}
    made = [farm["channel"]["id"], api.ask("POST", "/channels", 201, json=given)["id"]]
    assert api.ask("PATCH", f"/channels/{made[1]}", json={"clock": "UTC"})["clock"] == "UTC"
    with api.database.read() as session:
        kept = session.execute(select(Channel.clock, Channel.timezone).where(Channel.id.in_(made)))
        assert {tuple(row) for row in kept} == {("utc", "UTC")}


def test_labels_of_a_channel_are_those_of_its_series(api: Api, farm: dict[str, Any]) -> None:
    gate, channel = farm["gate"]["id"], farm["channel"]
    assert channel["labels"] == {}
    api.client.put(f"/api/v1/gates/{gate}/files/day.csv", content=DAY.encode()).raise_for_status()
    assert api.ask("PATCH", f"/channels/{channel['id']}", json={"labels": {"turbine": "T1"}})["version"] == 2
    api.ask("POST", f"/importers/{farm['importer']['id']}/runs", 202, json={})
    api.work()

    def made() -> dict[str, Any]:
        (found,) = api.ask("GET", "/series?label=turbine:T1")["items"]
        return found

    first = made()
    api.ask("PATCH", f"/channels/{channel['id']}", json={"labels": {"turbine": "T1", "side": "west"}})
    assert (made()["labels"], made()["id"]) == ({"side": "west", "turbine": "T1"}, first["id"]), "nothing is made anew"
    api.ask("PATCH", f"/series/{first['id']}", json={"labels": {"turbine": "T1", "side": "east"}})
    api.ask("PATCH", f"/channels/{channel['id']}", json={"minimum": 1})
    api.work()
    assert made()["labels"] == {"side": "east", "turbine": "T1"}, "those that it was given last"
    assert made()["id"] != first["id"]


def test_rows_are_kept_by_name_at_locations_by_name_or_id(api: Api) -> None:
    api.ask("POST", "/sites", 201, json={"name": "Belwind"})
    place = api.ask("POST", "/locations", 201, json={"site": "Belwind", "name": "BB01", "northing": 51.6})
    api.ask("POST", "/model-definitions", 201, json={"site": "Belwind", "name": "as-built"})
    kept = api.ask("POST", "/result-sets", 201, json={"site": "Belwind", "model": "as-built", "name": "Curves"})
    vectors = [{"name": "wind", "unit": "m/s", "values": [1.0, None]}, {"name": "power", "values": [2.0, 3.0]}]
    rows = [{"name": name, "location": at, "columns": vectors} for name, at in (("a", "BB01"), ("b", place["id"]))]
    path = f"/result-sets/{kept['id']}/rows"
    assert [row["action"] for row in api.ask("POST", path, json={"rows": rows})] == ["created", "created"]
    assert [row["action"] for row in api.ask("POST", path, json={"rows": rows})] == ["updated", "updated"]
    shown = api.ask("GET", "/rows?result_set=Curves")["items"]
    assert [(row["name"], row["location"]) for row in shown] == [
        (name, {"id": place["id"], "name": "BB01"}) for name in "ab"
    ]
    assert shown[0]["columns"][0] == vectors[0]
    wrong = api.ask("POST", path, 422, json={"rows": [*rows, {**rows[0], "name": "c", "location": "nowhere"}]})
    assert list(wrong["fields"]) == ["rows.2.location"]
