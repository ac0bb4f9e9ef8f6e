"""The published clients, each in a virtual environment of its own, as its users install it; and the project's own SDK.

``python -m tests.conformance.environments`` makes all of them. They stay in ``.envs`` under a name that changes with
their lock, so that each is made once.
"""

import fcntl
import hashlib
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
LOCKS = Path(__file__).parent / "requirements"
CLIENTS = ("ovbpclient", "owi", "ricloud", "workflow")
# The project's SDK with other versions of what it uses than the project's own environment has.
SDKS = ("sdk-pandas2",)


def python(client: str) -> Path:
    """Return the interpreter that has the client, having made its environment when it is missing.

    ``sdk`` is the project's own SDK in the project's own environment.
    """
    if client == "sdk":
        return Path(sys.executable)
    lock = LOCKS / f"{client}.txt"
    digest = hashlib.sha256(lock.read_bytes()).hexdigest()[:12]
    folder = ROOT / ".envs" / f"{client}-{digest}"
    complete = folder / ".complete"
    if not complete.exists():
        folder.parent.mkdir(exist_ok=True)
        with (folder.parent / f"{client}.lock").open("w") as turn:
            fcntl.flock(turn, fcntl.LOCK_EX)
            if not complete.exists():
                _make(folder, lock)
                if client in SDKS:
                    (packages,) = folder.glob("lib/python*/site-packages")
                    (packages / "entrepot.pth").write_text(f"{ROOT / 'src'}\n")
                complete.touch()
    return folder / "bin" / "python"


def _make(folder: Path, lock: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    subprocess.run([_interpreter(), "-m", "venv", folder], check=True)
    subprocess.run([folder / "bin" / "pip", "install", "-qq", "--require-hashes", "-r", lock], check=True)


def _interpreter() -> str:
    # pandas 1, which one of the clients needs, came out for no newer Python.
    if sys.version_info[:2] == (3, 11):
        return sys.executable
    found = shutil.which("python3.11")
    assert found, "the published clients need Python 3.11: put python3.11 on the PATH"
    return found


def main() -> None:
    """Make every environment that is missing."""
    for client in (*CLIENTS, *SDKS):
        python(client)


if __name__ == "__main__":
    main()
