"""A server in this process, and workers for its calls that ask it over its own interface."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from entrepot.client._http import Connection
from entrepot.db import Database
from entrepot.engines.remote import Remote
from entrepot.engines.working import RemoteWorker
from entrepot.scripts import Limits, ScriptRunner
from entrepot.scripts.here import Here
from tests.support.interface import Api, interface


@pytest.fixture(scope="session")
def here() -> Iterator[Here]:
    """What makes calls in workers, and beside them for comparison."""
    found = Here()
    yield found
    found.close()


@pytest.fixture
def api(database: Database, tmp_path: Path) -> Api:
    """The interface as an administrator sees it."""
    return interface(database, tmp_path)


@pytest.fixture
def remote(api: Api) -> ScriptRunner:
    """Scripts that only remote workers run."""
    return ScriptRunner(engine=Remote(api.database, 60))


@pytest.fixture
def limits(api: Api) -> Limits:
    return Limits(wall=20, cpu=20, result=1 << 20, output=4096, organization=api.principal.organization_id)


@pytest.fixture
def working(api: Api, here: Here) -> Callable[..., object]:
    """Run workers of the server while a block lasts."""

    @contextmanager
    def start(at_once: int = 2) -> Iterator[list[str]]:
        connection = Connection("http://127.0.0.1", headers={"authorization": f"Bearer {api.token}"})
        connection._client = TestClient(api.client.app, base_url="http://127.0.0.1", headers=api.client.headers)
        said: list[str] = []
        stop = threading.Event()
        worker = RemoteWorker(connection, here, "a worker", said.append)
        thread = threading.Thread(target=worker.run, args=(stop, at_once))
        thread.start()
        try:
            yield said
        finally:
            stop.set()
            app: Any = api.client.app
            app.state.stopping = True  # whoever polls is told at once
            thread.join(30)
            app.state.stopping = False
            assert not thread.is_alive()

    return start
