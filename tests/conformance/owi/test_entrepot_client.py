"""Entrepot's own client of the same names, which the guide's code runs with after its imports are changed."""

import json
import subprocess
import sys
import uuid
from pathlib import Path

from tests.conformance.owi.test_owi import check_guide
from tests.conformance.runner import SCRIPTS


def test_the_guide_and_every_method(owi_root: str, credentials: dict[str, str], tmp_path: Path) -> None:
    name = f"LifetimeDesignFrequencies {uuid.uuid4()}"
    given, taken = tmp_path / "given.json", tmp_path / "taken.json"
    given.write_text(
        json.dumps({"package": "entrepot", "name": name, "api_root": owi_root, "credentials": credentials})
    )
    run = subprocess.run(
        [sys.executable, SCRIPTS / "owi_guide.py", given, taken], capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stderr
    check_guide(json.loads(taken.read_text()), name)
