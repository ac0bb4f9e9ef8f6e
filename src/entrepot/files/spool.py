"""A file on its way in: written to disk and hashed as it comes, unknown to everybody until it is published."""

import fcntl
import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from entrepot.db import new_id
from entrepot.errors import Conflict, NotFound, TooLarge
from entrepot.files.folder import BLOCK
from entrepot.files.kinds import HEAD_BYTES, recognise
from entrepot.settings import Settings

SPOOL = ".incoming"


@dataclass(frozen=True)
class Digest:
    """What is known of a whole file."""

    size: int
    md5: str
    sha256: str
    type: str | None


class Spool:
    """The bytes of one file that has not been published yet.

    Parameters
    ----------
    organization_id
        Whose file it will be.
    file_id
        The file's id; a new one by default.
    """

    def __init__(self, settings: Settings, organization_id: str, file_id: str | None = None) -> None:
        self.id = file_id or new_id()
        self.organization_id = organization_id
        self.path = spool_folder(settings) / organization_id / self.id
        self._most = settings.file_max_bytes

    def receive(self) -> "Receiver":
        """Begin to write, from the start."""
        self.path.parent.mkdir(mode=0o750, parents=True, exist_ok=True)
        return Receiver(self.path, self._most)

    def create(self) -> None:
        """Make the file, empty."""
        self.path.parent.mkdir(mode=0o750, parents=True, exist_ok=True)
        self.path.touch(0o640)

    def append(self, offset: int, blocks: list[bytes]) -> int:
        """Write at the end, which must be at `offset`, and return where the end is then.

        Raises
        ------
        Conflict
            The end is elsewhere: some of it came already, or some is missing.
        """
        with self._existing() as file:
            # Two clients that send the same part take turns, and the second is told.
            fcntl.flock(file, fcntl.LOCK_EX)
            end = file.seek(0, os.SEEK_END)
            if end != offset:
                raise Conflict(f"The upload has {end} bytes: go on from there.")
            if end + sum(map(len, blocks)) > self._most:
                raise TooLarge(f"A file may have at most {self._most} bytes.")
            file.writelines(blocks)
            file.flush()
            return file.tell()

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Keep everybody else from publishing this meanwhile."""
        with self._existing() as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise Conflict("The upload is being written or published.") from None
            yield

    def _existing(self) -> BinaryIO:
        try:
            return self.path.open("r+b")
        except FileNotFoundError:
            raise NotFound("The upload was published or given up.") from None

    def size(self) -> int:
        """Return how many bytes came so far."""
        try:
            return self.path.stat().st_size
        except FileNotFoundError:
            raise NotFound("The upload was published or given up.") from None

    def digest(self) -> Digest:
        """Read what came, make sure that it is on disk, and return what it is."""
        hashes = hashlib.md5(usedforsecurity=False), hashlib.sha256()
        head, size = b"", 0
        with self.path.open("rb") as file:
            os.fsync(file.fileno())
            while block := file.read(BLOCK):
                head = head or block[:HEAD_BYTES]
                size += len(block)
                for one in hashes:
                    one.update(block)
        return Digest(size, hashes[0].hexdigest(), hashes[1].hexdigest(), recognise(head, size))

    def remove(self) -> None:
        """Forget the bytes."""
        with suppress(FileNotFoundError):
            self.path.unlink()


class Receiver:
    """Writes and hashes a file that comes in one stream."""

    def __init__(self, path: Path, most: int) -> None:
        self._path = path
        self._most = most
        self._file = path.open("xb")
        self._hashes = hashlib.md5(usedforsecurity=False), hashlib.sha256()
        self._head = b""
        self._size = 0

    def write(self, blocks: list[bytes]) -> None:
        """Write the next bytes."""
        for block in blocks:
            self._size += len(block)
            if self._size > self._most:
                raise TooLarge(f"A file may have at most {self._most} bytes.")
            if len(self._head) < HEAD_BYTES:
                self._head += block[: HEAD_BYTES - len(self._head)]
            self._file.write(block)
            for one in self._hashes:
                one.update(block)

    def finish(self) -> Digest:
        """Return what came, once it is on disk."""
        with self._file as file:
            file.flush()
            os.fsync(file.fileno())
        md5, sha256 = (one.hexdigest() for one in self._hashes)
        return Digest(self._size, md5, sha256, recognise(self._head, self._size))

    def abandon(self) -> None:
        """Forget what came."""
        self._file.close()
        self._path.unlink(missing_ok=True)


def spool_folder(settings: Settings) -> Path:
    """Return the folder of files on their way, on the file system of the server's own storage."""
    return settings.files_dir.absolute() / SPOOL
