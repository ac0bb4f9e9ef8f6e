"""The ricloud door over HTTP: lists, filters, errors, the life of polls, and whose secrets are told when."""

import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.deadline import eventually
from tests.support.server import ServerProcess

pytestmark = pytest.mark.turns


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
    listed = client.get("/results", params={"poll": made["request"]}).json()
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
    assert client.get("/results", params={"poll": made["request"]}).json()["data"] == []
    assert client.get("/results", params={"poll": made["request"], "state": "consumed"}).json()["data"] == [acked]
    day = acked["date_consumed"][:10]
    for params in ({"date_consumed": day}, {"date_consumed[gte]": day}, {"date_consumed__gte": day}):
        assert client.get("/results", params=params | {"poll": made["request"]}).json()["data"] == [acked], params
    assert client.get("/results", params={"date_created__lt": day, "state": "consumed"}).json()["data"] == []
    states = ["consumed", "expired"]
    exact = {"date_created": acked["date_created"][:23] + "Z", "state": states, "poll": made["request"]}
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
    poll = _publish(native)["request"]
    for _ in range(11):
        _publish(native, request=poll)
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
    made = _publish(native, step=work["parameters"]["task"], identifier="messages")
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


def _withdraw(native: httpx.Client, poll: dict[str, Any]) -> dict[str, Any]:
    work: dict[str, Any]
    (work,) = native.post("/works/withdraw", json={"query": {"parameters.poll": poll["id"]}}).json()
    return work


def _session(client: httpx.Client, identifier: str = "a@b.c") -> dict[str, Any]:
    user = _post(client, "/users", {"identifier": str(uuid.uuid4())})
    return _post(
        client, "/sessions", {"source": {"user": user["id"], "type": "icloud.account", "identifier": identifier}}
    )


def test_a_task_has_its_documented_attributes(client: httpx.Client, native: httpx.Client) -> None:
    session = _session(client)
    poll = _post(client, "/polls", {"session": session["id"], "payload": {"data_types": ["messages.sms", "photos"]}})
    work = _withdraw(native, poll)
    path = f"/tasks/{work['parameters']['task']}"
    eventually(lambda: client.get(path).json()["state"] == "processing")
    made = _publish(native, step=work["parameters"]["task"], identifier="messages.sms")
    native.put("/works", json=[work | {"status": "success"}])
    task = eventually(lambda: (found := client.get(path).json())["state"] == "succeeded" and found)
    assert list(task) == [
        *("id", "resource", "organisation", "date_created", "key", "user", "source", "session", "poll", "source_type"),
        *("type", "target", "state", "results", "error", "date_started", "date_completed"),
    ]
    origin = (poll["key"], session["user"], session["source"]["id"], session["id"], poll["id"])
    assert tuple(task[name] for name in ("key", "user", "source", "session", "poll")) == origin
    assert (task["source_type"], task["target"]) == ("icloud.account", "messages.sms,photos")
    assert (task["results"]["resource"], [one["id"] for one in task["results"]["data"]]) == ("list", [made["id"]])
    for query in ({"source": task["source"]}, {"user": task["user"]}, {"session": task["session"]}):
        assert client.get("/tasks", params=query).json()["data"] == [task], query
    assert client.get("/tasks", params={"source_type": "other"}).json()["data"] == []
    events = client.get("/events", params={"type": "task", "action": "succeeded", "limit": 1000}).json()["data"]
    assert {(one["type"], one["action"]) for one in events} == {("task", "succeeded")}
    (event,) = [one for one in events if one["data"]["id"] == task["id"]]
    unsigned = [one | {"signed_url": None} for one in task["results"]["data"]]
    assert event["data"] == task | {"results": task["results"] | {"data": unsigned}}, "the whole task"


