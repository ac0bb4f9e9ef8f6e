"""The worker that serves polls: what it fetches from a folder, and what of it is published."""

import hashlib
import json
from pathlib import Path
from typing import Any

import httpx
import pytest

from entrepot.client import polls
from entrepot.client._http import Connection


@pytest.fixture
def exports(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "exports"
    account = folder / "icloud.account" / "a@b.c"
    (account / "tablet").mkdir(parents=True)
    for path in ("messages.sms.json", "photos.zip", "tablet/notes.txt"):
        (account / path).write_text(path)
    (tmp_path / "secret.json").write_text("of another")
    (account / "link.json").symlink_to(tmp_path / "secret.json")
    (folder / "icloud.account" / "linked").symlink_to(tmp_path)
    monkeypatch.setenv(polls.FOLDER, str(folder))
    return folder


def _source(identifier: str = "a@b.c", type_: str = "icloud.account", parent: Any = None) -> dict[str, Any]:
    return {"type": type_, "identifier": identifier, "parent": parent}


@pytest.mark.parametrize(
    ("payload", "wanted"),
    [
        ({}, ["messages.sms.json", "photos.zip"]),
        ({"info_types": ["*"]}, ["messages.sms.json", "photos.zip"]),
        ({"data_types": ["photos"]}, ["photos.zip"]),
        ({"data_types": ["photos"], "files": ["messages.sms"]}, ["messages.sms.json", "photos.zip"]),
    ],
)
def test_what_a_poll_asks_for_is_fetched(exports: Path, payload: dict[str, Any], wanted: list[str]) -> None:
    results, files, _ = polls.from_folder(_source(), payload)
    assert [Path(file).relative_to(exports / "icloud.account" / "a@b.c").as_posix() for file in files] == wanted
    assert results == {"sources": [{"type": "icloud.account.part", "identifier": "tablet"}]}


def test_a_part_is_fetched_alone(exports: Path) -> None:
    results, files, _ = polls.from_folder(_source("tablet", "icloud.account.part", _source()), {})
    assert (results, [Path(file).name for file in files]) == ({"sources": []}, ["notes.txt"])


@pytest.mark.parametrize(
    ("source", "payload"),
    [
        (None, {}),
        (_source("other"), {}),
        (_source(".."), {}),
        (_source("../.."), {}),
        (_source("/etc"), {}),
        (_source("linked"), {}),
        (_source("a@b.c/tablet"), {}),
        (_source(type_=".."), {}),
        (_source("x\0y"), {}),
        (_source("..", parent=_source()), {}),
        (_source(), {"data_types": ["link"]}),
        (_source(), {"data_types": ["../../../secret"]}),
        (_source(), {"files": ["videos"]}),
    ],
)
@pytest.mark.usefixtures("exports")
def test_a_poll_reaches_nothing_but_its_sources_own_files(source: Any, payload: dict[str, Any]) -> None:
    with pytest.raises(LookupError, match=r"There is no|no source"):
        polls.from_folder(source, payload)


class _Server:
    """Takes what a worker sends, and has one work for it."""

    def __init__(self, source: Any) -> None:
        self.published: list[dict[str, Any]] = []
        self.reports: list[dict[str, Any]] = []
        parameters = {"poll": "p", "task": "t", "source": source, "payload": {"data_types": ["photos"]}}
        archive = {"results": True, "products": "copy", "plots": "copy", "logs": "move"}
        self.work = {
            "id": "w",
            "pipeline": polls.PIPELINE,
            "attempt": 1,
            "timeout": 60,
            "start": 0.0,
            "function": None,
            "parameters": parameters,
            "command": None,
            "results": None,
            "products": None,
            "plots": None,
            "config": {"archive": archive},
        }

    def __call__(self, request: httpx.Request) -> httpx.Response:
        body = json.loads(request.content or "null") if request.method in ("POST", "PUT") else None
        match request.method, request.url.path:
            case "POST", "/api/v1/works/withdraw":
                assert body["query"] == {"pipeline": polls.PIPELINE, "tags": {"$in": ["icloud.account"]}}
                return httpx.Response(200, json=[self.work])
            case "PUT", "/api/v1/works":
                self.reports += body
                return httpx.Response(200, json={"updated": True})
            case "GET", "/api/v1/files":
                assert request.url.params.get_list("step") == ["t"]
                return httpx.Response(200, json={"items": self.published, "next": None})
            case "POST", "/api/v1/uploads":
                self.published.append({**body, "id": f"f{len(self.published)}"})
                return httpx.Response(201, json={"id": "u"})
            case "PATCH", "/api/v1/uploads/u":
                self.published[-1]["sha256"] = hashlib.sha256(request.content).hexdigest()
                return httpx.Response(200, json={"offset": len(request.content)})
            case "POST", "/api/v1/uploads/u/publish":
                return httpx.Response(200, json=self.published[-1])
        return httpx.Response(200, json={})


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HOME", "XDG_STATE_HOME"):
        monkeypatch.setenv(name, str(tmp_path))


def _serve(server: _Server) -> None:
    connection = Connection("http://server", transport=httpx.MockTransport(server))
    worker = polls.PollWorker(connection, "entrepot.client.polls.from_folder", ["icloud.account"])
    work = worker.take()
    assert work is not None
    worker.perform(work)


@pytest.mark.usefixtures("exports", "state")
def test_files_become_the_tasks_results_once_however_often_it_is_tried() -> None:
    server = _Server(_source())
    _serve(server)
    assert [(one["name"], one["identifier"], one["step"]) for one in server.published] == [
        ("photos.zip", "photos", "t")
    ]
    _serve(server)
    assert len(server.published) == 1
    for report in server.reports:
        assert (report["status"], report["products"]) == ("success", None), report["results"]
        assert report["results"]["published"] == ["f0"]
        assert report["results"]["sources"] == [{"type": "icloud.account.part", "identifier": "tablet"}]


@pytest.mark.usefixtures("exports", "state")
def test_what_cannot_be_fetched_fails_with_the_reason() -> None:
    server = _Server(_source("other"))
    _serve(server)
    (report,) = server.reports
    assert (report["status"], server.published) == ("failure", [])
    assert "There is no source icloud.account/other." in report["results"]["error"]
