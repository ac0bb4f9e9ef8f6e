"""A server that is killed (SIGKILL) between the commit of a request and its answer: the repeat gets that answer."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.conftest import MakeServer
from tests.support.bound import bound

WORK = {"pipeline": "p", "user": "ada", "site": "local", "function": "math.cos"}


class Served:
    """A server that is started anew and killed as a test asks."""

    def __init__(self, process: subprocess.Popen[str], url: str, token: str) -> None:
        self._process, self._url = process, url
        self.headers = {"authorization": f"Token {token}"}

    @contextlib.contextmanager
    def up(self, when: str = "never") -> Iterator[None]:
        """Serve; where it is not killed before, it is at the end."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{when}\n")
        self._process.stdin.flush()
        child = int(self._process.stdout.readline())
        yield
        if when == "never":
            os.kill(child, signal.SIGKILL)
        assert int(self._process.stdout.readline()) == -signal.SIGKILL

    def post(self, path: str, body: Any, key: str | None = None) -> httpx.Response:
        headers = self.headers | ({"idempotency-key": key} if key else {})
        return httpx.post(f"{self._url}{path}", json=body, headers=headers, timeout=300, trust_env=False)

    def counts(self, project: str) -> tuple[int, int]:
        """Return how many series and works there are."""
        address = f"{self._url}/api/v1/series?project={project}"
        series = httpx.get(address, headers=self.headers, timeout=300, trust_env=False).raise_for_status().json()
        return len(series["items"]), self.post("/api/v1/works/count", {"query": {}}).raise_for_status().json()["count"]


@pytest.fixture
def served(database_kind: str, make_server: MakeServer, tmp_path: Path) -> Iterator[Served]:
    server = make_server(database_kind, tmp_path / "data")
    with socket.create_server(("127.0.0.1", 0)) as listening:
        process = subprocess.Popen(
            [*bound(), sys.executable, "-m", "tests.support.killed_server", server.data_dir, str(listening.fileno())],
            pass_fds=[listening.fileno()],
            env={**os.environ, "ENTREPOT_DATABASE_URL": server.database_url},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        try:
            yield Served(process, f"http://127.0.0.1:{listening.getsockname()[1]}", server.token)
        finally:
            os.killpg(process.pid, signal.SIGKILL)  # one that was not killed as it should be, too
            process.communicate()


@pytest.mark.parametrize("when", ["after", "before"])
def test_what_was_committed_is_answered_to_the_repeat(served: Served, when: str) -> None:
    """What was committed is there once, and answered as it was; what was not is done by the repeat, once."""
    with served.up():
        project = served.post("/api/v1/projects", {"name": "farm"}).json()["id"]
    requests = [("/api/v1/series", {"project": project, "name": "power"}), ("/api/v1/works", [WORK, WORK])]
    for path, body in requests:
        with served.up(when), pytest.raises(httpx.TransportError):
            served.post(path, body, path)
    with served.up():
        assert served.counts(project) == ((1, 2) if when == "after" else (0, 0))
        for path, body in requests:
            first, again = served.post(path, body, path), served.post(path, body, path)
            assert first.is_success, first.text
            assert (first.headers.get("idempotency-replayed") == "true") is (when == "after"), path
            assert again.headers["idempotency-replayed"] == "true"
            assert (again.status_code, again.content) == (first.status_code, first.content)
        assert served.counts(project) == (1, 2)
