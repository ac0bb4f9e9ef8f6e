"""The published workflow.core against a live server, and our own surface with it: methods, life of works, commands."""

import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.conformance.runner import SCRIPTS, run_script
from tests.support import another_day
from tests.support.server import ServerProcess

pytestmark = pytest.mark.conformance

P = "header-localization"


Run = Callable[..., Any]


def _run(server: ServerProcess, name: str, folder: Path, **arguments: Any) -> Any:
    return run_script("workflow", name, folder, {"url": server.url, "token": server.token, **arguments})


def _run_ours(server: ServerProcess, name: str, folder: Path, **arguments: Any) -> Any:
    """Run a script with nothing but its imports changed."""
    script = (SCRIPTS / f"{name}.py").read_text()
    script = re.sub(r"^from workflow\.\S+ import", "from entrepot.client.workflow import", script, flags=re.MULTILINE)
    (folder / "script.py").write_text(script)
    (folder / "given.json").write_text(json.dumps({"url": server.url, "token": server.token, **arguments}))
    run = subprocess.run(
        [sys.executable, "script.py", "given.json", "taken.json"],
        cwd=folder, env=another_day.kept() | {"PATH": "/usr/bin:/bin", "HOME": str(folder), "PYTHONPATH": str(SCRIPTS)},
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert run.returncode == 0, run.stdout + run.stderr
    return json.loads((folder / "taken.json").read_text())


@pytest.fixture(params=[_run, _run_ours], ids=["published", "ours"])
def run(request: pytest.FixtureRequest) -> Run:
    return request.param


def test_every_method_of_the_document(shared_server: ServerProcess, tmp_path: Path, run: Run) -> None:
    notes = run(shared_server, "workflow_results", tmp_path)
    assert notes["version"]
    assert notes["empty"] == {}
    assert notes["assertion"] == "work.status must be 'success' or 'failure'"
    assert (notes["nothing"], notes["deposit"], notes["status"]) == ({}, {P: True}, {P: 3})
    assert notes["ids"] == sorted(notes["ids"], reverse=True)
    for stored, sent in zip(reversed(notes["stored"]), notes["deposited"], strict=True):
        assert stored == {**sent, "id": stored["id"], "results": sent["results"] or {}}
        assert list(stored) == list(sent)
    assert notes["count 2"] == notes["ids"][:2]
    assert (notes["default count"], notes["all"]) == (3, 3)
    assert notes["by id"] == notes["ids"][:2]
    assert notes["by event"] == [[9385707]], "an event is found by equality with the whole list"
    assert notes["count"] == 2
    assert notes["view"] == [{"results": {"dm": 1.0}}]
    assert notes["unknown"] == [[], 0]
    status, body = notes["duplicate"]
    assert (status, body["status"], body["error"]) == (409, 409, "conflict")
    assert notes["$where"][0] == 400
    assert "$where" in notes["$where"][1]
    assert notes["lock"] == [True, True, False]
    assert notes["locked"] == [1, [["event", "plots", "products", "results"]]]
    assert (notes["update locked"], notes["update one locked"]) == (False, False)
    assert notes["delete locked"] == {P: False}
    assert notes["after"][0] == [None, {"dm": 0.25, "locked": True}]
    assert notes["after"][1] == [None, {}]
    assert notes["unlock"] is True
    assert (notes["update"], notes["updated"]) == ({P: True}, {"dm": 2.0})
    assert (notes["delete"], notes["delete again"], notes["delete none"]) == ({P: True}, {P: False}, {})
    assert notes["left"] == {}


def test_the_life_of_works(shared_server: ServerProcess, tmp_path: Path, run: Run) -> None:
    notes = run(shared_server, "workflow_life", tmp_path, slash="/")
    zero = {"total": 0, "queued": 0, "running": 0, "success": 0, "failure": 0}
    assert notes["info"] == ["client", "server"]
    assert notes["empty"] == [None, zero, []]
    assert notes["deposit"] is True
    assert notes["ids"] == [24, 24]
    assert notes["pipelines"] == ["life", "other"]
    assert notes["status"] == [{**zero, "total": 2, "queued": 2}, 4, list(zero)]
    assert notes["filtered"] == [None] * 6
    assert notes["first"] == [True, "running", 1, None, True]
    assert notes["update"] is True
    assert notes["viewed"] == {"sum": 18}
    assert notes["failed audit"] == {"failed": 1, "expired": 0, "stale": 0}
    assert notes["again"] == [True, 2]
    assert notes["stale worker"] is False
    assert notes["expired audit"] == [{"failed": 0, "expired": 1, "stale": 0}, {"failed": 0, "expired": 0, "stale": 0}]
    assert notes["final"] == [True]
    assert notes["delete"] == [True, False]
    assert notes["delete many"] == [True, True, False]
    assert notes["left"] == {**zero, "total": 1, "success": 1}
    with shared_server.http(auth=None, headers={"x-access-token": shared_server.token}) as client:
        ids = [one["id"] for one in client.post("/workflow/buckets/view", json={"query": {}}).json()]
        assert client.delete("/workflow/buckets/work", params={"ids": ids}).json() is True


def test_the_commands(shared_server: ServerProcess, tmp_path: Path) -> None:
    notes = _run(shared_server, "workflow_commands", tmp_path)
    assert "sample" in notes["ls"], notes["ls"]
    assert "kept" in notes["ls"]
    assert "sample" in notes["ps"], notes["ps"]
    by_result = {one["status"]: one for one in notes["done"] if one["status"] == "failure" or one["products"]}
    assert by_result["success"]["results"]["sum"] == 10, notes["run"]
    assert [one["status"] for one in notes["done"]] == ["success", "success", "failure"]
    assert [one["attempt"] for one in notes["done"]] == [1, 1, 1]
    assert notes["audit"] == {"failed": 0, "expired": 0, "stale": 0}
    assert notes["transfer"] == [{"transfered": 3, "deleted": 3}, {"transfered": 0, "deleted": 0}]
    assert sorted(one["status"] for one in notes["archived"]) == ["failure", "success", "success"]
    assert "sample" in notes["results count"], notes["results count"]
    assert "version" in notes["results version"].lower(), notes["results version"]
    assert "success" in notes["results view"], notes["results view"]
    assert notes["left"]["total"] == 0, notes["rm"]


def test_a_workspace_that_names_pipelines_works(shared_server: ServerProcess, tmp_path: Path) -> None:
    notes = _run(shared_server, "workflow_pipelines", tmp_path)
    assert notes["made"] == [True] * 5
    assert notes["lists"] == [[]] * 5
    assert notes["counts"] == [{}] * 3
    assert [status for status, _ in notes["refused"]] == [400, 400]
    assert all("runs no pipelines" in message for _, message in notes["refused"])
    assert notes["works"] is True
