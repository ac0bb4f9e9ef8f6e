"""A gate's files: what importers read of them, how many may come in, and how they move without being lost."""

import hashlib
import threading
import time
from collections.abc import Collection
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import count
from pathlib import Path, PurePosixPath
from stat import S_ISDIR, S_ISREG

from entrepot.errors import InvalidInput, TooLarge
from entrepot.pipeline.gates import parts
from entrepot.pipeline.gates.folders import Entry, require_shallow
from entrepot.pipeline.gates.home import Home, Ready

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


def is_reserved(path: str) -> bool:
    """Tell whether a path of a gate lies where only the server puts files."""
    return next((part for part in path.split("/") if part not in ("", ".")), "") in RESERVED


def require_free_path(path: str) -> None:
    """Raise InvalidInput where only the server puts files."""
    if is_reserved(path):
        raise InvalidInput.field(
            "path", f"What lies in {' and '.join(f'{name}/' for name in RESERVED)} is the server's."
        )


def importable(home: Home, folder: str) -> list[Entry]:
    """Return the files that an importer reads, by path, which starts at the folder that it reads.

    Files whose names say that they are still coming in are left out, until they are renamed.
    """
    prefix = prefix_of(folder)
    return [
        replace(entry, path=entry.path.removeprefix(prefix))
        for entry in home.walked(folder)
        if not is_reserved(entry.path) and not entry.path.lower().endswith(TEMPORARY)
    ]


def prefix_of(folder: str) -> str:
    """Return what stands before the paths of an importer where they start at the gate."""
    parts = [part for part in folder.split("/") if part not in ("", ".")]
    return "/".join([*parts, ""])


def room(home: Home, quota: Quota, path: str) -> int | None:
    """Return how many bytes a file at `path`, in place of an older one, may have; None: any number.

    What came of uploads that broke off counts.

    Raises
    ------
    TooLarge
        There may not be another file.
    """
    if quota == NO_QUOTA:
        return None
    used, part = home.usage(), home.part_usage()
    old = home.status(path).st_size if exists(home, path) else None
    if quota.files is not None and old is None and used.files + part.files >= quota.files:
        raise TooLarge(f"The gate's quota of {quota.files} files is used up.")
    return None if quota.bytes is None else max(quota.bytes - used.bytes - part.bytes + (old or 0), 0)


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
        self._free: dict[str, int] = {}
        self._full: dict[str, float] = {}
        self._lock = threading.Lock()

    def require(self, home: Home, more: int = 1) -> None:
        """Count what is to come; raise TooLarge where there are too many."""
        with self._lock:
            if self._free.get(home.name, 0) < more:
                if time.monotonic() < self._full.get(home.name, 0.0):
                    raise self._refusal()
                left = self.most - home.count()
                if left < more:
                    self._full[home.name] = time.monotonic() + _COUNT_AGAIN_SECONDS
                    raise self._refusal()
                self._free[home.name] = max(left // 4, more)
                self._full.pop(home.name, None)
            self._free[home.name] -= more

    def _refusal(self) -> TooLarge:
        return TooLarge(f"There may be at most {self.most} files and folders.")


ENTRIES = Entries()


def place(home: Home, complete: Path, path: str, quota: Quota) -> None:
    """Let a complete file of this machine appear on a gate, if there is room for it; others take turns with this.

    Raises
    ------
    TooLarge
        The gate's quota is used up.
    """
    ready = home.prepare(complete)
    with home.alone() as turn:
        place_alone(turn, ready, path, quota)


def place_alone(home: Home, ready: Ready, path: str, quota: Quota) -> None:
    """Do what :func:`place` does, in a turn that has come."""
    parts.drop(home, path)
    require_room(room(home, quota, path), ready.size, quota)
    if not exists(home, path):
        require_shallow(path)
        above = ["/".join(path.split("/")[:depth]) for depth in range(1, path.count("/") + 1)]
        ENTRIES.require(home, 1 + len(set(above) - home.existing(above)))
    home.put(ready, path)


def keep_part(home: Home, broken_off: Path, path: str, quota: Quota) -> None:
    """Keep what came of a file, for its upload to go on, if there is room for it.

    Raises
    ------
    TooLarge
        The gate's quota is used up.
    """
    ready = home.prepare(broken_off)
    with home.alone() as turn:
        parts.drop(turn, path)
        require_room(room(turn, quota, path), ready.size, quota)
        turn.put_part(parts.name_of(path), ready)


def instant(modified: float) -> datetime:
    """Return a file's time, seconds since 1970, as it is kept."""
    return datetime.fromtimestamp(modified, UTC)


def exists(home: Home, path: str) -> bool:
    """Tell whether something lies at a path."""
    try:
        home.status(path)
    except (FileNotFoundError, NotADirectoryError):
        return False
    return True


def is_file(home: Home, path: str) -> bool:
    """Tell whether a file lies at a path."""
    try:
        return S_ISREG(home.status(path).st_mode)
    except (FileNotFoundError, NotADirectoryError):
        return False


def is_folder(home: Home, path: str) -> bool:
    """Tell whether a folder lies at a path."""
    try:
        return S_ISDIR(home.status(path).st_mode)
    except (FileNotFoundError, NotADirectoryError):
        return False


def is_same(home: Home, path: str, size: int, modified: datetime) -> bool:
    """Tell whether the file at a path still is the one of this size and time."""
    try:
        status = home.status(path)
    except (FileNotFoundError, NotADirectoryError):
        return False
    return (status.st_size, instant(status.st_mtime)) == (size, modified)


def read(home: Home, path: str) -> bytes:
    """Return what is in a file."""
    with home.open(path) as file:
        return file.read()


def beginning(home: Home, path: str, size: int) -> bytes:
    """Return the first bytes of a file; none where it has gone."""
    with suppress(FileNotFoundError, NotADirectoryError, IsADirectoryError), home.open(path) as file:
        return file.read(size)
    return b""


def sha256_of(home: Home, path: str) -> str | None:
    """Return the SHA-256 of a file; None where it has gone."""
    with suppress(FileNotFoundError, NotADirectoryError, IsADirectoryError), home.open(path) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()  # type: ignore[arg-type]
    return None


def free_name(home: Home, folder: str, path: str, taken: Collection[str | None] = ()) -> str:
    """Return a path in a folder of the server for a file of the gate: its own, or numbered where there is one."""
    wanted = PurePosixPath(folder, path)
    for number in count(2):
        name = wanted.as_posix()
        if name not in taken and not home.existing([name, reason_of(name)]):
            return name
        wanted = PurePosixPath(folder, path)
        wanted = wanted.with_name(f"{wanted.stem}~{number}{wanted.suffix}")
    raise AssertionError


def reason_of(stored: str) -> str:
    """Return the path of the file that says why another one is in quarantine."""
    return f"{stored}.reason.txt"


def move(home: Home, source: str, target: str) -> None:
    """Move a file of a gate, in a turn, and remove the folder of the server that it leaves empty."""
    home.move(source, target)
    tidy(home, source)


def tidy(home: Home, path: str) -> None:
    """Remove the folders of the server that are empty now that the file at `path` has gone."""
    if not is_reserved(path):
        return
    for folder in PurePosixPath(path).parents:
        if folder.name:
            try:
                home.remove_folder(folder.as_posix())
            except OSError:
                return
