"""A home that is a folder of this machine."""

import errno
import fcntl
import os
import shutil
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager, suppress
from functools import wraps
from pathlib import Path
from stat import S_ISLNK, S_ISREG
from typing import BinaryIO, Concatenate, ParamSpec, Self, TypeVar

from sqlalchemy.orm import Session

from entrepot.objects.standstill import changing
from entrepot.pipeline.gates import folders, trees
from entrepot.pipeline.gates.folders import Entry
from entrepot.pipeline.gates.home import Ready, Usage

_PARTS = ".parts"
P = ParamSpec("P")
T = TypeVar("T")


def _change(
    verb: "Callable[Concatenate[FolderHome, P], T]",
) -> "Callable[Concatenate[FolderHome, P], T]":
    """Have a verb refused while no home may change, and whoever stops changes wait for it."""

    @wraps(verb)
    def changed(home: "FolderHome", /, *given: P.args, **named: P.kwargs) -> T:
        with changing(home.root.parent):
            return verb(home, *given, **named)

    return changed


class FolderHome:
    """A folder with what belongs to it beside it: a lock, and parts. See :class:`.Home`.

    Parameters
    ----------
    root
        Symbolic links below it that lead out of it are as if they were not there.
    """

    def __init__(self, root: Path) -> None:
        self.root = root

    @property
    def name(self) -> str:
        """Which home it is."""
        return f"{self.root.parent.name}/{self.root.name}"

    def resolve(self, path: str) -> str:
        """Return a path that users wrote as it is kept."""
        found = folders.resolve(self.root, path).relative_to(self.root).as_posix()
        return "" if found == "." else found

    def within(self, session: Session) -> Self:
        """Return the home."""
        return self

    @contextmanager
    def alone(self) -> Iterator[Self]:
        """Be the only one, of all processes, who puts or moves files."""
        descriptor = os.open(self.lock, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield self
        finally:
            os.close(descriptor)

    @property
    def lock(self) -> Path:
        """The file, beside the folder, by which those who change it take turns."""
        return self.root.with_name(f".{self.root.name}.lock")

    def status(self, path: str) -> os.stat_result:
        """Return what is known of what lies at a path."""
        found = (self.root / path).lstat()
        if not S_ISLNK(found.st_mode):
            return found
        if not Path(os.path.realpath(self.root / path)).is_relative_to(os.path.realpath(self.root)):
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), path)
        return (self.root / path).stat()

    def statuses(self, folder: str) -> dict[str, os.stat_result]:
        """Return nothing: to ask one by one costs next to nothing."""
        return {}

    def listed(self, folder: str = "", *, after: str | None = None, most: int | None = None) -> list[Entry]:
        """Return what lies directly in a folder."""
        if not folder and not self.root.is_dir():
            return []
        return folders.list_dir(self.root, folder, after=after, most=most)

    def walked(self, folder: str = "") -> list[Entry]:
        """Return the complete files below a folder that a path can lead to."""
        return [one for one in folders.list_files(self.root, folder) if folders.is_within_reach(self.root, one.path)]

    def existing(self, paths: Collection[str]) -> set[str]:
        """Return those of the paths at which something lies."""
        return {path for path in paths if ".." not in path.split("/") and os.path.lexists(self.root / path)}

    def count(self) -> int:
        """Return how many files and folders there are."""
        return sum(1 for _ in trees.walk(self.root))

    def usage(self) -> Usage:
        """Return what lies there."""
        files = folders.list_files(self.root)
        return Usage(sum(entry.size for entry in files), len(files))

    def height(self, path: str) -> int:
        """Return how many folders lie in one another at a path."""
        return trees.height(self.root / path)

    def open(self, path: str) -> BinaryIO:
        """Open a file to read from."""
        descriptor = os.open(self.root / path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        if not S_ISREG(os.fstat(descriptor).st_mode):
            os.close(descriptor)
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), path)
        return os.fdopen(descriptor, "rb")

    @contextmanager
    def scratch(self) -> Iterator[Path]:
        """Make a folder, on the same file system, for what becomes files of the home."""
        self.make()
        folders.remove_stale(self.root)
        with folders.hidden_folder(self.root) as folder:
            yield folder

    def make(self) -> None:
        """Make the folder where it is missing."""
        self.root.mkdir(parents=True, exist_ok=True)

    def prepare(self, source: Path | bytes) -> Ready:
        """Return what is ready where it is, on the folder's own file system."""
        if isinstance(source, bytes):
            return Ready(source, len(source), 0)
        found = source.stat()
        return Ready(source, found.st_size, found.st_mtime)

    @_change
    def put(self, ready: Ready, path: str) -> None:
        """Have what is ready appear."""
        (self.root / path).parent.mkdir(parents=True, exist_ok=True)
        match ready.source:
            case bytes(content):
                (self.root / path).write_bytes(content)
            case source:
                folders.put_in_place(Path(source), self.root / path)

    @_change
    def move(self, path: str, target: str) -> None:
        """Give a file or folder another path."""
        (self.root / path).lstat()
        (self.root / target).parent.mkdir(parents=True, exist_ok=True)
        folders.put_in_place(self.root / path, self.root / target)

    @_change
    def remove(self, path: str) -> None:
        """Remove a file."""
        (self.root / path).unlink()

    @_change
    def make_folder(self, path: str) -> None:
        """Make a folder in one that is there."""
        (self.root / path).mkdir()

    @_change
    def remove_folder(self, path: str) -> None:
        """Remove a folder in which nothing lies."""
        (self.root / path).rmdir()

    @_change
    def destroy(self) -> None:
        """Remove the folder, its parts and its lock."""
        trees.remove(self.root)
        shutil.rmtree(self.parts, ignore_errors=True)
        self.lock.unlink(missing_ok=True)

    @property
    def parts(self) -> Path:
        """The folder, beside this one, of what came of uploads that broke off."""
        return self.root.with_name(f".{self.root.name}{_PARTS}")

    def part_size(self, part: str) -> int | None:
        """Return how many bytes came."""
        with suppress(FileNotFoundError):
            return (self.parts / part).stat().st_size
        return None

    def part_usage(self) -> Usage:
        """Return how many parts there are, and how many bytes they have."""
        sizes = [status.st_size for _, status in _parts_in(self.parts)]
        return Usage(sum(sizes), len(sizes))

    @_change
    def take_part(self, part: str, target: Path) -> bool:
        """Move a part to where it goes on."""
        try:
            (self.parts / part).rename(target)
        except FileNotFoundError:
            return False
        return True

    @_change
    def put_part(self, part: str, ready: Ready) -> None:
        """Keep what came."""
        self.parts.mkdir(exist_ok=True)
        Path(str(ready.source)).replace(self.parts / part)

    @_change
    def drop_part(self, part: str) -> bool:
        """Remove a part."""
        try:
            (self.parts / part).unlink()
        except FileNotFoundError:
            return False
        return True


def sweep_parts(gates_dir: Path, seconds: float) -> int:
    """Remove the parts beside the gates of a folder that nobody has gone on with for so long; return how many."""
    removed = 0
    for folder in gates_dir.glob(f".*{_PARTS}"):
        for part, status in _parts_in(folder):
            if status.st_mtime < time.time() - seconds:
                part.unlink(missing_ok=True)
                removed += 1
        with suppress(OSError):
            folder.rmdir()  # an empty one
    return removed


def _parts_in(folder: Path) -> Iterator[tuple[Path, os.stat_result]]:
    with suppress(FileNotFoundError):
        for path in folder.iterdir():
            with suppress(FileNotFoundError):
                yield path, path.stat()
