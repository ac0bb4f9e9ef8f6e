"""Faults beside a running server: parts that stand still, folders cleaned, a key lost, locks held, upgrades tried."""

import contextlib
import os
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from cryptography.fernet import Fernet
from sqlalchemy import text
from typer.testing import CliRunner

from entrepot.cli import app
from entrepot.db import Database, migrate
from tests.conftest import MakeServer
from tests.faults.conftest import health, length, logged, metrics, warned, well
from tests.support.alerts import require_called
from tests.support.deadline import eventually
from tests.support.server import ServerProcess

pytestmark = pytest.mark.flaky(reruns=1)  # what is told within seconds comes later on a machine that others load

PARTS = ("web-1", "ftp", "scheduler", "worker-1")
SCRIPT = """
import pandas as pd

def parse(content_bytes, rel_path, **tools):
    return pd.read_csv(content_bytes, index_col=0, parse_dates=True)
"""


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def server(
    request: pytest.FixtureRequest, make_server: MakeServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ServerProcess]:
    """A server with a folder of its own for what is temporary."""
    folder = tmp_path_factory.mktemp("running")
    (folder / "tmp").mkdir()
    with make_server(request.param, folder / "data", environment={"TMPDIR": str(folder / "tmp")}) as server:
        yield server


@pytest.fixture
def http(server: ServerProcess) -> Iterator[httpx.Client]:
    with server.http(auth=None, headers={"authorization": f"Token {server.token}"}) as client:
        yield client


class Importer:
    """An importer with a file to read."""

    def __init__(self, server: ServerProcess, http: httpx.Client, name: str) -> None:
        self._http = http
        project = self._post("/api/v1/projects", {"name": name})["id"]
        self.gate = self._post("/ovbp/api/v2/odata/gates/", {"project": project, "name": name, "comment": ""})
        (folder := server.data_dir / "gates" / self.gate["id"]).mkdir(exist_ok=True)
        (folder / "a.csv").write_text("t,a\n2026-01-01,1\n2026-01-02,2\n")
        fields = {"project": project, "name": name, "comment": "", "gate": self.gate["id"], "parse_script": SCRIPT}
        self.id = self._post("/ovbp/api/v2/odata/importers/", fields)["id"]

    def run(self) -> str:
        return str(self._post(f"/ovbp/api/v2/odata/importers/{self.id}/action/", {"name": "run"})["id"])

    def ended(self, job: str) -> str | None:
        """Return how a run ended; None while it has not."""
        found = self._http.get(f"/api/v1/jobs/{job}").raise_for_status().json()
        return str(found["status"]) if found["ended_at"] else None

    def _post(self, path: str, body: Any) -> Any:
        return self._http.post(path, json=body).raise_for_status().json()


def parts(server: ServerProcess) -> dict[str, int]:
    """Return the processes of a server's parts by their names."""
    found = {}
    for pid in server.processes():
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            name = Path(f"/proc/{pid}/comm").read_text().strip()
            if name.startswith("entrepot "):
                found[name.removeprefix("entrepot ")] = pid
    return found


def test_administrators_are_told_of_each_part(server: ServerProcess, http: httpx.Client) -> None:
    eventually(lambda: set(PARTS) <= {part["part"] for part in http.get("/health").json()["parts"]}, 15, every=0.2)
    said = http.get("/health").json()
    assert all(part["silent_seconds"] < 15 for part in said["parts"])
    assert said["disk"]["free_bytes"] > 0
    assert said["key"] == "ok"
    assert set(health(server)[1]) <= {"status", "version", "warnings"}


@pytest.mark.turns
def test_every_part_that_stands_still_is_told_and_started_again(server: ServerProcess) -> None:
    before, since = parts(server), length(server)
    for pid in before.values():
        os.kill(pid, signal.SIGSTOP)
    # All at once: what takes each of them ten seconds takes all of them ten.
    eventually(lambda: logged(server, since).count("part hangs, killed") == len(PARTS), 15, message="not told")
    eventually(lambda: set(parts(server)) == set(before) and not set(parts(server).values()) & set(before.values()), 20)
    well(server)
    assert all(f"part={name}" in logged(server, since) for name in PARTS)
    assert "Traceback" not in logged(server, since)


@pytest.mark.turns
def test_a_supervisor_that_stands_still_is_told(server: ServerProcess) -> None:
    supervisor = server._running().pid
    os.kill(supervisor, signal.SIGSTOP)
    try:
        eventually(lambda: "supervisor" in health(server)[1].get("down", ()), 17, every=0.2)
        assert health(server, "/health/live")[0] == health(server, "/health/ready")[0] == 200
        require_called({"EntrepotPartDown"}, metrics(server))
    finally:
        os.kill(supervisor, signal.SIGCONT)
    well(server)


