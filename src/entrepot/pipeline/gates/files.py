"""A gate's files: what importers read of them, how many may come in, and how they move without being lost."""

import fcntl
import os
import threading
import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import count
from pathlib import Path, PurePosixPath

from entrepot.errors import InvalidInput, TooLarge
from entrepot.pipeline.gates import parts, trees
from entrepot.pipeline.gates.folders import Entry, is_within_reach, list_files, put_in_place, require_shallow, resolve

QUARANTINE, IMPORTED = "quarantine", "imported"
#: Folders of a gate in which the server puts files; nobody else does, and importers do not look there.
RESERVED = (QUARANTINE, IMPORTED)
#: What becomes of files once every importer has read them.
KEEP, MOVE, DELETE = "keep", "move", "delete"
AFTER_IMPORT = (KEEP, MOVE, DELETE)
#: Names that clients give to files that they rename once these are complete.
TEMPORARY = (".part", ".partial", ".filepart", ".tmp")


#: Files and folders of a gate or a user's folder.
MOST_ENTRIES = 1_000_000
_COUNT_AGAIN_SECONDS = 10.0


@dataclass(frozen=True)
class Quota:
    """The most that a gate takes.

    Attributes
    ----------
    bytes, files
        None: any number.
    """

    bytes: int | None = None
    files: int | None = None


NO_QUOTA = Quota()


@dataclass(frozen=True)
class Usage:
    """What lies on a gate."""

    bytes: int
    files: int


def is_reserved(path: str) -> bool:
    """Tell whether a path of a gate lies where only the server puts files."""
    return next((part for part in path.split("/") if part not in ("", ".")), "") in RESERVED


def require_free_path(path: str) -> None:
    """Raise InvalidInput where only the server puts files."""
    if is_reserved(path):
        raise InvalidInput.field(
            "path", f"What lies in {' and '.join(f'{name}/' for name in RESERVED)} is the server's."
        )


def importable(home: Path, folder: str) -> list[Entry]:
    """Return the files that an importer reads, by path, which starts at the folder that it reads.

    Files whose names say that they are still coming in are left out, until they are renamed; as are those that lie so
    deep that no path leads there, which no gate has taken since it has a limit.
    """
    root = resolve(home, folder)
    prefix = prefix_of(folder)
    return [
        entry
        for entry in list_files(root)
        if not is_reserved(prefix + entry.path)
        and not entry.path.lower().endswith(TEMPORARY)
        and is_within_reach(root, entry.path)
    ]


def prefix_of(folder: str) -> str:
    """Return what stands before the paths of an importer where they start at the gate."""
    parts = [part for part in folder.split("/") if part not in ("", ".")]
    return "/".join([*parts, ""])


def usage(home: Path) -> Usage:
    """Return what lies on a gate, folders of the server included."""
    files = list_files(home)
    return Usage(sum(entry.size for entry in files), len(files))


def room(home: Path, quota: Quota, path: Path) -> int | None:
    """Return how many bytes a file at `path`, in place of an older one, may have; None: any number.

    What came of uploads that broke off counts.

    Raises
    ------
    TooLarge
        There may not be another file.
    """
    if quota == NO_QUOTA:
        return None
    used, (part_bytes, part_files) = usage(home), parts.usage(home)
    old = path.lstat().st_size if path.exists() else None
    if quota.files is not None and old is None and used.files + part_files >= quota.files:
        raise TooLarge(f"The gate's quota of {quota.files} files is used up.")
    return None if quota.bytes is None else max(quota.bytes - used.bytes - part_bytes + (old or 0), 0)


def require_room(left: int | None, size: int, quota: Quota) -> None:
    """Raise TooLarge when a file is larger than what :func:`room` left."""
    if left is not None and size > left:
        raise TooLarge(f"The gate's quota of {quota.bytes} bytes is used up: there is room for {left}.")


