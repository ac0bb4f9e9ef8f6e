"""The workflow door, request by request; the published client itself is in tests/conformance/workflow."""

import json
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from entrepot.db import Database
from entrepot.identity import keys, users
from entrepot.identity.models import Role
from entrepot.server.run.app import create_app
from entrepot.server.services import Services
from entrepot.settings import Settings

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # it would rather have a successor of httpx
    from starlette.testclient import TestClient

B, R = "/workflow/buckets", "/workflow/results"
SLACK = dict.fromkeys(("channel_id", "member_ids", "message", "results", "products", "plots", "blocks", "reply"))


@pytest.fixture
def client(database: Database, tmp_path: Path) -> Iterator[TestClient]:
    with database.write() as session:
        organization = users.create_organization(session, "Lab")
        user, _ = users.create_user(session, "me", "a long password")
        users.set_member(session, user, organization, Role.WRITER)
        _, token = keys.create_key(session, user.id, organization.id)
    services = Services(Settings(data_dir=tmp_path), database)
    with TestClient(create_app(services), headers={"x-access-token": token}) as client:
        yield client


def _work(pipeline: str = "header-localization", **fields: Any) -> dict[str, Any]:
    return {
        "pipeline": pipeline, "site": "local", "user": "me", "function": None, "parameters": None, "command": None,
        "results": None, "products": None, "plots": None, "tags": None, "event": None, "id": None,
        "creation": time.time(), "start": None, "stop": None, "attempt": 0, "status": "created", "timeout": 3600,
        "retries": 2, "priority": 3,
        "config": {"archive": {"results": True, "products": "copy", "plots": "copy", "logs": "move"}, "metrics": False,
                   "parent": None, "orgs": ["chimefrb"], "teams": None},
        "notify": {"slack": SLACK},
    } | fields  # fmt: skip


def test_versions_are_open_and_nothing_else_is(client: TestClient) -> None:
    nobody = {"x-access-token": ""}
    for base in (B, R):
        head = client.head(f"{base}/version", headers=nobody)
        assert (head.status_code, head.content) == (200, b"")
        assert isinstance(client.get(f"{base}/version", headers=nobody).json()["version"], str)
        refused = client.get(f"{base}/status", headers=nobody)
        assert refused.status_code == 401
        assert list(refused.json()) == ["status", "error", "message"]
        wrong = client.post(f"{base}/view", json={"query": {}}, headers={"x-access-token": "ghp_unknown"})
        assert wrong.status_code == 401
    missing = client.get("/workflow/buckets/nothing")
    assert (missing.status_code, missing.json()["error"]) == (404, "not-found")


def test_the_archive_answers_as_documented(client: TestClient) -> None:
    work = _work(status="success", id="65fc4dae5ffde0e8dbeebc61", results={"dm": 1.0}, event=[9385707, 9385708])
    pipeline, the_id = work["pipeline"], work["id"]

    def put(results: dict[str, Any]) -> Any:
        return client.put(f"{R}/results", json=[{**work, "results": results}]).json()

    def view(query: Any, **more: Any) -> Any:
        body = {"query": {"pipeline": pipeline, **query}, "projection": {}, "skip": 0, "limit": 0, **more}
        return client.post(f"{R}/view", json=body).json()

    assert client.get(f"{R}/status").json() == {}
    assert client.post(f"{R}/results", json=[]).json() == {}
    assert client.put(f"{R}/results", json=[]).json() == {}
    assert client.delete(f"{R}/results").json() == {}
    assert client.post(f"{R}/results", json=[work]).json() == {pipeline: True}
    again = client.post(f"{R}/results", json=[_work(status="success", id="new"), work])
    assert again.status_code == 409
    assert again.json() == {
        "status": 409, "error": "conflict", "message": f"id {the_id} already exists in {pipeline}"
    }  # fmt: skip
    assert client.get(f"{R}/status").json() == {pipeline: 1}
    assert view({}) == [work]
    assert view({"event": [9385707]}) == []
    assert view({"event": [9385707, 9385708]}) == view({"event": 9385707}) == [work]
    assert view({"id": {"$in": [the_id]}}, projection={"results.dm": 1, "plots": True, "_id": False}, limit=None) == [
        {"results": {"dm": 1.0}, "plots": None}
    ]
    assert client.post(f"{R}/view/count", json={"query": {"pipeline": pipeline}}).json() == 1
    assert client.post(f"{R}/view/count", json={"query": {"pipeline": "none"}}).json() == 0

    assert put({"dm": 1.0, "locked": True}) == {pipeline: True}
    assert put({"dm": 2.0, "locked": True}) is False
    assert client.delete(f"{R}/results", params={pipeline: [the_id]}).json() == {pipeline: False}
    assert put({"dm": 1.0, "locked": True}) == {pipeline: True}
    assert client.post(f"{R}/view/count", json={"query": {"results.locked": True}}).json() == 1
    assert put({"dm": 1.0, "locked": False}) == {pipeline: True}
    assert client.put(f"{R}/results", json=[{**work, "id": "unknown"}]).json() is False
    assert client.delete(f"{R}/results", params={pipeline: [the_id, "unknown"], "none": "x"}).json() == {
        pipeline: True, "none": False
    }  # fmt: skip


