"""Storages over HTTP, the SDK and the command: files go in, come back and are told of, wherever they are."""

import hashlib
import os
import random
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import orjson
import pandas as pd
import pytest

from entrepot import Client, connect
from tests.integration.files.conftest import CREDENTIALS, list_bucket
from tests.support import warm
from tests.support.postgres import Cluster
from tests.support.server import ServerProcess

pytestmark = pytest.mark.turns


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """A server whose operator allows a folder, and stores on this machine."""
    folder, url = tmp_path_factory.mktemp("places"), None
    if request.param == "postgresql":
        cluster: Cluster = request.getfixturevalue("postgres")
        url = cluster.url(cluster.create())
    (folder / "exports").mkdir()
    environment = {
        "ENTREPOT_WEBHOOK_ALLOWED_NETWORKS": '["127.0.0.0/8"]',
        "ENTREPOT_FILE_LOCAL_ROOTS": orjson.dumps([str(folder / "exports")]).decode(),
    }
    with ServerProcess(folder / "data", url, environment=environment, options=("--no-ftp",)) as server:
        yield server


@pytest.fixture
def client(server: ServerProcess) -> Iterator[Client]:
    made = connect(server.url, server.token)
    yield made
    made.connection.close()


@pytest.fixture(params=["own", "local", "s3"])
def place(request: pytest.FixtureRequest, server: ServerProcess, client: Client) -> dict[str, Any]:
    """A storage of each kind, tested."""
    if request.param == "own":
        return {"id": None}
    if request.param == "local":
        made = client.storages.create(f"local://{server.data_dir.parent}/exports/x")
    else:
        endpoint = request.getfixturevalue("s3_endpoint")
        given = CREDENTIALS | {"endpoint": endpoint}
        url = f"s3://results/{server.data_dir.parent.name}"
        made = client.storages.create(url, given, signed=True, signed_for=600)
    assert made["status"] == "new"
    tested = client.storages.test(made["id"])
    assert tested["tested"] == dict.fromkeys(("write", "read", "range", "sign", "delete"))
    assert tested["status"] == "valid"
    return tested | ({"endpoint": endpoint} if request.param == "s3" else {})


def test_a_file_and_its_life(client: Client, place: dict[str, Any], tmp_path: Path, server: ServerProcess) -> None:
    content = random.Random(1).randbytes(9_000_000)
    source = tmp_path / "source.bin"
    source.write_bytes(content)
    described = {"identifier": tmp_path.name} | ({"storage": place["id"]} if place["id"] else {})
    connection = client.connection
    upload = connection.json("POST", "/api/v1/uploads", body={"name": "x", **described})
    address = f"/api/v1/uploads/{upload['id']}"
    for start in range(0, len(content), 4_000_000):
        part = content[start : start + 4_000_000]
        connection.send("PATCH", address, content=part, headers={"upload-offset": str(start)})
    parts = connection.json("POST", f"{address}/publish")
    whole = client.files.publish(source, **described)
    assert [one["id"] for one in client.files.find(identifier=tmp_path.name)] == [whole["id"], parts["id"]]
    for record in (parts, whole):
        assert record["sha256"] == hashlib.sha256(content).hexdigest()
        assert client.files.download(record["id"], tmp_path / "back").read_bytes() == content
        headers = {"range": "bytes=8999990-", "if-range": f'"{record["sha256"]}"'}
        with connection.stream(f"/api/v1/files/{record['id']}/download", headers=headers) as answer:
            assert (answer.status_code, answer.read()) == (206, content[-10:])
        if signed := record["signed_url"]:
            assert httpx.get(signed["url"], trust_env=False, follow_redirects=True).content == content
    if endpoint := place.get("endpoint"):
        kept = {f"s3://results/{key}" for key in list_bucket(endpoint, server.data_dir.parent.name)}
        assert kept == {parts["url"], whole["url"]}, "and nothing of the test"
    assert [one["status"] for one in client.files.acknowledge_many([parts["id"], "x"])] == ["consumed"]
    assert client.files.acknowledge(whole["id"], "0" * 64)["status"] == "available"
    assert [one["id"] for one in client.files.find(identifier=tmp_path.name)] == [whole["id"]]


