"""Files under way: out of sight until they are complete."""

import contextlib
import errno
import os
import shutil
import uuid
from pathlib import Path

from entrepot.pipeline.gate_files import NO_QUOTA, Quota, place, require_room, room

STAGING = "uploads"


class Upload:
    """A file that comes in: pyftpdlib takes it for the one that it writes. What is not kept leaves nothing.

    Parameters
    ----------
    home
        The folder of the gate.
    path
        Where the file will appear, in place of an older one.
    staging
        A folder on the same file system that nobody sees.
    mode
        ``wb``; ``ab`` and ``r+b`` start from the older file's bytes.
    quota
        The most that the gate takes.
    makes_folders
        Whether folders that are missing are made with the file.

    Raises
    ------
    OSError
        There can be no such file.
    TooLarge
        There is no room for another file; :meth:`write` and :meth:`keep` raise it once there is none for more bytes.
    """

    def __init__(
        self,
        home: Path,
        path: Path,
        staging: Path,
        mode: str = "wb",
        quota: Quota = NO_QUOTA,
        *,
        makes_folders: bool = False,
    ) -> None:
        self.name = str(path)
        self._home, self._path, self._quota = home, path, quota
        self.kept = False
        self._staged = staging / uuid.uuid4().hex
        _require_possible(path, makes_folders=makes_folders)
        self._room = room(home, quota, path)
        if mode != "wb" and (mode == "r+b" or path.exists()):
            shutil.copyfile(path, self._staged)
        self._file = self._staged.open(mode)
        self._file.seek(0, os.SEEK_END)
        self._end = self._file.tell()
        if mode == "r+b":
            self._file.seek(0)

    def write(self, data: bytes) -> int:
        """Add bytes."""
        self._end = max(self._end, self._file.tell() + len(data))
        require_room(self._room, self._end, self._quota)
        return self._file.write(data)

    def seek(self, position: int) -> int:
        """Go on from another position."""
        return self._file.seek(position)

    def sync(self) -> None:
        """Bring the bytes to the disk."""
        self._file.flush()
        os.utime(self._staged)  # complete now, whenever the last byte came
        os.fsync(self._file.fileno())

    def keep(self) -> None:
        """Let the file appear."""
        place(self._home, self._staged, self._path, self._quota)
        self.kept = True

    def close(self) -> None:
        """End, and remove what was not kept."""
        with contextlib.suppress(OSError):  # a full disk refuses the last bytes once more
            self._file.close()
        self._staged.unlink(missing_ok=True)

    @property
    def closed(self) -> bool:
        """Whether it has ended."""
        return self._file.closed


def clean(staging: Path) -> None:
    """Make the staging folder, and remove what a server that was killed left in it."""
    staging.mkdir(parents=True, exist_ok=True)
    for path in staging.iterdir():
        if path.is_file():
            path.unlink()


def _require_possible(path: Path, *, makes_folders: bool) -> None:
    """Raise now what giving the file its name would raise once all its bytes have come."""
    try:
        is_folder = path.is_dir()
        path.lstat()
    except FileNotFoundError:
        if not makes_folders:
            path.parent.stat()
    else:
        if is_folder:
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
