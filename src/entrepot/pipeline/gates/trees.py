"""Trees of folders of any depth: walked and removed, though no path to their deepest files could be given.

A system takes paths of some four thousand bytes, and Python calls itself some thousand times; a tree that somebody made
one folder in the other has neither limit. So one folder is open at a time, and the way up is asked of the file system,
and checked.
"""

import contextlib
import errno
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


@dataclass(frozen=True, slots=True)
class Item:
    """What lies in a tree.

    Attributes
    ----------
    path
        From the root, with ``/`` between its parts.
    status
        Of the item itself, not of what a link leads to.
    """

    path: str
    status: os.stat_result
    _folder: int

    @property
    def name(self) -> str:
        """The last part of the path."""
        return self.path.rpartition("/")[2]

    @property
    def is_folder(self) -> bool:
        """Whether it is a folder."""
        return stat.S_ISDIR(self.status.st_mode)

    @property
    def is_file(self) -> bool:
        """Whether it is a plain file."""
        return stat.S_ISREG(self.status.st_mode)

    def open(self) -> int:
        """Return a descriptor of a file, before the walk goes on; FileNotFoundError where it is none any more."""
        try:
            descriptor = os.open(self.name, _FILE, dir_fd=self._folder)
        except OSError as error:
            if error.errno in (errno.ELOOP, errno.ENXIO):
                raise FileNotFoundError(errno.ENOENT, "It is no file any more", self.path) from None
            raise
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            os.close(descriptor)
            raise FileNotFoundError(errno.ENOENT, "It is no file any more", self.path)
        return descriptor

    def look(self) -> int:
        """Return a descriptor of a file or folder, whose mode can be changed by it, before the walk goes on."""
        return os.open(self.name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=self._folder)


@dataclass(slots=True)
class _Level:
    """A folder on the way down: which it is, and which folders in it are still to be looked into."""

    path: str
    identity: tuple[int, int]
    waiting: list[str] = field(default_factory=list)


def walk(root: Path, wanted: Callable[[str], bool] = lambda _name: True) -> Iterator[Item]:
    """Yield what lies below a folder, at any depth, links not followed; nothing when there is no such folder.

    Folders come before what is in them. What vanishes meanwhile is left out.

    Parameters
    ----------
    wanted
        Tells by its name whether a file, or a folder with all that is in it, counts.
    """
    try:
        here = os.open(root, _FOLDER)
    except (FileNotFoundError, NotADirectoryError):
        return
    try:
        levels = [_Level("", _identity(here))]
        yield from _scanned(here, levels[-1], wanted)
        while levels:
            level = levels[-1]
            if level.waiting:
                name = level.waiting.pop()
                with suppress(FileNotFoundError, NotADirectoryError, PermissionError):
                    here = _down(here, name)
                    levels.append(_Level(f"{level.path}{name}/", _identity(here)))
                    yield from _scanned(here, levels[-1], wanted)
                continue
            levels.pop()
            if levels:
                here = _up(here, levels[-1].identity)
    finally:
        os.close(here)


def remove(root: Path) -> None:
    """Remove a folder with all that is below it, at any depth; nothing happens when there is none."""
    try:
        here = os.open(root, _FOLDER)
    except FileNotFoundError:
        return
    except NotADirectoryError:
        with contextlib.suppress(NotADirectoryError):  # what it lies in is none, either
            root.unlink()
        return
    try:
        names: list[str] = []
        levels = [_Level("", _identity(here), _emptied(here))]
        while levels:
            level = levels[-1]
            if level.waiting:
                name = level.waiting.pop()
                try:
                    here = _down(here, name)
                except FileNotFoundError:
                    continue
                names.append(name)
                levels.append(_Level("", _identity(here), _emptied(here)))
                continue
            levels.pop()
            if levels:
                here = _up(here, levels[-1].identity)
                with suppress(FileNotFoundError):
                    os.rmdir(names.pop(), dir_fd=here)
    finally:
        os.close(here)
    root.rmdir()


def make(root: Path, path: str) -> int:
    """Return a descriptor of a folder at any depth below another, made where it is missing."""
    here = os.open(root, _FOLDER)
    for name in path.split("/"):
        outer = here
        try:
            here = step(outer, name)
        finally:
            os.close(outer)
    return here


def step(here: int, name: str) -> int:
    """Return a descriptor of a folder in another, made where it is missing."""
    if name in ("", ".", ".."):
        raise ValueError(f"{name!r} is no name of a folder")
    with suppress(FileExistsError):
        os.mkdir(name, 0o755, dir_fd=here)
    return os.open(name, _FOLDER, dir_fd=here)


def height(root: Path) -> int:
    """Return how many folders lie in one another below a folder, itself included; 0 of what is none."""
    if root.is_symlink() or not root.is_dir():
        return 0
    return max((item.path.count("/") + 1 for item in walk(root) if item.is_folder), default=0) + 1


def _scanned(here: int, level: _Level, wanted: Callable[[str], bool]) -> Iterator[Item]:
    with os.scandir(here) as entries:
        found = sorted((entry for entry in entries if wanted(entry.name)), key=lambda entry: entry.name)
    for entry in found:
        try:
            status = entry.stat(follow_symlinks=False)
        except FileNotFoundError:
            continue
        if stat.S_ISDIR(status.st_mode):
            level.waiting.append(entry.name)
        yield Item(f"{level.path}{entry.name}", status, here)
    level.waiting.reverse()


def _emptied(here: int) -> list[str]:
    """Remove what is in a folder but for folders that are not empty, whose names are returned."""
    with os.scandir(here) as entries:
        found = list(entries)
    left = []
    for entry in found:
        try:
            if entry.is_dir(follow_symlinks=False):
                os.rmdir(entry.name, dir_fd=here)
            else:
                os.unlink(entry.name, dir_fd=here)
        except FileNotFoundError:
            continue
        except OSError:
            left.append(entry.name)
    return left


def _down(here: int, name: str) -> int:
    inner = os.open(name, _FOLDER, dir_fd=here)
    os.close(here)
    return inner


def _up(here: int, identity: tuple[int, int]) -> int:
    outer = os.open("..", _FOLDER, dir_fd=here)
    if _identity(outer) != identity:
        os.close(outer)
        raise OSError(errno.ESTALE, "A folder was moved while it was looked through")
    os.close(here)
    return outer


def _identity(descriptor: int) -> tuple[int, int]:
    status = os.fstat(descriptor)
    return status.st_dev, status.st_ino
