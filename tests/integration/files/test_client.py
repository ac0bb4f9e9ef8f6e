"""The client surface of ricloud, against a live server."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

import entrepot.client.ricloud as ricloud
from tests.support.deadline import eventually
from tests.support.server import ServerProcess


@pytest.fixture
def publish(shared_server: ServerProcess, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    monkeypatch.setattr(ricloud, "url", f"{shared_server.url}/ricloud/")
    monkeypatch.setattr(ricloud, "token", shared_server.token)
    headers = {"authorization": f"Token {shared_server.token}"}
    with shared_server.http(auth=None, headers=headers) as client:

        def act(content: bytes, **fields: str) -> Any:
            answer = client.post("/api/v1/files", files={"file": ("a", content)}, data=fields)
            return answer.raise_for_status().json()

        yield act


def test_the_documents_examples(publish: Any, tmp_path: Path) -> None:
    content = os.urandom(3_000_000)
    made = publish(content)
    result = ricloud.Result.retrieve(made["id"])
    assert result.download() == content
    target = tmp_path / "here"
    assert result.download(target) == target
    assert target.read_bytes() == content
    assert [path.name for path in tmp_path.iterdir()] == ["here"]
    result.attrs["checksum"] = "0" * 32
    with pytest.raises(ricloud.ChecksumError):
        result.download(tmp_path / "other")
    assert not (tmp_path / "other").exists()
    assert made["id"] in [one.id for one in ricloud.Result.list()]
    result.acknowledge()
    assert result.state == "consumed"
    assert ricloud.Result.acknowledge_with_id(made["id"]).date_consumed == result.date_consumed
    other = publish(b"x", request=made["request"])
    assert [one.state for one in ricloud.Result.acknowledge_batch([other["id"], "unknown"])] == ["consumed"]
    assert len(list(ricloud.Result.each(poll=made["request"], state=["consumed"], limit=1))) == 2
    with pytest.raises(ricloud.RequestError) as raised:
        ricloud.Result.retrieve("unknown")
    assert (raised.value.status, raised.value.error) == (404, "not-found")
    assert ricloud.Poll.retrieve(made["request"]).results[0].id == made["id"]
    assert ricloud.Task.retrieve(made["step"]).state == "succeeded"


def test_what_the_published_client_cannot_do(publish: Any) -> None:
    current = ricloud.Key.current()
    assert current.state == "active"
    key = ricloud.Key.create()
    before = key.token
    key.rotate()
    assert key.token not in (None, before)
    storage = ricloud.StorageConfig.list(type="local")
    assert storage.total_count >= 0
    event = eventually(lambda: ricloud.Event.list(type="task", limit=1).data)[0] if publish(b"x") else None
    assert event is not None
    assert event.data.resource == "task"


def test_a_download_goes_on_where_it_broke(publish: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    content = os.urandom(2_000_000)
    result = ricloud.Result.retrieve(publish(content)["id"])
    blocks = result._blocks
    broken: list[int] = []

    def breaking(start: int) -> Iterator[bytes]:
        for number, block in enumerate(blocks(start)):
            if number == 1 and len(broken) < 3:
                broken.append(start)
                raise httpx.ReadError("cut off")
            yield block[:100_000] if len(broken) < 3 else block
            if len(broken) < 3:
                broken.append(start)
                raise httpx.ReadError("cut off")

    monkeypatch.setattr(result, "_blocks", breaking)
    assert result.download() == content
    assert broken == [0, 100_000, 200_000]
