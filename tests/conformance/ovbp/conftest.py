"""The published ovbpclient, in its own environment, beside a live server."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.conformance.runner import run_script
from tests.support.server import ServerProcess

# The documentation's own scripts wait five seconds; a loaded test machine may take longer.
PATIENCE_SECONDS = 60

RunScript = Callable[..., Any]


@pytest.fixture(scope="module")
def ovbp(shared_server: ServerProcess, tmp_path_factory: pytest.TempPathFactory) -> RunScript:
    """Run a script by name with the published client as the administrator of the module's server."""

    def run(name: str, **arguments: Any) -> Any:
        credentials = {"url": shared_server.url, "login": shared_server.login, "password": shared_server.password}
        folder: Path = tmp_path_factory.mktemp(name)
        return run_script("ovbpclient", name, folder, credentials | {"patience": PATIENCE_SECONDS} | arguments)

    return run
