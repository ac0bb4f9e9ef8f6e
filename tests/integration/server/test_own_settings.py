"""An operator's own values for settings that all other tests leave as they are."""

from http.cookies import SimpleCookie
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text
from starlette.testclient import TestClient

from entrepot.identity import users
from entrepot.server.services import Services
from entrepot.settings import Settings
from tests.support.interface import Api

pytestmark = pytest.mark.parametrize("database_kind", ["sqlite"], indirect=True)


def with_settings(api: Api, **own: Any) -> Api:
    return Api(api.database, api.settings.model_copy(update=own), api.token)


def test_a_file_is_no_larger_than_the_operator_allows(api: Api) -> None:
    own = with_settings(api, file_max_bytes=1000)
    assert own.client.post("/api/v1/files", files={"file": ("a", b"x" * 1000)}).status_code == 201
    assert own.client.post("/api/v1/files", files={"file": ("a", b"x" * 1001)}).status_code == 413
    assert [one["size"] for one in own.ask("GET", "/files")["items"]] == [1000]


def test_an_old_token_ends_with_the_grace_that_the_operator_gives(api: Api) -> None:
    own = with_settings(api, key_grace_seconds=0)
    made = own.ask("POST", "/keys", 201, json={"name": "loader"})
    rotated = own.ask("POST", f"/keys/{made['id']}/rotate")
    for token, status in ((made["token"], 401), (rotated["token"], 200)):
        answer = TestClient(own.client.app).get("/api/v1/me", headers={"authorization": f"Token {token}"})
        assert answer.status_code == status


def test_a_session_of_the_console_lasts_as_long_as_the_operator_says(api: Api) -> None:
    own = with_settings(api, session_hours=0.5)
    with api.database.write() as session:
        users.set_password(session, users.find_user(session, "ada"), "correct horse")
    client = TestClient(own.client.app, follow_redirects=False)
    answer = client.post("/console/login", data={"login": "ada", "password": "correct horse"})
    assert answer.status_code == 303
    (cookie,) = SimpleCookie(answer.headers["set-cookie"]).values()
    assert cookie["max-age"] == "1800"


@pytest.mark.parametrize(("wanted", "code"), [("FULL", 2), ("NORMAL", 1)])
def test_sqlite_is_as_durable_as_the_operator_wants(tmp_path: Path, database_kind: str, wanted: Any, code: int) -> None:
    services = Services.open(Settings(data_dir=tmp_path, sqlite_synchronous=wanted))
    with services.database.read() as session:
        assert session.scalar(text("PRAGMA synchronous")) == code
    services.close()
