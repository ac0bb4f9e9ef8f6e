"""Folders in which nothing may change for a while, or any more: whoever changes something there asks first.

It is a file beside what changes. Its lock is shared by those who change something, so that whoever stops them has
waited for all of them; what stands in it is why they are refused, and until when.
"""

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import orjson

from entrepot.errors import Moved, ReadOnly

#: The file.
NAME = ".read-only"


@contextmanager
def changing(folder: Path) -> Iterator[None]:
    """Change something in a folder; it is not stopped before the block has ended.

    Raises
    ------
    ReadOnly
        It is stopped.
    """
    descriptor = _open(folder)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH)
        if size := os.fstat(descriptor).st_size:
            _require_over(os.pread(descriptor, size, 0))
        yield
    finally:
        os.close(descriptor)


def stop(folder: Path, sentence: str, seconds: float | None = None) -> None:
    """Refuse changes with a sentence; those that were under way have ended when this returns.

    Parameters
    ----------
    seconds
        For how long; None: for good.
    """
    until = None if seconds is None else time.time() + seconds
    _write(folder, orjson.dumps({"sentence": sentence, "until": until}))


def resume(folder: Path) -> None:
    """Let everybody change things again."""
    _write(folder, b"")


def _require_over(content: bytes) -> None:
    said = orjson.loads(content)
    if said["until"] is None:
        raise Moved(said["sentence"], retry_after=300.0)
    if time.time() < said["until"]:
        raise ReadOnly(said["sentence"])


def _write(folder: Path, content: bytes) -> None:
    descriptor = _open(folder)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, content, 0)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _open(folder: Path) -> int:
    try:
        return os.open(folder / NAME, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except FileNotFoundError:
        folder.mkdir(parents=True, exist_ok=True)
        return os.open(folder / NAME, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
