"""What becomes the template: it enters a minimal read-only root, and is root of its own users and of nothing else.

The root holds the system's programs and libraries, Python with its packages and this package, bound read-only below
folders that everybody may enter, wherever they lie outside. Never the whole root: sockets of databases and secrets
would show through.
"""

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from . import libc

PACKAGE = Path(__file__).resolve().parent
#: Where calls have the folder that is theirs.
CALLS = "/call"
# Far above the numbers that systems and containers give out, so that each call can have a user of its own: so many
# that two never meet.
FIRST_USER, USERS = 2_000_000_000, 147_000_000
_SYSTEM = ("/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32")
_FILES = ("/etc/localtime", "/etc/ld.so.cache")
# Names, and whose certificates to trust.
_FOR_NETWORK = ("/etc/resolv.conf", "/etc/hosts", "/etc/nsswitch.conf", "/etc/ssl/certs", "/etc/ca-certificates")
_DEVICES = ("null", "zero", "full", "random", "urandom")
_STREAMS = {"fd": "/proc/self/fd", "stdin": "/proc/self/fd/0", "stdout": "/proc/self/fd/1", "stderr": "/proc/self/fd/2"}
# Any folder that is always there does to build at; what is below is taken before.
_SITE = "/proc"
_UNTOUCHED = libc.READ_ONLY | libc.NO_SETUID | libc.NO_DEVICES


def launch(text: str, *, network: bool, hidden: Sequence[str] = ()) -> NoReturn:
    """Become Python that runs `text` inside.

    Parameters
    ----------
    text
        A program.
    network
        Show it what programs need that use the network.
    hidden
        Folders to show empty should they lie within one that is shown.
    """
    os.umask(0o022)
    if os.getuid():
        user, group = os.getuid(), os.getgid()
        libc.unshare(libc.NEW_USERS | libc.NEW_MOUNTS)
        Path("/proc/self/setgroups").write_text("deny")
        Path("/proc/self/uid_map").write_text(f"0 {user} 1")
        Path("/proc/self/gid_map").write_text(f"0 {group} 1")
        _change_root(network=network, hidden=hidden)
    else:
        # What only root may read is bound by root, who then becomes root of far-away users and nobody outside.
        helper, go = _start_helper()
        libc.unshare(libc.NEW_MOUNTS)
        _change_root(network=network, hidden=hidden)
        libc.unshare(libc.NEW_USERS | libc.NEW_MOUNTS)
        os.close(go)
        if os.waitpid(helper, 0)[1]:
            raise OSError("no users could be set apart for scripts")
        libc.become(0)
    os.execv(sys.executable, [sys.executable, "-I", "-c", text])  # noqa: S606


def _start_helper() -> tuple[int, int]:
    """Start a process that gives this one its users once the returned descriptor is closed."""
    launched = os.getpid()
    reading, writing = os.pipe()
    helper = os.fork()
    if helper == 0:
        code = 1
        try:
            os.close(writing)
            os.read(reading, 1)
            for kind in ("uid", "gid"):
                first, number = _far_users(Path(f"/proc/self/{kind}_map").read_text())
                Path(f"/proc/{launched}/{kind}_map").write_text(f"0 {first} {number}")
            code = 0
        finally:
            os._exit(code)
    os.close(reading)
    return helper, writing


def _far_users(known: str) -> tuple[int, int]:
    """Return the first and the number of users to take of those that there are, which in a container are fewer."""
    start, number = max(((int(first), int(many)) for first, _, many in map(str.split, known.splitlines())), key=_second)
    if start + number >= FIRST_USER + USERS:
        return FIRST_USER, USERS
    return start + number // 2, number - number // 2


def _second(pair: tuple[int, int]) -> int:
    return pair[1]


def _change_root(*, network: bool, hidden: Sequence[str]) -> None:
    libc.keep_mounts_private()
    shown = [path for path in ("/usr", *_SYSTEM) if Path(path).is_dir() and not Path(path).is_symlink()]
    shown += map(str, python_folders())
    shown += [path for path in (*_FILES, *(_FOR_NETWORK if network else ())) if Path(path).exists()]
    links = {path: str(Path(path).readlink()) for path in _SYSTEM if Path(path).is_symlink()}
    taken = {path: libc.clone_mount(path) for path in shown}
    for tree in taken.values():
        libc.restrict(tree, _UNTOUCHED)
    taken |= {f"/dev/{name}": libc.clone_mount(f"/dev/{name}") for name in _DEVICES}
    taken["/proc"] = libc.clone_mount("/proc")
    folders = {path for path in shown if Path(path).is_dir()} | {"/proc"}
    root = libc.make_mount("tmpfs", libc.NO_SETUID | libc.NO_DEVICES, mode="0755", size=str(1 << 20))
    libc.attach(root, _SITE)
    for path, tree in taken.items():
        _make(path, folder=path in folders)
        libc.attach(tree, _SITE + path)
    for path in map(os.path.realpath, hidden):
        if Path(_SITE + path).is_dir():
            empty = libc.make_mount("tmpfs", _UNTOUCHED, mode="0755")
            libc.attach(empty, _SITE + path)
    for path, target in links.items():
        Path(_SITE + path).symlink_to(target)
    for name, target in _STREAMS.items():
        Path(f"{_SITE}/dev/{name}").symlink_to(target)
    for path in ("/tmp", CALLS):  # noqa: S108
        _make(path, folder=True)
    libc.restrict(root, _UNTOUCHED, below=False)
    libc.change_root(_SITE)


def _make(path: str, *, folder: bool) -> None:
    """Make what a mount is attached to, unless it lies within another."""
    place = Path(_SITE + path)
    place.parent.mkdir(parents=True, exist_ok=True)
    if folder:
        place.mkdir(exist_ok=True)
    else:
        place.touch()


def python_folders() -> list[Path]:
    """Return the folders that hold Python, its packages and this package; those within others left out."""
    executable = Path(sys.executable).resolve()
    wanted = {Path(sys.prefix), Path(sys.base_prefix), executable.parent.parent, PACKAGE}
    wanted |= {folder.resolve() for folder in wanted}
    kept: list[Path] = [Path("/usr")]
    for folder in sorted(wanted - {Path("/")}, key=lambda path: len(path.parts)):
        if not any(folder.is_relative_to(other) for other in kept):
            kept.append(folder)
    return kept[1:]
