"""``Idempotency-Key``: what is sent twice is done once, and answered the same."""

import io
import threading
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import func, select
from starlette.testclient import TestClient

import entrepot.client.native as native
from entrepot.client._http import Connection
from entrepot.client.owi import ResultsAPI
from entrepot.db import Base, Database, now
from entrepot.identity import Role, User, Vault, keys, repeats, users
from entrepot.identity.models import KeptAnswer
from entrepot.server.run.app import create_app
from entrepot.server.services import Services
from entrepot.settings import Settings

ROW = {
    "name_col1": "depth", "units_col1": "m", "value_col1": [0.0, 5.0],
    "name_col2": "moment", "units_col2": "kNm", "value_col2": [1.5, 2.5], "short_description": "leg A",
}  # fmt: skip


@dataclass
class House:
    """A server with an administrator, a writer, a project, a series and an analysis of rows."""

    app: Any
    database: Database
    tokens: dict[str, str]
    project: str = ""
    series: str = ""
    analysis: int = 0

    def post(self, path: str, body: Any, key: str | None = None, by: str = "admin", **options: Any) -> httpx.Response:
        headers = {"authorization": f"Token {self.tokens[by]}"}
        if key is not None:
            headers["idempotency-key"] = key
        options = options or {"json": body}
        client = TestClient(self.app, raise_server_exceptions=False)
        return client.post(path, headers=headers, **options)

    def counts(self) -> dict[str, int]:
        """Return how many rows each table has."""
        with self.database.read() as session:
            tables = [table for table in Base.metadata.sorted_tables if table.name != "kept_answer"]
            return {table.name: session.scalar(select(func.count()).select_from(table)) or 0 for table in tables}


@pytest.fixture
def house(database: Database, tmp_path: Path) -> House:
    settings = Settings(data_dir=tmp_path / "data")
    settings.data_dir.mkdir()
    Vault.create(settings.secret_key_file)
    tokens = {}
    with database.write() as session:
        own = users.create_organization(session, "own")
        for login, role in (("admin", Role.ADMIN), ("writer", Role.WRITER)):
            user = User(login=login, password_hash="")
            session.add(user)
            session.flush()
            users.set_member(session, user, own, role)
            tokens[login] = keys.create_key(session, user.id, own.id)[1]
    house = House(create_app(Services(settings, database)), database, tokens)
    house.project = house.post("/api/v1/projects", {"name": "farm"}).json()["id"]
    house.series = house.post("/api/v1/series", {"project": house.project, "name": "power"}).json()["id"]
    site = house.post("/owi/api/v1/locations/projectsites/", {"title": "Belwind"}).json()["id"]
    model = house.post("/owi/api/v1/geometry/routes/modeldefinitions/", {"title": "m", "project": site}).json()["id"]
    made = house.post("/owi/api/v1/results/routes/analysis/", {"name": "A", "model_definition": model})
    house.analysis = made.json()["id"]
    return house


def creations(house: House) -> list[tuple[str, Any]]:
    """Return every kind of thing that can be made, with what makes it."""
    work = {"pipeline": "p", "user": "ada", "site": "local", "function": "math.cos"}
    done = {"pipeline": "p", "status": "success", "creation": 1.0, "start": 1.0, "stop": 2.0, "id": "0" * 24}
    return [
        ("/api/v1/projects", {"name": "another"}),
        ("/api/v1/series", {"project": house.project, "name": "wind"}),
        ("/api/v1/keys", {"name": "machine"}),
        ("/api/v1/webhooks", {"url": "https://example.org/hook"}),
        (
            "/api/v1/storages",
            {"url": "s3://bucket/folder", "credentials": {"access_key_id": "a", "secret_access_key": "b"}},
        ),
        ("/api/v1/works", [work]),
        ("/api/v1/archive", [{**work, **done}]),
        ("/api/v1/uploads", {"name": "a.csv", "size": 3}),
        ("/api/v1/exports", {"series": [house.series]}),
        ("/owi/api/v1/results/routes/result/", {**ROW, "analysis": house.analysis}),
        ("/owi/api/v1/results/routes/result/bulk/", [{**ROW, "analysis": house.analysis}] * 3),
        ("/owi/api/v1/locations/projectsites/", {"title": "Nobelwind"}),
    ]


def test_every_creation_is_done_once(house: House) -> None:
    for number, (path, body) in enumerate(creations(house)):
        first = house.post(path, body, f"key {number}")
        assert first.is_success, (path, first.text)
        before = house.counts()
        again = house.post(path, body, f"key {number}")
        assert (again.status_code, again.content) == (first.status_code, first.content), path
        assert again.headers["content-type"] == first.headers["content-type"]
        assert again.headers["idempotency-replayed"] == "true"
        assert "idempotency-replayed" not in first.headers
        assert house.counts() == before, path


def test_a_file_in_a_form_is_published_once(house: House) -> None:
    def publish(content: bytes, key: str | None) -> httpx.Response:
        return house.post("/api/v1/files", None, key, files={"file": ("a.json", io.BytesIO(content))})

    first, again = publish(b"{}", "one"), publish(b"{}", "one")  # each with a boundary of its own
    assert first.status_code == again.status_code == 201, first.text
    assert again.json() == first.json()
    assert again.headers["location"] == first.headers["location"]
    assert house.counts()["published_file"] == 1
    assert publish(b"[]", "one").status_code == 422
    assert house.counts()["published_file"] == 1
    spools = [path for path in house.app.state.services.settings.data_dir.rglob("spool/*/*") if path.is_file()]
    assert spools == []


