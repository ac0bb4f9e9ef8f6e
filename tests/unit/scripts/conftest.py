from collections.abc import Iterator

import pytest

from entrepot.scripts import ScriptRunner
from entrepot.scripts.sandbox import available


@pytest.fixture(scope="session", params=["plain", "sandboxed"])
def runner(request) -> Iterator[ScriptRunner]:
    if request.param == "sandboxed" and not available():
        pytest.skip("bubblewrap does not work here")
    with ScriptRunner(sandboxed=request.param == "sandboxed") as runner:
        yield runner


@pytest.fixture
def fresh(runner) -> Iterator[ScriptRunner]:
    """A runner of the same kind for one test alone, that may end its template."""
    with ScriptRunner(sandboxed=runner.sandboxed) as fresh:
        yield fresh