def test_a_source_has_parts_that_can_be_polled_alone(client: httpx.Client, native: httpx.Client) -> None:
    session = _session(client)
    parent = session["source"]
    assert (parent["state"], parent["parent"], parent["children"]["data"]) == ("active", None, [])
    poll = _post(client, "/polls", {"session": session["id"], "payload": {"info_types": ["*"]}})
    work = _withdraw(native, poll)
    found = [{"type": "icloud.backup", "identifier": "b1"}, {"type": "icloud.backup"}, 3]
    native.put("/works", json=[work | {"status": "success", "results": {"sources": found}}])
    path = f"/sources/{parent['id']}"
    (child,) = eventually(lambda: client.get(path).json()["children"]["data"])
    assert (child["type"], child["identifier"], child["parent"]) == ("icloud.backup", "b1", parent["id"])
    assert client.get("/sources", params={"parent": parent["id"]}).json()["data"] == [child]
    assert client.get(f"/sessions/{session['id']}").json()["source"]["children"]["data"] == [child]
    alone = _post(client, "/polls", {"session": session["id"], "source": child["id"], "payload": {}})
    assert alone["source"] == child["id"]
    about = {"type": "icloud.account", "identifier": "a@b.c"}
    asked = {"type": "icloud.backup", "identifier": "b1", "parent": about}
    assert _withdraw(native, alone)["parameters"]["source"] == asked
    body = {"type": "icloud.backup", "identifier": "b2", "parent": parent["id"]}
    assert _post(client, "/sources", body)["parent"] == parent["id"]
    assert client.post("/sources", json=body | {"parent": child["id"]}).json()["params"]["parent"]
    other = _session(client)
    refused = client.post("/polls", json={"session": other["id"], "source": child["id"]})
    assert refused.json()["params"] == {"source": ["The session is one of another source."]}


def test_what_is_switched_off_is_not_asked(client: httpx.Client) -> None:
    session = _session(client)
    source, user = session["source"], session["user"]
    assert _post(client, "/sources", {"user": user, "type": "x", "identifier": "y"})["state"] == "unvalidated"
    for path in (f"/sources/{source['id']}", f"/users/{user}"):
        assert _post(client, path, {"state": "deactivated"}, 200)["state"] == "deactivated"
        for body in ({"session": session["id"]}, {"source": source["id"]}):
            assert client.post("/polls", json=body).json()["params"]["source"], path
        assert client.post("/sessions", json={"source": source["id"]}).json()["params"]["source"]
        assert _post(client, path, {"state": "active"}, 200)["state"] == "active"
        assert client.post(path, json={"state": "blocked"}).json()["params"]["state"]
    assert _post(client, "/polls", {"session": session["id"]})["state"] == "pending"


def test_users_have_a_key_and_a_state(client: httpx.Client) -> None:
    key, current = _post(client, "/keys", {}), client.get("/key").json()
    name = str(uuid.uuid4())
    user = _post(client, "/users", {"identifier": name})
    assert (user["key"], user["state"], user["organisation"]) == (current["id"], "active", current["organisation"])
    assert _post(client, f"/users/{user['id']}", {"key": key["id"]}, 200)["key"] == key["id"]
    assert client.get("/users", params={"key": key["id"], "state": "active"}).json()["total_count"] == 1
    assert client.post("/users", json={"identifier": "x", "key": "unknown"}).json()["params"]["key"]


def test_the_organisation_has_its_documented_attributes(client: httpx.Client) -> None:
    found = client.get("/organisation").json()
    assert set(found) == {
        *("id", "resource", "type", "name", "slug", "api_version", "config", "permissions", "state", "date_created"),
        *("storage_configs", "storage_config_default", "storage_config"),
        *("webhook_configs", "webhook_config_default", "webhook_config"),
    }
    assert (found["type"], found["state"], found["config"]) == ("standard", "active", {})
    assert client.get(f"/permissions/{found['permissions']['id']}").json() == found["permissions"]
    hook = _post(client, "/configs/webhook", {"url": "https://receiver.invalid/webhooks"})
    secret = {"access_key_id": "AKIA", "secret_access_key": "very secret"}
    storage = _post(client, "/configs/storage", {"url": "s3://bucket/default", "credentials": secret})
    defaults = {"webhook_config_default": hook["id"], "storage_config_default": storage["id"]}
    for body in (defaults, {name.removesuffix("_default"): value for name, value in defaults.items()}):
        changed = _post(client, "/organisation", body, 200)
        assert {name: changed[name] for name in defaults} == defaults
        assert hook["id"] in [one["id"] for one in changed["webhook_configs"]["data"]]
        assert storage["id"] in [one["id"] for one in changed["storage_configs"]["data"]]
        assert {one["secret"] for one in changed["webhook_configs"]["data"]} == {None}
        changed = _post(client, "/organisation", dict.fromkeys(defaults), 200)
        assert {changed[name] for name in defaults} == {None}
    both = {"webhook_config": None, "webhook_config_default": hook["id"]}
    assert client.post("/organisation", json=both).json()["params"]["webhook_config"]
    assert client.post("/organisation", json={"state": "blocked"}).status_code == 400


