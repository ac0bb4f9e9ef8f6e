"""The data folder is its server's alone: files 0600, folders 0700, whatever the umask of whoever starts it."""

import os
import stat
from contextlib import suppress
from pathlib import Path

import structlog

from entrepot.pipeline.gates import trees

log = structlog.get_logger("entrepot.private")

_OTHERS = 0o077
_MARKER = Path("run", "private")  #: says that all files were looked at
_ACL = "system.posix_acl_access"


def keep_private() -> None:
    """Have this process, and those that it starts, make what it makes for its own user alone."""
    os.umask(_OTHERS)


def tighten(data_dir: Path) -> int:
    """Take what is in a data folder from everybody else, and return of how many files and folders it had to be taken.

    This is done once, for files of servers that left it to the umask; the folder itself is looked at each time.
    What has an access control list is left as it is: an operator gave it to somebody, say the files to nginx.
    """
    marker = data_dir / _MARKER
    count = int(_tighten(data_dir))
    if not marker.exists():
        count += sum(_tighten_item(item) for item in trees.walk(data_dir) if item.status.st_mode & _OTHERS)
        marker.parent.mkdir(mode=0o700, exist_ok=True)
        marker.touch(mode=0o600)
    if count:
        log.warning("others could read what is the server's alone; not any more", count=count, data_dir=str(data_dir))
    return count


def open_to_others(data_dir: Path) -> list[Path]:
    """Return what at the top of a data folder others may read, or change."""
    return [path for path in (data_dir, *data_dir.iterdir()) if _given(path)]


def _tighten(path: Path) -> bool:
    with suppress(FileNotFoundError):
        if _given(path):
            path.chmod(stat.S_IMODE(path.stat().st_mode) & ~_OTHERS)
            return True
    return False


def _tighten_item(item: trees.Item) -> bool:
    if not (item.is_file or item.is_folder):
        return False
    with suppress(FileNotFoundError):
        descriptor = item.look()
        try:
            if not _has_list(descriptor):
                os.fchmod(descriptor, stat.S_IMODE(item.status.st_mode) & ~_OTHERS)
                return True
        finally:
            os.close(descriptor)
    return False


def _given(path: Path) -> bool:
    mode = path.lstat().st_mode
    if stat.S_ISLNK(mode) or not mode & _OTHERS:
        return False
    return not _has_list(path)


def _has_list(file: Path | int) -> bool:
    with suppress(OSError):
        os.getxattr(file, _ACL)
        return True
    return False
