"""A run of the tests that is stopped leaves no server behind, whether it has the time to stop it or not."""

import contextlib
import os
import signal
import subprocess
import sys
from pathlib import Path

from tests.support.deadline import eventually

ROOT = Path(__file__).parents[2]
RUN = """
import pathlib
import threading

def test_goes_on(running_server):
    running_server("sqlite")  # and PostgreSQL, on which it may depend
    (pathlib.Path(__file__).parent / "up").touch()
    threading.Event().wait(600)
"""


def living() -> dict[int, tuple[int, str]]:
    """Return the parents and names of all processes but zombies."""
    found: dict[int, tuple[int, str]] = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            name, _, rest = path.read_text().partition("(")[2].rpartition(")")
            state, parent = rest.split()[:2]
            if state != "Z":
                found[int(path.parent.name)] = int(parent), name
    return found


def started_by(pid: int) -> dict[int, str]:
    """Return the names of a process' living children, theirs, and so on."""
    everybody, found, look = living(), dict[int, str](), [pid]
    while look:
        above = look.pop()
        children = {child: name for child, (parent, name) in everybody.items() if parent == above}
        found |= children
        look += children
    return found


def test_a_run_that_is_stopped_by_ctrl_c_leaves_no_server_behind(tmp_path: Path) -> None:
    """Nor where its processes are killed before they could stop what they started."""
    (tmp_path / "test_run.py").write_text(RUN)
    command: list[str | Path] = [
        sys.executable,
        "-m",
        "pytest",
        "-c",
        ROOT / "pyproject.toml",
        "-p",
        "tests.conftest",
        "-n",
        "1",
    ]
    run = subprocess.Popen(
        [*command, "--basetemp", tmp_path / "temporary", tmp_path / "test_run.py"],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        start_new_session=True,  # a terminal sends Ctrl-C to all processes of a group
    )
    started: dict[int, str] = {}
    try:
        eventually(lambda: (tmp_path / "up").exists() or run.poll() is not None, 150)
        started = started_by(run.pid)
        assert {"postgres", "entrepot", "entrepot web-1"} <= set(started.values())
        os.killpg(run.pid, signal.SIGINT)
        os.killpg(run.pid, signal.SIGKILL)
        run.wait(60)
        eventually(lambda: not started.keys() & living().keys(), 30)
    finally:
        for pid in {run.pid, *started} & living().keys():
            os.kill(pid, signal.SIGKILL)
        run.communicate()
