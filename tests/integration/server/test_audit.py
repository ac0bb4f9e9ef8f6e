"""The audit log: every door tells of what it changed, once and without a secret; and what requests leave behind."""

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select, update
from starlette.testclient import TestClient

from entrepot.db import now
from entrepot.errors import Unavailable
from entrepot.files import fetches
from entrepot.files.models import FileFetch
from entrepot.identity import ApiKey, AuditEntry, ConsoleSession, Role, audit, keys, sessions, users
from entrepot.server.noted import Noted
from tests.support.interface import Api


def told(api: Api, **asked: Any) -> list[tuple[str, str, str]]:
    items = api.ask("GET", "/audit", params=asked)["items"]
    return [((one["user"] or {"name": ""})["name"], f"{one['kind']} {one['action']}", one["name"]) for one in items]


def test_every_door_tells_who_changed_what_and_from_where(api: Api) -> None:
    made = api.ask("POST", "/keys", 201, json={"name": "native", "scopes": ["*:read"]})
    rotated = api.client.post("/ricloud/keys").json()
    with api.database.write() as session:  # as a command does on the server's own machine
        user, _ = users.create_user(session, "bob")
        organization = api.organization(session)
        users.set_member(session, user, organization, Role.READER)
        organization.limits = {"files": 10}
    assert told(api)[:4] == [
        ("", "organization changed", "own"),
        ("", "member added", "bob"),
        ("ada", "key created", "ricloud"),
        ("ada", "key created", "native"),
    ]
    assert told(api, login="ada", kind="key") == told(api)[2:4]
    (entry,) = [one for one in api.ask("GET", "/audit", params={"kind": "organization"})["items"] if one["changes"]]
    assert entry["changes"] == {"limits": [{}, {"files": 10}]} or "files" in str(entry["changes"])
    (entry,) = [one for one in api.ask("GET", "/audit", params={"kind": "key"})["items"] if one["name"] == "native"]
    assert (entry["address"], entry["object_id"]) == ("testclient", made["id"])
    assert entry["key"] == api.principal.key_id
    assert rotated
    assert made["token"] not in str(api.ask("GET", "/audit"))


def test_what_is_taken_back_is_not_told(api: Api) -> None:
    before = told(api)
    api.ask("POST", "/keys", 422, json={"name": "x", "networks": ["nonsense"]})
    with api.database.write() as session:
        keys.create_key(session, api.principal.user_id, api.principal.organization_id, name="never")
        session.rollback()
    assert told(api) == before


def test_entries_are_told_in_pages_and_forgotten_in_the_end(api: Api) -> None:
    for at in range(5):
        api.ask("POST", "/keys", 201, json={"name": str(at)})
    first = api.ask("GET", "/audit", params={"kind": "key", "limit": 3})
    second = api.ask("GET", first["next"].removeprefix("/api/v1"))
    assert [one["name"] for one in first["items"] + second["items"]][:5] == ["4", "3", "2", "1", "0"]
    with api.database.write() as session:
        session.execute(update(AuditEntry).where(AuditEntry.name == "0").values(created_at=now() - timedelta(days=401)))
    with api.database.write() as session:
        assert audit.prune(session, now() - timedelta(days=400), 10) == 1
    assert "0" not in [one["name"] for one in api.ask("GET", "/audit", params={"kind": "key"})["items"]]


def test_a_session_ends_after_twelve_hours(api: Api) -> None:
    with api.database.write() as session:
        users.set_password(session, users.find_user(session, "ada"), "correct horse")
    ada = TestClient(api.client.app, follow_redirects=False)
    login = ada.post("/console/login", data={"login": "ada", "password": "correct horse"})
    assert "Max-Age=43200" in login.headers["set-cookie"]
    with api.database.write() as session:
        (row,) = session.scalars(select(ConsoleSession))
        assert row.expires_at - row.created_at == pytest.approx(timedelta(hours=12), abs=timedelta(seconds=5))
        assert ada.get("/console/people").status_code == 200
        row.expires_at = now() - timedelta(seconds=1)
    assert ada.get("/console/people").status_code == 401
    with api.database.write() as session:
        assert sessions.prune(session, 10) == 1


def test_what_requests_leave_behind_is_written_together_and_kept_where_it_cannot_be(api: Api) -> None:
    file = api.client.post("/api/v1/files", files={"file": ("a", b"1")}).json()["id"]
    noted: Noted = api.client.app.state.noted  # type: ignore[attr-defined]
    for _ in range(3):
        assert api.client.get(f"/api/v1/files/{file}/download").content == b"1"
    assert api.client.head(f"/api/v1/files/{file}/download").status_code == 200

    class Refuses:
        def write(self) -> Any:
            raise Unavailable("busy")

    with pytest.raises(Unavailable):
        noted.write(Refuses())  # type: ignore[arg-type]
    assert api.client.get(f"/api/v1/files/{file}/download").content == b"1"
    noted.write(api.database)
    noted.write(api.database)
    with api.database.read() as session:
        (fetch,) = session.scalars(select(FileFetch))
        assert (fetch.count, fetch.reader) == (4, api.principal.user_id)
        assert session.scalars(select(ApiKey.last_used_from)).one() == "testclient"
        assert session.scalars(fetches.fetched_by(api.principal.user_id)).all() == [fetch.file_number]
    (shown,) = api.ask("GET", f"/files/{file}/fetches")["items"]
    assert (shown["user"]["name"], shown["count"]) == ("ada", 4)
    assert [one["id"] for one in api.ask("GET", "/files", params={"fetched_by": api.principal.user_id})["items"]] == [
        file
    ]
    assert api.ask("GET", "/files", params={"fetched_by": ""})["items"] == []
    storage = api.ask("GET", "/storages")["items"][0]["id"]
    assert len(api.ask("GET", "/files", params={"storage": storage})["items"]) == 1
    assert api.ask("GET", "/files", params={"storage": "another"})["items"] == []
