"""Ids, keys and cursors: what one organization chooses or counts neither blocks nor tells of another's."""

import threading
import time
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from sqlalchemy import select, text
from starlette.testclient import TestClient

from entrepot.db import Database
from entrepot.identity import Role, keys, users
from entrepot.lineage import explain
from entrepot.series.models import Series
from entrepot.works import ids as works_ids
from tests.support.asgi import application

OWI = "/owi/api/v1"
SITES, LOCATIONS = f"{OWI}/locations/projectsites", f"{OWI}/locations/assetlocations"
DEFINITIONS = f"{OWI}/geometry/routes/modeldefinitions"
ANALYSES, ROWS = f"{OWI}/results/routes/analysis", f"{OWI}/results/routes/result"
ROW = {"name_col1": "hour", "units_col1": "h", "value_col1": [0.0, 1.0], "name_col2": "load", "units_col2": "kW",
       "value_col2": [3.0, 4.0]}  # fmt: skip


@pytest.fixture
def app(database: Database, tmp_path: Path) -> FastAPI:
    return application(database, tmp_path)


def member(app: FastAPI, database: Database, name: str) -> TestClient:
    """Return an administrator of an organization of its own."""
    with database.write() as session:
        organization = users.create_organization(session, f"Org of {name}")
        user, _ = users.create_user(session, name)
        users.set_member(session, user, organization, Role.ADMIN)
        _, token = keys.create_key(session, user.id, organization.id)
    return TestClient(app, headers={"authorization": f"Token {token}"}, raise_server_exceptions=False)


def post(client: TestClient, path: str, body: Any) -> Any:
    answer = client.post(path, json=body)
    assert answer.status_code == 201, answer.text
    return answer.json()


def fill(client: TestClient, name: str, rows: int = 2) -> None:
    """Make one of everything, named so, with ids as the server gives them."""
    site = post(client, SITES, {"title": f"{name} site"})["id"]
    location = post(client, LOCATIONS, {"title": f"{name} location", "projectsite": site})["id"]
    definition = post(client, DEFINITIONS, {"title": f"{name} model", "project": site})["id"]
    analysis = post(client, ANALYSES, {
        "name": f"{name} analysis", "model_definition": definition, "location": location,
        "timestamp": "2026-01-01T00:00:00Z", "additional_data": {"of": name},
    })["id"]  # fmt: skip
    common = {"analysis": analysis, "site": site, "location": location, "additional_data": {"of": name}}
    post(client, f"{ROWS}/bulk", [ROW | common | {"short_description": f"{name} {n}"} for n in range(rows)])


def everything(client: TestClient) -> dict[str, Any]:
    return {path: client.get(path).json() for path in (SITES, LOCATIONS, DEFINITIONS, ANALYSES, ROWS)}


def test_an_id_that_another_organization_has_is_as_free_as_any(app: FastAPI, database: Database) -> None:
    eve, ada = member(app, database, "eve"), member(app, database, "ada")
    post(eve, SITES, {"id": 35, "title": "Belwind"})
    for path, name in ((LOCATIONS, "projectsite"), (DEFINITIONS, "project")):
        post(eve, path, {"id": 35, "title": "one", name: 35})
    taken, free = (ada.post(SITES, json={"id": id_, "title": f"of {id_}"}) for id_ in (35, 36))
    assert (taken.status_code, taken.json().keys()) == (201, free.json().keys())
    for path, name in ((LOCATIONS, "projectsite"), (DEFINITIONS, "project")):
        assert post(ada, path, {"id": 35, "title": "one", name: 35})["id"] == 35
        assert ada.post(path, json={"id": 35, "title": "two", name: 35}).json() == {
            "id": [f"A {'location' if path == LOCATIONS else 'model definition'} with this id already exists."]
        }
    # What refers to something refers to one's own.
    assert ada.get(f"{LOCATIONS}/35").json()["projectsite_name"] == "of 35"
    assert eve.get(f"{LOCATIONS}/35").json()["projectsite_name"] == "Belwind"
    assert post(ada, SITES, {"title": "next"})["id"] == 37
    assert ada.post(SITES, json={"id": 2**31 - 1, "title": "the last"}).status_code == 201
    assert ada.post(SITES, json={"title": "beyond"}).status_code == 409, "and nobody else's ids are used up"
    assert post(eve, SITES, {"title": "next"})["id"] == 36


def test_ids_do_not_tell_how_much_others_make(app: FastAPI, database: Database) -> None:
    eve, ada = member(app, database, "eve"), member(app, database, "ada")
    fill(eve, "eve", rows=50)
    fill(ada, "ada")
    assert {path: [one["id"] for one in found] for path, found in everything(ada).items()} == {
        SITES: [1], LOCATIONS: [1], DEFINITIONS: [1], ANALYSES: [1], ROWS: [1, 2],
    }  # fmt: skip
    assert ada.delete(f"{ROWS}/2").status_code == 200
    post(ada, ROWS, ROW | {"analysis": 1, "short_description": "another"})
    assert [one["id"] for one in ada.get(ROWS).json()] == [1, 3], "and none comes back"


