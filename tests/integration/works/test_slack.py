"""Notices of works in Slack."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from pydantic import SecretStr

from entrepot import net
from entrepot.db import Database
from entrepot.identity import Principal
from entrepot.jobs import testing
from entrepot.settings import Settings
from entrepot.works import queue
from entrepot.works.withdraw import withdraw

URL = "https://slack.example/api/chat.postMessage"
Make = Callable[..., dict[str, Any]]


def _end(database: Database, writer: Principal, work: dict[str, Any], status: str = "success") -> None:
    with database.write() as session:
        queue.deposit(session, writer, [work])
        (taken,) = withdraw(session, writer, {"status": "queued"})
        queue.update_documents(session, writer, [taken | {"status": status, "results": {"dm": 1.5}}])


@pytest.fixture
def posted(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str, Any]]:
    """What Slack was told: address, key, message."""
    said: list[tuple[str, str, Any]] = []

    def answer(request: httpx.Request) -> httpx.Response:
        message = json.loads(request.content)
        said.append((str(request.url), request.headers["authorization"], message))
        known = message["channel"] != "unknown"
        return httpx.Response(200, json={"ok": True} if known else {"ok": False, "error": "channel_not_found"})

    def client(_allowed: Any, *, seconds: float, headers: Any) -> httpx.Client:
        return httpx.Client(transport=httpx.MockTransport(answer), headers=headers, timeout=seconds)

    monkeypatch.setattr(net, "client", client)
    return said


def test_the_end_of_a_work_is_told_to_whom_it_names(
    database: Database, writer: Principal, make_work: Make, tmp_path: Path, posted: list[tuple[str, str, Any]]
) -> None:
    settings = Settings(data_dir=tmp_path, slack_url=URL, slack_token=SecretStr("xoxb"))
    told = {"channel_id": "C1", "member_ids": ["U1", "unknown"], "message": "over\0\ud800", "results": True}
    _end(database, writer, make_work(notify={"slack": told | {"blocks": {"type": "divider"}}}))
    _end(database, writer, make_work(notify={"slack": {"message": "nobody is named"}}))
    _end(database, writer, make_work())
    (job,) = [job for job in testing.run_pending(database, settings) if job.kind == "works.slack"]
    assert job.result == {"sent": 2, "refused": ["unknown: channel_not_found"]}
    assert [(url, key, message["channel"]) for url, key, message in posted] == [
        (URL, "Bearer xoxb", to) for to in ("C1", "U1", "unknown")
    ]
    text = posted[0][2]["text"]
    assert text.startswith("over?\nsum ")
    assert text.endswith(': success\nresults: {"dm": 1.5}')
    assert posted[0][2]["blocks"] == [{"type": "divider"}]


def test_nothing_is_sent_where_the_operator_names_no_address(
    database: Database, writer: Principal, make_work: Make, tmp_path: Path, posted: list[tuple[str, str, Any]]
) -> None:
    _end(database, writer, make_work(notify={"slack": {"channel_id": "C1"}}), "failure")
    jobs = testing.run_pending(database, Settings(data_dir=tmp_path))
    assert [job.result["sent"] for job in jobs if job.kind == "works.slack"] == [0]
    assert posted == []


def test_an_address_inside_is_reached_only_where_it_is_allowed(
    database: Database, writer: Principal, make_work: Make, tmp_path: Path
) -> None:
    _end(database, writer, make_work(notify={"slack": {"channel_id": "C1"}}))
    jobs = testing.run_pending(database, Settings(data_dir=tmp_path, slack_url="http://127.0.0.1:9/"))
    (job,) = [job for job in jobs if job.kind == "works.slack"]
    assert job.error
    assert "not a public address" in job.error
