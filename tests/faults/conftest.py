"""What tests of faults share: a server, what it says, and whether it comes back."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from entrepot.db import migrate
from tests.support.deadline import eventually
from tests.support.server import ServerProcess

#: How long a fault may stay untold.
TOLD_SECONDS = 15.0

Health = Callable[..., tuple[int, dict[str, Any]]]


def health(server: ServerProcess, path: str = "/health", **options: Any) -> tuple[int, dict[str, Any]]:
    """Return what a server says of itself; status 0 when it does not answer within four seconds."""
    try:
        answer = httpx.get(f"{server.url}{path}", trust_env=False, timeout=4, **options)
    except httpx.TransportError:
        return 0, {}
    return answer.status_code, answer.json()


def told(server: ServerProcess, part: str) -> dict[str, Any]:
    """Wait until a server says that a part is down, and return what it says."""

    def so() -> dict[str, Any] | None:
        status, said = health(server)
        return said if status == 503 and part in said["down"] else None

    said = eventually(so, TOLD_SECONDS, every=0.2, message=f"{part} was not told")
    assert said is not None
    return said


def warned(server: ServerProcess, of: str) -> bool:
    """Tell whether a server that is well says of something that it will fail."""
    status, said = health(server)
    return status == 200 and of in said.get("warnings", ())


def well(server: ServerProcess) -> None:
    """Wait until a server says that all is well, without anybody's hand."""
    eventually(lambda: health(server)[0] == 200, 30, every=0.2, message="it did not come back")


def logged(server: ServerProcess, since: int) -> str:
    """Return what was logged since a length of the log."""
    with server.log.open("rb") as log:
        log.seek(since)
        return log.read().decode(errors="replace")


def length(server: ServerProcess) -> int:
    """Return how long the log is."""
    return server.log.stat().st_size


def metrics(server: ServerProcess) -> str:
    """Return what Prometheus would scrape."""
    return httpx.get(f"{server.url}/metrics", trust_env=False, timeout=15).text


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ENTREPOT_DATABASE_URL", raising=False)


NEXT = '''"""Something more."""

revision, down_revision, branch_labels, depends_on = "000000000002", "{before}", None, None


def upgrade() -> None:
    """Nothing is left to do but the note."""
'''


@pytest.fixture
def newer_program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In this process, the program has one more migration than its databases."""
    folder = shutil.copytree(migrate.MIGRATIONS, tmp_path / "migrations")
    (folder / "versions" / "next.py").write_text(NEXT.format(before=migrate.head()))
    monkeypatch.setattr(migrate, "MIGRATIONS", folder)