def test_nothing_that_is_done_to_an_id_reaches_the_same_id_of_others(app: FastAPI, database: Database) -> None:
    eve, ada = member(app, database, "eve"), member(app, database, "ada")
    fill(ada, "ada")
    fill(eve, "eve")
    before = everything(ada)
    for path, found in everything(eve).items():
        for one in found:
            changes = {"title": "changed", "description": "changed", "short_description": f"changed {one['id']}"}
            assert eve.patch(f"{path}/{one['id']}", json=changes).status_code == 200
    named = (("result_set", "1"), ("row", "1"), ("row", "2"))
    locks = [eve.post("/api/v1/locks", json={"kind": kind, "id": id_}).json()["id"] for kind, id_ in named]
    assert ada.patch(f"{ANALYSES}/1", json={"description": None}).status_code == 200, "it is not ada's that is locked"
    assert ada.patch(f"{ROWS}/1", json={"description": None}).status_code == 200
    assert {ada.delete(f"/api/v1/locks/{lock}").status_code for lock in locks} == {404}
    assert {eve.delete(f"/api/v1/locks/{lock}").status_code for lock in locks} == {204}
    again = ROW | {"analysis": 1, "short_description": "ada 0", "value_col2": [9.0, 9.0]}
    assert [one["action"] for one in eve.put(f"{ROWS}/bulk", json=[again]).json()["summary"]] == ["created"]
    for path in (f"{ROWS}/1", f"{ANALYSES}/1", f"{DEFINITIONS}/1", f"{LOCATIONS}/1", f"{SITES}/1"):
        assert eve.delete(path).status_code == 200, path
    assert everything(ada) == before
    assert everything(eve) == {path: [] for path in before}
    with database.read() as session:
        assert [run["generator"]["kind"] for run in explain(session, "row", "1")] == ["upload"], "ada's, still there"


ASKED: tuple[dict[str, Any], ...] = (
    {}, {"id__in": "1,2,3"}, {"id__gt": 0}, {"analysis": 1}, {"analysis__id__in": "1"},
    {"analysis__name__contains": "a"}, {"analysis__name__iregex": "."}, {"site__title__icontains": "SITE"},
    {"analysis__model_definition__project__title__endswith": "site"}, {"location__title__regex": "location$"},
    {"analysis__additional_data__of__isnull": "false"}, {"additional_data__timestamp_from": "2000-01-01"},
    {"analysis__timestamp__year": 2026}, {"model_definition_id": 1}, {"analysis__location__projectsite__id": 1},
)  # fmt: skip


def test_no_filter_finds_what_is_of_others(app: FastAPI, database: Database) -> None:
    eve, ada = member(app, database, "eve"), member(app, database, "ada")
    fill(eve, "eve")
    fill(ada, "ada", rows=1)
    for asked in ASKED:
        found = eve.get(ROWS, params=asked).json()
        assert [one["short_description"] for one in found] == ["eve 0", "eve 1"], asked
    assert [one["id"] for one in eve.get(ROWS, params={"pk": 1}).json()] == [1]
    with database.write() as session:  # what matches is ada's alone
        session.execute(text("UPDATE site SET name = 'x', slug = 'x' WHERE name = 'eve site'"))
        session.execute(text("UPDATE result_set SET name = 'x' WHERE name = 'eve analysis'"))
    for name, wanted in (("site__title", "ada site"), ("analysis__name__iregex", "^ADA"), ("project__slug", "ada-site"),
                         ("analysis__model_definition__project__title__iregex", "ada")):  # fmt: skip
        assert eve.get(ROWS, params={name: wanted}).json() == []
        assert len(ada.get(ROWS, params={name: wanted}).json()) == 1


def test_nothing_that_goes_out_with_events_tells_how_many_others_had(app: FastAPI, database: Database) -> None:
    eve, ada = member(app, database, "eve"), member(app, database, "ada")
    fill(ada, "ada", rows=1)
    before = ada.get("/api/v1/events").json()
    fill(eve, "eve", rows=20)
    fill(ada, "another", rows=1)
    after = ada.get("/api/v1/events", params={"after": before["cursor"]}).json()
    assert {event["object_id"] for event in after["items"]} & {event["object_id"] for event in before["items"]} == set()
    assert len(after["items"]) == len(before["items"]) > 0
    for event in (*before["items"], *after["items"]):
        assert [name for name, value in event.items() if isinstance(value, int)] == [], "nothing counts"
    idle = [ada.get("/api/v1/events", params={"after": after["cursor"]}).json() for _ in range(3)]
    assert [one["items"] for one in idle] == [[], [], []]
    cursors = {before["cursor"], after["cursor"], *(one["cursor"] for one in idle)}
    assert len(cursors) == 5, "whether the log went on is not seen either"
    assert not any(cursor.isdigit() for cursor in cursors)


