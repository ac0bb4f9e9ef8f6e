"""The lane of works: a key that ends does so at once; a stranger's worker neither takes, keeps nor reports."""

import json
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from sqlalchemy import func, select

from entrepot.db import Database
from entrepot.events import reading
from entrepot.events.models import Event
from entrepot.identity import ApiKey, Role, keys, users
from entrepot.lineage import Run
from tests.support.asgi import Answer, application, call

WORK = {"pipeline": "p", "site": "local", "user": "me"}


@pytest.fixture
def app(database: Database, tmp_path: Path) -> FastAPI:
    return application(database, tmp_path)


class Lab:
    """An organization whose worker asks both doors."""

    def __init__(self, app: FastAPI, database: Database, name: str) -> None:
        self._app = app
        with database.write() as session:
            organization = users.create_organization(session, name)
            user, _ = users.create_user(session, name)
            users.set_member(session, user, organization, Role.WRITER)
            key, self.token = keys.create_key(session, user.id, organization.id)
            self.key = key.id

    def ask(self, method: str, path: str, body: Any) -> Answer:
        content = json.dumps(body).encode()
        headers = [("authorization", f"Token {self.token}"), ("content-type", "application/json")]
        return call(self._app, method, path, [*headers, ("content-length", str(len(content)))], [content])

    def deposit(self, **fields: Any) -> str:
        answer = self.ask("POST", "/api/v1/works", [WORK | fields])
        assert answer.status == 200, answer.body
        return str(json.loads(answer.body)["ids"][0])

    def take(self) -> dict[str, Any]:
        (found,) = json.loads(self.ask("POST", "/api/v1/works/withdraw", {"query": {"pipeline": "p"}}).body)
        work: dict[str, Any] = found
        return work


def _everything(work: dict[str, Any]) -> list[tuple[str, str, Any]]:
    done = {**work, "status": "success", "results": {"by": "another"}}
    return [
        ("POST", "/api/v1/works", [WORK]),
        ("POST", "/api/v1/works/withdraw", {"query": {"pipeline": "p"}}),
        ("PUT", "/api/v1/works", [done]),
        ("POST", f"/api/v1/works/{work['id']}/heartbeat", {"attempt": work["attempt"]}),
        ("POST", "/workflow/buckets/work", [WORK]),
        ("POST", "/workflow/buckets/work/withdraw", {"pipeline": "p"}),
        ("PUT", "/workflow/buckets/work", [done]),
    ]


def _written(database: Database) -> tuple[int, int]:
    reading.publish(database)
    with database.read() as session:
        counts = [session.scalar(select(func.count()).select_from(model)) for model in (Event, Run)]
    return counts[0] or 0, counts[1] or 0


def test_a_worker_whose_key_was_revoked_changes_nothing_from_then_on(app: FastAPI, database: Database) -> None:
    lab = Lab(app, database, "Lab")
    lab.deposit()
    lab.deposit()
    work = lab.take()  # the key is remembered by now
    with database.write() as session:
        keys.revoke_key(session, session.get_one(ApiKey, lab.key))
    before = _written(database)
    assert [lab.ask(*one).status for one in _everything(work)] == [401] * 7
    assert _written(database) == before


def test_a_key_that_may_only_deposit_cannot_work(app: FastAPI, database: Database) -> None:
    lab = Lab(app, database, "Lab")
    lab.deposit()
    lab.deposit()
    work = lab.take()
    with database.write() as session:
        session.get_one(ApiKey, lab.key).scopes = ["works:deposit"]
    assert [lab.ask(*one).status for one in _everything(work)] == [200, 403, 403, 403, 200, 403, 403]


def test_a_strangers_worker_neither_takes_nor_keeps_nor_reports_works_of_others(
    app: FastAPI, database: Database
) -> None:
    lab, stranger = Lab(app, database, "Lab"), Lab(app, database, "Elsewhere")
    lab.deposit()
    lab.deposit()
    work = lab.take()
    before = _written(database)
    answers = [stranger.ask(*one) for one in _everything(work) if one[2] != [WORK]]
    assert [(answer.status, answer.body) for answer in answers if answer.status == 200] == [
        (200, b"[]"),
        (200, b'{"updated":false}'),
        (200, b"{}"),
        (200, b"false"),
    ]
    assert [answer.status for answer in answers if answer.status != 200] == [409]
    # Neither an event nor a run came of reports that did not count.
    assert _written(database) == before
    assert json.loads(lab.ask("GET", f"/api/v1/works/{work['id']}", None).body)["status"] == "running"


def test_a_report_of_an_earlier_attempt_leaves_no_run(app: FastAPI, database: Database) -> None:
    lab = Lab(app, database, "Lab")
    lab.deposit()
    work = lab.take()
    late = {**work, "attempt": work["attempt"] - 1, "status": "success", "results": {"late": True}}
    before = _written(database)
    for path in ("/api/v1/works", "/workflow/buckets/work"):
        assert lab.ask("PUT", path, [late]).body in (b'{"updated":false}', b"false")
    assert _written(database) == before
    assert json.loads(lab.ask("PUT", "/api/v1/works", [{**late, "attempt": work["attempt"]}]).body)["updated"]
    assert _written(database) == (before[0] + 1, before[1] + 1)
