"""Feeders through a live server: the command, the native API and the platform's own client."""

from collections.abc import Callable, Iterator
from pathlib import Path

import orjson
import pytest
from typer.testing import CliRunner, Result

from entrepot import connect
from entrepot.cli import app
from entrepot.client.errors import Failed
from entrepot.client.ovbp import Client
from tests.integration.feeders.conftest import Servers
from tests.support.deadline import eventually
from tests.support.server import ORGANIZATION, ServerProcess

MakeServer = Callable[..., ServerProcess]


@pytest.fixture(scope="module")
def server(make_server: MakeServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """A server whose operator lets feeders reach this machine."""
    allowed = {"ENTREPOT_WEBHOOK_ALLOWED_NETWORKS": '["127.0.0.1/32"]'}
    with make_server("sqlite", tmp_path_factory.mktemp("server") / "data", environment=allowed) as server:
        with Client(token=server.token, url=f"{server.url}/ovbp/api/v2") as client:
            project = client.get_organization(ORGANIZATION).create_project("Farm")
            for name in ("logger", "meteo", "idle"):
                project.create_gate(name)
        yield server


def entrepot(server: ServerProcess, *arguments: object, code: int = 0) -> Result:
    environment = {"ENTREPOT_URL": server.url, "ENTREPOT_TOKEN": server.token, "ENTREPOT_PROJECT": "Farm"}
    done = CliRunner().invoke(app, [*map(str, arguments)], env=environment)
    assert done.exit_code == code, done.output
    return done


def test_the_command_makes_tests_and_runs_a_feeder(server: ServerProcess, servers: Servers, tmp_path: Path) -> None:
    place = servers.place("ftp")
    place.put("a.csv", b"one")
    place.put("b.txt", b"two")
    (tmp_path / "credentials.json").write_bytes(orjson.dumps(place.credentials))
    options = ["-o", "include=*.csv", "-o", "settle_seconds=0", "--credentials-file", tmp_path / "credentials.json"]
    entrepot(server, "feeder", "create", place.url, "--gate", "logger", "--crontab", "0 0 0 1 1 *", *options)
    (shown,) = orjson.loads(entrepot(server, "feeder", "ls", "--json").stdout)
    assert (shown["from"], shown["active"], shown["credentials"]) == (place.url, True, ["login", "password"])
    assert place.credentials["password"] not in str(shown)
    assert place.url in entrepot(server, "feeder", "ls").stdout
    tested = entrepot(server, "feeder", "test", "--gate", "logger")
    assert "1 of 2 files would be fetched" in tested.stderr
    assert "a.csv" in tested.stdout
    report = orjson.loads(entrepot(server, "feeder", "run", "--gate", "logger", "--json").stdout)
    assert [one["to"] for one in report["fetched"]] == ["a.csv"]
    assert "unchanged" in entrepot(server, "feeder", "run", "--gate", "logger").stdout


def test_a_run_that_fails_fails_the_command(server: ServerProcess) -> None:
    created = entrepot(
        server, "feeder", "create", "http://127.0.0.1:1/x", "--gate", "meteo", "-o", "retries=0", "--json"
    )
    feeder = orjson.loads(created.stdout)
    failed = entrepot(server, "feeder", "run", "--gate", "meteo", code=1)
    assert "The run failed: The server does not answer as it should" in failed.stderr
    assert "has no feeder" in entrepot(server, "feeder", "run", "--gate", "idle", code=1).stderr
    assert "no gate 'x'" in entrepot(server, "feeder", "run", "--gate", "x", code=1).stderr
    wrong = entrepot(server, "feeder", "create", "http://10.0.0.1/", "--gate", "idle", code=1)
    assert "not a public address" in wrong.stderr
    headers = {"authorization": f"Token {server.token}"}
    with server.http(auth=None, headers=headers) as http:
        path = f"/api/v1/feeders/{feeder['id']}"
        answer = http.patch(path, json={"options": {"retries": "many"}})
        assert (answer.status_code, list(answer.json()["fields"])) == (422, ["options"])
        assert http.patch(path, json={"script": "x"}).status_code == 422
        assert http.patch(path, json={"schedule": None}).status_code == 422
        assert http.patch(path, json={"schedule": "0 0 0 * * *", "active": True}).json()["active"] is True
        assert http.post("/api/v1/feeders", json={"gate": feeder["gate"]["id"], "script": "x"}).status_code == 422
        assert http.delete(path).status_code == 204
        assert http.get(path).status_code == 404


def test_the_platforms_client_has_a_gate_fetch(server: ServerProcess) -> None:
    script = "def feed(state, credentials):\n    open('a.csv', 'w').write('one')\n    print('fed')\n"
    with Client(token=server.token, url=f"{server.url}/ovbp/api/v2") as client:
        project = client.get_organization(ORGANIZATION).get_project("Farm")
        gate = project.create_gate("scripted")
        feeder = client.base_feeders.create(gate=gate.id, timezone="Europe/Paris")
        client.generic_basic_feeders.create(base_feeder=feeder.id, script=script)
        gate.reload()
        task = gate.run()
        assert task.wait_for_completion(period=100) == "finished"
        with gate.get_ftputil_client() as ftp:
            assert ftp.listdir("/") == ["a.csv"]
        gate.activate()
        eventually(lambda: gate.reload() or gate.base_feeder["active"])
        gate.deactivate()
        notices = client.notifications.list(filter_by={"project": project.id})
        assert not [notice for notice in notices if not notice.resolved and "scripted" in notice.message]


def test_the_sdk_makes_tests_and_runs_a_feeder(server: ServerProcess, servers: Servers) -> None:
    client = connect(server.url, server.token)
    with Client(token=server.token, url=f"{server.url}/ovbp/api/v2") as platform:
        gate = platform.get_organization(ORGANIZATION).get_project("Farm").create_gate("by the sdk")
    place = servers.place("http json")
    place.put("a.csv", b"one")
    made = client.feeders.create(gate.id, place.url, options={"settle_seconds": 0}, schedule="0 0 0 1 1 *")
    assert client.feeders.test(made["id"])["to_fetch"] == 1
    assert client.feeders.run(made["id"])["fetched_files"] == 1
    assert client.feeders.get(made["id"])["last_run_at"] is not None
    assert [one["id"] for one in client.feeders.all(gate=gate.id)] == [made["id"]]
    client.feeders.update(made["id"], **{"from": "http://127.0.0.1:1/"}, options={"retries": 0})
    with pytest.raises(Failed, match="failed: The server does not answer"):
        client.feeders.run(made["id"])
    client.feeders.delete(made["id"])
    assert client.feeders.all(gate=gate.id) == []
    client.connection.close()