def test_a_key_is_for_one_request_of_one_user(house: House) -> None:
    path, body = "/api/v1/projects", {"name": "north"}
    assert house.post(path, body, "k").status_code == 201
    other = house.post(path, {"name": "south"}, "k")
    assert (other.status_code, other.json()["type"]) == (422, "/docs#problem-idempotency-key-reused")
    assert "Idempotency-Key" in other.json()["fields"]
    elsewhere = house.post("/owi/api/v1/locations/projectsites/", {"title": "x"}, "k")
    assert elsewhere.status_code == 422
    assert elsewhere.json().keys() == {"Idempotency-Key"}  # in that door's words
    assert house.post(path, {"name": "west"}, "k", by="writer").status_code == 201
    for wrong in ("", "x" * 256, "a\tb"):
        refused = house.post(path, {"name": "east"}, wrong)
        assert (refused.status_code, [*refused.json()["fields"]]) == (422, ["Idempotency-Key"])
    assert house.counts()["project"] == 3


def test_what_was_refused_may_come_again_mended(house: House) -> None:
    assert house.post("/api/v1/projects", {"name": 3}, "k").status_code == 422
    assert house.post("/api/v1/projects", {"name": "mended"}, "k").status_code == 201


def test_nothing_is_made_without_its_answer_being_kept(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """As when the server dies between the two: they are one transaction."""

    def die(*_: Any) -> None:
        raise RuntimeError("killed")

    for path, body in (creations(house)[0], creations(house)[-2]):
        before = house.counts()
        with monkeypatch.context() as patched:
            patched.setattr(repeats.Repeatable, "keep", die)
            assert house.post(path, body, "k").status_code == 500
        assert house.counts() == before
        assert house.post(path, body, path).is_success


def test_repeats_at_the_same_time_are_one(house: House) -> None:
    body = [{**ROW, "analysis": house.analysis}]
    answers: list[bytes] = []
    threads = [
        threading.Thread(
            target=lambda: answers.append(house.post("/owi/api/v1/results/routes/result/bulk/", body, "k").content)
        )
        for _ in range(6)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(answers) == 6
    assert len(set(answers)) == 1
    assert house.counts()["result_row"] == 1


def test_answers_are_kept_encrypted_and_for_a_day(house: House) -> None:
    token = house.post("/api/v1/keys", {"name": "machine"}, "k").json()["token"]
    with house.database.write() as session:
        kept = session.scalars(select(KeptAnswer)).one()
        assert token not in kept.body_encrypted
        kept.created_at -= timedelta(hours=23)
    assert house.post("/api/v1/keys", {"name": "machine"}, "k").json()["token"] == token
    with house.database.write() as session:
        session.scalars(select(KeptAnswer)).one().created_at -= timedelta(hours=2)
    assert house.post("/api/v1/keys", {"name": "machine"}, "k").json()["token"] != token  # another request
    house.post("/api/v1/keys", {"name": "machine"}, "young")
    with house.database.write() as session:
        session.scalars(select(KeptAnswer)).first().created_at -= timedelta(hours=25)
        assert repeats.prune(session, now() - timedelta(days=1)) == 1
        assert session.scalar(select(func.count()).select_from(KeptAnswer)) == 1


class Lossy(httpx.BaseTransport):
    """The server behind a network that loses the first answers."""

    def __init__(self, app: Any, lost: int) -> None:
        self.inside = TestClient(app)._transport
        self.lost = lost
        self.keys: list[str | None] = []

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        self.keys.append(request.headers.get("idempotency-key"))
        answer = self.inside.handle_request(request)
        if request.method != "GET" and self.lost:
            self.lost -= 1
            raise httpx.ReadError("connection reset")
        return answer


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("entrepot.client._http._PAUSES", (0.0, 0.0))


def test_the_sdk_sends_again_what_it_has_no_answer_to(house: House) -> None:
    lossy = Lossy(house.app, 2)
    headers = {"authorization": f"Token {house.tokens['admin']}"}
    client = native.Client(Connection("http://testserver", headers=headers, transport=lossy))
    project = client.projects.create("lost")
    assert [one.name for one in client.projects if one.name == "lost"] == ["lost"]
    sent = {key for key in lossy.keys if key}
    assert len(sent) == 1
    lossy.lost = 1
    project.series.create("power")
    assert [one.name for one in project.series] == ["power"]
    lossy.lost = 3
    with pytest.raises(httpx.ReadError):
        client.keys.create("machine")
    assert len({key for key in lossy.keys if key}) == 3


def test_rows_sent_again_by_the_sdk_are_not_doubled(house: House) -> None:
    lossy = Lossy(house.app, 1)
    api = ResultsAPI(api_root="http://testserver/owi/api/v1", token=house.tokens["writer"], transport=lossy)
    rows = [{**ROW, "analysis": house.analysis}, {**ROW, "analysis": house.analysis, "short_description": "leg B"}]
    made = api.create_results_bulk(rows)["data"]
    assert list(made["short_description"]) == ["leg A", "leg B"]
    lossy.lost = 1
    api.create_or_update_results_bulk([{**rows[0], "short_description": "leg C"}])
    listed = api.list_results(analysis=house.analysis)["data"]
    assert list(listed["short_description"]) == ["leg A", "leg B", "leg C"]
