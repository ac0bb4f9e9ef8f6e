"""Webhooks: signed, in order, at least once, whatever the receiver does."""

import base64
import hmac
import random
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import orjson
import pytest
from sqlalchemy import select, update

from entrepot import net
from entrepot.db import Database, now
from entrepot.errors import InvalidInput
from entrepot.events import delivery, emit, webhooks
from entrepot.events.models import Delivery, Event, Webhook
from entrepot.events.styles import STANDARD
from entrepot.identity import Principal, Vault
from entrepot.jobs import Job
from entrepot.jobs.testing import run_pending
from entrepot.settings import Settings
from tests.integration.events.conftest import Receiver

pytestmark = pytest.mark.turns

Run = Callable[[], None]


@pytest.fixture
def run(database: Database, settings: Settings, vault: Vault) -> Run:
    """Let an hour pass: everything that waits is due, and done."""

    def act() -> None:
        with database.write() as session:
            session.execute(update(Delivery).values(next_at=now() - timedelta(seconds=1)))
            session.execute(update(Webhook).values(paused_until=None))
            session.execute(update(Job).where(Job.status == "pending").values(ready_at=now(), run_at=now()))
        run_pending(database, settings, {"vault": vault})

    return act


def _create(database: Database, admin: Principal, settings: Settings, vault: Vault, url: str, **options: Any) -> Any:
    with database.write() as session:
        return webhooks.create_webhook(session, admin, settings, vault, url=url, style=STANDARD, **options)


def _emit(database: Database, admin: Principal, *objects: str, action: str = "published") -> None:
    with database.write() as session:
        for one in objects:
            emit(session, "file", action, one, organization_id=admin.organization_id, data={"of": one})


def _states(database: Database) -> list[str]:
    with database.read() as session:
        return list(session.scalars(select(Delivery.status).order_by(Delivery.number)))


def test_signed_as_the_standard_says(
    database: Database, admin: Principal, settings: Settings, vault: Vault, receiver: Receiver, run: Run
) -> None:
    _, secret = _create(database, admin, settings, vault, receiver.url)
    _emit(database, admin, "a")
    run()
    ((path, headers, body),) = receiver.got
    assert path == "/hooks"
    assert abs(int(headers["webhook-timestamp"]) - time.time()) < 60
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    proof = base64.b64encode(hmac.digest(base64.b64decode(secret[6:]), signed, "sha256")).decode()
    assert headers["webhook-signature"] == f"v1,{proof}"
    content = orjson.loads(body)
    assert content["type"] == "file.published"
    assert content["data"]["id"] == headers["webhook-id"]
    assert secret not in body.decode()
    with database.read() as session:
        assert session.scalars(select(Webhook)).one().secret_encrypted != secret


def test_nothing_is_lost_and_order_holds(
    database: Database,
    admin: Principal,
    settings: Settings,
    vault: Vault,
    receiver: Receiver,
    run: Run,
    monkeypatch: Any,
) -> None:
    monkeypatch.setattr(delivery, "ANSWER_SECONDS", 0.2)
    chance = random.Random(5)
    receiver.answer = lambda _number: chance.choices([200, 500, 404, 302, 0], [70, 12, 6, 8, 4])[0]
    _create(database, admin, settings, vault, receiver.url)
    wanted: dict[str, list[str]] = {}
    for step in range(60):
        name = f"object {step % 7}"
        _emit(database, admin, name, action=f"step_{step}")
        wanted.setdefault(name, []).append(f"step_{step}")
    for _ in range(60):
        run()
        if "pending" not in _states(database):
            break
    got: dict[str, list[str]] = {}
    for _, _, body in receiver.got:
        data = orjson.loads(body)["data"]
        actions = got.setdefault(data["object_id"], [])
        if data["action"] not in actions:
            actions.append(data["action"])
    assert set(_states(database)) == {"delivered"}
    assert got == wanted


