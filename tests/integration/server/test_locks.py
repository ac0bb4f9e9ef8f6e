"""Locks: one verb for every kind of results, which then refuses change through every door."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import update

from entrepot import jobs
from entrepot.db import now
from entrepot.files import lifecycle
from entrepot.identity import Role, User, keys, users
from entrepot.jobs.models import Job
from entrepot.locks import Lock
from tests.support.interface import Api

KINDS = ("series", "result_set", "work", "file")
PROBLEM = "/docs#problem-locked"
Farm = dict[str, Any]


@dataclass
class Thing:
    """A result, and every door's ways to change it: a name, and a request."""

    id: str
    changes: list[tuple[str, str, dict[str, Any]]]
    #: Ways out of which a job does it later: it must leave the result as it is.
    later: list[Callable[[], None]] = field(default_factory=list)
    #: What is to be as it was.
    look: Callable[[], Any] = lambda: None
    event: str = ""


@pytest.fixture(params=KINDS)
def thing(request: pytest.FixtureRequest, api: Api, farm: Farm) -> Thing:
    return {"series": _series, "result_set": _result_set, "work": _work, "file": _file}[request.param](api, farm)


def _series(api: Api, farm: Farm) -> Thing:
    body = "t,wind\n" + "".join(f"2024-03-0{day}T{hour:02d}:00Z,{hour}\n" for day in (1, 2) for hour in range(24))
    api.client.put(f"/api/v1/gates/{farm['gate']['id']}/files/a.csv", content=body.encode()).raise_for_status()
    importer, cleaner, channel = farm["importer"]["id"], farm["channel"]["cleaner"], farm["channel"]["id"]
    api.ask("POST", f"/importers/{importer}/runs", 202, json={})
    api.work()
    (one,) = api.ask("GET", "/series?name=T1 wind")["items"]
    path = f"/api/v1/series/{one['id']}"

    def rerun() -> None:
        more = body + "2024-03-01T03:30Z,9\n"
        api.client.put(f"/api/v1/gates/{farm['gate']['id']}/files/a.csv", content=more.encode()).raise_for_status()
        api.ask("POST", f"/importers/{importer}/runs", 202, json={})
        api.work()

    changes: list[tuple[str, str, Any]] = [
        ("DELETE", f"{path}/points?from=2024-03-01", {}),
        ("PATCH", path, {"json": {"title": "x"}}),
        ("PATCH", path, {"json": {"labels": {"a": "b"}}}),
        ("POST", f"/api/v1/cleaners/{cleaner}/clear", {"json": {}}),
        ("POST", f"/api/v1/cleaners/{cleaner}/runs", {"json": {"again": True}}),
        ("PATCH", f"/api/v1/channels/{channel}", {"json": {"minimum": 3}}),
        ("DELETE", f"/api/v1/channels/{channel}", {}),
        ("DELETE", f"/api/v1/importers/{importer}", {}),
        ("DELETE", f"/api/v1/projects/{farm['project']['id']}", {}),
        ("POST", f"/ovbp/api/v2/odata/cleaners/{cleaner}/action/", {"json": {"name": "clear"}}),
        ("POST", f"/ovbp/api/v2/odata/cleaners/{cleaner}/action/", {"json": {"name": "reset"}}),
        ("DELETE", f"/ovbp/api/v2/odata/unitcleaners/{channel}/", {}),
        ("DELETE", f"/ovbp/api/v2/odata/importers/{importer}/", {}),
        ("DELETE", f"/ovbp/api/v2/oteams/projects/{farm['project']['id']}/", {}),
    ]
    look = lambda: api.client.get(f"{path}/points").json()  # noqa: E731
    return Thing(one["id"], changes, [rerun], look, "series")


