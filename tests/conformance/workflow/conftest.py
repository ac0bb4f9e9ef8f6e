"""A server for clients that ask for audits themselves and count what these find."""

from collections.abc import Iterator

import pytest

from tests.support.postgres import Cluster
from tests.support.server import ServerProcess


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def shared_server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """A server that does not recover works by itself, shared by a module's tests."""
    url = None
    if request.param == "postgresql":
        cluster: Cluster = request.getfixturevalue("postgres")
        url = cluster.url(cluster.create())
    with ServerProcess(tmp_path_factory.mktemp("shared") / "data", url, options=("--no-scheduler",)) as server:
        yield server
