"""Limits of organizations: off by default, never half a change, told natively and in the metrics."""

from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select
from starlette.testclient import TestClient

from entrepot.db import Base, Database
from entrepot.identity import Role, Vault, keys, limits, projects, users
from entrepot.server.auth import principal_of
from entrepot.server.run.app import create_app
from entrepot.server.services import Services
from entrepot.settings import Settings


@pytest.fixture
def client(database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> TestClient:
    monkeypatch.setattr(limits, "_LOOKED_UP_SECONDS", 0.0)
    settings = Settings(data_dir=tmp_path / "data")
    settings.data_dir.mkdir()
    Vault.create(settings.secret_key_file)
    with database.write() as session:
        own = users.create_organization(session, "own")
        users.create_organization(session, "others")
        user, _ = users.create_user(session, "ada")
        users.set_member(session, user, own, Role.WRITER)
        projects.create_project(session, principal_of(session, user), own.id, "farm")
        _, token = keys.create_key(session, user.id, own.id)
    app = create_app(Services(settings, database))
    headers = {"authorization": f"Token {token}"}
    # Of this machine, which alone may ask for metrics without a token.
    return TestClient(app, headers=headers, raise_server_exceptions=False, client=("127.0.0.1", 50000))


def _limit(database: Database, **most: int | None) -> None:
    with database.write() as session:
        limits.set_limits(session, users.find_organization(session, "own"), most)


def _rows(database: Database) -> dict[str, int]:
    with database.read() as session:
        tables = Base.metadata.sorted_tables
        return {table.name: session.scalar(select(func.count()).select_from(table)) or 0 for table in tables}


def _series(client: TestClient, name: str = "p") -> str:
    project = client.get("/api/v1/projects").json()["items"][0]["id"]
    return str(client.post("/api/v1/series", json={"project": project, "name": name}).json()["id"])


def _write(client: TestClient, series: str, start: int, count: int) -> Any:
    times = list(range(start, start + count))
    return client.post("/api/v1/points", json={series: {"time": times, "value": [1.0] * count}})


def _work(number: int) -> dict[str, Any]:
    return {"pipeline": f"p{number}", "site": "local", "user": "ada"}


def test_points_beyond_the_limit_are_refused_whole(client: TestClient, database: Database) -> None:
    series = _series(client)
    assert _write(client, series, 0, 100).status_code == 200
    _limit(database, points=150)
    before = _rows(database)
    refused = _write(client, series, 100, 51)
    assert (refused.status_code, refused.json()["type"]) == (403, "/docs#problem-limit-reached")
    for said in ("150 points", "151", "operator"):
        assert said in refused.json()["detail"]
    assert _rows(database) == before
    assert client.get(f"/api/v1/series/{series}").json()["count"] == 100
    # Up to the limit there is room, and what is there may be written again.
    assert _write(client, series, 100, 50).json()["added"] == 50
    assert _write(client, series, 150, 1).status_code == 403
    assert _write(client, series, 0, 150).json()["added"] == 0
    # Other organizations' limits are their own; one that is lifted is gone.
    _limit(database, points=None)
    assert _write(client, series, 150, 1000).json()["added"] == 1000


def test_room_that_is_made_is_seen(client: TestClient, database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "_AGAIN_SECONDS", 0.0)
    one, two = _series(client, "one"), _series(client, "two")
    _limit(database, points=10)
    assert _write(client, one, 0, 10).status_code == 200
    assert _write(client, two, 0, 1).status_code == 403
    assert client.delete(f"/api/v1/series/{one}").status_code == 204
    assert _write(client, two, 0, 10).status_code == 200


def test_files_works_and_jobs_have_limits(client: TestClient, database: Database) -> None:
    series = _series(client)
    _write(client, series, 0, 10)
    _limit(database, files=1, works=2, jobs=1)
    before = _rows(database)
    assert client.post("/api/v1/works", json=[_work(number) for number in range(3)]).status_code == 403
    assert client.post("/workflow/buckets/work", json=[_work(number) for number in range(3)]).status_code == 403
    assert _rows(database) == before
    assert client.post("/api/v1/works", json=[_work(1), _work(2)]).status_code == 200
    archived = [_work(3) | {"status": "success"}]
    assert client.post("/api/v1/archive", json=archived).json()["type"] == "/docs#problem-limit-reached"
    assert client.post("/api/v1/files", files={"file": b"12345"}).status_code == 201
    refused = client.post("/api/v1/files", files={"file": b"x"})
    assert refused.json()["type"] == "/docs#problem-limit-reached"
    kept = [path for path in (database_folder(client)).rglob("*") if path.is_file()]
    assert [path.read_bytes() for path in kept] == [b"12345"]
    _limit(database, files=None, file_bytes=8)
    assert client.post("/api/v1/files", files={"file": b"1234"}).json()["type"] == "/docs#problem-limit-reached"
    assert client.post("/api/v1/files", files={"file": b"123"}).status_code == 201
    assert client.post("/api/v1/exports", json={"series": [series]}).status_code == 202
    assert client.post("/api/v1/exports", json={"series": [series]}).json()["type"] == "/docs#problem-limit-reached"


def database_folder(client: TestClient) -> Path:
    services: Services = client.app.state.services  # type: ignore[attr-defined]
    return services.settings.files_dir


def test_use_and_limits_are_told(client: TestClient, database: Database) -> None:
    _write(client, _series(client), 0, 7)
    assert "entrepot_organization_use{" not in client.get("/metrics").text
    _limit(database, points=100)
    told = {one["name"]: one for one in client.get("/api/v1/limits").json()}
    assert told["points"] == {"name": "points", "used": 7, "most": 100}
    assert told["works"] == {"name": "works", "used": 0, "most": None}
    metrics = client.get("/metrics").text
    own = client.get("/api/v1/me").json()["organization_id"]
    assert f'entrepot_organization_use{{limit="points",organization="{own}"}} 7.0' in metrics
    assert f'entrepot_organization_limit{{limit="points",organization="{own}"}} 100.0' in metrics
    assert metrics.count("entrepot_organization_use{") == 1


def test_attachments_are_limited(client: TestClient, database: Database) -> None:
    made = client.post("/api/v1/parts/sensor-types", json={"name": "393B04"}).json()
    at = f"/api/v1/parts/sensor-types/{made['id']}/attachments/file?name=x.png"
    _limit(database, attachments=10)
    assert client.put(at, content=bytes(10)).status_code == 200
    before = _rows(database)
    refused = client.put(at.replace("/file?", "/photo?"), content=b"x")
    assert (refused.status_code, refused.json()["type"]) == (403, "/docs#problem-limit-reached"), refused.text
    assert _rows(database) == before
    # In place of what is there, nothing is added.
    assert client.put(at, content=bytes(9)).status_code == 200
    _limit(database, attachments=None)
