"""The scripts of examples/: each runs, and again, and prints what it should; and each is in the README."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.server import ServerProcess

EXAMPLES = Path(__file__).parents[3] / "examples"
#: The last lines that each prints.
PRINTED = {
    "series": ["2024-01-01 06:00:00   321.0", "2024-01-01 12:00:00   537.0"],
    "rows": ["frequencies.html", "frequencies.png"],
    "works": ["deleted while locked: {'works-example': False}", "deleted after that:   {'works-example': True}"],
    "files": ["R80711,0.31", "consumed"],
    "polls": ['messages.sms {"data": [{"text": "hello"}]}', "a part that can be polled alone: tablet"],
    "wind_farm": ["R80790: R80790/2014-03.csv  SHA-256"],
}
MADE = {"rows": {"frequencies.html", "frequencies.png"}, "wind_farm": {"wind.html", "power.png"}}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    with ServerProcess(tmp_path_factory.mktemp("examples") / "data") as server:
        yield server


@pytest.mark.parametrize("name", PRINTED)
def test_an_example_runs_again_and_again(name: str, server: ServerProcess, tmp_path: Path) -> None:
    environment = {**os.environ, "ENTREPOT_URL": server.url, "ENTREPOT_TOKEN": server.token}
    for _ in range(2):
        run = subprocess.run(
            [sys.executable, EXAMPLES / f"{name}.py"],
            cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=120,
        )  # fmt: skip
        assert run.returncode == 0, run.stderr
        lines = run.stdout.splitlines()[-len(PRINTED[name]) :]
        assert all(line.startswith(wanted) for line, wanted in zip(lines, PRINTED[name], strict=True)), run.stdout
    assert {file.name for file in tmp_path.iterdir()} == MADE.get(name, set())


def test_every_example_is_run_and_described() -> None:
    names = {path.stem for path in EXAMPLES.glob("*.py")}
    assert names == set(PRINTED)
    readme = (EXAMPLES / "README.md").read_text()
    assert all(f"({name}.py)" in readme for name in names)
