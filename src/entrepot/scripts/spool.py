"""The folder in which calls without cells have theirs, and what servers that were killed left of such folders."""

import contextlib
import fcntl
import os
import secrets
import shutil
import subprocess
import tempfile
from pathlib import Path

_NAME = "entrepot-calls-"


class Spool:
    """A folder that is this process's for as long as it lives: a lock says so, which ends with it.

    Parameters
    ----------
    run
        Where to make it; None, or one that the calls' users could not enter: where the system has such folders.
    """

    def __init__(self, run: Path | None) -> None:
        root = run
        if run is not None:
            run.mkdir(parents=True, exist_ok=True)
            _sweep(run)
        if root is None or (os.getuid() == 0 and not _public(root)):
            root = Path(tempfile.gettempdir())
            _sweep(root)
        while True:
            self.path = root / f"{_NAME}{secrets.token_hex(8)}"
            # The calls' users must pass; what is below is theirs alone.
            self.path.mkdir(mode=0o711, parents=True)
            self.path.chmod(0o711)
            self._lock = _lock(self.path)
            if self._lock is not None:
                return

    def close(self) -> None:
        """Remove it."""
        remove(self.path)
        if self._lock is not None:
            os.close(self._lock)


def _public(folder: Path) -> bool:
    return all(path.stat().st_mode & 0o001 for path in (folder, *folder.parents))


def _lock(folder: Path) -> int | None:
    """Return a descriptor that locks the folder; None where another process does, or has just removed it."""
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.path.samestat(os.fstat(descriptor), folder.lstat()):
                return descriptor
        except OSError:
            pass
        os.close(descriptor)
    return None


def _sweep(place: Path) -> None:
    """Remove what nobody locks."""
    for left in place.glob(f"{_NAME}*"):
        if left.lstat().st_uid == os.getuid() and (lock := _lock(left)) is not None:
            remove(left)
            os.close(lock)


def remove(folder: Path) -> None:
    """Remove a folder that scripts wrote to, whatever they did to it."""
    with contextlib.suppress(FileNotFoundError):
        try:
            shutil.rmtree(folder)
        except (OSError, RecursionError):
            # Folders without permissions, or nested deeper than Python goes.
            for tool in (["chmod", "-R", "u+rwx"], ["rm", "-rf"]):
                subprocess.run([*tool, "--", str(folder)], check=False, capture_output=True)  # noqa: S603
