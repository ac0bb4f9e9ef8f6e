"""The command that starts the template, and how far it can keep users' scripts apart on this machine."""

import functools
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from . import launch, seccomp

_TRIAL_SECONDS = 120.0
# The packages' own __init__ are not run: they bring what the template must not have.
_BOOTSTRAP = """
import sys, types
for name, path in (("entrepot", {root!r}), ("entrepot.scripts", {package!r})):
    package = sys.modules[name] = types.ModuleType(name)
    package.__path__ = [path]
"""
ENVIRONMENT = {
    "PATH": "/usr/local/bin:/usr/bin:/bin",
    "LANG": "C.UTF-8",
    "TZ": "UTC",
    "HOME": "/nonexistent",
    # Many scripts run at once; their threads would only take turns, and each maps memory.
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "NUMEXPR_NUM_THREADS": "1",
    "POLARS_MAX_THREADS": "1",
    "MALLOC_ARENA_MAX": "2",
    # The other pools map far more than they use, which a limit on mapped memory counts.
    "ARROW_DEFAULT_MEMORY_POOL": "system",
}


@dataclass(frozen=True, slots=True)
class Level:
    """How far users' scripts are kept apart from the server and from each other.

    Parameters
    ----------
    name
        ``full``: each call has users, processes, files, memory and network of its own. ``partial``: it is another
        user than the server, and much else is missing. ``none``: it is the server's own user and reads what that
        may read.
    missing
        What is missing, a few words each.
    user
        Whom scripts run as, in a few words.
    """

    name: Literal["full", "partial", "none"]
    missing: tuple[str, ...]
    user: str


def command(descriptor: int, *, sandboxed: bool, network: bool = False, hidden: Sequence[Path] = ()) -> list[str]:
    """Return the command of a template that serves `descriptor`.

    Parameters
    ----------
    sandboxed
        With a minimal root and a cell for each call.
    network
        Leave its calls the network.
    hidden
        Folders of which nothing may be seen.
    """
    call = f"from entrepot.scripts.template import start\nstart({descriptor}, cells={sandboxed}, network={network})"
    return _python(call, hidden, network=network) if sandboxed else [sys.executable, "-I", "-c", _bootstrap() + call]


def level(*, wanted: bool = True) -> Level:
    """Return how far scripts are kept apart here; `wanted` says whether the operator lets them be."""
    another = "another unprivileged user for each call"
    reason = obstacle() if wanted else "it is switched off (script_sandbox)"
    filtered = () if seccomp.supported() else (f"a filter of system calls for {os.uname().machine}",)
    if reason is None and not filtered:
        return Level("full", (), another if os.getuid() == 0 else "the server's user, without any of its rights")
    apart = () if reason is None else (f"namespaces of its own for each call: {reason}",)
    if os.getuid() == 0:
        return Level("partial", (*apart, *filtered), another)
    return Level("none" if apart else "partial", (*apart, *filtered), "the server's own user")


@functools.cache
def obstacle() -> str | None:
    """Return what keeps calls from having cells on this machine; None if nothing does. Tried once."""
    trial = _python("from entrepot.scripts.probe import probe\nprobe()", (), network=False)
    try:
        subprocess.run(trial, env=ENVIRONMENT, check=True, capture_output=True, timeout=_TRIAL_SECONDS)  # noqa: S603
    except subprocess.CalledProcessError as error:
        said = error.stderr.decode(errors="replace").strip().splitlines()
        return said[-1].rpartition("] ")[2] if said else f"the trial ended with {error.returncode}"
    except (OSError, subprocess.SubprocessError) as error:
        return str(error)
    return None


def available() -> bool:
    """Whether calls can have cells here."""
    return obstacle() is None


def _bootstrap() -> str:
    return _BOOTSTRAP.format(root=str(launch.PACKAGE.parent), package=str(launch.PACKAGE)) + "\n"


def _python(call: str, hidden: Sequence[Path], *, network: bool) -> list[str]:
    """Return the command of Python that makes a call within a minimal root."""
    options = f"network={network}, hidden={[str(path) for path in hidden]!r}"
    text = f"from entrepot.scripts.launch import launch\nlaunch({_bootstrap() + call!r}, {options})"
    return [sys.executable, "-I", "-c", _bootstrap() + text]
