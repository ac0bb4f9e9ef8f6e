"""Folders of gates and users: paths that cannot leave them, listings of complete files, files that appear whole."""

import fcntl
import os
import shutil
import stat
import time
import uuid
from bisect import bisect_right
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import BinaryIO, Literal

from entrepot.errors import InvalidInput, NotFound
from entrepot.pipeline.gates import trees

#: Files that are still being written start like this, and are left out of every listing.
HIDDEN_PREFIX = ".entrepot-"
_STALE_SECONDS = 24 * 3600
_LONGEST_NAME, _LONGEST_PATH = 255, 4000  # bytes
#: Of what is new on a gate or in a user's folder: names in a path, and bytes of it.
MOST_DEPTH, LONGEST_PATH = 32, 2000


@dataclass(frozen=True)
class Entry:
    """A file or a folder below a root.

    Attributes
    ----------
    path
        From the root, with ``/`` between its parts and none at the front.
    size
        Bytes; 0 of a folder.
    modified
        When it was completed, in seconds since 1970 UTC.
    """

    path: str
    size: int
    modified: float
    type: Literal["file", "directory"] = "file"

    @property
    def name(self) -> str:
        """The last part of the path."""
        return self.path.rpartition("/")[2]


def resolve(root: Path, relative: str) -> Path:
    """Return the path below a root that users wrote, which may not exist yet.

    Parameters
    ----------
    root
        A folder.
    relative
        A path with ``/`` between its parts; ``/`` at the front means the root itself.

    Raises
    ------
    InvalidInput
        It has ``..``, a control character, a name that the server keeps for itself, or is too long for a file system.
    NotFound
        It leads out of the root through a symbolic link.
    """
    path = checked(root, relative)
    if not Path(os.path.realpath(path)).is_relative_to(os.path.realpath(root)):
        raise NotFound(f"There is no {relative!r}.")
    return path


def checked(root: Path, relative: str) -> Path:
    """Return the path below a root that users wrote, of which nobody asks whether it leads out by a link."""
    if not is_text(relative):
        raise InvalidInput.field("path", "This may not contain control characters.")
    parts = [part for part in relative.split("/") if part not in ("", ".")]
    if ".." in parts:
        raise InvalidInput.field("path", "This may not contain '..'.")
    if any(part.startswith(HIDDEN_PREFIX) for part in parts):
        raise InvalidInput.field("path", f"Names that start with {HIDDEN_PREFIX} are the server's.")
    path = root.joinpath(*parts)
    if any(len(part.encode()) > _LONGEST_NAME for part in parts) or len(bytes(path)) > _LONGEST_PATH:
        raise InvalidInput.field("path", "This is too long.")
    return path


def require_shallow(relative: str, below: int = 0) -> None:
    """Refuse a path, with so many folders below it, for something new where others could not be looked through.

    Raises
    ------
    InvalidInput
        It has more than :data:`MOST_DEPTH` parts, or is longer than :data:`LONGEST_PATH`.
    """
    parts = [part for part in relative.split("/") if part not in ("", ".")]
    if len(parts) + below > MOST_DEPTH:
        raise InvalidInput.field("path", f"At most {MOST_DEPTH} folders may lie in one another.")
    if len("/".join(parts).encode(errors="replace")) > LONGEST_PATH:
        raise InvalidInput.field("path", f"A path may have at most {LONGEST_PATH} bytes.")


def is_within_reach(root: Path, relative: str) -> bool:
    """Tell whether a path below a root is short enough for the system to open."""
    return len(os.fsencode(root)) + len(relative.encode(errors="replace")) < _LONGEST_PATH


def list_files(root: Path, below: str = "/") -> list[Entry]:
    """Return the complete files below a folder of the root, at any depth, by path; none when there is no such folder.

    Their paths start at the root. Symbolic links and what is no regular file are left out.
    """
    prefix = resolve(root, below).relative_to(root).as_posix()
    prefix = "" if prefix == "." else f"{prefix}/"
    entries = [
        Entry(prefix + item.path, item.status.st_size, item.status.st_mtime)
        for item in trees.walk(root / prefix, _is_shown)
        if item.is_file
    ]
    return sorted(entries, key=lambda entry: entry.path)


