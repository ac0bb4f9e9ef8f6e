"""A file on its way in: written to disk and hashed as it comes, unknown to everybody until it is published."""

import fcntl
import hashlib
import os
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from entrepot.db import new_id
from entrepot.errors import Conflict, NotFound, TooLarge
from entrepot.files.kinds import HEAD_BYTES, recognise
from entrepot.files.leaves import Leaves
from entrepot.objects.folder import BLOCK
from entrepot.settings import Settings

SPOOL = ".incoming"
_WORTH_A_THREAD = 1 << 20
_beside = ThreadPoolExecutor(8, "hash")


@dataclass(frozen=True)
class Digest:
    """What is known of a whole file."""

    size: int
    md5: str
    sha256: str
    type: str | None
    leaves: bytes


class Hashes:
    """What is known of a file as far as it came."""

    def __init__(self) -> None:
        self.size = 0
        self._head = b""
        self._md5, self._sha256 = hashlib.md5(usedforsecurity=False), hashlib.sha256()
        self._leaves = Leaves()

    def update(self, blocks: list[bytes], beside: Callable[[], object] = lambda: None) -> None:
        """Take the next bytes into account, and do something else meanwhile where they are many."""
        size = sum(map(len, blocks))
        if len(self._head) < HEAD_BYTES:
            self._head = b"".join([self._head, *blocks])[:HEAD_BYTES]
        self.size += size
        if size < _WORTH_A_THREAD:
            beside()
            _feed(blocks, self._md5, self._sha256, self._leaves)
            return
        # All let go of the interpreter: on two processors they take as long as the slower half.
        hashing = [_beside.submit(_feed, blocks, *some) for some in ((self._md5,), (self._sha256, self._leaves))]
        try:
            beside()
        finally:
            wait(hashing)
        for each in hashing:
            each.result()

    def digest(self) -> Digest:
        """Return what the file is, now that it is whole."""
        kind = recognise(self._head, self.size)
        return Digest(self.size, self._md5.hexdigest(), self._sha256.hexdigest(), kind, self._leaves.digests())


def _feed(blocks: list[bytes], *hashes: Any) -> None:
    for block in blocks:
        for each in hashes:
            each.update(block)


#: Of uploads in parts that this process takes, by id: so none need be read again at its end, unless another process, or
#: an earlier one, took a part of it.
_running: OrderedDict[str, Hashes] = OrderedDict()
_MOST_RUNNING = 200


class Spool:
    """The bytes of one file that has not been published yet.

    Parameters
    ----------
    organization_id
        Whose file it will be.
    file_id
        The file's id; a new one by default.
    name
        How the bytes are called meanwhile; by default, as the file.
    """

    def __init__(
        self, settings: Settings, organization_id: str, file_id: str | None = None, name: str | None = None
    ) -> None:
        self.id = file_id or new_id()
        self.organization_id = organization_id
        self.path = spool_folder(settings) / organization_id / (name or self.id)
        self._most = settings.file_max_bytes
        self._held: BinaryIO | None = None

    def receive(self) -> "Receiver":
        """Begin to write, from the start; until it is removed or released, the bytes are known to be on their way."""
        self.path.parent.mkdir(mode=0o750, parents=True, exist_ok=True)
        self._held = self.path.open("xb")
        fcntl.flock(self._held, fcntl.LOCK_EX)
        return Receiver(self._held, self._most, self.remove)

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

            def write() -> None:
                file.writelines(blocks)
                file.flush()

            self._count_in(offset, blocks, write)
            return file.tell()

    def _count_in(self, offset: int, blocks: list[bytes], write: Callable[[], None]) -> None:
        hashes = _running.pop(self.id, None) or Hashes()
        if hashes.size != offset:
            write()
            return
        hashes.update(blocks, write)
        _running[self.id] = hashes
        while len(_running) > _MOST_RUNNING:
            _running.popitem(last=False)

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Keep everybody else from publishing this meanwhile."""
        with self._existing() as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise Conflict("The upload is being written or published.") from None
            yield

    def settle(self) -> None:
        """Do nothing: what was written is in the file."""

    @contextmanager
    def whole(self) -> Iterator[tuple["Spool", Digest]]:
        """Give what came, to be published, and keep everybody else from doing so meanwhile."""
        with self.alone():
            yield self, self.digest()

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
        """Return what came."""
        hashes = _running.get(self.id)
        with self._existing() as file:
            if hashes is None or hashes.size != os.fstat(file.fileno()).st_size:
                hashes = Hashes()
                while block := file.read(BLOCK):
                    hashes.update([block])
        return hashes.digest()

    def remove(self) -> None:
        """Forget the bytes."""
        _running.pop(self.id, None)
        with suppress(FileNotFoundError):
            self.path.unlink()
        self.release()

    def release(self) -> None:
        """Leave the bytes to whoever sweeps."""
        if self._held is not None:
            self._held.close()


class Receiver:
    """Writes and hashes a file that comes in one stream; `abandon` forgets what came."""

    def __init__(self, file: BinaryIO, most: int, abandon: Callable[[], None]) -> None:
        self._file = file
        self._most = most
        self._hashes = Hashes()
        self.abandon = abandon

    def write(self, blocks: list[bytes]) -> None:
        """Write the next bytes."""
        if self._hashes.size + sum(map(len, blocks)) > self._most:
            raise TooLarge(f"A file may have at most {self._most} bytes.")
        self._hashes.update(blocks, lambda: self._file.writelines(blocks))

    def finish(self) -> Digest:
        """Return what came."""
        self._file.flush()
        return self._hashes.digest()


def is_under_way(path: Path) -> bool:
    """Tell whether a living process writes or publishes what lies there; what is not there is not."""
    with suppress(FileNotFoundError), path.open("rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def sweep(settings: Settings, seconds: float = 0.0) -> None:
    """Remove what came in one stream and nobody writes, from a folder in which nothing else is kept.

    Parameters
    ----------
    seconds
        How long it must have lain there: one that just begins has no lock yet.
    """
    for path in spool_folder(settings).glob("*/*"):
        with suppress(FileNotFoundError):
            if path.stat().st_mtime <= time.time() - seconds and not is_under_way(path):
                path.unlink()


def spool_folder(settings: Settings) -> Path:
    """Return the folder of files on their way, on the file system of the server's own storage."""
    return settings.files_dir.absolute() / SPOOL