class Entries:
    """Keeps the number of files and folders of accounts below a limit, without counting them each time.

    After a count, a quarter of what there is room for may come without another: so it takes few counts to get near the
    limit, and several processes that count for themselves pass it by little.
    """

    def __init__(self, most: int = MOST_ENTRIES) -> None:
        self.most = most
        self._free: dict[Path, int] = {}
        self._full: dict[Path, float] = {}
        self._lock = threading.Lock()

    def require(self, home: Path, more: int = 1) -> None:
        """Count what is to come; raise TooLarge where there are too many."""
        with self._lock:
            if self._free.get(home, 0) < more:
                if time.monotonic() < self._full.get(home, 0.0):
                    raise self._refusal()
                left = self.most - sum(1 for _ in trees.walk(home))
                if left < more:
                    self._full[home] = time.monotonic() + _COUNT_AGAIN_SECONDS
                    raise self._refusal()
                self._free[home] = max(left // 4, more)
                self._full.pop(home, None)
            self._free[home] -= more

    def _refusal(self) -> TooLarge:
        return TooLarge(f"There may be at most {self.most} files and folders.")


ENTRIES = Entries()


def place(home: Path, complete: Path, path: Path, quota: Quota) -> None:
    """Let a complete file appear on a gate, if there is room for it; others who do the same take turns.

    Raises
    ------
    TooLarge
        The gate's quota is used up.
    """
    with alone(home):
        place_alone(home, complete, path, quota)


def place_alone(home: Path, complete: Path, path: Path, quota: Quota) -> None:
    """Do what :func:`place` does, in a turn that has come."""
    parts.drop(home, path)
    require_room(room(home, quota, path), complete.stat().st_size, quota)
    if not path.exists():
        require_shallow(path.relative_to(home).as_posix())
        missing = [parent for parent in path.relative_to(home).parents if not (home / parent).exists()]
        ENTRIES.require(home, 1 + len(missing))
    path.parent.mkdir(parents=True, exist_ok=True)
    put_in_place(complete, path)


def keep_part(home: Path, broken_off: Path, path: Path, quota: Quota) -> None:
    """Keep what came of a file, for its upload to go on, if there is room for it.

    Raises
    ------
    TooLarge
        The gate's quota is used up.
    """
    with alone(home):
        parts.drop(home, path)
        require_room(room(home, quota, path), broken_off.stat().st_size, quota)
        parts.put(home, path, broken_off)


def lock_of(home: Path) -> Path:
    """Return the file, beside a gate's folder, by which those who change its files take turns."""
    return home.with_name(f".{home.name}.lock")


@contextmanager
def alone(home: Path) -> Iterator[None]:
    """Be the only one, of all processes, who puts or moves files on a gate."""
    descriptor = os.open(lock_of(home), os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def instant(modified: float) -> datetime:
    """Return a file's time, seconds since 1970, as it is kept."""
    return datetime.fromtimestamp(modified, UTC)


def is_same(path: Path, size: int, modified: datetime) -> bool:
    """Tell whether the file at a path still is the one of this size and time."""
    try:
        status = path.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    return (status.st_size, instant(status.st_mtime)) == (size, modified)


def free_name(home: Path, folder: str, path: str, taken: Collection[str | None] = ()) -> str:
    """Return a path in a folder of the server for a file of the gate: its own, or numbered where there is one."""
    wanted = PurePosixPath(folder, path)
    for number in count(2):
        name = wanted.as_posix()
        if name not in taken and not (home / name).exists() and not (home / reason_of(name)).exists():
            return name
        wanted = PurePosixPath(folder, path)
        wanted = wanted.with_name(f"{wanted.stem}~{number}{wanted.suffix}")
    raise AssertionError


def reason_of(stored: str) -> str:
    """Return the path of the file that says why another one is in quarantine."""
    return f"{stored}.reason.txt"


def move(home: Path, source: str, target: str) -> None:
    """Move a file of a gate, whose lock is held, and remove the folder of the server that it leaves empty."""
    destination = home / target
    destination.parent.mkdir(parents=True, exist_ok=True)
    put_in_place(home / source, destination)
    tidy(home, source)


def tidy(home: Path, path: str) -> None:
    """Remove the folders of the server that are empty now that the file at `path` has gone."""
    if not is_reserved(path):
        return
    for folder in PurePosixPath(path).parents:
        if folder.name:
            try:
                (home / folder).rmdir()
            except OSError:
                return