@pytest.mark.parametrize(
    "path",
    [
        *(f"/{noun}?state=gone" for noun in ("results", "polls", "tasks", "users", "sources", "sessions", "events")),
        *(f"/{noun}?state=gone" for noun in ("subscriptions", "configs/storage", "configs/webhook")),
        *(f"/{noun}?source=unknown" for noun in ("polls", "tasks", "sessions", "subscriptions")),
        "/events?type=tasks",
    ],
)
def test_filters_that_could_find_nothing_are_refused(client: httpx.Client, path: str) -> None:
    answer = client.get(path)
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid-parameter")
    assert list(answer.json()["params"]) == [path.partition("?")[2].partition("=")[0]]


def test_an_address_without_its_last_slash_is_told(shared_server: ServerProcess) -> None:
    for path in ("/results", "/polls/x", "/key"):
        answer = httpx.get(f"{shared_server.url}{path}", trust_env=False)
        assert (answer.status_code, "/ricloud/" in answer.json()["message"]) == (404, True)
    assert "/ricloud/" not in httpx.get(f"{shared_server.url}/nothing", trust_env=False).text


def test_why_a_work_failed_is_the_error_of_its_task(client: httpx.Client, native: httpx.Client) -> None:
    poll = _post(client, "/polls", {"payload": {}})
    work = _withdraw(native, poll)
    native.put("/works", json=[work | {"status": "failure", "retries": 0, "results": {"error": "no such account"}}])
    errors = eventually(lambda: client.get(f"/polls/{poll['id']}").json()["errors"])
    assert errors == [{"task": work["parameters"]["task"], "error": "no such account"}]


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
        for path in ("/key", "/keys/current"):
            assert client.get(path, headers=headers).json() == {
                **client.get(f"/keys/{made['id']}").json(),
                "token": token,
            }
    listed = client.get("/keys").json()
    assert {one["token"] for one in listed["data"]} == {None}
    narrow = _post(client, "/permissions", {"key": made["id"], "scopes": ["files:read"]})
    assert client.get("/permissions", params={"key": made["id"]}).json()["data"] == [narrow]
    documented: dict[str, Any] = {"scopes": {"files:read": []}}
    assert _post(client, f"/permissions/{narrow['id']}", documented, 200)["scopes"] == ["files:read"]
    limited = {"scopes": {"files:read": [{"level": "user", "type": "count", "value": 3}]}}
    assert client.post(f"/permissions/{narrow['id']}", json=limited).json()["params"]["scopes"]
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
    listed = client.get("/configs/storage", params={"type": "s3", "limit": 1000}).json()["data"]
    assert made["id"] in [one["id"] for one in listed], "beside those of other tests"
    assert {one["type"] for one in listed} == {"s3"}
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
    source = _post(client, "/sources", {"user": user["id"], "type": "x", "identifier": "y"})
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
            f"/sources/{source['id']}",
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
        for body in ({"source": {"user": user["id"], "type": "x", "identifier": "y"}}, {"source": source["id"]}):
            assert stranger.post("/sessions", json=body).status_code == 400
        assert stranger.post("/sources", json={"type": "x", "parent": source["id"]}).json()["params"]["parent"]
        assert stranger.get("/tasks", params={"source": source["id"]}).json()["params"]["source"]
        assert stranger.post("/organisation", json={"webhook_config": hook["id"]}).status_code == 400
    assert client.get(f"/results/{made['id']}").json()["state"] == "available"
