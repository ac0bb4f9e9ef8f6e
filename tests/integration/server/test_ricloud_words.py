"""The words of the ricloud wire and those of the house: what is sent, told and shown is in those that clients know."""

from pathlib import Path

import pytest
from sqlalchemy import select
from starlette.testclient import TestClient

from entrepot.db import Database
from entrepot.events import emit
from entrepot.events.models import Webhook
from entrepot.files.models import Storage
from entrepot.identity import Role, Vault, keys, users
from entrepot.requests import trials
from entrepot.requests.models import RequestStep
from entrepot.server.dialects.ricloud import names
from entrepot.server.run.app import create_app
from entrepot.server.services import Services
from entrepot.settings import Settings

#: What happens to webhooks: clients of this wire know of the first alone.
_ENDS = ("test", "deactivated")


@pytest.fixture
def client(database: Database, tmp_path: Path) -> TestClient:
    (tmp_path / "data").mkdir()
    settings = Settings(data_dir=tmp_path / "data", file_local_roots=[tmp_path / "exports"])
    Vault.create(settings.secret_key_file)
    with database.write() as session:
        organization = users.create_organization(session, "Lab")
        user, _ = users.create_user(session, "ada")
        users.set_member(session, user, organization, Role.ADMIN)
        _, token = keys.create_key(session, user.id, organization.id)
    app = create_app(Services(settings, database))
    return TestClient(app, headers={"authorization": f"Token {token}"})


def test_what_is_wrong_is_told_in_the_words_of_the_wire(client: TestClient, database: Database, tmp_path: Path) -> None:
    given = {"url": f"local://{tmp_path}/exports/x", "signed_urls_enabled": True, "signed_urls_expiry": 60}
    made = client.post("/ricloud/configs/storage", json=given).json()
    hook = client.post("/ricloud/configs/webhook", json={"url": "https://receiver.invalid/"}).json()
    user = client.post("/ricloud/users", json={"identifier": "u"}).json()
    with database.read() as session:
        storage = session.scalars(select(Storage).where(Storage.id == made["id"])).one()
        assert (storage.signed, storage.signed_for, storage.status) == (True, 60, "new")
    for path, body, reason in (
        (f"configs/storage/{made['id']}", {"signed_urls_expiry": 0.5}, "From 1 second to 366 days."),
        (f"configs/storage/{made['id']}", {"state": "valid"}, "Only deactivated, or new to undo that."),
        (f"configs/webhook/{hook['id']}", {"state": "valid"}, "Only deactivated, or new to start again."),
        (f"users/{user['id']}", {"state": "blocked"}, "active, or deactivated."),
    ):
        answer = client.post(f"/ricloud/{path}", json=body)
        (word,) = body
        assert (answer.status_code, answer.json()["params"]) == (400, {word: [reason]})
        assert answer.json()["message"] == f"{word}: {reason}"


@pytest.mark.pairs
@pytest.mark.parametrize("word", ["status", "signed", "signed_for", "storage", "webhook", "organization_id"])
def test_a_word_of_the_house_is_no_parameter_of_the_wire(client: TestClient, tmp_path: Path, word: str) -> None:
    bodies = {"configs/storage": {"url": f"local://{tmp_path}/exports/x"}, "keys": {}, "users": {"identifier": "u"}}
    for path, body in bodies.items():
        answer = client.post(f"/ricloud/{path}", json=body | {word: "new"})
        assert (answer.status_code, answer.json()["params"]) == (400, {word: ["There is no such parameter."]})
    answer = client.get("/ricloud/configs/storage", params={word: "new"})
    assert (answer.status_code, answer.json()["params"]) == (400, {word: ["There is no such parameter."]})


def test_tasks_and_events_are_of_the_kinds_that_clients_know(client: TestClient, database: Database) -> None:
    hook = client.post("/ricloud/configs/webhook", json={"url": "https://receiver.invalid/"}).json()
    with database.read() as session:
        assert session.scalars(select(RequestStep.type)).one() == trials.WEBHOOK == "webhook.test"
    listed = client.get("/ricloud/tasks", params={"type": "webhook_config.test"}).json()["data"]
    assert [(one["type"], one["target"]) for one in listed] == [("webhook_config.test", hook["id"])]
    with database.write() as session:
        owner = session.scalars(select(Webhook.organization_id)).one()
        tested, gone = (emit(session, "webhook", action, hook["id"], organization_id=owner) for action in _ENDS)
        session.flush()
        ids = {tested.id: 200, gone.id: 404}
    for query in ({"type": "webhook_config"}, {"action": list(_ENDS)}):
        (event,) = client.get("/ricloud/events", params=query).json()["data"]
        assert (event["id"], event["type"], event["action"]) == (tested.id, "webhook_config", "test")
        assert event["data"] == hook | {"secret": None}
    assert {id_: client.get(f"/ricloud/events/{id_}").status_code for id_ in ids} == ids
    assert client.get("/ricloud/events", params={"type": "webhook"}).status_code == 400


def test_kinds_come_back_as_they_went() -> None:
    for kind in ("storage", "webhook", "storage.test", "webhook.test", "request.fetch", "request", "step", "session"):
        assert names.kind_here(names.kind_word(kind)) == kind
