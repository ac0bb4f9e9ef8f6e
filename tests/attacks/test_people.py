"""Attacks on the pages of files, webhooks and people: by texts, by too few rights, by narrow keys, by guesses."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import func, select
from starlette.testclient import TestClient

from entrepot.db import Base, Database
from entrepot.identity import keys, users
from entrepot.server.console import deliveries, files, people, server, sign_ins, storages, webhooks
from entrepot.server.console import keys as key_pages
from tests.support.interface import Api, interface
from tests.support.page_users import MARKUP, PASSWORD, form_token, of_pages, signed_in
from tests.support.strangers import office_of, with_users

pytestmark = of_pages


@pytest.fixture
def api(database: Database, tmp_path: Path) -> Api:
    """Ada's organization, with a reader and a writer in it; and eve's."""
    return with_users(interface(database, tmp_path))


@pytest.fixture
def ids(api: Api) -> dict[str, str]:
    """One of each, of strangers' names."""
    return office_of(api)


def client(api: Api, login: str) -> TestClient:
    return signed_in(api.client.app, login, raise_server_exceptions=False)


def paths(ids: dict[str, str], method: str) -> Iterator[str]:
    """Yield the pages of this method, with the ids of what they are about."""
    things = {
        files: "file",
        storages: "storage",
        webhooks: "webhook",
        deliveries: "webhook",
        key_pages: "key",
        people: "member",
        sign_ins: "session",
        server: "",
    }
    for module, thing in things.items():
        for page in module.PAGES:
            if page.method == method and "{task_id}" not in page.path:
                yield page.path.format(id=ids.get(thing, ""), event_id=ids["event"])


def rows(database: Database) -> dict[str, int]:
    with database.read() as session:
        tables = Base.metadata.sorted_tables
        return {table.name: session.scalar(select(func.count()).select_from(table)) or 0 for table in tables}


def test_no_form_changes_anything_for_readers_strangers_or_other_sites(api: Api, ids: dict[str, str]) -> None:
    rea, eve, ada = (client(api, login) for login in ("rea", "eve", "ada"))
    before = rows(api.database)
    typed = {"confirm": MARKUP, "role": "admin", "url": "https://example.org/", "failed_since": "2020-01-01"}
    own = ("/people/keys/new", "/people/password", f"/{ids['key']}/", "/sessions/")  # one's own alone
    for path in paths(ids, "POST"):
        stranger = eve.post(path, data=typed | {"form_token": form_token(eve)})
        if "{" not in path and not path.endswith(("/new", "/password")):
            assert stranger.status_code == 404, (path, stranger.status_code)
        reader = rea.post(path, data=typed | {"form_token": form_token(rea)})
        assert reader.status_code in (403, 404) or any(one in path for one in own), (path, reader.status_code)
        assert ada.post(path, data=typed).status_code == 403, f"{path}: no form of the console"
        crossed = ada.post(path, data=typed | {"form_token": form_token(ada)}, headers={"sec-fetch-site": "cross-site"})
        assert crossed.status_code == 403, path
    after = rows(api.database)
    # A stranger makes webhooks, members and storages of its own, and nothing in others' organizations.
    for name in ("published_file", "api_key", "console_session", "webhook_delivery"):
        assert after[name] == before[name], name
    assert [one["id"] for one in api.ask("GET", "/webhooks")["items"]] == [ids["webhook"]]
    assert api.ask("GET", f"/members/{ids['member']}")["role"] == "reader"


def test_sessions_are_ended_by_their_user_and_by_its_administrators_alone(api: Api, ids: dict[str, str]) -> None:
    rea, eve = client(api, "rea"), client(api, "eve")
    ada = api.principal.user_id
    for one in (rea, eve):
        assert one.get(f"/console/people/sessions?member={ada}").status_code == 404
        path = f"/console/people/sessions/{ids['session']}/end"
        assert one.post(path, data={"form_token": form_token(one)}).status_code == 404
    member = next(one["id"] for one in api.ask("GET", "/members")["items"] if one["login"] == "rea")
    (session,) = api.ask("GET", f"/sessions?member={member}")["items"]
    api.ask("DELETE", f"/sessions/{session['id']}", 204)
    assert rea.get("/console/people").status_code == 401
    with api.database.write() as opened:
        _, narrow = keys.create_key(opened, ada, api.principal.organization_id, scopes=["series:write"])
    for method, path in (("GET", "/sessions"), ("DELETE", f"/sessions/{ids['session']}"), ("GET", "/audit")):
        answer = api.client.request(method, f"/api/v1{path}", headers={"authorization": f"Token {narrow}"})
        assert answer.status_code == 403, path


def test_a_key_cannot_make_a_wider_one_on_a_page(api: Api) -> None:
    with api.database.write() as session:
        ada = users.find_user(session, "ada").id
        scopes = ["identity:write", "points:write"]
        _, token = keys.create_key(session, ada, api.principal.organization_id, scopes=scopes)
    narrow = TestClient(api.client.app, headers={"authorization": f"Token {token}"}, follow_redirects=False)
    before = rows(api.database)["api_key"]
    for purpose, status in (("all", 403), ("read", 403), ("write", 403), ("works:work", 400), ("points", 200)):
        typed = {"name": "x", "purpose": purpose, "days": "", "projects": "", "networks": ""}
        answer = narrow.post("/console/people/keys/new", data=typed)
        assert answer.status_code == status or (purpose == "all" and "identity:write" in answer.text), purpose
    assert rows(api.database)["api_key"] == before + 2, "as narrow as itself, and narrower"
    assert '"*' not in str([one["scopes"] for one in api.ask("GET", "/keys")["items"]])


def test_guesses_of_a_password_by_changing_it_are_counted_as_logins_are(api: Api) -> None:
    statuses = [
        api.client.post("/api/v1/me/password", json={"password": f"guess {at}", "new": "another horse"}).status_code
        for at in range(30)
    ]
    assert statuses[0] == 422
    assert statuses[-1] == 429
    with api.database.read() as session:
        assert users.password_matches(users.find_user(session, "ada"), PASSWORD)
