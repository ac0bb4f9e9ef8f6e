"""Attacks by requests of many things at once, by dry runs, and by what members may change of keys and organizations."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select

from entrepot.db import Database
from entrepot.events.models import Event
from entrepot.identity import Role, User, keys, users
from entrepot.rows.models import Row
from tests.support.interface import Api, interface

COLUMNS = [{"name": "x", "values": [1, 2]}, {"name": "y", "unit": "Hz", "values": [3, 4]}]


@pytest.fixture
def api(sqlite_template: Path, tmp_path: Path) -> Iterator[Api]:
    """A server with a result set that has one row."""
    shutil.copy(sqlite_template, tmp_path / "entrepot.db")
    database = Database(f"sqlite:///{tmp_path / 'entrepot.db'}")
    api = interface(database, tmp_path)
    api.ask("POST", "/sites", 201, json={"name": "Hill"})
    api.ask("POST", "/model-definitions", 201, json={"name": "m", "site": "Hill"})
    api.ask("POST", "/result-sets", 201, json={"name": "Curves", "model": "m"})
    api.ask("POST", "/rows", json={"rows": [row("a")]})
    yield api
    database.close()


def row(name: str, result_set: str = "Curves", **more: Any) -> dict[str, Any]:
    return {"result_set": result_set, "name": name, "columns": COLUMNS, **more}


def stranger(api: Api) -> dict[str, str]:
    """Return the headers of the administrator of another organization."""
    with api.database.write() as session:
        user = User(login="mallory", password_hash="")
        session.add(user)
        session.flush()
        other = users.create_organization(session, "others")
        users.set_member(session, user, other, Role.ADMIN)
        return {"authorization": f"Token {keys.create_key(session, user.id, other.id)[1]}"}


def counted(api: Api) -> tuple[int, int]:
    """Return how many rows and events there are."""
    with api.database.read() as session:
        rows, events = (session.scalar(select(func.count()).select_from(table)) or 0 for table in (Row, Event))
    return rows, events


def test_rows_of_the_result_set_of_others_are_not_kept(api: Api) -> None:
    before, mallory = counted(api), stranger(api)
    for set_ in ("Curves", "1"):
        problem = api.ask("POST", "/rows", 422, headers=mallory, json={"rows": [row("b", set_)]})
        assert "rows.0.result_set" in problem["fields"]
    assert api.ask("GET", "/rows?where=id__gte=0", headers=mallory)["items"] == []
    assert api.ask("GET", "/result-sets?where=name=Curves", headers=mallory)["items"] == []
    assert counted(api) == before


def test_a_dry_run_leaves_no_row_and_no_event(api: Api) -> None:
    before = counted(api)
    (told,) = api.ask("POST", "/rows?dry_run=true", json={"rows": [row("new")]})
    assert (told["id"], told["action"]) == (None, "created")
    api.ask("POST", "/result-sets/1/rows?dry_run=true", json={"rows": [{"name": "new", "columns": COLUMNS}]})
    assert counted(api) == before
    reader = api.ask("POST", "/keys", 201, json={"scopes": ["rows:read"]})["token"]
    headers = {"authorization": f"Token {reader}"}
    api.ask("POST", "/rows?dry_run=true", 403, headers=headers, json={"rows": [row("new")]})


def test_many_with_one_that_is_wrong_makes_none(api: Api) -> None:
    for path, good, bad in (
        ("/sites", {"name": "A"}, {"name": "Hill"}),
        ("/locations", {"site": "Hill", "name": "T1"}, {"site": "Nowhere", "name": "T2"}),
        ("/model-definitions", {"site": "Hill", "name": "n"}, {"site": "Hill", "name": "m"}),
        ("/parts/materials", {"name": "Steel"}, {"density": 1}),
    ):
        before = len(api.ask("GET", path)["items"])
        problem = api.ask("POST", f"{path}/many", 422, json={"items": [good, bad]})
        assert all(field.startswith("items.1.") for field in problem["fields"]), problem
        assert len(api.ask("GET", path)["items"]) == before


def test_many_is_not_endless(api: Api) -> None:
    api.ask("POST", "/sites/many", 422, json={"items": [{"name": str(at)} for at in range(2001)]})
    problem = api.ask("POST", "/rows", 422, json={"rows": [row("b", str(at)) for at in range(1001)]})
    assert "more than 1000" in problem["fields"]["rows"]
    api.ask("GET", "/rows", 422, params={"where": ["id=1"] * 51})
    assert len(api.ask("GET", "/sites")["items"]) == 1


def test_a_name_for_a_key_gives_it_no_more(api: Api) -> None:
    narrow = api.ask("POST", "/keys", 201, json={"name": "a", "scopes": ["rows:read"]})
    for more in ({"scopes": None}, {"projects": None}, {"expires_at": None}, {"user": "ada"}):
        api.ask("PATCH", f"/keys/{narrow['id']}", 422, json={"name": "b", **more})
    assert api.ask("PATCH", f"/keys/{narrow['id']}", json={"name": "b"})["scopes"] == ["rows:read"]
    (wide,) = [one for one in api.ask("GET", "/keys")["items"] if one["scopes"] is None]
    headers = {"authorization": f"Token {narrow['token']}"}
    assert api.client.patch(f"/api/v1/keys/{wide['id']}", json={"name": "x"}, headers=headers).status_code in (403, 404)
    api.ask("PATCH", f"/keys/{wide['id']}", 404, headers=stranger(api), json={"name": "x"})


def test_an_organization_is_described_by_its_administrators_alone(api: Api) -> None:
    own, mallory = api.principal.organization_id, stranger(api)
    api.ask("GET", f"/organizations/{own}", 404, headers=mallory)
    api.ask("PATCH", f"/organizations/{own}", 404, headers=mallory, json={"description": "x"})
    assert [one["name"] for one in api.ask("GET", "/organizations", headers=mallory)["items"]] == ["others"]
    api.ask("PATCH", f"/organizations/{own}", 422, json={"name": "others"})
    writer = api.ask("POST", "/keys", 201, json={"scopes": ["identity:write", "rows:admin"]})["token"]
    headers = {"authorization": f"Token {writer}"}
    api.ask("PATCH", f"/organizations/{own}", 403, headers=headers, json={"description": "x"})
    assert api.ask("GET", f"/organizations/{own}")["description"] == ""


def test_a_project_s_file_tells_no_webhook_to_who_may_not_see_it(api: Api) -> None:
    api.ask("POST", "/webhooks", 201, json={"url": "https://example.org/secret-path"})
    project = api.ask("POST", "/projects", 201, json={"name": "Farm"})["id"]
    assert "secret-path" in str(api.ask("GET", f"/projects/{project}/file"))
    narrow = api.ask("POST", "/keys", 201, json={"scopes": ["series:read", "rows:read"]})["token"]
    told = api.ask("GET", f"/projects/{project}/file", headers={"authorization": f"Token {narrow}"})
    assert told["webhooks"] == {}