def test_the_unlucky_do_not_hold_up_others(
    database: Database, admin: Principal, settings: Settings, vault: Vault, receiver: Receiver, run: Run
) -> None:
    _create(database, admin, settings, vault, receiver.url)
    receiver.answer = lambda number: 500 if number == 1 else 200
    _emit(database, admin, "a")
    run()
    _emit(database, admin, "a", "b")
    with database.write() as session:
        session.execute(update(Job).where(Job.status == "pending").values(ready_at=now(), run_at=now()))
    run_pending(database, settings, {"vault": vault})
    assert [orjson.loads(body)["data"]["object_id"] for _, _, body in receiver.got] == ["b"]
    run()
    assert [orjson.loads(body)["data"]["object_id"] for _, _, body in receiver.got] == ["b", "a", "a"]


def test_given_up_in_the_end_and_replayed(
    database: Database, admin: Principal, settings: Settings, vault: Vault, receiver: Receiver, run: Run
) -> None:
    webhook, _ = _create(database, admin, settings, vault, receiver.url)
    receiver.answer = lambda _number: 500
    _emit(database, admin, "a")
    for _ in range(12):
        run()
    assert _states(database) == ["failed"]
    assert receiver.count == 9
    with database.write() as session:
        session.execute(update(Webhook).values(failing_since=now() - delivery.GIVE_UP - timedelta(hours=1)))
    _emit(database, admin, "b")
    run()
    with database.read() as session:
        assert session.scalars(select(Webhook)).one().status == "deactivated"
        assert session.scalars(select(Event).where(Event.type == "webhook")).one().action == "deactivated"
    count = receiver.count
    run()
    assert receiver.count == count, "a deactivated webhook is left alone"
    receiver.answer = lambda _number: 200
    with database.write() as session:
        found = webhooks.get_webhook(session, admin, webhook.id)
        webhooks.change_webhook(session, admin, settings, found, {"status": "new"})
        assert webhooks.replay(session, admin, found, 0) >= 2
    run()
    assert {orjson.loads(body)["data"]["object_id"] for _, _, body in receiver.got} >= {"a", "b"}


def test_only_what_was_asked_for(
    database: Database, admin: Principal, settings: Settings, vault: Vault, receiver: Receiver, run: Run
) -> None:
    _create(database, admin, settings, vault, receiver.url, types=["file.consumed"])
    _emit(database, admin, "a")
    _emit(database, admin, "a", action="consumed")
    run()
    assert [orjson.loads(body)["type"] for _, _, body in receiver.got] == ["file.consumed"]


@pytest.mark.parametrize(
    "url",
    [
        "http://10.1.2.3/",
        "http://192.168.0.1/x",
        "http://169.254.169.254/latest/meta-data",
        "http://[::1]/",
        "http://[::ffff:10.0.0.1]/",
        "http://[64:ff9b::a00:1]/",
        "http://[fe80::1]/",
        "http://0.0.0.0/",
        "http://0/",
        "http://2852039166/",
        "http://0xa9fea9fe/",
        "http://100.64.0.1/",
        "http://224.0.0.1/",
        "http://168.63.129.16/",
        "http://user:password@example.org/",
        "ftp://example.org/",
        "file:///etc/passwd",
        "http://example.org/\r\nHost: x",
        "http://",
        "//example.org",
        "http://[",
        "x",
    ],
)
def test_addresses_that_lead_inside(settings: Settings, url: str) -> None:
    with pytest.raises(InvalidInput) as raised:
        net.check_url(url, settings.webhook_allowed_networks)
    assert set(raised.value.fields) == {"url"}


def test_names_that_lead_inside(monkeypatch: Any, settings: Settings, receiver: Receiver) -> None:
    answers = iter(["93.184.215.14", "127.0.0.1"])

    def resolve(_host: str, port: int, **_options: Any) -> Any:
        return [(2, 1, 6, "", (next(answers), port))]

    monkeypatch.setattr("socket.getaddrinfo", resolve)
    # The first answer is public; by the time of the request, the name leads inside.
    net.check_url("http://rebinding.example/")
    with net.client(()) as client, pytest.raises(InvalidInput):
        client.get("http://rebinding.example/")
    assert receiver.count == 0


def test_redirects_are_not_followed(settings: Settings, receiver: Receiver) -> None:
    receiver.answer = lambda _number: 302
    with net.client(settings.webhook_allowed_networks) as client:
        assert client.post(receiver.url, content=b"x").status_code == 302
    assert receiver.count == 1
