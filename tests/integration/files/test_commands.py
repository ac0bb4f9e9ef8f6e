"""`entrepot publish` and `entrepot events`, as they are typed."""

import hashlib
import os
import subprocess
from pathlib import Path
from typing import Any

import orjson

from tests.support import warm
from tests.support.deadline import eventually
from tests.support.server import ServerProcess


def _run(server: ServerProcess, *arguments: Any) -> Any:
    environment = os.environ | {"ENTREPOT_URL": server.url, "ENTREPOT_TOKEN": server.token}
    run = subprocess.run([warm.program(), *arguments], env=environment, capture_output=True, check=False)
    assert run.returncode == 0, run.stdout.decode() + run.stderr.decode()
    return run.stdout


def test_publish_and_follow(shared_server: ServerProcess, tmp_path: Path) -> None:
    folder = tmp_path / "results"
    (folder / "deep").mkdir(parents=True)
    large = os.urandom(20_000_000)
    (folder / "large.bin").write_bytes(large)
    (folder / "deep" / "empty").write_bytes(b"")
    environment = os.environ | {"ENTREPOT_URL": shared_server.url, "ENTREPOT_TOKEN": shared_server.token}
    out = tmp_path / "followed"
    with out.open("wb") as file:
        follower = subprocess.Popen(
            [warm.program(), "events", "--follow", "--after", "0", "--type", "file.published", "--json"],
            env=environment,
            stdout=file,
        )
    try:
        records = orjson.loads(_run(shared_server, "publish", folder, "--identifier", "weekly", "--json"))
        assert [one["name"] for one in records] == ["empty", "large.bin"]
        assert records[1]["sha256"] == hashlib.sha256(large).hexdigest()
        assert {one["identifier"] for one in records} == {"weekly"}
        ids = {one["id"] for one in records}

        def told() -> bool:
            lines = out.read_bytes().splitlines()
            return ids <= {orjson.loads(line)["object_id"] for line in lines if line.endswith(b"}")}

        eventually(told)
    finally:
        follower.terminate()
        follower.wait()
    assert b"file.published" in _run(shared_server, "events", "--type", "file")
    assert b"large.bin" in _run(shared_server, "publish", folder / "large.bin")
