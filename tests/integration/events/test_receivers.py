"""What receivers answer, and what becomes of their webhooks; from when on they are told; secrets that change."""

import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

import httpx
import pytest
from sqlalchemy import select, update

from entrepot.db import Database, now
from entrepot.errors import InvalidInput
from entrepot.events import delivery, emit, webhooks
from entrepot.events.models import Delivery, Event, Webhook
from entrepot.events.styles import STANDARD, STYLES, Message
from entrepot.identity import Principal, Vault
from entrepot.jobs import Job
from entrepot.jobs.testing import run_pending
from entrepot.settings import Settings
from tests.support.cases import Case


class World:
    """Webhooks whose receivers answer as a test says."""

    def __init__(self, database: Database, settings: Settings, vault: Vault, admin: Principal) -> None:
        self.database, self.settings, self.vault, self.admin = database, settings, vault, admin
        self.got: Counter[str] = Counter()
        self.headers: list[httpx.Headers] = []
        self.answer: Callable[[str, int], httpx.Response] = lambda _path, _number: httpx.Response(204)

    def client(self, _settings: Settings) -> httpx.Client:
        def handle(request: httpx.Request) -> httpx.Response:
            path = request.url.path
            self.got[path] += 1
            self.headers.append(request.headers)
            answer = self.answer(path, self.got[path])
            return httpx.Response(answer.status_code, headers=answer.headers, stream=httpx.ByteStream(b""))

        return httpx.Client(transport=httpx.MockTransport(handle))

    def create(self, path: str = "/hook") -> Webhook:
        with self.database.write() as session:
            made, _ = webhooks.create_webhook(
                session, self.admin, self.settings, self.vault, url=f"http://127.0.0.1{path}", style=STANDARD,
                types=["file"],
            )  # fmt: skip
            return made

    def change(self, webhook: Webhook, **changes: Any) -> None:
        with self.database.write() as session:
            found = webhooks.get_webhook(session, self.admin, webhook.id)
            webhooks.change_webhook(session, self.admin, self.settings, found, changes)

    def emit(self, *objects: str) -> None:
        with self.database.write() as session:
            for one in objects:
                emit(session, "file", "published", one, organization_id=self.admin.organization_id)

    def work(self, later: timedelta = timedelta()) -> None:
        """Do what is due, or is due so much later."""
        with self.database.write() as session:
            if later:
                session.execute(update(Delivery).values(next_at=now() - timedelta(seconds=1)))
                session.execute(update(Webhook).values(paused_until=None))
                session.execute(update(Job).where(Job.status == "pending").values(ready_at=now(), run_at=now()))
        run_pending(self.database, self.settings, {"vault": self.vault})

    def find(self, path: str = "/hook") -> Webhook:
        with self.database.read() as session:
            return session.scalars(select(Webhook).where(Webhook.url.endswith(path))).one()

    def states(self, path: str = "/hook") -> list[str]:
        with self.database.read() as session:
            query = select(Delivery.status).where(Delivery.webhook_id == self.find(path).id)
            return list(session.scalars(query.order_by(Delivery.number)))


@pytest.fixture
def world(
    database: Database, settings: Settings, vault: Vault, admin: Principal, monkeypatch: pytest.MonkeyPatch
) -> World:
    made = World(database, settings, vault, admin)
    monkeypatch.setattr(delivery, "open_client", made.client)
    monkeypatch.setattr(delivery, "_FIRST_PAUSE", 120.0)  # no pause ends by itself while a test works
    return made


