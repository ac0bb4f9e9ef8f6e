"""Works in the native API."""

import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from entrepot.client._http import Connection
from entrepot.client.native import Client
from entrepot.db import Database
from entrepot.identity import keys, users
from entrepot.identity.models import Role
from entrepot.server.run.app import create_app
from entrepot.server.services import Services
from entrepot.settings import Settings

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # it would rather have a successor of httpx
    from starlette.testclient import TestClient

W, A = "/api/v1/works", "/api/v1/archive"


@pytest.fixture
def client(database: Database, tmp_path: Path) -> Iterator[TestClient]:
    with database.write() as session:
        organization = users.create_organization(session, "Lab")
        user, _ = users.create_user(session, "me", "a long password")
        users.set_member(session, user, organization, Role.WRITER)
        _, token = keys.create_key(session, user.id, organization.id)
        _, narrow = keys.create_key(session, user.id, organization.id, scopes=["works:read"])
    with TestClient(create_app(Services(Settings(data_dir=tmp_path), database))) as client:
        client.headers["authorization"] = f"Bearer {token}"
        client.headers["x-narrow"] = narrow
        yield client


def _post(client: TestClient, path: str, body: Any, status: int = 200) -> Any:
    answer = client.post(path, json=body)
    assert answer.status_code == status, answer.text
    return answer.json() if answer.content else None


def _work(pipeline: str = "p", **fields: Any) -> dict[str, Any]:
    return {"pipeline": pipeline, "site": "local", "user": "me", **fields}


def test_the_queue(client: TestClient) -> None:
    given = [_work(id="a" * 24, priority=1, parameters={"big": 2**70}), _work(tags=["t"])]
    ids = _post(client, W, given)["ids"]
    assert ids[0] == "a" * 24
    assert _post(client, W, [_work(id="a" * 24)], 409)["type"] == "/docs#problem-conflict"
    taken = _post(client, f"{W}/withdraw", {"query": {"pipeline": "p"}, "limit": 5, "lease_seconds": 60})
    assert [one["id"] for one in taken] == [ids[1], ids[0]]
    assert taken[1]["parameters"]["big"] == 2**70
    _post(client, f"{W}/{ids[0]}/heartbeat", {"attempt": 1, "lease_seconds": 0}, 204)
    _post(client, f"{W}/{ids[1]}/heartbeat", {"attempt": 2}, 409)
    assert _post(client, f"{W}/audit", {}) == {"requeued": 0, "expired": 1}
    assert client.put(W, json=[{**taken[0], "status": "failure", "attempt": 2}]).json() == {"updated": True}
    assert client.put(W, json=[{**taken[0], "status": "success"}]).json() == {"updated": False}
    assert client.get(f"{W}/status", params={"pipeline": "p"}).json()["failure"] == 2
    assert client.get(f"{W}/pipelines").json() == ["p"]
    assert _post(client, f"{W}/retry", {"query": {"tags": "t"}}) == {"requeued": 1}
    assert client.get(f"{W}/{ids[1]}").json()["status"] == "queued"
    assert client.get(f"{W}/unknown").status_code == 404
    by_id = {"query": {}, "projection": {"id": 1}, "sort": [["id", -1]], "limit": 1}
    assert _post(client, f"{W}/view", by_id) == [{"id": max(ids)}]
    assert _post(client, f"{W}/count", {"query": {"status": {"$ne": "queued"}}}) == {"count": 1}
    assert _post(client, f"{W}/explain", {"query": {"tags": "t"}})["exact"]
    assert "query" in _post(client, f"{W}/delete", {}, 422)["fields"]
    assert _post(client, f"{W}/delete", {"ids": ids[:1]}) == {"deleted": 1}
    assert _post(client, f"{W}/delete", {"query": {}}) == {"deleted": 1}


def test_the_archive(client: TestClient) -> None:
    given = [_work(id=one, status="success", results={"n": number}) for number, one in enumerate("abc")]
    assert _post(client, A, given) == {"ids": ["a", "b", "c"]}
    assert client.get(f"{A}/status").json() == {"p": 3}
    locks = [_post(client, "/api/v1/locks", {"kind": "work", "id": one}, 201)["id"] for one in ("a", "p/b")]
    for path, body in (("delete", {"pipeline": "p", "ids": ["c", "a"]}), ("delete", {"query": {"results.n": 1}})):
        assert _post(client, f"{A}/{path}", body, 409)["type"] == "/docs#problem-locked"
    refused = client.put(A, json=[{**given[2], "tags": ["x"]}, {**given[0], "tags": ["x"]}])
    assert (refused.status_code, refused.json()["type"]) == (409, "/docs#problem-locked")
    assert _post(client, f"{A}/count", {"query": {"tags": "x"}}) == {"count": 0}
    assert client.put(A, json=[{**given[2], "tags": ["x"]}]).status_code == 204
    found = _post(client, f"{A}/view", {"query": {"results.n": {"$gte": 1}}, "projection": {"id": 1}})
    assert found == [{"id": "c"}, {"id": "b"}]
    assert _post(client, f"{A}/explain", {"query": {"results.n": 1}})["conditions"]
    assert [client.delete(f"/api/v1/locks/{lock}").status_code for lock in locks] == [204, 204]
    assert _post(client, f"{A}/delete", {"query": {"pipeline": "p"}}) == {"deleted": 3}


