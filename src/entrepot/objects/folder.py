"""A folder of files that no path and no symbolic link leads out of."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from stat import S_ISREG
from typing import BinaryIO

from entrepot.errors import InvalidInput, NotFound

BLOCK = 1 << 20
#: File systems that, asked for a file, write what was done to its names before, too.
_WITH_NAMES = frozenset({"ext4", "xfs"})
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


class Folder:
    """Files below a root, each found by walking down one real folder after the other.

    Parameters
    ----------
    root
        An absolute path; symbolic links in it are the operator's, below it they are refused.
    shared
        Whether what is copied there may be read by the folder's group, whatever the umask.
    """

    def __init__(self, root: Path, *, shared: bool = False) -> None:
        self.root = root
        self._shared = shared

    def put(self, path: str, source: Path, *, move: bool = False) -> None:
        """Make a file appear, whole and on disk, with the content of another; one that exists is kept.

        Parameters
        ----------
        move
            Whether the source may be given another name instead of being copied.
        """
        with self._parent(path, create=True) as (parent, name):
            if move:
                self._link(source, parent, name)
            else:
                self._copy(source, parent, name)
            try:
                if move:
                    with source.open("rb") as file:
                        os.fsync(file.fileno())
                # Now that it is linked, its names reached the disk with its content, where one journal has both.
                if not (move and _file_system_of(os.fstat(parent).st_dev) in _WITH_NAMES):
                    os.fsync(parent)
            except OSError:
                os.unlink(name, dir_fd=parent)
                raise

    def _link(self, source: Path, parent: int, name: str) -> None:
        # A link, not a rename: until the database knows the file, its source says that it is on its way.
        try:
            os.link(source, name, dst_dir_fd=parent, follow_symlinks=False)
        except FileExistsError:
            # Whoever was killed before may have come as far.
            if not os.path.samestat(os.stat(name, dir_fd=parent, follow_symlinks=False), source.lstat()):
                raise

    def _copy(self, source: Path, parent: int, name: str) -> None:
        part = f".{name}.part"
        descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o640, dir_fd=parent)
        try:
            if self._shared:
                os.fchmod(descriptor, 0o640)
            with source.open("rb") as reader, os.fdopen(descriptor, "wb") as writer:
                shutil.copyfileobj(reader, writer, BLOCK)
                writer.flush()
                os.fsync(writer.fileno())
            os.link(part, name, src_dir_fd=parent, dst_dir_fd=parent)
        finally:
            os.unlink(part, dir_fd=parent)

    def open(self, path: str) -> BinaryIO:
        """Open a file to read from.

        Raises
        ------
        NotFound
            There is none, or it is no plain file, or a symbolic link is on the way.
        """
        try:
            with self._parent(path) as (parent, name):
                descriptor = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=parent)
        except OSError:
            raise NotFound("The file is not in its storage.") from None
        file = os.fdopen(descriptor, "rb")
        if not S_ISREG(os.fstat(descriptor).st_mode):
            file.close()
            raise NotFound("The file is not in its storage.")
        return file

    def delete(self, path: str) -> None:
        """Delete a file; nothing happens when there is none."""
        with suppress(FileNotFoundError), self._parent(path) as (parent, name):
            os.unlink(name, dir_fd=parent)
            os.fsync(parent)

    @contextmanager
    def _parent(self, path: str, *, create: bool = False) -> Iterator[tuple[int, str]]:
        *folders, name = parts(path)
        if create:
            self.root.mkdir(mode=0o750, parents=True, exist_ok=True)
        descriptor = os.open(self.root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            for folder in folders:
                if create:
                    with suppress(FileExistsError):
                        os.mkdir(folder, 0o750, dir_fd=descriptor)
                        if self._shared:
                            os.chmod(folder, 0o750, dir_fd=descriptor)  # noqa: S103 - the group may read
                inner = os.open(folder, _DIRECTORY, dir_fd=descriptor)
                os.close(descriptor)
                descriptor = inner
            yield descriptor, name
        finally:
            os.close(descriptor)


@cache
def _file_system_of(device: int) -> str | None:
    """Return the type of the file system on a device; None where nothing says it."""
    wanted = f"{os.major(device)}:{os.minor(device)}"
    with suppress(OSError):
        for line in Path("/proc/self/mountinfo").read_text().splitlines():
            fields, _, others = line.partition(" - ")
            if fields.split()[2] == wanted:
                return others.split()[0]
    return None


def parts(path: str) -> list[str]:
    """Return the names in a relative path.

    Raises
    ------
    InvalidInput
        One of them is empty, ``.`` or ``..``, or holds what no name may.
    """
    names = path.split("/")
    if any(name in ("", ".", "..") or "\\" in name or not name.isprintable() for name in names):
        raise InvalidInput.field("path", "This is not a path below a folder.")
    return names