def list_dir(root: Path, path: str = "/", *, after: str | None = None, most: int | None = None) -> list[Entry]:
    """Return what lies directly in a folder of the root, by name.

    Parameters
    ----------
    after, most
        Which part: what follows a path, and how many. Only these are looked at, and not all that lies there.

    Raises
    ------
    NotFound
        There is no such folder.
    """
    folder = resolve(root, path)
    if not folder.is_dir():
        raise NotFound(f"There is no folder {path!r}.")
    return list(islice(_scan(root, folder, after), most))


@contextmanager
def replacing(path: Path) -> Iterator[BinaryIO]:
    """Open a file that appears at `path`, complete and safe on disk, once the block ends well, or not at all.

    Its folder must exist. A file that was there before is replaced at the same moment.
    """
    remove_stale(path.parent)
    hidden = _hidden(path.parent)
    try:
        with hidden.open("xb") as file:
            fcntl.flock(file, fcntl.LOCK_SH)
            yield file
            file.flush()
            os.fsync(file.fileno())
        put_in_place(hidden, path)
    finally:
        hidden.unlink(missing_ok=True)


@contextmanager
def hidden_folder(beside: Path) -> Iterator[Path]:
    """Make a folder in another one that no listing shows, and remove it after the block with what is in it then."""
    remove_stale(beside)
    hidden = _hidden(beside)
    hidden.mkdir(mode=0o700)
    try:
        descriptor = os.open(hidden, os.O_RDONLY | os.O_DIRECTORY)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH)
            yield hidden
        finally:
            os.close(descriptor)
    finally:
        shutil.rmtree(hidden)


def put_in_place(complete: Path, path: Path) -> None:
    """Give a file that is safe on disk its final name, for good even when the power fails."""
    complete.replace(path)
    descriptor = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _scan(root: Path, folder: Path, after: str | None) -> Iterator[Entry]:
    try:
        with os.scandir(folder) as entries:
            found = sorted(entries, key=lambda item: item.name)
    except FileNotFoundError:  # removed since
        return
    above = folder.relative_to(root).as_posix()
    prefix = "" if above == "." else f"{above}/"
    first = 0 if after is None else bisect_right(found, after, key=lambda item: prefix + item.name)
    for item in found[first:]:
        path = prefix + item.name
        if not _is_shown(item.name):
            continue
        try:
            status = item.stat(follow_symlinks=False)
        except FileNotFoundError:
            continue
        if stat.S_ISREG(status.st_mode):
            yield Entry(path, status.st_size, status.st_mtime)
        elif stat.S_ISDIR(status.st_mode):
            yield Entry(path, 0, status.st_mtime, "directory")


def _is_shown(name: str) -> bool:
    return not name.startswith(HIDDEN_PREFIX) and is_text(name)


def _hidden(folder: Path) -> Path:
    return folder / f"{HIDDEN_PREFIX}{uuid.uuid4().hex}"


def remove_stale(folder: Path) -> None:
    """Remove what writers that were killed left in a folder; a name of another kind is somebody's, and stays."""
    for path in folder.glob(f"{HIDDEN_PREFIX}{'[0-9a-f]' * 32}"):
        with suppress(OSError):
            if path.lstat().st_mtime < time.time() - _STALE_SECONDS and not _is_held(path):
                shutil.rmtree(path) if path.is_dir() else path.unlink()


def _is_held(path: Path) -> bool:
    """Tell whether somebody writes here still: a clock that jumped makes old what was begun a moment ago."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


def is_text(name: str) -> bool:
    """Tell whether a name can be stored and shown; one of bytes that are not UTF-8 cannot."""
    return not any(ord(character) < 32 or 0xD800 <= ord(character) < 0xE000 for character in name)
