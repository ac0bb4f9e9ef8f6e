"""Files under way: out of sight until they are complete."""

import contextlib
import errno
import os
import shutil
import time
import uuid
from pathlib import Path

from entrepot.errors import TooLarge
from entrepot.pipeline.gates import parts
from entrepot.pipeline.gates.files import NO_QUOTA, Quota, alone, keep_part, place_alone, require_room, room
from entrepot.server.ftp.answers import Refusal

STAGING = "uploads"


class Upload:
    """A file that comes in: pyftpdlib takes it for the one that it writes.

    What breaks off leaves nothing, or a part with which the next upload of the same file goes on. What is added to a
    complete file, or to none, leaves no part: whoever sends a line again that broke off must not find half of it.

    Parameters
    ----------
    home
        The folder of the gate.
    path
        Where the file will appear, in place of an older one.
    staging
        A folder on the same file system that nobody sees.
    mode
        ``w``, anew; ``a``, after the bytes that are there; ``r+``, from a position on. Of the last two, a part goes
        before an older file.
    quota
        The most that the gate takes.
    makes_folders
        Whether folders that are missing are made with the file.
    position
        Where to go on, with ``r+``.
    keeps_parts
        Whether what breaks off can go on.

    Raises
    ------
    OSError
        There can be no such file.
    Refusal
        Not so many bytes came before.
    TooLarge
        There is no room for another file; :meth:`write` and :meth:`keep` raise it once there is none for more bytes.
    """

    def __init__(
        self,
        home: Path,
        path: Path,
        staging: Path,
        mode: str = "w",
        quota: Quota = NO_QUOTA,
        *,
        makes_folders: bool = False,
        position: int = 0,
        keeps_parts: bool = False,
    ) -> None:
        self.name = str(path)
        self._home, self._path, self._quota = home, path, quota
        self.kept = False
        #: Whether what breaks off is kept as a part.
        self.goes_on = keeps_parts
        self._touched = time.monotonic()
        self._appended: tuple[os.stat_result, int] | None = None
        _require_possible(path, makes_folders=makes_folders)
        prefix = parts.name_under_way(home, path) if keeps_parts else ""
        self._staged = staging / f"{prefix}{uuid.uuid4().hex}"
        if mode == "w":
            parts.drop(home, path)
        elif not self._take_part(position if mode == "r+" else None):
            self._begin_with_older(staging, position if mode == "r+" else None)
        try:
            self._room = room(home, quota, path)
            self._file = self._staged.open("r+b" if self._staged.exists() else "w+b")
        except BaseException as error:
            if self.goes_on and self._staged.exists() and not isinstance(error, TooLarge):
                parts.put(home, path, self._staged)
            self._staged.unlink(missing_ok=True)
            raise
        self._end = self._file.seek(0, os.SEEK_END)
        if mode == "r+":
            self._file.seek(position)

    def write(self, data: bytes) -> int:
        """Add bytes."""
        self._touched = time.monotonic()
        self._end = max(self._end, self._file.tell() + len(data))
        require_room(self._room, self._end, self._quota)
        size = self._file.write(data)
        self._file.flush()  # what came goes on even where the server is killed
        return size

    def stalled_seconds(self) -> float:
        """Return how long nothing has come."""
        return time.monotonic() - self._touched

    def sync(self) -> None:
        """Bring the bytes to the disk."""
        self._file.flush()
        os.utime(self._staged)  # complete now, whenever the last byte came
        os.fsync(self._file.fileno())

    def keep(self) -> None:
        """Let the file appear."""
        with alone(self._home):
            self._follow_others()
            place_alone(self._home, self._staged, self._path, self._quota)
        self.kept = True

    def close(self) -> None:
        """End, and keep a part or nothing of what was not kept."""
        if self._file.closed:
            return
        with contextlib.suppress(OSError):  # a full disk refuses the last bytes once more
            self._file.close()
        if self.goes_on and not self.kept and self._end:
            with contextlib.suppress(OSError, TooLarge):
                keep_part(self._home, self._staged, self._path, self._quota)
        self._staged.unlink(missing_ok=True)

    @property
    def closed(self) -> bool:
        """Whether it has ended."""
        return self._file.closed

    def _take_part(self, position: int | None) -> bool:
        came = parts.size_of(self._home, self._path)
        if came is None:
            return False
        _require_came(position, came)
        if not parts.take(self._home, self._path, self._staged):
            return False
        if position is not None:
            os.truncate(self._staged, position)
        return True

    def _begin_with_older(self, staging: Path, position: int | None) -> None:
        self.goes_on = False
        self._staged = staging / uuid.uuid4().hex
        try:
            older = self._path.stat()
        except FileNotFoundError:
            _require_came(position, 0)
            return
        _require_came(position, older.st_size)
        try:
            shutil.copyfile(self._path, self._staged)
        except BaseException:
            self._staged.unlink(missing_ok=True)
            raise
        if position is None:
            self._appended = older, self._staged.stat().st_size

    def _follow_others(self) -> None:
        """Where others added to the file meanwhile, add to what they made of it."""
        if self._appended is None:
            return
        was, size = self._appended
        with contextlib.suppress(FileNotFoundError):
            now = self._path.stat()
            if (now.st_ino, now.st_size, now.st_mtime_ns) == (was.st_ino, was.st_size, was.st_mtime_ns):
                return
            self._file.seek(size)
            added = self._staged.with_name(uuid.uuid4().hex)
            try:
                with added.open("xb") as file:
                    with self._path.open("rb") as others:
                        shutil.copyfileobj(others, file)
                    shutil.copyfileobj(self._file, file)
                    file.flush()
                    os.fsync(file.fileno())
                added.replace(self._staged)
            finally:
                added.unlink(missing_ok=True)


def clean(staging: Path, gates_dir: Path) -> None:
    """Make the staging folder, and keep or remove what a server that was killed left in it."""
    staging.mkdir(parents=True, exist_ok=True)
    parts.adopt(staging, gates_dir)


def _require_came(position: int | None, came: int) -> None:
    if position is not None and position > came:
        raise Refusal(f"554 REST position {position} is beyond the {came} bytes that came.")


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
