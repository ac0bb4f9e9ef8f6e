"""Queries as attacks: on the server's time, on its memory, on other writers, and on the workers that read works."""

import threading
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from entrepot.db import Database
from entrepot.errors import InvalidInput
from entrepot.identity import Principal, keys, users
from entrepot.identity.models import Role
from entrepot.server.run.app import create_app
from entrepot.server.services import Services
from entrepot.settings import Settings
from entrepot.works import archive, limits, queue, withdraw
from entrepot.works.collection import QUEUE
from entrepot.works.query import parse, steps
from entrepot.works.query.match import matches

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # it would rather have a successor of httpx
    from starlette.testclient import TestClient

WORK = {"pipeline": "p", "site": "local", "user": "me"}


@pytest.fixture
def writer(database: Database) -> Principal:
    with database.write() as session:
        found = users.create_organization(session, "Lab")
        user, _ = users.create_user(session, "me", "a long password")
        users.set_member(session, user, found, Role.WRITER)
        return Principal(user_id=user.id, login="me", organization_id=found.id, roles={found.id: Role.WRITER})


@pytest.fixture
def client(database: Database, writer: Principal, tmp_path: Path) -> Iterator[TestClient]:
    with database.write() as session:
        _, token = keys.create_key(session, writer.user_id, writer.organization_id)
    with TestClient(create_app(Services(Settings(data_dir=tmp_path), database))) as client:
        client.headers["authorization"] = f"Bearer {token}"
        yield client


@pytest.mark.parametrize("text", ["9" * 1_000_000, "9" * 2000, "1e999999", "-" + "9" * 5000])
def test_a_number_of_a_million_digits_is_refused(client: TestClient, text: str) -> None:
    for path, body in (
        ("/api/v1/works/view", f'{{"query": {{"a": {text}}}}}'),
        ("/api/v1/works/withdraw", f'{{"query": {{"a": {{"$mod": [{text}, 1]}}}}}}'),
        ("/workflow/buckets/work/withdraw", f'{{"a": {text}}}'),
        ("/workflow/results/view", f'{{"query": {{"$expr": {{"$gt": [{text}, 1]}}}}}}'),
    ):
        answer = client.post(path, content=body)
        assert answer.status_code in (400, 422), (path, answer.text)


def test_a_product_of_long_numbers_does_not_grow_for_ever() -> None:
    query = parse({"$expr": {"$gt": [{"$multiply": ["$n"] * 50_000}, 0]}})
    began = time.process_time()
    assert matches(query, {"n": 10**4000})
    assert time.process_time() - began < 5


def test_many_conditions_on_a_long_array_are_given_up() -> None:
    query = parse({"$or": [{"a": {"$gt": number}} for number in range(450)]})
    with pytest.raises(InvalidInput, match="steps in one document"):
        matches(query, {"a": [-1] * 200_000})


def test_comparing_large_objects_again_and_again_is_given_up() -> None:
    large = {str(number): number for number in range(50_000)}
    query = parse({"$or": [{"a": {"$gt": {"0": number}}} for number in range(300)]})
    with pytest.raises(InvalidInput, match="steps in one document"):
        matches(query, {"a": large | {"0": -1}})


def test_a_slow_query_is_ended_and_its_connection_serves_the_next(
    database: Database, writer: Principal, monkeypatch: pytest.MonkeyPatch
) -> None:
    works = [
        WORK | {"id": f"{number}", "status": "success", "results": {"a": list(range(3000))}} for number in range(20)
    ]
    with database.write() as session:
        archive.deposit(session, writer, works)
    monkeypatch.setattr(limits, "READ_SECONDS", 0.05)
    slow = {"$or": [{f"results.a.{n}.b": {"$not": {"$gt": n}}, "results.a": {"$elemMatch": {"$gt": n, "$lt": n}}}
                    for n in range(40)]}  # fmt: skip
    for ask in (archive.count, archive.view):
        with database.read() as session, pytest.raises(InvalidInput, match="takes longer"):
            ask(session, writer, slow)
    monkeypatch.undo()
    with database.read() as session:
        assert archive.count(session, writer, {"results.a": 2999}) == 20


