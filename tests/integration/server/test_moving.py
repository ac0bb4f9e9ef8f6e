"""`entrepot move`: from SQLite and a folder to PostgreSQL and a bucket, and back, while everybody uses the server.

``HYPOTHESIS_PROFILE=deep`` kills it once more, while they use it as much as they can.
"""

import ftplib
import io
import os
import random
import re
import shlex
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest

from tests.conftest import MakeServer
from tests.support import s3, warm
from tests.support.deadline import eventually
from tests.support.load import Load, Receiver
from tests.support.parts import PartProcess
from tests.support.postgres import Cluster
from tests.support.server import ServerProcess

DEEP = os.environ.get("HYPOTHESIS_PROFILE") == "deep"
KILLS = 2 if DEEP else 1
PAGE = Path(__file__).parents[3] / "docs" / "scaling.md"


@pytest.fixture(scope="module")
def store() -> Iterator[s3.S3]:
    with s3.running() as store:
        yield store


def shown(number: int, values: dict[str, str]) -> list[str]:
    """Return the options of a command that docs/scaling.md shows, but for the data folder."""
    command = re.findall(r"^entrepot move (.*)$", PAGE.read_text(), re.MULTILINE)[number]
    for name, value in values.items():
        assert name in command
        command = command.replace(name, value)
    return shlex.split(command)[2:]


class Mover:
    """Gives `entrepot move` to a server, and kills it now and then."""

    def __init__(self, server: ServerProcess, options: list[str]) -> None:
        self._given = ["move", "--data-dir", str(server.data_dir), *options]
        self._environment = server._environment
        self._log = server.data_dir.with_name(f"{server.data_dir.name}-move.log")

    def kill(self, chance: random.Random) -> None:
        """Kill one (SIGKILL) at some moment, while it runs."""
        with self._log.open("ab") as log:
            process = warm.start(self._given, self._environment, log)
        time.sleep(chance.uniform(0.3, 2.5))  # the random moment, not a wait for something
        process.kill()
        process.wait(10)

    def run(self) -> dict[str, Any] | None:
        done = warm.run([*self._given, "--json"], self._environment)
        assert done.returncode == 0, f"{self._log.read_text()}\n{done.stderr.decode()}"[-3000:]
        return orjson.loads(done.stdout) if done.stdout.strip() else None


# Connections that the server drops in mid-transfer are left by ftplib for the collector.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.timeout(300)
def test_a_server_is_moved_there_and_back_while_it_is_used_and_its_move_is_killed(
    make_server: MakeServer, postgres: Cluster, store: s3.S3, receiver: Receiver, tmp_path: Path
) -> None:
    chance = random.Random(5)
    common = {
        "ENTREPOT_JOB_LEASE_SECONDS": "3",
        "ENTREPOT_WEBHOOK_ALLOWED_NETWORKS": '["127.0.0.0/8"]',
        **store.environment,
    }
    url, bucket = postgres.url(postgres.create()), store.bucket("moved")
    old = make_server("sqlite", tmp_path / "old", environment=common)
    new = PartProcess(
        tmp_path / "new",
        ("--workers", "1"),
        old._environment
        | {
            "ENTREPOT_DATABASE_URL": url,
            "ENTREPOT_STORAGE_URL": bucket,
            "ENTREPOT_SECRET_KEY_FILE": str(old.data_dir / "secret.key"),
        },
        old._credentials,
    )
    new.database_url = url
    key = {"ENTREPOT_SECRET_KEY_FILE": str(old.data_dir / "secret.key")}  # it is kept elsewhere by now
    home = PartProcess(tmp_path / "home", ("--workers", "1"), old._environment | key, old._credentials)
    home.database_url = f"sqlite:///{home.data_dir / 'entrepot.db'}"
    with old:
        load = Load(old, receiver, pause=0.05 if DEEP else 0.15)
        load.start()
        try:
            eventually(lambda: len(load.uploaded) > 1 and len(load.concluded) > 1 and load.published, 60)
            there = Mover(old, shown(0, {"$NEW_DATABASE_URL": url.replace("+psycopg", ""), "$NEW_STORAGE_URL": bucket}))
            for _ in range(KILLS):
                there.kill(chance)
            told = there.run()
            refuses(old, "The server was moved to https://entrepot.example")
            with new:
                load.server = new
                before = len(load.uploaded), len(load.concluded)
                eventually(lambda: len(load.uploaded) > before[0] + 1 and len(load.concluded) > before[1] + 1, 60)
                back = Mover(new, shown(1, {"$PWD/home": str(home.data_dir)}))
                back.kill(chance)
                back.run()
                refuses(new, "The server was moved to a SQLite database")
                with home:
                    load.server = home
                    before = len(load.uploaded), len(load.concluded)
                    eventually(lambda: len(load.uploaded) > before[0] and len(load.concluded) > before[1], 60)
                    load.stop()
                    found = load.check()
                    assert {kind: counts[1:] for kind, counts in found.items()} == dict.fromkeys(found, (0, 0))
                    home.command("check", "--files", "--json")
        finally:
            load.stop()
    assert told is None or (told["read_only_seconds"] or 0) < 60
    # It starts again, and still says where the other one is.
    with old:
        refuses(old, "The server was moved to https://entrepot.example")


def refuses(server: ServerProcess, sentence: str) -> None:
    """Look that a server reads and does not write, at both doors, and is well."""
    with server.http(headers={"authorization": f"Token {server.token}"}, auth=None) as client:
        assert client.get("/api/v1/series").status_code == 200
        answer = client.post("/api/v1/projects", json={"name": "late"})
        assert (answer.status_code, answer.json()["detail"][: len(sentence)]) == (503, sentence)
        assert float(answer.headers["retry-after"]) > 0
        gate = client.get("/api/v1/gates").json()["items"][0]["id"]
        assert client.put(f"/api/v1/gates/{gate}/files/late.csv", content=b"1").json()["detail"].startswith(sentence)
        login = client.get(f"/api/v1/gates/{gate}/account").json()["login"]
        password = client.get(f"/api/v1/gates/{gate}/account/password").json()["password"]
    with ftplib.FTP(timeout=20) as ftp:
        ftp.connect("127.0.0.1", server.ftp_port)
        ftp.login(login, password)
        with pytest.raises(ftplib.Error) as refused:
            ftp.storbinary("STOR late.csv", io.BytesIO(b"1"))
    assert re.match(f"45[01] {sentence}", str(refused.value))
    assert httpx.get(f"{server.url}/health", trust_env=False).status_code == 200