def test_each_receiver_is_heard(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    case = Case("answers-of-receivers")
    receivers, right = case.json("receivers.json"), case.json("expected.json")
    assert max(step.get("after_seconds", 0) for steps in receivers.values() for step in steps) < delivery.ANSWER_SECONDS
    send = delivery.send

    def answer(path: str, number: int) -> httpx.Response:
        step = receivers[path][min(number, len(receivers[path])) - 1]
        return httpx.Response(step["status"], headers=step.get("headers"))

    def send_and_wait(client: httpx.Client, style: str, secrets: Sequence[str], message: Message) -> delivery.Outcome:
        seconds = receivers[httpx.URL(message.url).path][0].get("after_seconds", 0.0)
        return replace(send(client, style, secrets, message), seconds=seconds)

    world.answer = answer
    monkeypatch.setattr(delivery, "send", send_and_wait)
    for path in receivers:
        world.create(path)
    world.emit("a")
    world.work()
    assert world.got == right["requests_of_the_first_event_in_40_seconds"]
    for path in receivers:
        webhook = world.find(path)
        assert (webhook.status == "deactivated") == (path in right["disabled"])
        assert (world.states(path) == ["delivered"]) == (path in right["delivered"])
        assert webhook.slow == (path == "/thinks")
    wait = timedelta(seconds=1800)
    assert timedelta() < now() + wait - (world.find("/busy").paused_until or now()) < timedelta(seconds=60)
    assert (world.find("/until").paused_until or now()) > now() + timedelta(hours=23)
    with world.database.read() as session:
        (told,) = session.scalars(select(Event).where(Event.type == "webhook")).all()
        assert (told.action, told.data["reason"]) == ("deactivated", "The receiver answered 410: it is gone.")
    first = Counter(world.got)
    world.emit("b")
    world.work()
    second = world.got - first
    assert second == {"/well": right["requests_of_a_second_event"]["/well"]}, "the others wait, or have ended"
    world.work(later=timedelta(days=1))
    assert set(world.states("/busy")) == set(world.states("/until")) == {"delivered"}


@pytest.mark.parametrize(
    ("value", "seconds"),
    [("7", 7), ("0", None), ("-5", None), ("soon", None), ("", None), ("99999999999", 86_400), ("1e9", None),
     ("Thu, 01 Jan 1970 00:00:00 GMT", None), ("Fri, 01 Jan 2100 00:00:00 GMT", 86_400), ("\u0661", None)],
)  # fmt: skip
def test_how_long_a_receiver_asks_to_be_left_alone(value: str, seconds: int | None) -> None:
    answer = httpx.Response(503, headers=[(b"retry-after", value.encode())])
    asked = delivery._asked_wait(answer)
    assert asked == (timedelta(seconds=seconds) if seconds else None)


def test_slow_receivers_are_paused_longer_and_longer_and_have_slots_apart(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delivery, "SLOW_SECONDS", -1.0)
    world.create()
    world.emit("a")
    world.work()
    first = (world.find().paused_until or now()) - now()
    world.emit("b")
    world.work()
    assert world.got["/hook"] == 1, "it is paused"
    with world.database.read() as session:
        waiting = session.scalars(select(Job).where(Job.status == "pending", Job.kind.startswith("webhook.deliver")))
        assert {job.kind for job in waiting} == {webhooks.DELIVER_SLOWLY}
    world.work(later=timedelta(hours=1))
    assert world.states() == ["delivered", "delivered"]
    assert (world.find().paused_until or now()) - now() > first
    assert world.find().failing_since is None, "it is slow, and does not fail"
    monkeypatch.setattr(delivery, "SLOW_SECONDS", 60.0)
    world.emit("c")
    world.work(later=timedelta(hours=1))
    assert (world.find().slow, world.find().paused_until, world.find().pauses) == (False, None, 0)


def test_a_webhook_is_told_of_what_happens_from_then_on(world: World) -> None:
    world.create("/earlier")
    world.emit("before")
    world.create()
    world.emit("after")
    world.work()
    assert (world.got["/earlier"], world.got["/hook"]) == (2, 1)
    webhook = world.find()
    world.emit("waits")
    world.answer = lambda _path, _number: httpx.Response(500)
    world.work()
    world.change(webhook, status="deactivated")
    world.emit("while it is not active")
    world.answer = lambda _path, _number: httpx.Response(204)
    world.change(webhook, status="new")
    world.emit("again")
    world.got.clear()
    world.work(later=timedelta(days=1))
    assert world.got["/hook"] == 1
    assert world.states() == ["delivered", "failed", "delivered"]
    world.emit("waits")
    world.change(webhook, status="new")
    world.work(later=timedelta(days=1))
    assert world.states()[-1] == "delivered", "who is active goes on"


def test_two_signatures(monkeypatch: pytest.MonkeyPatch) -> None:
    case = Case("two-signatures")
    given, right = case.json("delivery.json"), case.json("expected.json")["webhook-signature"]
    monkeypatch.setattr(time, "time", lambda: float(given["webhook-timestamp"]))
    message = Message("http://x", given["webhook-id"], given["body"].encode())
    new, old = given["secrets"]["new"], given["secrets"]["old"]
    for when, secrets in {"before the rotation": [old], "during the overlap": [new, old], "after it": [new]}.items():
        headers = STYLES[STANDARD].sign(secrets, message)
        assert headers["webhook-signature"] == right[when], when


def test_a_secret_rotates_with_an_overlap(world: World) -> None:
    webhook = world.create()
    with world.database.write() as session:
        found = webhooks.get_webhook(session, world.admin, webhook.id, "admin")
        old = webhooks.secrets_of(world.vault, found)
        _, new = webhooks.rotate_secret(session, world.admin, world.vault, found, 1)
        assert webhooks.secrets_of(world.vault, found) == [new, *old]
    world.emit("a")
    world.work()
    assert [len(headers["webhook-signature"].split()) for headers in world.headers] == [2]
    with world.database.write() as session:
        session.execute(update(Webhook).values(former_secret_until=now()))
        found = webhooks.get_webhook(session, world.admin, webhook.id, "admin")
        session.refresh(found)
        assert webhooks.secrets_of(world.vault, found) == [new]
        for wrong in (-1, 721, True, "1", None, float("nan")):
            with pytest.raises(InvalidInput) as raised:
                webhooks.rotate_secret(session, world.admin, world.vault, found, wrong)
            assert set(raised.value.fields) == {"overlap_hours"}