def test_bad_input_is_named_and_rights_are_asked_for(client: TestClient) -> None:
    for path, body, name in (
        (f"{W}/withdraw", {"limit": -1}, "limit"), (f"{W}/withdraw", {"limit": 5000}, "limit"),
        (f"{W}/view", {"sort": ["id"]}, "sort"), (f"{W}/view", {"sort": [["nothing", 1]]}, "sort"),
        (f"{W}/retry", {"ids": "a"}, "ids"), (f"{A}/delete", {"ids": []}, "pipeline"),
        (f"{A}/view", {"query": {"$where": "1"}}, "$where"),
    ):  # fmt: skip
        assert name in _post(client, path, body, 422)["fields"]
    _post(client, W, None, 400)
    _post(client, f"{W}/view", [], 400)
    client.headers["authorization"] = f"Bearer {client.headers['x-narrow']}"
    assert _post(client, f"{W}/view", {}) == []
    _post(client, f"{W}/withdraw", {}, 403)
    _post(client, "/api/v1/locks", {"kind": "work", "id": "a"}, 403)


def test_works_are_walked_by_a_cursor(client: TestClient) -> None:
    ids = [f"{number:024x}" for number in range(5)]
    _post(client, W, [_work(id=one) for one in ids])
    _post(client, A, [_work(id=one, status="success") for one in ids])
    for place in (W, A):
        body: dict[str, Any] = {"query": {"pipeline": "p"}, "projection": {"id": 1}, "limit": 2, "cursor": None}
        seen = []
        while True:
            page = _post(client, f"{place}/view", body)
            assert list(page) == ["items", "next"]
            seen += [one["id"] for one in page["items"]]
            if page["next"] is None:
                break
            body["cursor"] = page["next"]
        assert seen == ids
        for wrong in ({"limit": 0}, {"limit": 1001}, {"sort": [["id", 1]]}, {"skip": 1}, {"cursor": 1}):
            _post(client, f"{place}/view", {"cursor": None} | wrong, 422)


def test_the_sdk_walks_works(client: TestClient) -> None:
    ids = [f"{number:024x}" for number in range(5)]
    _post(client, A, [_work(id=one, status="success", results={"n": one}) for one in ids])

    def answer(request: httpx.Request) -> httpx.Response:
        found = client.request(request.method, request.url.path, content=request.content)
        return httpx.Response(found.status_code, content=found.content)

    sdk = Client(Connection("http://server", transport=httpx.MockTransport(answer)))
    assert [one["id"] for one in sdk.archive.walk(at_once=2)] == ids
    found = sdk.archive.walk({"results.n": {"$gte": ids[3]}}, {"results": 1})
    assert [one["results"]["n"] for one in found] == ids[3:]
    assert (sdk.archive.count({"id": ids[0]}), sdk.works.count(), list(sdk.works.walk())) == (1, 0, [])


def test_many_works_are_counted_understood_and_changed(client: TestClient) -> None:
    ids = _post(client, W, [_work(id=f"{n:024}", tags=["t"], parameters={"n": n}) for n in range(4)])["ids"]
    (board,) = client.get(f"{W}/board").json()["items"]
    assert (board["pipeline"], board["queued"], board["oldest_started_at"], board["ended_last_hour"]) == (
        "p",
        4,
        None,
        0,
    )
    assert _post(client, f"{W}/cancel", {"ids": ids[:1]}) == {"cancelled": 1}
    assert _post(client, f"{W}/cancel", {"query": {"parameters.n": {"$lte": 1}}}) == {"cancelled": 1}
    _post(client, f"{W}/cancel", {}, 422)
    facets = _post(client, f"{W}/facets", {})
    assert facets["fields"]["status"] == [{"value": "failure", "count": 2}, {"value": "queued", "count": 2}]
    (cause,) = _post(client, f"{W}/failures", {"query": {"tags": "t"}})["items"]
    assert (cause["error"], cause["count"], cause["pipelines"]) == ("", 2, {"p": 2})
    assert _post(client, f"{W}/count", {"query": cause["query"]}) == {"count": 2}
    assert "parameters.n" in client.get(f"{W}/fields").json()["items"]
    explained = _post(client, f"{W}/explain", {"query": {"parameters.n": 1}})
    assert (explained["documents"], explained["more"]) == (4, False)
    run = _post(client, f"{W}/changes", {"action": "retry", "query": {}}, 202)
    assert client.get(f"/api/v1/runs/{run['id']}").json()["status"] == "pending"
    _post(client, f"{W}/changes", {"action": "lock", "query": {}}, 422)
    _post(client, f"{W}/changes", {"action": "retry"}, 422)
    _post(client, f"{W}/changes", {"action": "retry", "query": {"$where": "1"}}, 422)
    for path in (f"{W}/facets", f"{W}/failures", f"{A}/facets", f"{A}/failures"):
        _post(client, path, {"query": {"$where": "1"}}, 422)
    _post(client, A, [_work(id=f"{n:024}", status="success", tags=["t"]) for n in range(3)])
    assert _post(client, f"{A}/lock", {"pipeline": "p", "ids": [f"{0:024}"]}) == {"locked": 1}
    assert _post(client, f"{A}/lock", {"query": {"tags": "t"}}) == {"locked": 2}
    assert _post(client, f"{A}/unlock", {"query": {}}) == {"unlocked": 3}
    assert client.get(f"{A}/fields").json()["items"][0] == "pipeline"
    narrow = {"authorization": f"Bearer {client.headers['x-narrow']}"}
    assert client.get(f"{W}/board", headers=narrow).status_code == 200
    for path, body in ((f"{W}/cancel", {"query": {}}), (f"{A}/lock", {"query": {}}),
                       (f"{W}/changes", {"action": "delete", "query": {}})):  # fmt: skip
        assert client.post(path, json=body, headers=narrow).status_code == 403, path
