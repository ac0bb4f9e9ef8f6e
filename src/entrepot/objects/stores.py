"""Folders and buckets: files by keys, behind the same few verbs."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Protocol

import obstore
from obstore.exceptions import AlreadyExistsError, BaseError, NotFoundError
from obstore.store import AzureStore, GCSStore, S3Store

from entrepot.db.faults import named
from entrepot.errors import Conflict, NotFound, Unavailable
from entrepot.objects.folder import BLOCK, Folder

_PART = 8 * 2**20
_MOST_PARTS = 9000  # S3 takes 10,000
_LONGEST_SIGNATURE = 7 * 86_400.0
#: How stores are spoken to.
CLIENT = {"timeout": timedelta(hours=6), "connect_timeout": timedelta(seconds=10), "user_agent": "entrepot"}
RETRIES = {"max_retries": 3, "retry_timeout": timedelta(seconds=30)}


@dataclass(frozen=True)
class Kept:
    """An object of a bucket, as a listing tells of it."""

    path: str
    size: int
    modified: datetime


class Store(Protocol):
    """A place of files, each known by a path of plain names."""

    def put(self, path: str, source: Path) -> None:
        """Store the content of a local file, all or nothing."""

    def read(self, path: str, start: int = 0, stop: int | None = None) -> Iterator[bytes]:
        """Yield the bytes in ``[start, stop)``; raise NotFound at once when there is no such file."""

    def size(self, path: str) -> int:
        """Return how many bytes a file has."""

    def delete(self, path: str) -> None:
        """Delete a file; nothing happens when there is none."""

    def sign(self, path: str, seconds: float) -> str | None:
        """Return a URL of the store's own that gives the file for so long; None where the server signs itself."""


class FolderStore:
    """A folder of this machine."""

    def __init__(self, root: Path, *, shared: bool = False) -> None:
        self.folder = Folder(root, shared=shared)

    def put(self, path: str, source: Path) -> None:
        """Store the content of a local file, all or nothing."""
        self.folder.put(path, source)

    def read(self, path: str, start: int = 0, stop: int | None = None) -> Iterator[bytes]:
        """Yield the bytes in ``[start, stop)``."""
        file = self.folder.open(path)

        def blocks() -> Iterator[bytes]:
            with file:
                file.seek(start)
                left = None if stop is None else stop - start
                while block := file.read(BLOCK if left is None else min(BLOCK, left)):
                    left = None if left is None else left - len(block)
                    yield block

        return blocks()

    def size(self, path: str) -> int:
        """Return how many bytes a file has."""
        with self.folder.open(path) as file:
            return os.fstat(file.fileno()).st_size

    def delete(self, path: str) -> None:
        """Delete a file; nothing happens when there is none."""
        self.folder.delete(path)

    def sign(self, path: str, seconds: float) -> None:
        """Return None: the server signs."""


class BucketStore:
    """A bucket of S3, Google Cloud Storage or Azure, or what speaks like one of them."""

    def __init__(self, store: S3Store | GCSStore | AzureStore, below: str = "") -> None:
        self._store, self._below = store, below

    def below(self, folder: str) -> "BucketStore":
        """Return what is below a folder of this one."""
        return BucketStore(self._store, f"{self._below}{folder}/")

    def move(self, path: str, target: str) -> None:
        """Give an object another name; nothing happens when there is none."""
        with translated(), suppress(NotFoundError, FileNotFoundError):
            obstore.rename(self._store, self._below + path, self._below + target)

    def put(self, path: str, source: Path | bytes) -> None:
        """Store bytes, or the content of a local file; a large one in parts, which appear together at the end."""
        size = len(source) if isinstance(source, bytes) else source.stat().st_size
        part = max(_PART, -(-size // _MOST_PARTS))
        with translated():
            obstore.put(self._store, self._below + path, source, chunk_size=part, max_concurrency=2)

    def read(self, path: str, start: int = 0, stop: int | None = None) -> Iterator[bytes]:
        """Yield the bytes in ``[start, stop)``."""
        if stop is not None and stop <= start:
            return iter(())
        options: Any = None
        if start or stop is not None:
            options = {"range": (start, stop) if stop is not None else {"offset": start}}
        with translated():
            found = obstore.get(self._store, self._below + path, options=options)

        def blocks() -> Iterator[bytes]:
            with translated():
                for block in found.stream(min_chunk_size=BLOCK):
                    yield bytes(block)

        return blocks()

    def put_new(self, path: str, content: bytes) -> None:
        """Store a few bytes where nothing is yet: of several who do so at once, one succeeds.

        Raises
        ------
        Conflict
            There is such an object already.
        """
        with translated():
            obstore.put(self._store, self._below + path, content, mode="create", use_multipart=False)

    def list(self, folder: str, after: str | None = None) -> Iterator[Kept]:
        """Yield the objects below a folder by path, those after a path where one is given."""
        with translated():
            offset = None if after is None else self._below + after
            for some in obstore.list(self._store, self._below + folder, offset=offset, chunk_size=1000):
                for one in some:
                    yield Kept(one["path"].removeprefix(self._below), one["size"], one["last_modified"])

    def size(self, path: str) -> int:
        """Return how many bytes a file has."""
        with translated():
            return obstore.head(self._store, self._below + path)["size"]

    def delete(self, path: str) -> None:
        """Delete a file; nothing happens when there is none."""
        with translated():
            try:
                obstore.delete(self._store, self._below + path)
            except (NotFoundError, FileNotFoundError):
                return

    def sign(self, path: str, seconds: float) -> str | None:
        """Return a URL of the store's own that gives the file for so long."""
        with translated():
            return obstore.sign(
                self._store, "GET", self._below + path, timedelta(seconds=min(seconds, _LONGEST_SIGNATURE))
            )


@contextmanager
def translated() -> Iterator[None]:
    """Have what a store refuses raised by the names that the product has for it."""
    try:
        yield
    except (NotFoundError, FileNotFoundError):
        raise NotFound("The file is not in its storage.") from None
    except AlreadyExistsError:
        raise Conflict("The storage has such an object already.") from None
    except (BaseError, OSError) as error:
        raise named(error) or Unavailable(f"The storage refuses: {first_line(error)}") from error


def first_line(error: Exception) -> str:
    """Return what an error says first."""
    lines = str(error).strip().splitlines()
    return lines[0][:300] if lines else type(error).__name__