@pytest.mark.pairs
@pytest.mark.parametrize("cursor", ["7", "1", "-1", "gAAAAA==", "", "é", "x" * 10_000])
def test_a_cursor_of_events_that_was_not_handed_out_is_refused(app: FastAPI, database: Database, cursor: str) -> None:
    ada = member(app, database, "ada")
    fill(ada, "ada")
    webhook = post(ada, "/api/v1/webhooks", {"url": "https://example.org/"})["id"]
    sealed = app.state.services.vault.encrypt("7")  # whatever else the key hides
    for wrong in (cursor, sealed):
        for answer in (
            ada.get("/api/v1/events", params={"after": wrong}),
            ada.get("/api/v1/events/stream", params={"after": wrong or "x"}, headers={"accept": "text/event-stream"}),
            ada.post(f"/api/v1/webhooks/{webhook}/replay", json={"after": wrong}),
        ):
            assert (answer.status_code, "handed out" in answer.text) == (422, True), answer.text
    for number in (7, -1, True, None, 1.5, 2**70):
        answer = ada.post(f"/api/v1/webhooks/{webhook}/replay", json={"after": number})
        assert (answer.status_code, list(answer.json()["fields"])) == (422, ["after"])


def key_of(database: Database, series_id: str) -> int:
    with database.read() as session:
        return session.scalars(select(Series.number).where(Series.id == series_id)).one()


def test_keys_of_series_tell_when_they_were_made_and_not_how_many(app: FastAPI, database: Database) -> None:
    eve, ada = member(app, database, "eve"), member(app, database, "ada")
    keys: list[int] = []
    for client, number in ((ada, 1), (eve, 30), (ada, 1)):
        project = post(client, "/api/v1/projects", {"name": f"{number} {len(keys)}"})["id"]
        for name in range(number):
            began = time.time_ns() // 1000
            made = post(client, "/api/v1/series", {"project": project, "name": str(name)})
            keys.append(key_of(database, made["id"]))
            assert began <= keys[-1] <= time.time_ns() // 1000 < 2**53, "it is an instant that JSON holds"
    assert sorted(keys) == keys, "a later series has the greater key"
    shown = ada.get("/ovbp/api/v2/odata/series/").json()["data"]
    assert {one["otsdb_pk"] for one in shown} == {keys[0], keys[-1]}


def test_a_key_that_another_process_took_in_the_same_microsecond_is_passed(
    app: FastAPI, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    ada = member(app, database, "ada")
    project = post(ada, "/api/v1/projects", {"name": "p"})["id"]
    taken = key_of(database, post(ada, "/api/v1/series", {"project": project, "name": "a"})["id"])
    following = iter([taken, taken, taken + 1, taken])
    monkeypatch.setattr("entrepot.series.catalog.new_number", lambda: next(following))
    made = post(ada, "/api/v1/series", {"project": project, "name": "b"})
    assert key_of(database, made["id"]) == taken + 1
    monkeypatch.undo()
    assert ada.post("/api/v1/series", json={"project": project, "name": "a"}).status_code == 409


def test_ids_of_works_do_not_count_those_of_others(monkeypatch: pytest.MonkeyPatch) -> None:
    new_id, instant = works_ids._Generator(), 1_800_000_000 * 10**9
    monkeypatch.setattr(time, "time_ns", lambda: instant)
    new_id()  # somebody else's
    instant += 250_000_000
    assert new_id()[-6:] == "400000", "a quarter of a second"
    instant -= 3600 * 10**9
    assert new_id()[-6:] == "400001", "though the clock be set back"


def test_the_console_shows_rows_and_counts_of_one_organization(app: FastAPI, database: Database) -> None:
    eve, ada = member(app, database, "eve"), member(app, database, "ada")
    fill(eve, "quokka", rows=7)
    fill(ada, "ada", rows=3)
    page = ada.get("/console/rows", params={"result_set": 1})
    assert page.status_code == 200
    assert "quokka" not in page.text
    assert "ada 2" in page.text
    assert ada.get("/console/rows/plot", params={"analysis": 1}).text.count("quokka") == 0


def test_ids_given_at_once_are_different(app: FastAPI, database: Database) -> None:
    ada = member(app, database, "ada")
    site = post(ada, SITES, {"title": "site"})["id"]
    definition = post(ada, DEFINITIONS, {"title": "model", "project": site})["id"]
    analyses = [
        post(ada, ANALYSES, {"name": str(n), "model_definition": definition})["id"] for n in range(4)
    ]  # fmt: skip
    failures: list[str] = []

    def make(analysis: int) -> None:
        for n in range(5):
            bulk = [ROW | {"analysis": analysis, "short_description": f"{n} {part}"} for part in range(3)]
            if (answer := ada.post(f"{ROWS}/bulk", json=bulk)).status_code != 201:
                failures.append(answer.text)

    threads = [threading.Thread(target=make, args=(analysis,)) for analysis in analyses]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert failures == []
    assert sorted(one["id"] for one in ada.get(ROWS).json()) == list(range(1, 61))
