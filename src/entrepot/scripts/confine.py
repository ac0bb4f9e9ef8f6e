"""How the child becomes a process that can do little: its folder, user, limits, descriptors and environment."""

import contextlib
import os
import resource
import secrets
import signal
import tempfile
from dataclasses import dataclass
from pathlib import Path

from . import libc
from .limits import MIB, Limits

NOBODY = 65534
# Far above the numbers that systems and containers give out, so that each call can have a user of its own: limits
# on processes are counted, and everything that was started can be killed, by user. So many that two never meet.
_FIRST_USER = 2_000_000_000
_USERS = 147_000_000
_FILES = 256
# What is left to say that the memory is used up.
_RESERVE = 64 * MIB


@dataclass(frozen=True, slots=True)
class Job:
    """Where a call runs: its own folder, and its own user if we may change to one."""

    folder: Path
    user: int | None
    keep_reading: bool

    @property
    def alone(self) -> bool:
        """Whether everything of the job's user belongs to this job."""
        return self.user is not None and self.user != NOBODY


def make_job(folder: Path) -> Job:
    """Make the folder of a call and choose its user."""
    folder.mkdir(mode=0o700)
    if os.getuid():
        return Job(folder, None, False)
    for user in (_FIRST_USER + secrets.randbelow(_USERS), NOBODY):
        # A container may have fewer users, or only one.
        with contextlib.suppress(OSError):
            os.chown(folder, user, user)
            return Job(folder, user, not _python_is_public())
    return Job(folder, None, False)


def confine(job: Job, limits: Limits) -> None:
    """Give this process its folder, environment, limits and user. There is no way back."""
    os.setsid()
    os.umask(0o077)
    os.chdir(job.folder)
    os.environ.update(HOME=str(job.folder), TMPDIR=str(job.folder))
    tempfile.tempdir = None
    for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP, signal.SIGPIPE, signal.SIGXFSZ}:
        if signal.getsignal(number) is not None:
            signal.signal(number, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    _limit(resource.RLIMIT_AS, used + limits.memory, used + limits.memory + _RESERVE)
    _limit(resource.RLIMIT_CPU, limits.cpu, limits.cpu + 1)
    _limit(resource.RLIMIT_FSIZE, limits.file, max(limits.file, limits.result + MIB))
    _limit(resource.RLIMIT_NPROC, limits.processes + (_tasks() if job.user is None else 0))
    _limit(resource.RLIMIT_NOFILE, _FILES)
    _limit(resource.RLIMIT_CORE, 0)
    _limit(resource.RLIMIT_MSGQUEUE, 0)
    if job.user is not None:
        libc.become(job.user, keep_reading=job.keep_reading)
    libc.gain_nothing()
    libc.hide(False)
    libc.die_with_parent()


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


def _python_is_public() -> bool:
    """Whether any user may read the standard library and the installed packages."""
    import numpy as np

    folders = {Path(module).resolve().parent for module in (os.__file__, np.__file__)}
    return all(folder.stat().st_mode & 0o001 for path in folders for folder in (path, *path.parents))
