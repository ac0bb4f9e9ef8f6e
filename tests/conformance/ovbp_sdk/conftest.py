"""The project's own client of this door, on pandas 3 and on pandas 2, beside a live server."""

import re
from pathlib import Path
from typing import Any

import pytest

from tests.conformance.ovbp.conftest import PATIENCE_SECONDS, RunScript
from tests.conformance.runner import SCRIPTS, run_script
from tests.support.server import ORGANIZATION, ServerProcess

# What a user of the published client changes in a script: its import lines, and what pandas itself no longer reads.
_CHANGES = (
    (r"\bfrom ovbpclient\b", "from entrepot.client.ovbp"),
    (r"""(pd\.date_range\([^)]*freq="1?)H""", r"\1h"),
)


@pytest.fixture(scope="module")
def environment() -> str:
    """Name of the environment that has the client; modules may choose others."""
    return "sdk"


@pytest.fixture(scope="session")
def scripts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the scripts for the published client, changed as its users change theirs."""
    folder = tmp_path_factory.mktemp("scripts")
    for file in SCRIPTS.glob("*.py"):
        text = file.read_text()
        if file.name.startswith("ovbp_"):
            for pattern, replacement in _CHANGES:
                text = re.sub(pattern, replacement, text)
        (folder / file.name).write_text(text)
    return folder


@pytest.fixture(scope="module")
def ovbp(
    environment: str, scripts: Path, shared_server: ServerProcess, tmp_path_factory: pytest.TempPathFactory
) -> RunScript:
    """Run a script by name with the project's client as the administrator of the module's server."""

    def run(name: str, **arguments: Any) -> Any:
        credentials = {
            "url": shared_server.url,
            "login": shared_server.login,
            "password": shared_server.password,
            "organization": ORGANIZATION,
            "patience": PATIENCE_SECONDS,
        }
        return run_script(environment, name, tmp_path_factory.mktemp(name), credentials | arguments, scripts=scripts)

    return run
