"""The published ricloud 3.2.0, library and command, against a live server."""

import hashlib
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest

from tests.conformance.runner import run_script
from tests.support.server import ServerProcess

pytestmark = pytest.mark.conformance

#: So many commands does the client have that do not wait for others.
COMMANDS = 21
API = "https://ricloud-api.reincubate.com"
TOKEN = "-H 'Authorization: Token <your key_token>'"
IDS = '{ "ids": ["<result ID>", "<result ID>"] }'


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """A server whose operator allows receivers on this machine, and a folder."""
    folder = tmp_path_factory.mktemp("ricloud")
    (folder / "exports").mkdir()
    environment = {
        "ENTREPOT_WEBHOOK_ALLOWED_NETWORKS": '["127.0.0.0/8"]',
        "ENTREPOT_FILE_LOCAL_ROOTS": orjson.dumps([str(folder / "exports")]).decode(),
    }
    with ServerProcess(folder / "data", environment=environment) as server:
        yield server


def _publish(server: ServerProcess, content: bytes, **fields: str) -> dict[str, Any]:
    with server.http(auth=None, headers={"authorization": f"Token {server.token}"}) as client:
        answer = client.post("/api/v1/files", files={"file": ("messages.json", content)}, data=fields)
        assert answer.status_code == 201, answer.text
        record: dict[str, Any] = answer.json()
        return record


def _run(server: ServerProcess, name: str, folder: Path, **arguments: Any) -> Any:
    common = {"url": server.url, "token": server.token, "webhook": "http://127.0.0.1:9/webhooks"}
    return run_script("ricloud", name, folder, common | arguments)


def test_every_call_of_the_library(server: ServerProcess, tmp_path: Path) -> None:
    first = _publish(server, b"{}", identifier="ios_messages.messages")
    second = _publish(server, b"{}", request=first["request"])
    storage = f"local://{server.data_dir.parent}/exports/x"
    notes = _run(server, "ricloud_library", tmp_path, results=[first["id"], second["id"]], storage=storage)
    assert notes["retrieve"] == ["ios_messages.messages", hashlib.md5(b"{}").hexdigest(), 2, "available"]
    assert notes["download"] == "{}"
    assert notes["list"] == ["List", "Result", False, True]
    assert (notes["filters"], notes["gte"], notes["lt"], notes["equal"]) == (2, 2, 0, 1)
    assert notes["dict filter"] == [400, "invalid-parameter", ["date_created"]]
    assert notes["acknowledge"] == ["consumed", True]
    assert notes["acknowledge with id"] == "consumed"
    assert (notes["after"], notes["batch"]) == ([0, 2], [1, "consumed"])
    assert notes["unknown"] == ["RequestError", 404, "not-found"]
    assert (notes["current"], notes["organisation"]) == (["active", True], "organisation")
    assert notes["storage"] == ["new", 3600.0, "local"]
    assert (notes["storage test"], notes["storage update"]) == ("storage_config.test", "deactivated")
    assert (notes["webhook"], notes["key"]) == (["new", True], [True, True])
    assert notes["rotate"], "the client fails after the key was rotated"
    assert notes["user again"]
    assert notes["session"] == ["active", "a@b.c", "Source"]
    assert (notes["source"], notes["polls"], notes["repr"]) == (True, True, True)
    assert notes["poll"] == ["pending", "List", 0, []]
    assert (notes["task"], notes["tasks"], notes["subscription"]) == ("pending", 1, "active")
    assert notes["completed"] == ["completed", first["id"], "Result"]
    assert notes["events"] == [3, "task", True]
    assert all(notes["the rest"].values()), notes["the rest"]
    assert notes["session end"] == "expired"


def test_its_receiver_accepts_webhooks(server: ServerProcess, tmp_path: Path) -> None:
    notes = _run(server, "ricloud_receiver", tmp_path)
    assert notes["valid"] == "valid"
    assert set(notes["statuses"]) == {200}, notes["output"]
    assert "Test event received!" in notes["output"]
    assert "verification failed" not in notes["output"]
    assert '"created"' in notes["output"]
    assert notes["states"] == ["delivered"]


def test_the_commands(server: ServerProcess, tmp_path: Path) -> None:
    notes = _run(server, "ricloud_commands", tmp_path)
    failed = {name: said for name, said in notes["commands"].items() if said[0] != 0}
    assert not failed, failed
    assert notes["init again"] == 1, "it refuses to overwrite what it wrote"
    assert f"url = {server.url}/ricloud/" in notes["commands"]["config view"][1]
    assert len(notes["commands"]) == COMMANDS
    assert notes["poll"] in notes["commands"]["icloud poll latest"][1]
    assert notes["content"].pop("ios_messages.messages").startswith('{"data"')
    assert notes["content"] == {f"f{number}": f"bytes of f{number}" for number in (1, 2, 4)}, "what a cascade brings"
    assert "Test event received!" in notes["listened"]
    assert "verification failed" not in notes["listened"]


@pytest.mark.parametrize(
    "command",
    [
        f"curl {API}/results/<result ID> {TOKEN}",
        f"curl {API}/results {TOKEN}",
        f"curl {API}/results/<result ID>/ack -X POST {TOKEN}",
        f"curl {API}/results/ack -X POST {TOKEN} -H 'Content-Type: application/json' -d '{IDS}'",
    ],
    ids=["retrieve", "list", "acknowledge", "batch"],
)
def test_the_documents_requests(server: ServerProcess, command: str) -> None:
    made = _publish(server, b"{}")
    command = command.replace(API, f"{server.url}/ricloud")
    command = command.replace("<result ID>", made["id"]).replace("<your key_token>", server.token)
    run = subprocess.run([*shlex.split(command), "-sS", "--noproxy", "*"], capture_output=True, check=True)
    answer = orjson.loads(run.stdout)
    assert answer["resource"] in ("result", "list")
    assert made["id"] in run.stdout.decode()