def test_what_a_test_says_failed(client: Client, s3_endpoint: str) -> None:
    given = CREDENTIALS | {"endpoint": s3_endpoint}
    made = client.storages.create("s3://nothing/x", given)
    tested = client.storages.test(made["id"])
    assert tested["status"] == "invalid"
    assert tested["tested"]["write"]
    assert tested["tested"]["delete"] == "not tried"
    with pytest.raises(httpx.HTTPStatusError, match="invalid"):
        client.files.publish(__file__, storage=made["id"])
    assert CREDENTIALS["secret_access_key"] not in {*map(str, made.values())}
    for answer in (client.storages.all(), client.storages.get(made["id"]), tested):
        assert "credentials" not in orjson.dumps(answer).decode()
    changed = client.storages.update(made["id"], url="s3://results/other", credentials=given, default=True)
    assert (changed["status"], changed["tested"], changed["default"]) == ("new", None, True)
    assert client.storages.delete(made["id"])["status"] == "deactivated"
    client.storages.update(made["id"], default=False)
    assert made["id"] not in [one["id"] for one in client.storages.all()]
    for url in ("local:///etc", "ftp://x/y", "s3://b/../c"):
        with pytest.raises(httpx.HTTPStatusError, match="422"):
            client.storages.create(url, given)


def test_the_commands(server: ServerProcess, client: Client, tmp_path: Path) -> None:
    environment = os.environ | {"ENTREPOT_URL": server.url, "ENTREPOT_TOKEN": server.token}

    def run(*arguments: Any, code: int = 0) -> str:
        done = subprocess.run(
            [warm.program(), *arguments], env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout

    credentials = tmp_path / "key.csv"
    credentials.write_text("User name,Access key ID,Secret access key\nu,AKIA,hidden-secret\n")
    added = run("storage", "add", f"local://{server.data_dir.parent}/exports/y", "--signed-urls", "60")
    storage_id = added.split()[0]
    assert "range   ok" in added
    assert "write   ok" in run("storage", "test", storage_id)
    assert orjson.loads(run("storage", "set", storage_id, "--signed-urls", "0", "--json"))["signed"] is False
    assert "valid" in run("storage", "show", storage_id)
    assert storage_id in run("storage", "ls")
    (record,) = orjson.loads(run("files", "publish", credentials, "--storage", storage_id, "--json"))
    assert record["storage"]["id"] == storage_id
    run("storage", "rm", storage_id)
    assert storage_id not in run("storage", "ls")
    failed = run("storage", "add", "s3://nothing/x", "--credentials", credentials, code=1)
    assert "write" in failed
    assert "hidden-secret" not in failed


def test_exports_and_runs(server: ServerProcess, client: Client, tmp_path: Path) -> None:
    project = client.projects.ensure("farm")
    series = project.series.create("wind")
    series.write(pd.Series([1.0, 2.0], pd.date_range("2024-01-01", periods=2, freq="h")))
    made = client.export([series], publish={"identifier": "weekly"}, layout="frame")
    record = client.files.get(made["file"])
    assert (record["identifier"], record["type"], record["project"]["id"]) == ("weekly", "zip", project.id)
    (run,) = client.connection.json("GET", f"/api/v1/lineage/file/{record['id']}")["items"]
    assert [one["id"] for one in run["inputs"]] == [series.id]
    assert "file" not in client.export([series.id])
    for wrong in ({"request": "nothing"}, {"nothing": "x"}):
        with pytest.raises(httpx.HTTPStatusError, match="422"):
            client.export([series], publish=wrong)
    environment = os.environ | {"ENTREPOT_URL": server.url, "ENTREPOT_TOKEN": server.token}
    words = ("series", "export", "wind", "--project", "farm", "--publish", "nightly")
    command: list[str | Path] = [warm.program(), *words]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert client.files.get(done.stdout.strip())["identifier"] == "nightly"
    with server.http(headers={"authorization": f"Token {server.token}"}, auth=None) as http:
        body = {"project": project.id, "name": "availability"}
        analysis = http.post("/ovbp/api/v2/odata/analyses/", json=body).raise_for_status().json()["id"]
        client.analyses.by_id(analysis).publish_runs(format="csv")
        assert http.get(f"/api/v1/analyses/{analysis}/publishing").json()["format"] == "csv"
        command = [warm.program(), "publish-runs", "availability", "--project", "farm", "--identifier", "daily"]
        subprocess.run(command, env=environment, check=True)
        assert http.get(f"/api/v1/analyses/{analysis}/publishing").json()["identifier"] == "daily"
        subprocess.run([*command, "--off"], env=environment, check=True)
        assert http.get(f"/api/v1/analyses/{analysis}/publishing").json() is None
        with pytest.raises(httpx.HTTPStatusError, match="404"):
            client.analyses.by_id("nothing")
