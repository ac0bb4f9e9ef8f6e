"""Files under way: out of sight until they are complete."""

import contextlib
import errno
import os
import shutil
import uuid
from pathlib import Path

from entrepot.pipeline.folders import put_in_place

STAGING = "uploads"


class Upload:
    """What pyftpdlib takes for the file that it writes; one that is closed without :meth:`keep` leaves nothing.

    Parameters
    ----------
    path
        Where the file will appear, in place of an older one.
    staging
        A folder on the same file system that nobody sees.
    mode
        ``wb``; ``ab`` and ``r+b`` start from the older file's bytes.

    Raises
    ------
    OSError
        There can be no such file.
    """

    def __init__(self, path: Path, staging: Path, mode: str) -> None:
        self.name = str(path)
        self._path = path
        self.kept = False
        self._staged = staging / uuid.uuid4().hex
        _require_possible(path)
        if mode != "wb" and (mode == "r+b" or path.exists()):
            shutil.copyfile(path, self._staged)
        self._file = self._staged.open(mode)

    def write(self, data: bytes) -> int:
        """Add bytes."""
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
        put_in_place(self._staged, self._path)
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
    staging.mkdir(exist_ok=True)
    for path in staging.iterdir():
        path.unlink()


def _require_possible(path: Path) -> None:
    """Raise now what giving the file its name would raise once all its bytes have come."""
    try:
        is_folder = path.is_dir()
        path.lstat()
    except FileNotFoundError:
        path.parent.stat()
    else:
        if is_folder:
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