@pytest.mark.turns
def test_scripts_whose_template_stands_still_get_another_one(server: ServerProcess, http: httpx.Client) -> None:
    before, since = Importer(server, http, "moving"), length(server)
    job = before.run()
    assert eventually(lambda: before.ended(job), 30, every=0.2) == "finished"
    (template,) = server.templates()
    importer = Importer(server, http, "still")
    os.kill(template, signal.SIGSTOP)
    job = importer.run()
    eventually(lambda: "the template of the scripts hangs, killed" in logged(server, since), 15, every=0.2)
    assert health(server)[0] == 200
    assert eventually(lambda: importer.ended(job), 30, every=0.2) == "finished"
    assert template not in server.templates()
    assert "Traceback" not in logged(server, since)


@pytest.mark.turns
def test_scripts_run_whatever_becomes_of_the_temporary_folder(server: ServerProcess, http: httpx.Client) -> None:
    importer, temporary = Importer(server, http, "cleaned"), server.data_dir.with_name("tmp")
    assert list(temporary.iterdir()) == [], "nothing of ours lies there"
    temporary.rmdir()
    try:
        job = importer.run()
        assert eventually(lambda: importer.ended(job), 30, every=0.2) == "finished"
        answer = http.post("/api/v1/files", files={"file": ("a.bin", os.urandom(3_000_000))})
        assert answer.status_code == 201
        assert health(server)[0] == 200
    finally:
        temporary.mkdir()


@pytest.mark.turns
@pytest.mark.parametrize("fault", ["lost", "exchanged"])
def test_a_key_that_is_gone_is_told_before_anything_starts_again(
    server: ServerProcess, http: httpx.Client, fault: str
) -> None:
    gate, since = Importer(server, http, f"key {fault}").gate, length(server)
    address = f"/ovbp/api/v2/odata/gate_ftp_accounts/{gate['ftp_account']['id']}/password/"
    password = http.get(address).json()["password"]
    file = server.data_dir / "secret.key"
    kept = Path(shutil.copy2(file, file.with_name("kept")))
    file.unlink()
    if fault == "exchanged":
        file.write_bytes(Fernet.generate_key())
    try:
        eventually(lambda: warned(server, "key"), 15, every=0.2, message="not among the warnings")
        scraped = metrics(server)
        assert "entrepot_key_known 0.0" in scraped
        require_called({"EntrepotKeyLost"}, scraped)
        eventually(lambda: "the secret key is gone: put it back" in logged(server, since), 5, every=0.2)
        assert http.get(address).json()["password"] == password, "what runs goes on with the key that it has"
        other = Importer(server, http, f"without a key, {fault}").gate
    finally:
        kept.replace(file)
    eventually(lambda: not warned(server, "key"), 15, every=0.2)
    address = f"/ovbp/api/v2/odata/gate_ftp_accounts/{other['ftp_account']['id']}/password/"
    assert http.get(address).status_code == 200, "what was encrypted meanwhile can be read with the right key"


def test_an_upgrade_beside_a_running_server_changes_nothing(
    server: ServerProcess, http: httpx.Client, newer_program: None
) -> None:
    with contextlib.closing(Database(server.database_url)) as database:
        before = migrate.current(database)
        environment = {"ENTREPOT_DATABASE_URL": server.database_url}
        done = CliRunner().invoke(app, ["db", "upgrade", "--data-dir", str(server.data_dir)], env=environment)
        assert done.exit_code == 1
        assert "Another server runs on" in done.stderr
        assert migrate.current(database) == before != migrate.head()
    assert not (server.data_dir / "backups").exists()
    assert http.post("/api/v1/projects", json={"name": "during"}).status_code == 201
    assert health(server)[0] == 200


def test_a_lock_that_others_hold_is_told_and_is_503_only_after_ten_seconds(
    server: ServerProcess, http: httpx.Client
) -> None:
    since, seen = length(server), list[tuple[int, bool]]()
    with held(server):

        def locked(status: int) -> bool:
            code, said = health(server)
            seen.append((code, said.get("locked", False)))
            return seen[-1] == (status, True)

        eventually(lambda: locked(200), 10, every=0.2, message="not told")
        answer = http.post("/api/v1/projects", json={"name": "locked"})
        assert (answer.status_code, "retry-after" in answer.headers) == (503, True)
        assert answer.json()["detail"].startswith("The database is busy with what others write")
        eventually(lambda: locked(503), 15, every=0.2, message="still not told")
        assert "locked for" in health(server)[1]["why"]["database"]
        assert http.get("/api/v1/projects").status_code == 200, "what is read waits for nobody"
        scraped = metrics(server)
        assert "entrepot_locked 1.0" in scraped
        require_called({"EntrepotLocked"}, scraped)
    well(server)
    assert http.post("/api/v1/projects", json={"name": "unlocked"}).status_code == 201
    assert "Traceback" not in logged(server, since)


@contextlib.contextmanager
def held(server: ServerProcess) -> Iterator[None]:
    """Hold what writers need, as another program would."""
    database = Database(server.database_url)
    with database.write() as session:
        postgres = database.dialect == "postgresql"
        session.execute(text("LOCK TABLE beat, project IN EXCLUSIVE MODE" if postgres else "SELECT 1"))
        yield
    database.close()
