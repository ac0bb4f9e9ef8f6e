"""The command that starts the template: plain Python, or Python inside bubblewrap where that works.

Inside, there is no network (unless asked for), no other process, and of the file system only the system's programs and
libraries, Python with its packages and this package, all read-only, and the folder of the calls. Never the whole root:
sockets of databases and secrets would show through.
"""

import functools
import os
import shutil
import subprocess
import sys
from pathlib import Path

PACKAGE = Path(__file__).resolve().parent
_SYSTEM = ("/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32")
# Names, and whose certificates to trust.
_FOR_NETWORK = ("/etc/resolv.conf", "/etc/hosts", "/etc/nsswitch.conf", "/etc/ssl/certs", "/etc/ca-certificates")
# What a template that is root needs to change to the calls' users, to watch and to end them. Nothing more.
_CAPABILITIES = (
    "CAP_SETUID", "CAP_SETGID", "CAP_CHOWN", "CAP_KILL", "CAP_DAC_OVERRIDE", "CAP_DAC_READ_SEARCH", "CAP_SYS_PTRACE",
)  # fmt: skip
# The packages' own __init__ are not run: they bring what the template must not have.
_BOOTSTRAP = """
import sys, types
for name, path in (("entrepot", {root!r}), ("entrepot.scripts", {package!r})):
    package = sys.modules[name] = types.ModuleType(name)
    package.__path__ = [path]
from entrepot.scripts.template import start
start({descriptor})
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


def command(descriptor: int, spool: Path, *, sandboxed: bool, network: bool = False) -> list[str]:
    """Return the command of a template that serves `descriptor` and makes the calls' folders in `spool`.

    Outside the sandbox, there is a network whatever is asked for.
    """
    text = _BOOTSTRAP.format(root=str(PACKAGE.parent), package=str(PACKAGE), descriptor=descriptor)
    return [*(_bubblewrap(spool, network=network) if sandboxed else ()), sys.executable, "-I", "-c", text]


@functools.cache
def available() -> bool:
    """Whether bubblewrap is there and can do what `command` asks of it. Tried once."""
    if shutil.which("bwrap") is None:
        return False
    try:
        # Any folder will do for the spool: an empty one of ours.
        trial = [*_bubblewrap(PACKAGE), sys.executable, "-I", "-c", "import ctypes, numpy.version"]
        subprocess.run(trial, env=ENVIRONMENT, check=True, capture_output=True, timeout=30)  # noqa: S603
    except (OSError, subprocess.SubprocessError):
        return False
    return True


def _bubblewrap(spool: Path, *, network: bool = False) -> list[str]:
    words = ["bwrap", "--unshare-pid", "--unshare-ipc", "--unshare-uts", "--unshare-cgroup-try"]
    words += [] if network else ["--unshare-net"]
    words += ["--as-pid-1", "--new-session", "--cap-drop", "ALL"]
    if os.getuid():
        words += ["--unshare-user"]
    else:
        words += [word for capability in _CAPABILITIES for word in ("--cap-add", capability)]
    words += ["--ro-bind", "/usr", "/usr"]
    for path in map(Path, _SYSTEM):
        if path.is_symlink():
            words += ["--symlink", str(path.readlink()), str(path)]
        elif path.is_dir():
            words += ["--ro-bind", str(path), str(path)]
    for file in ("/etc/localtime", "/etc/ld.so.cache", *(_FOR_NETWORK if network else ())):
        words += ["--ro-bind-try", file, file]
    for folder in _python():
        words += ["--ro-bind", str(folder), str(folder)]
    words += ["--proc", "/proc", "--dev", "/dev", "--remount-ro", "/dev"]
    return [*words, "--bind", str(spool), str(spool), "--remount-ro", "/", "--chdir", "/"]


def _python() -> list[Path]:
    """Return the folders that hold Python, its packages and this package; those within others left out."""
    executable = Path(sys.executable).resolve()
    wanted = {Path(sys.prefix), Path(sys.base_prefix), executable.parent.parent, PACKAGE}
    wanted |= {folder.resolve() for folder in wanted}
    kept: list[Path] = [Path("/usr")]
    for folder in sorted(wanted - {Path("/")}, key=lambda path: len(path.parts)):
        if not any(folder.is_relative_to(other) for other in kept):
            kept.append(folder)
    return kept[1:]
