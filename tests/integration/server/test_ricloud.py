"""The ricloud door over HTTP: lists, filters, errors, the life of polls, and whose secrets are told when."""

import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.deadline import eventually
from tests.support.server import ServerProcess


@pytest.fixture
def client(shared_server: ServerProcess) -> Iterator[httpx.Client]:
    headers = {"authorization": f"Token {shared_server.token}"}
    with shared_server.http(auth=None, headers=headers, base_url=f"{shared_server.url}/ricloud") as client:
        yield client


@pytest.fixture
def native(shared_server: ServerProcess) -> Iterator[httpx.Client]:
    headers = {"authorization": f"Token {shared_server.token}"}
    with shared_server.http(auth=None, headers=headers, base_url=f"{shared_server.url}/api/v1") as client:
        yield client


def _post(client: httpx.Client, path: str, body: Any = None, status: int = 201) -> dict[str, Any]:
    answer = client.post(path, json=body)
    assert answer.status_code == status, answer.text
    record: dict[str, Any] = answer.json()
    return record


def _publish(native: httpx.Client, content: bytes = b"{}", **fields: str) -> dict[str, Any]:
    answer = native.post("/files", files={"file": ("a.json", content)}, data=fields)
    assert answer.status_code == 201, answer.text
    record: dict[str, Any] = answer.json()
    return record


def test_results(client: httpx.Client, native: httpx.Client) -> None:
    made = _publish(native, identifier="ios_messages.messages")
    result = client.get(f"/results/{made['id']}").json()
    assert list(result) == [
        "id",
        "resource",
        "organisation",
        "poll",
        "task",
        "identifier",
        "url",
        "type",
        "checksum",
        "size",
        "signed_url",
        "state",
        "date_created",
        "date_consumed",
        "date_deleted",
    ]
    assert (result["checksum"], result["size"], result["type"]) == ("99914b932bd37a50b983c5e7c90ae93b", 2, "json")
    assert result["url"].startswith("local:///")
    with Path(result["url"].removeprefix("local://")).open("rb") as file:
        assert file.read() == b"{}", "clients read local results where they are"
    assert httpx.get(result["signed_url"]["url"], trust_env=False).content == b"{}"
    listed = client.get("/results", params={"poll": made["poll"]}).json()
    assert (listed["resource"], listed["has_more"], listed["total_count"], listed["url"]) == (
        "list",
        False,
        1,
        "/results",
    )
    assert listed["data"] == [result]
    acked = client.post(f"/results/{made['id']}/ack", content=b"null").json()
    assert acked["state"] == "consumed"
    assert client.post(f"/results/{made['id']}/ack", content=b"null").json() == acked
    assert client.get("/results", params={"poll": made["poll"]}).json()["data"] == []
    assert client.get("/results", params={"poll": made["poll"], "state": "consumed"}).json()["data"] == [acked]
    day = acked["date_consumed"][:10]
    for params in ({"date_consumed": day}, {"date_consumed[gte]": day}, {"date_consumed__gte": day}):
        assert client.get("/results", params=params | {"poll": made["poll"]}).json()["data"] == [acked], params
    assert client.get("/results", params={"date_created__lt": day, "state": "consumed"}).json()["data"] == []
    exact = {"date_created": acked["date_created"][:23] + "Z", "state": ["consumed", "expired"], "poll": made["poll"]}
    assert client.get("/results", params=exact).json()["data"] == [acked]


def test_batch_acknowledge(client: httpx.Client, native: httpx.Client) -> None:
    ids = [_publish(native)["id"] for _ in range(2)]
    answer = _post(client, "/results/ack", {"ids": [*ids, "unknown", ids[0]]}, 200)
    assert [one["state"] for one in answer["data"]] == ["consumed", "consumed"]
    assert answer["url"] == "/results/ack"
    again = _post(client, "/results/ack", {"ids": ids}, 200)
    assert again["data"] == answer["data"]
    for body in ({"ids": "x"}, {}, None, {"ids": [None]}):
        wrong = client.post("/results/ack", json=body)
        assert (wrong.status_code, wrong.json()["error"]) == (400, "invalid-parameter")
        assert wrong.json()["params"] == {"ids": ["A list of result ids is required."]}


def test_pages(client: httpx.Client, native: httpx.Client) -> None:
    poll = _publish(native)["poll"]
    for _ in range(11):
        _publish(native, poll=poll)
    whole = client.get("/results", params={"poll": poll, "limit": 1000}).json()["data"]
    first = client.get("/results", params={"poll": poll}).json()
    assert (len(first["data"]), first["has_more"], first["total_count"]) == (10, True, 12)
    rest = client.get("/results", params={"poll": poll, "after_id": first["data"][-1]["id"]}).json()
    assert (first["data"] + rest["data"], rest["has_more"], rest["total_count"]) == (whole, False, 12)
    between = {"poll": poll, "after_id": whole[2]["id"], "before_id": whole[0]["id"]}
    assert client.get("/results", params=between).json()["data"] == []
    before = client.get("/results", params={"poll": poll, "before_id": whole[2]["id"]}).json()
    assert before["data"] == whole[:2]


