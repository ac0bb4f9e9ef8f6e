"""Control groups of calls, where the server may make them: then the kernel itself counts a call's memory, all of it.

A server may where its own group is its alone, as that of a systemd unit with ``Delegate=yes`` is at the start. Anywhere
else calls are watched (`supervisor`), which sees too much memory a tenth of a second later.
"""

import contextlib
import os
import secrets
from pathlib import Path

from .limits import MIB, Limits

_ROOT = Path("/sys/fs/cgroup")
_SERVER = "entrepot-server"
_CALL = "entrepot-call-"
_CONTROLLERS = "+memory +pids"
# What the call's own beginnings take beyond what it shares with the template.
_RESERVE = 64 * MIB


def prepare(root: Path = _ROOT) -> bool:
    """Move this process, if it is alone in its group, into one below, so that calls can have others beside it."""
    own = _own(root)
    if own is None:
        return False
    try:
        if own.name != _SERVER:
            if not _delegated(own) or (own / "cgroup.procs").read_text().split() != [str(os.getpid())]:
                return False
            (own / _SERVER).mkdir(exist_ok=True)
            (own / _SERVER / "cgroup.procs").write_text(str(os.getpid()))
            own = own / _SERVER
        (own.parent / "cgroup.subtree_control").write_text(_CONTROLLERS)
    except OSError:
        return False
    for left in own.parent.glob(f"{_CALL}*"):
        with contextlib.suppress(OSError):  # of another server that runs, or with a process that has yet to end
            left.rmdir()
    return True


class Group:
    """The group of one call.

    Parameters
    ----------
    limits
        Of memory and processes.
    """

    def __init__(self, folder: Path, limits: Limits) -> None:
        self._folder = folder
        folder.mkdir()
        try:
            (folder / "memory.max").write_text(str(limits.memory + _RESERVE))
            (folder / "memory.oom.group").write_text("1")
            with contextlib.suppress(FileNotFoundError):  # there is no swap
                (folder / "memory.swap.max").write_text("0")
            # The first process of the cell is elsewhere; a few more than are told of, to tell of them.
            (folder / "pids.max").write_text(str(limits.processes + 2))
            #: Whoever writes 0 to it is moved into the group.
            self.entrance = os.open(folder / "cgroup.procs", os.O_WRONLY | os.O_CLOEXEC)
        except OSError:
            folder.rmdir()
            raise

    @classmethod
    def make(cls, limits: Limits, root: Path = _ROOT) -> "Group | None":
        """Return a new group; None where this process may make none."""
        own = _own(root)
        if own is None or own.name != _SERVER:
            return None
        try:
            return cls(own.parent / f"{_CALL}{secrets.token_hex(8)}", limits)
        except OSError:
            return None

    def overflowed(self) -> bool:
        """Whether the kernel ended the call because its memory was used up."""
        with contextlib.suppress(OSError):
            for line in (self._folder / "memory.events").read_text().splitlines():
                if line.startswith("oom_kill "):
                    return line != "oom_kill 0"
        return False

    def close(self) -> None:
        """End what is left in it, and remove it."""
        os.close(self.entrance)
        with contextlib.suppress(OSError):
            (self._folder / "cgroup.kill").write_text("1")
        with contextlib.suppress(OSError):
            self._folder.rmdir()


def _delegated(group: Path) -> bool:
    """Whether systemd leaves what is below a group to those who are in it."""
    for mark in ("user.delegate", "trusted.delegate"):
        with contextlib.suppress(OSError):
            if os.getxattr(group, mark) == b"1":
                return True
    return False


def _own(root: Path) -> Path | None:
    """Return this process's group of the second kind of groups, if it can limit memory."""
    with contextlib.suppress(OSError):
        for line in Path("/proc/self/cgroup").read_text().splitlines():
            if line.startswith("0::"):
                own = root / line.removeprefix("0::").strip("/")
                where = own.parent if own.name == _SERVER else own
                known = (where / "cgroup.controllers").read_text().split()
                return own if {"memory", "pids"} <= set(known) and where != root else None
    return None
