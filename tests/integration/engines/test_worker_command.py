"""What docs/scaling.md says of workers over HTTPS: a call outlives the worker that had it, nothing is done twice."""

import contextlib
import json
import os
import re
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from sqlalchemy import select
from typer.testing import CliRunner

from entrepot import scripts
from entrepot.cli import app, remote_worker
from entrepot.db import Database
from entrepot.engines.models import RemoteCall
from entrepot.scripts import Level
from tests.conftest import MakeServer
from tests.support.bound import bound
from tests.support.deadline import eventually
from tests.support.server import ENTREPOT, ServerProcess

ROOT = Path(__file__).parents[3]
#: The commands of the page's section.
CREATE, WORK = re.findall(
    r"```sh\n(.*?)```", (ROOT / "docs" / "scaling.md").read_text().partition("\n## Scripts elsewhere")[2], re.DOTALL
)[:2]
PARSE = """
import time
import pandas as pd
def parse(content, path, **tools):
    time.sleep(1.5)
    return pd.read_csv(content, index_col=0, parse_dates=True)
"""


@pytest.fixture
def server(database_kind: str, make_server: MakeServer, tmp_path: Path) -> Iterator[ServerProcess]:
    """A server that runs no script itself."""
    environment = {"ENTREPOT_ENGINE": "remote", "ENTREPOT_JOB_LEASE_SECONDS": "3"}
    with make_server(database_kind, tmp_path / "data", environment=environment, options=("--no-ftp",)) as server:
        yield server


@pytest.fixture
def start(server: ServerProcess, tmp_path: Path) -> Iterator[Callable[[str], subprocess.Popen[bytes]]]:
    """Start workers by a line of shell, and leave none."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("ENTREPOT_")} | {
        "PATH": f"{ENTREPOT.parent}:{os.environ['PATH']}",
        "SERVER": server.url,
        "ENTREPOT_TOKEN_FILE": str(tmp_path / "key.txt"),
    }
    words = CREATE.replace(" ada ", f" {server.login} ").replace("--data-dir parts/first ", "").split()
    (tmp_path / "key.txt").write_text(server.command(*words[1:])["token"])
    started: list[subprocess.Popen[bytes]] = []

    def start(code: str) -> subprocess.Popen[bytes]:
        with (tmp_path / "worker.log").open("ab") as log:
            command = [*bound(), "bash", "-c", f"exec {code}"]
            process = subprocess.Popen(
                command, cwd=tmp_path, env=environment, stdout=log, stderr=log, start_new_session=True
            )
        started.append(process)
        return process

    yield start
    for each in started:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(each.pid, signal.SIGKILL)
        each.wait(20)


@pytest.mark.turns
def test_a_call_outlives_its_worker(
    server: ServerProcess, start: Callable[[str], subprocess.Popen[bytes]], tmp_path: Path
) -> None:
    database = Database(server.database_url)

    def claims() -> list[int]:
        with database.read() as session:
            return list(session.scalars(select(RemoteCall.fence).where(RemoteCall.status == "claimed")))

    with server.http(auth=None, headers={"authorization": f"Token {server.token}"}) as client:

        def ask(method: str, path: str, **fields: Any) -> Any:
            answer = client.request(method, f"/api/v1{path}", json=fields or None)
            assert answer.is_success, answer.text
            return answer.json()

        ask("POST", "/projects", name="farm")
        of = {"project": "farm", "gate": ask("POST", "/gates", project="farm", name="scada")["id"], "clock": "UTC"}
        importer = ask("POST", "/importers", name="scada", parse=PARSE, **of)["id"]
        content = b"t,v\n2024-01-01,1\n2024-01-02,2.5\n"
        client.put(f"/api/v1/gates/{of['gate']}/files/a.csv", content=content).raise_for_status()
        run = ask("POST", f"/importers/{importer}/runs", again=False)["id"]
        first = start(WORK.replace("https://entrepot.example", server.url))
        eventually(lambda: claims() == [1])
        os.killpg(first.pid, signal.SIGKILL)
        second = start(f"bash {ROOT / 'deploy' / 'slurm' / 'worker.sbatch'}")
        eventually(lambda: ask("GET", f"/runs/{run}")["status"] not in ("pending", "running"))
        assert ask("GET", f"/runs/{run}")["status"] == "finished"
        assert second.wait(30) == 0
        (series,) = ask("GET", "/series?project=farm")["items"]
        assert ask("GET", f"/series/{series['id']}/points")["value"] == [1.0, 2.5]
    said = (tmp_path / "worker.log").read_text().splitlines()
    assert json.loads(said[-1]) == {"done": 1}
    assert claims() == []
    database.close()


@pytest.mark.turns
def test_the_job_for_kubernetes_is_a_worker_that_ends(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    job = yaml.safe_load((ROOT / "deploy" / "kubernetes" / "worker-job.yaml").read_text())
    (container,) = job["spec"]["template"]["spec"]["containers"]
    asked: list[Any] = []
    monkeypatch.setattr(remote_worker, "work", lambda *given, **options: asked.append((given, options)))
    assert container["command"] == ["entrepot"]
    done = CliRunner().invoke(app, container["args"], env={"ENTREPOT_TOKEN": None})
    assert done.exit_code == 0, done.output
    options = {"at_once": 4, "until_idle": True, "trusted": False}
    assert asked == [(("https://entrepot.example", None, Path("/secret/token")), options)]


@pytest.mark.turns
@pytest.mark.parametrize(
    ("given", "said"),
    [
        (["--url", "http://192.0.2.1", "--token", "x"], "in clear"),
        (["--url", "ftp://127.0.0.1", "--token", "x"], "https://"),
        (["--url", "http://127.0.0.1:1"], "give a key"),
        (["--until-idle", "--data-dir", "nowhere"], "go with --url"),
        ([], "--url"),
    ],
)
def test_a_worker_that_cannot_be_says_why(
    given: list[str], said: str, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("ENTREPOT_TOKEN", "ENTREPOT_TOKEN_FILE", "ENTREPOT_DATA_DIR"):
        monkeypatch.delenv(name, raising=False)
    done = CliRunner().invoke(app, ["worker", *given])
    assert done.exit_code != 0
    assert said in " ".join(done.output.replace("│", "").split())


@pytest.mark.turns
def test_a_worker_that_cannot_keep_scripts_apart_refuses(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scripts, "level", lambda: Level("partial", ("namespaces of its own for each call",), "nobody"))
    done = CliRunner().invoke(app, ["worker", "--url", "http://127.0.0.1:1", "--token", "x"])
    assert done.exit_code == 1
    assert "namespaces of its own" in done.output
    assert "--trusted" in done.output