@pytest.mark.parametrize(
    "query",
    [
        "limit=0",
        "limit=1001",
        "limit=x",
        "limit=-1",
        "stat=consumed",
        "date_created=gte",
        "date_created=2020-13-01",
        "date_created[like]=2020-01-01",
        "date_created[gte]=",
        "date_created__gte=9999-12-31T23:59:59Z",
        "after_id=unknown",
        "before_id=%00",
        "poll=%00",
    ],
)
def test_queries_that_are_wrong(client: httpx.Client, query: str) -> None:
    answer = client.get(f"/results?{query}")
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid-parameter")
    assert answer.json()["params"]


def test_errors_are_always_json(client: httpx.Client, shared_server: ServerProcess) -> None:
    for method, path, status in [
        ("GET", "/results/unknown", 404),
        ("GET", "/nothing", 404),
        ("PUT", "/results", 404),
        ("DELETE", "/results/x", 404),
        ("GET", "/", 404),
    ]:
        answer = client.request(method, path)
        assert (answer.status_code, answer.json()["error"]) == (status, "not-found"), (method, path)
    assert client.post("/polls", content=b"{nope").json()["error"] == "invalid-body"
    assert client.get("/results", headers={"authorization": "Token x"}).json()["error"] == "unauthorized"


def test_a_poll_lives(client: httpx.Client, native: httpx.Client) -> None:
    user = _post(client, "/users", {"identifier": str(uuid.uuid4())})
    assert _post(client, "/users", {"identifier": user["identifier"]}, 200) == user
    about = {"user": user["id"], "type": "mocks.mock", "identifier": "a@b.c"}
    session = _post(client, "/sessions", {"source": about, "payload": {"password": "pässword"}})
    assert (session["state"], session["source"]["identifier"]) == ("active", "a@b.c")
    assert "ssword" not in client.get(f"/sessions/{session['id']}").text
    assert client.get("/sources", params={"user": user["id"]}).json()["total_count"] == 1
    poll = _post(client, "/polls", {"session": session["id"], "payload": {"info_types": ["*"]}})
    assert (poll["state"], poll["source"], poll["results"]["data"]) == ("pending", session["source"]["id"], [])
    (work,) = native.post(
        "/works/withdraw", json={"query": {"pipeline": "ricloud-poll", "parameters.poll": poll["id"]}}
    ).json()
    assert work["parameters"]["payload"] == {"info_types": ["*"]}
    assert poll["tasks_pending"] == [work["parameters"]["task"]]
    path = f"/polls/{poll['id']}"
    eventually(lambda: client.get(path).json()["state"] == "processing")
    made = _publish(native, task=work["parameters"]["task"], identifier="messages")
    assert client.get(path).json()["state"] == "processing"
    native.put("/works", json=[work | {"status": "success"}])
    done = eventually(lambda: (found := client.get(path).json())["state"] == "completed" and found)
    assert [one["id"] for one in done["results"]["data"]] == [made["id"]]
    assert (done["tasks_succeeded"], done["errors"]) == ([work["parameters"]["task"]], [])
    events = client.get("/events", params={"limit": 100}).json()["data"]
    of_poll = [one["action"] for one in events if one["data"] and one["data"]["id"] == poll["id"]]
    assert of_poll == ["completed", "created"]
    failing = _post(client, "/polls", {"payload": {}})
    (work,) = native.post("/works/withdraw", json={"query": {"parameters.poll": failing["id"]}}).json()
    native.put("/works", json=[work | {"status": "failure", "retries": 0}])
    eventually(lambda: client.get(f"/polls/{failing['id']}").json()["state"] == "completed")
    assert client.get(f"/polls/{failing['id']}").json()["errors"][0]["error"]
    expired = client.delete(f"/sessions/{session['id']}").json()
    assert expired["state"] == "expired"
    refused = client.post("/polls", json={"session": session["id"], "payload": {}})
    assert (refused.status_code, refused.json()["error"]) == (400, "session-expired")


def test_subscriptions_poll_by_themselves(client: httpx.Client) -> None:
    made = _post(client, "/subscriptions", {"poll_payload": {"data_types": ["x"]}, "interval": 3600.0})
    query = {"subscription": made["id"], "requestor": "subscription"}
    (poll,) = eventually(lambda: client.get("/polls", params=query).json()["data"])
    assert poll["state"] == "pending"
    assert client.delete(f"/subscriptions/{made['id']}").json()["state"] == "deleted"