def _result_set(api: Api, _farm: Farm) -> Thing:
    api.ask("POST", "/sites", 201, json={"name": "Belwind"})
    api.ask("POST", "/model-definitions", 201, json={"site": "Belwind", "name": "as-built"})
    kept = api.ask("POST", "/result-sets", 201, json={"site": "Belwind", "model": "as-built", "name": "Curves"})
    vectors = [{"name": "wind", "values": [1.0]}, {"name": "power", "values": [2.0]}]
    path = f"/api/v1/result-sets/{kept['id']}"
    (row,) = api.ask("POST", f"/result-sets/{kept['id']}/rows", json={"rows": [{"name": "a", "columns": vectors}]})
    owi = "/owi/api/v1/results/routes"
    (stored,) = api.client.get(f"{owi}/result/").json()
    changes: list[tuple[str, str, Any]] = [
        ("PATCH", path, {"json": {"name": "x"}}),
        ("DELETE", path, {}),
        ("POST", f"{path}/rows", {"json": {"rows": [{"name": "a", "columns": vectors[::-1]}]}}),
        ("POST", f"{path}/rows", {"json": {"rows": [{"name": "b", "columns": vectors}]}}),
        ("DELETE", f"/api/v1/rows/{row['id']}", {}),
        ("PATCH", f"{owi}/analysis/{kept['id']}/", {"json": {"name": "x"}}),
        ("DELETE", f"{owi}/analysis/{kept['id']}/", {}),
        ("PATCH", f"{owi}/result/{row['id']}/", {"json": {"description": "x"}}),
        ("POST", f"{owi}/result/bulk/", {"json": [stored | {"id": None, "short_description": "b"}]}),
        ("DELETE", f"{owi}/result/{row['id']}/", {}),
    ]
    look = lambda: api.ask("GET", "/rows")["items"]  # noqa: E731
    return Thing(kept["id"], changes, look=look, event="result_set")


def _work(api: Api, _farm: Farm) -> Thing:
    document = {
        "pipeline": "p",
        "parameters": {},
        "site": "local",
        "user": "ada",
        "status": "success",
        "results": {"n": 1},
    }
    (one,) = api.ask("POST", "/archive", json=[document])["ids"]
    changed = [document | {"id": one, "tags": ["x"]}]
    changes: list[tuple[str, str, dict[str, Any]]] = [
        ("PUT", "/api/v1/archive", {"json": changed}),
        ("POST", "/api/v1/archive/delete", {"json": {"pipeline": "p", "ids": [one]}}),
        ("POST", "/api/v1/archive/delete", {"json": {"query": {"pipeline": "p"}}}),
        ("PUT", "/workflow/results/results", {"json": changed}),
        ("DELETE", f"/workflow/results/results?p={one}", {}),
    ]
    look = lambda: api.ask("GET", f"/archive/{one}")  # noqa: E731
    return Thing(one, changes, look=look, event="archived work")


def _file(api: Api, farm: Farm) -> Thing:
    form: dict[str, Any] = {"files": {"file": ("a.csv", b"1,2")}, "data": {"project": farm["project"]["id"]}}
    one = api.client.post("/api/v1/files", **form).json()
    path = f"/api/v1/files/{one['id']}"

    def expire() -> None:
        with api.database.write() as session:
            file = lifecycle.get_file(session, api.principal, one["id"])
            file.created_at = now() - timedelta(days=10_000)
            jobs.enqueue(session, lifecycle.EXPIRE)
        api.work()

    changes: list[tuple[str, str, Any]] = [
        ("POST", f"{path}/ack", {"json": {}}),
        ("POST", f"{path}/ack", {"json": {"sha256": "0" * 64}}),
        ("POST", "/api/v1/files/ack", {"json": {"ids": [one["id"]]}}),
        ("POST", f"/ricloud/results/{one['id']}/ack", {"json": {}}),
        ("POST", "/ricloud/results/ack", {"json": {"ids": [one["id"]]}}),
    ]
    look = lambda: (api.ask("GET", f"/files/{one['id']}")["status"], api.client.get(f"{path}/download").content)  # noqa: E731
    return Thing(one["id"], changes, [expire], look, "file")


def kind_of(request: pytest.FixtureRequest) -> str:
    return str(request.node.callspec.params["thing"])


def made_by(api: Api, kind: str, id_: str) -> list[str]:
    """Return the runs that made a result, as its lineage tells."""
    return [run["run"] for run in api.ask("GET", f"/lineage/{kind}/{id_}")["items"]]