def test_bad_requests_are_told_in_the_dialects_words(client: TestClient) -> None:
    running = _work(status="running")
    large = _work(status="success", results={"x": "y" * 4_000_000})
    for method, path, body, status, word in (
        ("POST", f"{R}/results", [running], 400, "status"),
        ("PUT", f"{R}/results", [{**running, "id": "a"}], 400, "status"),
        ("POST", f"{R}/results", [large], 413, "results"),
        ("POST", f"{R}/results", {"not": "a list"}, 400, "array"),
        ("POST", f"{B}/work", [large], 413, "results"),
        ("POST", f"{B}/work", [_work("a b")], 400, "pipeline"),
        ("POST", f"{B}/work/withdraw", {"$where": "1"}, 400, "$where"),
        ("POST", f"{B}/work/withdraw", [1], 400, "query"),
        ("POST", f"{R}/view", {"query": {"a": {"$near": 1}}}, 400, "$near"),
        ("POST", f"{R}/view", {"query": {}, "skip": -1}, 400, "skip"),
        ("POST", f"{R}/view", {"query": {}, "projection": {"a": 1, "b": 0}}, 400, "projection"),
        ("POST", f"{R}/view", None, 400, "body"),
        ("GET", f"{B}/audit/stale/soon", None, 400, "days"),
    ):
        answer = client.request(method, path, json=body)
        assert (answer.status_code, answer.json()["status"]) == (status, status), path
        assert word in answer.json()["message"]
    broken = client.post(f"{B}/work", content=b"[{", headers={"content-type": "application/json; charset=utf-8"})
    assert (broken.status_code, broken.json()["error"]) == (400, "invalid")


def test_the_queue_answers_as_documented(client: TestClient) -> None:
    zero = {"total": 0, "queued": 0, "running": 0, "success": 0, "failure": 0}
    assert client.post(f"{B}/work/withdraw", json={"pipeline": {"$in": ["complete"]}}).json() == {}
    assert client.get(f"{B}/status/details/complete").json() == zero
    assert client.post(f"{B}/work?return_ids=False&return_ids=False", json=[_work("slow", creation=1.5)]).json() is True
    (the_id,) = client.post(f"{B}/work?return_ids=True&return_ids=True", json=[_work("complete", priority=4)]).json()
    assert client.get(f"{B}/status/pipelines").json() == ["complete", "slow"]
    work = client.post(f"{B}/work/withdraw", json={"pipeline": {"$in": ["complete"]}, "site": "local"}).json()
    assert list(work) == list(_work())
    assert (work["id"], work["status"], work["attempt"], work["stop"]) == (the_id, "running", 1, None)
    done = {**work, "status": "success", "results": {"sum": 18}, "stop": work["start"] + 1}
    assert client.put(f"{B}/work", json=[done]).json() is True
    assert client.put(f"{B}/work", json=[{**done, "attempt": 0}]).json() is False
    details = client.get(f"{B}/status/details/complete").text
    assert details == '{"total":1,"queued":0,"running":0,"success":1,"failure":0}'
    assert client.get(f"{B}/status").json()["total"] == 2
    shape = {"query": {"pipeline": "complete"}, "projection": {"id": True, "_id": False}, "skip": 0, "limit": None}
    assert client.post(f"{B}//view", json=shape).json() == [{"id": the_id}]
    for name in ("failed", "expired", "stale/7.0"):
        audited = client.get(f"{B}/audit/{name}")
        assert (audited.json(), audited.headers["cache-control"]) == (int(name == "stale/7.0"), "no-store")
    assert client.request("DELETE", f"{B}/work", params={"ids": [the_id, the_id, "unknown"]}).json() is True
    assert client.request("DELETE", f"{B}/work", params={"ids": [the_id]}).json() is False
    assert client.request("DELETE", f"{B}/work").json() is False


def test_numbers_keep_what_they_are(client: TestClient) -> None:
    text = json.dumps([_work("p", status="success", id="a", results={"one": 1, "float": 1.0, "big": 10**40})])
    client.post(f"{R}/results", content=text)
    seen = client.post(f"{R}/view", json={"query": {}}).text
    assert json.dumps(json.loads(seen)) == text
    assert '"big":1' + "0" * 40 in client.post(f"{R}/view", json={"query": {}, "projection": {"results": 1}}).text


def test_large_bodies_are_taken(client: TestClient) -> None:
    works = [_work("p", status="success", id=f"{number}", results={"x": "y" * 900_000}) for number in range(20)]
    assert client.post(f"{R}/results", json=works).json() == {"p": True}
    assert client.post(f"{R}/view/count", json={"query": {"results.x": {"$regex": "^y+$"}}}).json() == 20


def test_pipelines_configs_and_schedules_are_empty(client: TestClient) -> None:
    base = "/workflow/pipelines/v2"
    assert client.head(f"{base}/version", headers={"x-access-token": ""}).status_code == 200
    for path in ("/configs?database=pipelines&name=a", "/configs?query={}&projection={}", "/schedule?projection={}"):
        assert client.get(f"{base}{path}").json() == []
    for path in ("/configs/count?database=configs", "/schedule/count", "/status?a=b"):
        assert client.get(f"{base}{path}").json() == {}
    for method, path in (
        ("POST", "/configs"), ("POST", "/schedule"), ("POST", "/configs/retry"), ("PUT", "/configs/cancel?name=a"),
        ("DELETE", "/configs?name=a"), ("DELETE", "/schedule"), ("POST", "/configs/migrate"),
    ):  # fmt: skip
        refused = client.request(method, f"{base}{path}", json={"name": "a"})
        assert (refused.status_code, "runs no pipelines" in refused.json()["message"]) == (400, True), path
    assert client.get(f"{base}/configs", headers={"x-access-token": ""}).status_code == 401
