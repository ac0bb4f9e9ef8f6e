"""Files under way: out of sight until they are complete."""

import contextlib
import errno
import os
import shutil
import time
import uuid
from collections.abc import Callable
from pathlib import Path

from entrepot.errors import TooLarge, Unavailable
from entrepot.pipeline.gates import parts
from entrepot.pipeline.gates.files import NO_QUOTA, Quota, is_folder, keep_part, place_alone, require_room, room
from entrepot.pipeline.gates.home import Home
from entrepot.server.ftp.answers import Refusal

STAGING = "uploads"
#: Of files that come in by HTTP, of which none goes on: removed when a server starts.
HTTP_STAGING = f"{STAGING}/http"
_BLOCK = 1 << 20


class Upload:
    """A file that comes in: pyftpdlib takes it for the one that it writes.

    What breaks off leaves nothing, or a part with which the next upload of the same file goes on. What is added to a
    complete file, or to none, leaves no part: whoever sends a line again that broke off must not find half of it.

    Parameters
    ----------
    home
        The files of the gate.
    path
        Where the file will appear, in place of an older one.
    staging
        A folder, on the home's file system where that is one, that nobody sees.
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
        home: Home,
        path: str,
        staging: Path,
        mode: str = "w",
        quota: Quota = NO_QUOTA,
        *,
        makes_folders: bool = False,
        position: int = 0,
        keeps_parts: bool = False,
    ) -> None:
        self.name = f"/{home.name}/{path}"
        self._home, self._path, self._quota = home, path, quota
        self.kept = False
        #: Whether what breaks off is kept as a part.
        self.goes_on = keeps_parts
        self._touched = time.monotonic()
        self._appended: tuple[os.stat_result, int] | None = None
        _require_possible(home, path, makes_folders=makes_folders)
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
                home.put_part(parts.name_of(path), home.prepare(self._staged))
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
        while True:
            ready = self._home.prepare(self._staged)
            with self._home.alone() as turn:
                if not self._others_added(turn):
                    place_alone(turn, ready, self._path, self._quota)
                    break
            self._follow_others()
        self.kept = True

    def close(self) -> None:
        """End, and keep a part or nothing of what was not kept."""
        if self._file.closed:
            return
        with contextlib.suppress(OSError):  # a full disk refuses the last bytes once more
            self._file.close()
        if self.goes_on and not self.kept and self._end:
            with contextlib.suppress(OSError, TooLarge, Unavailable):
                keep_part(self._home, self._staged, self._path, self._quota)
        self._staged.unlink(missing_ok=True)

    @property
    def closed(self) -> bool:
        """Whether it has ended."""
        return self._file.closed

    def _take_part(self, position: int | None) -> bool:
        came = self._home.part_size(parts.name_of(self._path))
        if came is None:
            return False
        _require_came(position, came)
        if not self._home.take_part(parts.name_of(self._path), self._staged):
            return False
        if position is not None:
            os.truncate(self._staged, position)
        return True

    def _begin_with_older(self, staging: Path, position: int | None) -> None:
        self.goes_on = False
        self._staged = staging / uuid.uuid4().hex
        try:
            older = self._home.status(self._path)
        except FileNotFoundError:
            _require_came(position, 0)
            return
        _require_came(position, older.st_size)
        self._copy_of_older(self._staged)
        if position is None:
            self._appended = older, self._staged.stat().st_size

    def _copy_of_older(self, target: Path) -> None:
        try:
            with self._home.open(self._path) as file, target.open("xb") as copy:
                shutil.copyfileobj(file, copy, _BLOCK)
        except BaseException:
            target.unlink(missing_ok=True)
            raise

    def _others_added(self, home: Home) -> bool:
        """Tell whether others added to the file meanwhile."""
        if self._appended is None:
            return False
        was = self._appended[0]
        try:
            now = home.status(self._path)
        except FileNotFoundError:
            return False
        return (now.st_ino, now.st_size, now.st_mtime_ns) != (was.st_ino, was.st_size, was.st_mtime_ns)

    def _follow_others(self) -> None:
        """Add to what others made of the file, in place of what it was."""
        assert self._appended is not None
        self._file.seek(self._appended[1])
        added = self._staged.with_name(uuid.uuid4().hex)
        try:
            now = self._home.status(self._path)
            self._copy_of_older(added)
            size = added.stat().st_size
            with added.open("ab") as file:
                shutil.copyfileobj(self._file, file)
                file.flush()
                os.fsync(file.fileno())
            added.replace(self._staged)
        except FileNotFoundError:
            return
        finally:
            added.unlink(missing_ok=True)
        self._file.close()
        self._file, self._appended = self._staged.open("r+b"), (now, size)


def clean(staging: Path, home_of: Callable[[str], Home | None]) -> None:
    """Make the staging folder, and keep or remove what a server that was killed left in it."""
    staging.mkdir(parents=True, exist_ok=True)
    parts.adopt(staging, home_of)


def _require_came(position: int | None, came: int) -> None:
    if position is not None and position > came:
        raise Refusal(f"554 REST position {position} is beyond the {came} bytes that came.")


def _require_possible(home: Home, path: str, *, makes_folders: bool) -> None:
    """Raise now what giving the file its name would raise once all its bytes have come."""
    if is_folder(home, path):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), path)
    try:
        home.status(path)
    except FileNotFoundError:
        above = path.rpartition("/")[0]
        if above and not makes_folders:
            home.status(above)