def test_what_is_locked_refuses_change_through_every_door(
    request: pytest.FixtureRequest,
    api: Api,
    thing: Thing,
) -> None:
    kind, before = kind_of(request), thing.look()
    runs = made_by(api, kind, thing.id)
    assert len(runs) == 1
    lock = api.ask("POST", "/locks", 201, json={"kind": kind, "id": thing.id, "why": "In the report."})
    assert (lock["kind"], lock["why"], lock["by"]["name"]) == (kind, "In the report.", "ada")
    as_locked = thing.look()
    for method, path, options in thing.changes:
        answer = api.client.request(method, path, **options)
        if path.startswith("/workflow"):  # whose clients take the answer for a truth value
            assert answer.json() in (False, {"p": False}), (method, path, answer.text)
            continue
        assert answer.status_code == 409, (method, path, answer.status_code, answer.text)
        if path.startswith("/api/v1"):
            assert answer.json()["type"] == PROBLEM, answer.text
    for later in thing.later:
        later()
    assert thing.look() == as_locked
    assert made_by(api, kind, thing.id) == runs
    (listed,) = api.ask("GET", f"/locks?kind={kind}")["items"]
    assert listed == lock
    # A second time says anew why, and is the same lock.
    again = api.ask("POST", "/locks", 201, json={"kind": kind, "id": thing.id, "why": "Still."})
    assert (again["id"], again["why"]) == (lock["id"], "Still.")
    api.ask("DELETE", f"/locks/{lock['id']}", 204)
    assert api.ask("GET", "/locks")["items"] == []
    api.work()
    for method, path, options in thing.changes[:1]:
        answer = api.client.request(method, path, **options)
        assert answer.status_code in (200, 202, 204), (method, path, answer.text)
    assert thing.look() != before
    actions = [f"{event['type']}.{event['action']}" for event in api.ask("GET", "/events?limit=1000")["items"]]
    assert {f"{thing.event}.locked", f"{thing.event}.unlocked"} <= {*actions}


@pytest.mark.pairs
def test_others_lock_nothing(request: pytest.FixtureRequest, api: Api, thing: Thing) -> None:
    kind, own = kind_of(request), api.client.headers["authorization"]
    lock = api.ask("POST", "/locks", 201, json={"kind": kind, "id": thing.id})
    for name, role, elsewhere, scopes in (
        ("stranger", Role.ADMIN, True, None),
        ("reader", Role.READER, False, None),
        ("writer", Role.WRITER, False, ["identity:write"]),
    ):
        with api.database.write() as session:
            organization = users.create_organization(session, name) if elsewhere else api.organization(session)
            user = User(login=name, password_hash="")
            session.add(user)
            session.flush()
            users.set_member(session, user, organization, role)
            token = keys.create_key(session, user.id, organization.id, scopes=scopes)[1]
        api.client.headers["authorization"] = f"Token {token}"
        expected = 404 if elsewhere else 403
        api.ask("POST", "/locks", expected, json={"kind": kind, "id": thing.id})
        api.ask("DELETE", f"/locks/{lock['id']}", expected)
        api.ask("GET", f"/locks/{lock['id']}", 200 if role is Role.READER else expected)
        listed = api.client.get("/api/v1/locks")
        assert listed.status_code == 403 or len(listed.json()["items"]) == (role is Role.READER)
    api.client.headers["authorization"] = own
    assert api.ask("GET", f"/locks/{lock['id']}")["of"]["id"].endswith(thing.id)


@pytest.mark.pairs
def test_a_lock_ends_when_its_time_is_over(
    request: pytest.FixtureRequest,
    api: Api,
    thing: Thing,
) -> None:
    kind = kind_of(request)
    api.ask("POST", "/locks", 422, json={"kind": kind, "id": thing.id, "until": "2001-01-01T00:00:00Z"})
    lock = api.ask("POST", "/locks", 201, json={"kind": kind, "id": thing.id, "until": "2999-01-01T00:00:00Z"})
    api.work()
    assert api.ask("GET", f"/locks/{lock['id']}")["until"] == "2999-01-01T00:00:00Z"
    with api.database.write() as session:
        session.execute(update(Lock).values(until=now()))
        session.execute(update(Job).where(Job.kind == "locks.end").values(run_at=now(), ready_at=now()))
    api.work()
    assert api.ask("GET", "/locks")["items"] == []
    method, path, options = thing.changes[0]
    assert api.client.request(method, path, **options).status_code in (200, 202, 204)


def test_a_work_that_says_it_is_unlocked_has_no_lock(api: Api, farm: Farm) -> None:
    work = _work(api, farm)
    api.ask("POST", "/locks", 201, json={"kind": "work", "id": work.id})
    document = api.ask("GET", f"/archive/{work.id}")
    assert document["results"]["locked"] is True
    document["results"]["locked"] = False
    api.client.put("/workflow/results/results", json=[document]).raise_for_status()
    assert api.ask("GET", "/locks")["items"] == []
