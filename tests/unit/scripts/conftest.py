from collections.abc import Iterator

import pytest

from entrepot.scripts import ScriptRunner, sandbox
from tests.support.script_worlds import opening_python


@pytest.fixture(scope="session", params=["plain", "sandboxed"])
def runner(request: pytest.FixtureRequest) -> Iterator[ScriptRunner]:
    if request.param == "sandboxed" and not sandbox.available():
        pytest.skip("calls cannot have cells here")
    with pytest.MonkeyPatch.context() as patch:
        if request.param == "plain":
            open_python(patch)
        with ScriptRunner(sandboxed=request.param == "sandboxed") as runner:
            yield runner


@pytest.fixture
def fresh(runner: ScriptRunner) -> Iterator[ScriptRunner]:
    """A runner of the same kind for one test alone, that may end its template."""
    with ScriptRunner(sandboxed=runner.sandboxed) as fresh:
        yield fresh


def open_python(patch: pytest.MonkeyPatch) -> None:
    """Let everybody read a Python that lies in root's own folder: without cells, root's scripts are somebody else."""
    prefix, real = opening_python(), sandbox.command
    patch.setattr(
        sandbox,
        "command",
        lambda *args, **options: [*(() if options["sandboxed"] else prefix), *real(*args, **options)],
    )