def test_tokens_are_told_once(client: httpx.Client, shared_server: ServerProcess) -> None:
    made = _post(client, "/keys", {})
    assert made["token"]
    assert client.get(f"/keys/{made['id']}").json()["token"] is None
    rotated = _post(client, f"/keys/{made['id']}/rotate", {}, 200)
    assert rotated["token"] not in (None, made["token"])
    for token in (made["token"], rotated["token"]):
        headers = {"authorization": f"Token {token}"}
        assert client.get("/key", headers=headers).json() == client.get(f"/keys/{made['id']}").json()
    listed = client.get("/keys").json()
    assert {one["token"] for one in listed["data"]} == {None}
    narrow = _post(client, "/permissions", {"key": made["id"], "scopes": ["files:read"]})
    assert client.get("/permissions", params={"key": made["id"]}).json()["data"] == [narrow]
    refused = client.post("/polls", json={"payload": {}}, headers={"authorization": f"Token {rotated['token']}"})
    assert (refused.status_code, refused.json()["error"]) == (403, "missing-scope")


def test_configs(client: httpx.Client, shared_server: ServerProcess) -> None:
    for url in ("local:///etc", "https://x.example/y", "", None, 3):
        assert client.post("/configs/storage", json={"url": url}).status_code == 400
    secret = {"access_key_id": "AKIA", "secret_access_key": "very secret"}
    made = _post(
        client, "/configs/storage", {"url": "s3://bucket/x", "credentials": secret, "signed_urls_expiry": 60.0}
    )
    path = f"/configs/storage/{made['id']}"
    assert (made["state"], made["type"], made["credentials"]) == ("new", "s3", None)
    assert "very secret" not in client.get(path).text
    for body in ({"signed_urls_expiry": "x"}, {"signed_urls_enabled": 1}, {"state": "valid"}, {"id": "x"}):
        assert client.post(path, json=body).status_code == 400, body
    assert _post(client, path, {"state": "deactivated"}, 200)["state"] == "deactivated"
    assert client.delete(path).json()["state"] == "deactivated"
    assert client.get("/configs/storage", params={"type": "s3"}).json()["total_count"] == 1
    for url in ("http://127.0.0.1:1/x", "http://169.254.169.254/", "file:///etc/passwd", "x"):
        answer = client.post("/configs/webhook", json={"url": url})
        assert (answer.status_code, list(answer.json()["params"])) == (400, ["url"])
    hook = _post(client, "/configs/webhook", {"url": "https://receiver.invalid/webhooks"})
    assert hook["secret"]
    assert client.get(f"/configs/webhook/{hook['id']}").json()["secret"] is None
    task = client.post(f"/configs/webhook/{hook['id']}/test", content=b"null", headers={"ricloud-await": "10"}).json()
    assert (task["resource"], task["type"], task["state"]) == ("task", "webhook_config.test", "failed")
    assert client.get(f"/configs/webhook/{hook['id']}").json()["state"] == "invalid"
    assert _post(client, "/organisation", {"webhook_config": hook["id"]}, 200)["webhook_config"] == hook["id"]
    assert client.post("/organisation", json={"webhook_config": "other"}).status_code == 400
    assert client.delete(f"/configs/webhook/{hook['id']}").json()["state"] == "deactivated"


def test_others_see_nothing(client: httpx.Client, native: httpx.Client, shared_server: ServerProcess) -> None:
    made = _publish(native)
    user = _post(client, "/users", {"identifier": str(uuid.uuid4())})
    poll = _post(client, "/polls", {"payload": {}})
    hook = _post(client, "/configs/webhook", {"url": "https://receiver.invalid/webhooks"})
    name = uuid.uuid4().hex[:8]
    shared_server.command("org", "create", name, "--json")
    other = shared_server.command("user", "add", name, "--organization", name, "--role", "admin", "--json")
    base = f"{shared_server.url}/ricloud"
    with shared_server.http(auth=(other["login"], other["password"]), base_url=base) as stranger:
        for path in (
            f"/results/{made['id']}",
            f"/users/{user['id']}",
            f"/polls/{poll['id']}",
            f"/tasks/{poll['tasks_pending'][0]}",
            f"/configs/webhook/{hook['id']}",
        ):
            assert stranger.get(path).status_code == 404, path
        for path in ("/results", "/users", "/polls", "/tasks", "/configs/webhook", "/events", "/sessions"):
            assert stranger.get(path).json()["total_count"] == 0, path
        assert stranger.post(f"/results/{made['id']}/ack").status_code == 404
        assert stranger.post("/results/ack", json={"ids": [made["id"]]}).json()["data"] == []
        assert stranger.get("/results", params={"after_id": made["id"]}).status_code == 400
        for body in ({"source": {"user": user["id"], "type": "x", "identifier": "y"}},):
            assert stranger.post("/sessions", json=body).status_code == 400
        assert stranger.post("/organisation", json={"webhook_config": hook["id"]}).status_code == 400
    assert client.get(f"/results/{made['id']}").json()["state"] == "available"
