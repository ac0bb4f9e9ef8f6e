"""A call's own world: its namespaces, its folder, and the first process in it, with which everything in it ends."""

import contextlib
import os
import secrets
import signal
from pathlib import Path
from typing import NoReturn

from . import launch, libc

_ENTRIES = 100_000
_PAGE = 4096
# Of a script whose user is the only one there is; any but root's will do.
_ONLY_USER = 1000


class Cell:
    """Namespaces of processes, users, mounts, IPC, names and network for one call.

    Made by the supervisor, which stays outside; the next process that it forks calls `enter`.

    Parameters
    ----------
    name
        Of the call's folder.
    disk
        Bytes that fit into the folder, whatever becomes of their names.
    network
        Leave it the network of the server.
    """

    def __init__(self, name: str, disk: int, *, network: bool) -> None:
        self.folder = Path(launch.CALLS) / name
        self._network = network
        # More than it may hold by a page, which tells one that is full from one that holds too much.
        size, entries = str(disk + _PAGE), str(_ENTRIES)
        self._files = libc.make_mount(
            "tmpfs", libc.NO_SETUID | libc.NO_DEVICES, mode="0711", size=size, nr_inodes=entries
        )
        os.mkdir(name, 0o700, dir_fd=self._files)
        self._user = _choose_user()
        os.chown(name, self._user, self._user, dir_fd=self._files)
        self.folder_descriptor = os.open(name, os.O_DIRECTORY | os.O_RDONLY | os.O_CLOEXEC, dir_fd=self._files)
        libc.unshare(libc.NEW_PROCESSES)
        self.first = os.fork()
        if self.first == 0:
            _wait_for_the_end()

    def enter(self) -> None:
        """Enter with this process: all but its capabilities is left behind."""
        libc.unshare(
            libc.NEW_MOUNTS | libc.NEW_IPC | libc.NEW_NAMES | libc.NEW_CGROUP
            | (0 if self._network else libc.NEW_NETWORK)
        )  # fmt: skip
        libc.attach(self._files, launch.CALLS)
        libc.attach(libc.make_mount("proc", libc.NO_SETUID | libc.NO_DEVICES | libc.NO_PROGRAMS), "/proc")
        if self._user:
            libc.become(self._user)
        # To be let write its own map.
        libc.hide(False)
        libc.unshare(libc.NEW_USERS)
        Path("/proc/self/setgroups").write_text("deny")
        for kind in ("uid", "gid"):
            Path(f"/proc/self/{kind}_map").write_text(f"{self._user or _ONLY_USER} {self._user} 1")

    def used(self) -> int:
        """Return the bytes that its files have."""
        state = os.fstatvfs(self._files)
        return (state.f_blocks - state.f_bfree) * state.f_frsize

    def full(self) -> bool:
        """Whether it holds more than it may."""
        state = os.fstatvfs(self._files)
        return state.f_bfree == 0 or state.f_ffree == 0

    def kill(self) -> None:
        """End everything in it; those that this process started are to be waited for, then `first`."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.first, signal.SIGKILL)


def _choose_user() -> int:
    """Return a user of one call; 0, which is the server's own outside, where there is no other."""
    number = int(Path("/proc/self/uid_map").read_text().split()[2])
    return 1 + secrets.randbelow(number - 1) if number > 1 else 0


def _wait_for_the_end() -> NoReturn:
    """Be the first process: bury what loses its parent, and do nothing else."""
    try:
        libc.die_with_parent()
        os.closerange(0, 1 << 16)
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_DFL)
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)
        libc.gain_nothing()
        libc.bound_capabilities()
        libc.drop_capabilities()
        libc.die_with_parent()
        while True:
            signal.pause()
    finally:
        os._exit(70)
