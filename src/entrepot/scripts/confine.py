"""How the child becomes a process that can do little: its folder, user, limits, descriptors and environment."""

import contextlib
import os
import resource
import secrets
import signal
import tempfile
from dataclasses import dataclass
from pathlib import Path

from . import libc, seccomp
from .cell import Cell
from .launch import FIRST_USER, USERS
from .limits import MIB, Limits

NOBODY = 65534
_FILES = 256
_NICE = 5
# What is left to say that the memory is used up.
_RESERVE = 64 * MIB


@dataclass(frozen=True, slots=True)
class Job:
    """Where a call runs: its own folder, in a cell of its own or as a user of its own if there can be one."""

    folder: Path
    descriptor: int
    cell: Cell | None
    user: int | None
    network: bool

    @property
    def alone(self) -> bool:
        """Whether everything of the job's user belongs to this job."""
        return self.user is not None and self.user != NOBODY


def make_job(folder: Path, limits: Limits, *, cells: bool, network: bool) -> Job:
    """Make the folder of a call, and its cell; or choose its user."""
    if cells:
        # What is written there is memory, which has a limit of its own.
        cell = Cell(folder.name, min(limits.disk, limits.memory), network=network)
        return Job(cell.folder, cell.folder_descriptor, cell, None, network)
    # Whoever clears away old files may have taken what is above; the calls' users must pass there.
    folder.parent.mkdir(mode=0o711, parents=True, exist_ok=True)
    folder.mkdir(mode=0o700)
    user = _give_away(folder) if os.getuid() == 0 else None
    return Job(folder, os.open(folder, os.O_DIRECTORY | os.O_CLOEXEC), None, user, network)


def _give_away(folder: Path) -> int | None:
    for user in (FIRST_USER + secrets.randbelow(USERS), NOBODY):
        # A container may have fewer users, or only one.
        with contextlib.suppress(OSError):
            os.chown(folder, user, user)
            return user
    return None


def confine(job: Job, limits: Limits) -> None:
    """Give this process its folder, environment, limits and user; it is in its cell. There is no way back."""
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    os.setsid()
    _yield_to_others()
    os.umask(0o077)
    os.chdir(job.folder)
    os.environ.update(HOME=str(job.folder), TMPDIR=str(job.folder))
    tempfile.tempdir = None
    for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP, signal.SIGPIPE, signal.SIGXFSZ}:
        if signal.getsignal(number) is not None:
            signal.signal(number, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    _limit(resource.RLIMIT_AS, used + limits.memory, used + limits.memory + _RESERVE)
    _limit(resource.RLIMIT_CPU, limits.cpu, limits.cpu + 1)
    _limit(resource.RLIMIT_FSIZE, limits.file, max(limits.file, limits.result + MIB))
    _limit(resource.RLIMIT_NPROC, limits.processes + (_tasks() if job.cell is None and job.user is None else 0))
    _limit(resource.RLIMIT_NOFILE, _FILES)
    _limit(resource.RLIMIT_CORE, 0)
    _limit(resource.RLIMIT_MSGQUEUE, 0)
    libc.bound_capabilities()
    if job.user is not None:
        libc.become(job.user)
    libc.drop_capabilities()
    libc.gain_nothing()
    libc.hide(True)
    libc.die_with_parent()
    if seccomp.supported():
        seccomp.install(network=job.network)


def _yield_to_others() -> None:
    """Have the server, and whatever else runs here, served before the script."""
    os.nice(_NICE)
    # Where each session has a share of its own, which is by the session's niceness.
    with contextlib.suppress(OSError):
        Path("/proc/self/autogroup").write_text(str(_NICE))


def loosen() -> None:
    """Take the reserve, to put the result into form and write it."""
    for what in (resource.RLIMIT_AS, resource.RLIMIT_FSIZE):
        hard = resource.getrlimit(what)[1]
        resource.setrlimit(what, (hard, hard))


def _limit(what: int, soft: int, hard: int | None = None) -> None:
    ceiling = resource.getrlimit(what)[1]
    hard = soft if hard is None else hard
    if ceiling != resource.RLIM_INFINITY:
        soft, hard = min(soft, ceiling), min(hard, ceiling)
    resource.setrlimit(what, (soft, hard))


def _tasks() -> int:
    """Count the threads of this user: the kernel's limit is on all of them together."""
    count, user = 0, os.getuid()
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            try:
                if entry.stat().st_uid == user:
                    count += sum(1 for _ in (entry / "task").iterdir())
            except OSError:  # ended meanwhile
                continue
    return count