@pytest.mark.parametrize("ask", ["withdraw", "dialect", "retry", "delete", "archive/delete"])
def test_a_slow_query_keeps_no_writer_waiting(
    database: Database, writer: Principal, client: TestClient, monkeypatch: pytest.MonkeyPatch, ask: str
) -> None:
    with database.write() as session:
        queue.deposit(session, writer, [WORK | {"parameters": {"a": 1}}])
    find, wrote = type(QUEUE).find, []

    def write() -> None:
        with database.write() as session:
            queue.deposit(session, writer, [WORK | {"pipeline": "other"}])
        wrote.append(True)

    def slow(*args: Any, **options: Any) -> Iterator[Any]:
        # As long as somebody reads, others must be able to write.
        thread = threading.Thread(target=write)
        thread.start()
        thread.join(20)
        yield from find(*args, **options)

    monkeypatch.setattr(type(QUEUE), "find", slow)
    query = {"parameters.a": {"$gt": 0}}
    path = "/workflow/buckets/work/withdraw" if ask == "dialect" else f"/api/v1/{ask if '/' in ask else f'works/{ask}'}"
    answer = client.post(path, json=query if ask == "dialect" else {"query": query})
    assert answer.status_code == 200, answer.text
    assert wrote


def test_a_withdrawal_within_a_transaction_has_a_short_time(
    database: Database, writer: Principal, monkeypatch: pytest.MonkeyPatch
) -> None:
    with database.write() as session:
        queue.deposit(session, writer, [WORK | {"parameters": {"a": list(range(3000))}} for _ in range(20)])
    monkeypatch.setattr(limits, "WRITE_SECONDS", 0.05)
    slow = {"$and": [{f"parameters.a.{n}.b": {"$not": {"$gt": n}}, "parameters.a": {"$elemMatch": {"$gte": n}}}
                     for n in range(40)]}  # fmt: skip
    with database.write() as session, pytest.raises(InvalidInput, match="takes longer"):
        withdraw.withdraw(session, writer, slow)


@pytest.mark.parametrize(
    "field", ["http", "workspace", "GITHUB_TOKEN", "_env_file", "_secrets_dir", "_cli_parse_args", "__pydantic_self__"]
)
def test_a_deposit_cannot_configure_the_worker_that_reads_it(client: TestClient, field: str) -> None:
    for place in (lambda value: value, lambda value: {"config": value}, lambda value: {"config": {"archive": value}}):
        if not field.startswith("_") and place({}) != {}:
            continue
        for path in ("/api/v1/works", "/workflow/buckets/work"):
            answer = client.post(path, json=[WORK | place({field: "x"})])
            assert (answer.status_code, field in answer.text) == (400 if "workflow" in path else 422, True), answer.text


def test_a_queued_work_cannot_become_one_that_no_worker_can_take(client: TestClient) -> None:
    (work_id,) = client.post("/api/v1/works", json=[WORK]).json()["ids"]
    spoilt = WORK | {"id": work_id, "status": "queued", "parameters": "exposure=30"}
    for path in ("/api/v1/works", "/workflow/buckets/work"):
        answer = client.put(path, json=[spoilt])
        status = 400 if "workflow" in path else 422
        assert (answer.status_code, "parameters" in answer.text) == (status, True), answer.text


@pytest.mark.parametrize("cursor", [5, "x", "", "WzFd", "bnVsbA==", "W10=", "é" * 9, "W" * 100_000])
def test_a_cursor_that_was_not_handed_out_is_refused(client: TestClient, cursor: Any) -> None:
    for place in ("works", "archive"):
        answer = client.post(f"/api/v1/{place}/view", json={"cursor": cursor})
        assert (answer.status_code, "cursor" in answer.text) == (422, True)


def test_the_steps_of_one_document_are_those_of_one_alone() -> None:
    counted = steps.Steps(60)
    query = parse({"$or": [{"a": {"$gt": number}} for number in range(100)]})
    assert not any(matches(query, {"a": [-1] * 8_000}, counted) for _ in range(3))
