"""Running a script in a published client's own environment and taking back what it saw."""

import json
import subprocess
from pathlib import Path
from typing import Any

from tests.conformance.environments import python
from tests.support import another_day

SCRIPTS = Path(__file__).parent / "scripts"


def run_script(
    client: str,
    name: str,
    folder: Path,
    arguments: dict[str, Any],
    *,
    seconds: float = 240,
    scripts: Path = SCRIPTS,
) -> Any:
    """Run a script with the client's Python and return the JSON value that it wrote.

    Parameters
    ----------
    client
        Whose environment: a name that ``environments.python`` knows.
    name
        The script ``NAME.py``; its arguments are the paths of a JSON file to read and of one to write.
    folder
        Where it works: an empty folder.
    arguments
        What it reads.
    scripts
        The folder of the script, and of modules that it imports.
    """
    given, taken = folder / "given.json", folder / "taken.json"
    given.write_text(json.dumps(arguments))
    taken.unlink(missing_ok=True)
    run = subprocess.run(
        [python(client), "-X", "utf8", scripts / f"{name}.py", given, taken],
        cwd=folder,
        env=another_day.kept() | {"PATH": "/usr/bin:/bin", "HOME": str(folder), "PYTHONPATH": str(scripts)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=seconds,
        check=False,
    )
    assert run.returncode == 0, f"{name} ended with {run.returncode}:\n{run.stdout}"
    return json.loads(taken.read_text())
