"""Requests of the native interface: asked for, fulfilled by a work, answered by files, or ended early."""

from typing import Any

from entrepot.identity import Role, User, keys, users
from tests.support.interface import Api

ADA = {"user": "ada", "type": "icloud.account", "identifier": "ada@example.org"}


def _create(api: Api, **fields: Any) -> dict[str, Any]:
    made: dict[str, Any] = api.ask("POST", "/requests", 201, json=fields)
    return made


def _withdraw(api: Api, request: dict[str, Any]) -> dict[str, Any]:
    work: dict[str, Any]
    (work,) = api.ask("POST", "/works/withdraw", json={"query": {"id": request["steps"][0]["work"]}})
    return work


def _report(api: Api, work: dict[str, Any], **fields: Any) -> None:
    api.ask("PUT", "/works", json=[work | fields])
    api.work()


def _token(api: Api, organization: str, role: Role) -> str:
    with api.database.write() as session:
        owner = users.create_organization(session, organization) if organization else api.organization(session)
        user = User(login=f"{organization or 'own'} {role}", password_hash="")
        session.add(user)
        session.flush()
        users.set_member(session, user, owner, role)
        return keys.create_key(session, user.id, owner.id)[1]


def test_a_request_is_fulfilled_by_a_work_and_answered_by_files(api: Api) -> None:
    made = _create(api, source=ADA, payload={"data_types": ["photos"]})
    assert (made["status"], made["payload"]) == ("pending", {"data_types": ["photos"]})
    assert made["source"] == {**ADA, "id": made["source"]["id"]}
    work = _withdraw(api, made)
    api.work()
    assert api.ask("GET", f"/requests/{made['id']}")["status"] == "processing"
    assert work["parameters"]["source"] == {"type": ADA["type"], "identifier": ADA["identifier"], "parent": None}
    sent = api.client.post("/api/v1/files", files={"file": ("a", b"1")}, data={"step": made["steps"][0]["id"]})
    _report(api, work, status="success")
    done = api.ask("GET", f"/requests/{made['id']}")
    assert (done["status"], done["steps"][0]["status"], done["steps"][0]["error"]) == ("completed", "succeeded", None)
    assert done["ended_at"] >= done["started_at"] >= done["created_at"]
    assert [one["id"] for one in api.ask("GET", f"/files?request={made['id']}")["items"]] == [sent.json()["id"]]
    again = _create(api, source=made["source"]["id"])
    assert again["source"] == made["source"], "a source that is known is not made twice"
    assert [one["id"] for one in api.ask("GET", "/requests?status=pending")["items"]] == [again["id"]]
    listed = api.ask("GET", f"/requests?source={made['source']['id']}&limit=1")
    assert [one["id"] for one in listed["items"]] == [again["id"]]
    (last,) = api.client.get(listed["next"]).json()["items"]
    assert last == done


def test_a_request_whose_steps_all_failed_has_failed_and_is_complete_to_clients_of_the_wire(api: Api) -> None:
    made = _create(api)
    _report(api, _withdraw(api, made), status="failure", retries=0, results={"error": "no such account"})
    (failed,) = api.ask("GET", "/requests?status=failed")["items"]
    assert (failed["id"], failed["steps"][0]["error"]) == (made["id"], "no such account")
    for path in (f"/ricloud/polls/{made['id']}", "/ricloud/polls?state=completed"):
        found = api.client.get(path).json()
        assert found.get("data", [found])[0]["state"] == "completed"
    assert api.client.get("/ricloud/polls?state=failed").status_code == 400


def test_a_request_that_is_cancelled_is_nobodys_work_any_more(api: Api) -> None:
    waiting, running = _create(api, source=ADA), _create(api)
    work = _withdraw(api, running)
    for one in (waiting, running):
        ended = api.ask("POST", f"/requests/{one['id']}/cancel")
        (step,) = ended["steps"]
        assert (ended["status"], step["status"], step["error"]) == ("cancelled", "failed", "The request was cancelled.")
        assert ended["ended_at"]
        api.work()
        assert api.ask("POST", f"/requests/{one['id']}/cancel") == ended, "a second end changes nothing"
        assert api.ask("GET", f"/requests/{one['id']}") == ended
    assert api.ask("GET", "/works?pipeline=ricloud-poll")["items"] == []
    assert api.ask("PUT", "/works", json=[work | {"status": "success"}]) == {"updated": False}
    told = [one["data"] for one in api.ask("GET", "/events?type=request.completed")["items"]]
    assert [one["status"] for one in told] == ["cancelled", "cancelled"]
    assert api.client.get(f"/ricloud/polls/{running['id']}").json()["state"] == "completed"


def test_what_is_asked_for_wrongly_is_named_and_nothing_is_made(api: Api) -> None:
    wrong: list[tuple[dict[str, Any], str]] = [
        ({"source": "0b9f3c4e-5a1d-4f0e-9a55-0b8c4f6f3a1e"}, "source"),
        ({"source": {**ADA, "user": " "}}, "source"),
        ({"source": {**ADA, "identifier": "x" * 301}}, "source"),
        ({"source": {**ADA, "identifier": "x\0y"}}, "source"),
        ({"source": 7}, "source"),
        ({"payload": ["photos"]}, "payload"),
        ({"poll": {}}, "poll"),
    ]
    for body, field in wrong:
        told = api.ask("POST", "/requests", 422, json=body)
        assert any(name.startswith(field) for name in told["fields"]), told
    assert api.ask("GET", "/requests")["items"] == api.ask("GET", "/works")["items"] == []


def test_a_source_that_is_switched_off_is_asked_nothing(api: Api) -> None:
    made = _create(api, source=ADA)
    off = api.client.post(f"/ricloud/sources/{made['source']['id']}", json={"state": "deactivated"})
    assert off.status_code == 200
    assert api.ask("POST", "/requests", 422, json={"source": ADA})["fields"] == {"source": "It is deactivated."}


def test_a_stranger_finds_no_request_and_a_reader_ends_none(api: Api) -> None:
    made = _create(api, source=ADA)
    path = f"/api/v1/requests/{made['id']}"
    stranger = {"authorization": f"Token {_token(api, 'other', Role.ADMIN)}"}
    assert api.client.get(path, headers=stranger).status_code == 404
    assert api.client.post(f"{path}/cancel", headers=stranger).status_code == 404
    assert api.client.get("/api/v1/requests", headers=stranger).json()["items"] == []
    asked = api.client.post("/api/v1/requests", headers=stranger, json={"source": made["source"]["id"]})
    assert (asked.status_code, list(asked.json()["fields"])) == (422, ["source"])
    reader = {"authorization": f"Token {_token(api, '', Role.READER)}"}
    assert api.client.get(path, headers=reader).json() == made
    assert api.client.post(f"{path}/cancel", headers=reader).status_code == 403
    assert api.client.post("/api/v1/requests", headers=reader, json={}).status_code == 403
    assert api.ask("GET", f"/requests/{made['id']}") == made
