"""Changes, a receiver that misbehaves, and a server that is killed: every event arrives, in order, signed."""

import base64
import hmac
import os
import random
from pathlib import Path

import orjson
import pytest
from sqlalchemy import update

from entrepot.db import Database, now
from entrepot.events.models import Delivery, Webhook
from entrepot.jobs import Job
from tests.integration.events.conftest import Receiver
from tests.support.deadline import eventually
from tests.support.server import ServerProcess

#: Ten thousand in a longer run.
CHANGES = int(os.environ.get("ENTREPOT_TEST_EVENTS", 60))
STALLS = max(100, CHANGES // 10)

pytestmark = pytest.mark.slow


def test_nothing_is_lost(database_kind: str, database_url: str, tmp_path: Path, receiver: Receiver) -> None:
    chance = random.Random(8)
    # It fails, redirects, and now and then (0) does not answer at all; below, it is gone for a while.
    receiver.answer = lambda number: 0 if number % STALLS == 7 else chance.choices([200, 500, 302], [80, 15, 5])[0]
    environment = {"ENTREPOT_WEBHOOK_ALLOWED_NETWORKS": '["127.0.0.0/8"]', "ENTREPOT_JOB_LEASE_SECONDS": "3"}
    url = None if database_kind == "sqlite" else database_url
    with ServerProcess(tmp_path / "data", url, environment=environment) as server:
        headers = {"authorization": f"Token {server.token}"}
        with server.http(auth=None, headers=headers) as client:
            secret = client.post("/api/v1/webhooks", json={"url": receiver.url, "types": ["work"]}).json()["secret"]
        wanted: dict[str, list[str]] = {}
        for part in range(3):
            with server.http(auth=None, headers=headers) as client:
                for _ in range(CHANGES // 6):
                    work = {"pipeline": "p", "site": "local", "user": "me"}
                    (id_,) = client.post("/api/v1/works", json=[work]).json()["ids"]
                    client.post("/api/v1/works/withdraw", json={"query": {"id": id_}})
                    wanted[id_] = ["deposited", "withdrawn"]
            if part < 2:
                receiver.close()
                server.kill9()
                server.start()
                receiver.open()
        database = Database(server.database_url.replace("postgresql://", "postgresql+psycopg://", 1))

        def arrived() -> bool:
            # Hours pass.
            with database.write() as session:
                later = (Delivery.status == "pending", Delivery.next_at > now())
                session.execute(update(Delivery).where(*later).values(next_at=now()))
                session.execute(update(Webhook).values(paused_until=None))
                session.execute(update(Job).where(Job.status == "pending").values(ready_at=now(), run_at=now()))
            return _seen(receiver) == wanted

        eventually(arrived, max(120, CHANGES / 10), every=0.3, message="not everything arrived")
        database.close()
    for _, got, body in list(receiver.got):
        signed = f"{got['webhook-id']}.{got['webhook-timestamp']}.".encode() + body
        proof = base64.b64encode(hmac.digest(base64.b64decode(secret[6:]), signed, "sha256")).decode()
        assert got["webhook-signature"] == f"v1,{proof}"


def _seen(receiver: Receiver) -> dict[str, list[str]]:
    seen: dict[str, list[str]] = {}
    for _, _, body in list(receiver.got):
        data = orjson.loads(body)["data"]
        actions = seen.setdefault(data["object_id"], [])
        if data["action"] not in actions:
            actions.append(data["action"])
    return seen
