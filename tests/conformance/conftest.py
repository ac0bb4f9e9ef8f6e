"""What the published clients have in common."""

import pytest

from tests.support.server import ServerProcess


@pytest.fixture(scope="module")
def shared_server(own_server: ServerProcess) -> ServerProcess:
    """A server for each module: published documents name what they make, and count all that is there."""
    return own_server
