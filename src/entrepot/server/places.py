"""Places of backups: a folder, or a bucket with a prefix."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

from entrepot import clouds
from entrepot.errors import InvalidInput, NotFound
from entrepot.loopback import is_loopback
from entrepot.objects.own import open_bucket
from entrepot.objects.stores import BucketStore
from entrepot.pipeline.gates import trees
from entrepot.pipeline.gates.folders import HIDDEN_PREFIX, replacing

BUCKET = "s3://"


class Place(Protocol):
    """Where bytes are kept, each under a path of plain names."""

    def put(self, path: str, content: bytes) -> None:
        """Keep bytes for good, all or nothing."""

    def read(self, path: str) -> bytes:
        """Return what is kept; raise NotFound where there is nothing."""

    def list(self, folder: str) -> Iterator[str]:
        """Yield the paths of what is below a folder."""

    def delete(self, path: str) -> None:
        """Forget what is kept; nothing happens when there is nothing."""


class FolderPlace:
    """A folder, made when it is first written to; what is in it is its owner's alone."""

    def __init__(self, root: Path) -> None:
        self._root = root.absolute()

    def put(self, path: str, content: bytes) -> None:
        """Keep bytes for good, all or nothing."""
        for folder in (self._root, (self._root / path).parent):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with replacing(self._root / path) as file:
            os.fchmod(file.fileno(), 0o600)
            file.write(content)

    def read(self, path: str) -> bytes:
        """Return what is kept."""
        try:
            return (self._root / path).read_bytes()
        except FileNotFoundError:
            raise NotFound(f"{self._root / path} is missing.") from None

    def list(self, folder: str) -> Iterator[str]:
        """Yield the paths of what is below a folder."""
        for item in trees.walk(self._root / folder, lambda name: not name.startswith(HIDDEN_PREFIX)):
            if item.is_file:
                yield f"{folder}/{item.path}"

    def delete(self, path: str) -> None:
        """Forget what is kept."""
        (self._root / path).unlink(missing_ok=True)


class BucketPlace:
    """A bucket, or a prefix in one."""

    def __init__(self, bucket: BucketStore) -> None:
        self._bucket = bucket

    def put(self, path: str, content: bytes) -> None:
        """Keep bytes for good, all or nothing."""
        self._bucket.put(path, content)

    def read(self, path: str) -> bytes:
        """Return what is kept."""
        return b"".join(self._bucket.read(path))

    def list(self, folder: str) -> Iterator[str]:
        """Yield the paths of what is below a folder."""
        return (one.path for one in self._bucket.list(folder))

    def delete(self, path: str) -> None:
        """Forget what is kept."""
        self._bucket.delete(path)


def open_place(address: str) -> Place:
    """Return the place at the path of a folder, or at ``s3://bucket/prefix``, reached by the ``AWS_*`` variables."""
    if not address.startswith(BUCKET):
        return FolderPlace(Path(address))
    cloud = clouds.variables()
    try:
        clouds.bucket_of(address)
        clouds.require_private(cloud, is_loopback)
    except ValueError as error:
        raise InvalidInput.field("place", str(error)) from None
    return BucketPlace(open_bucket(address, tuple(sorted(cloud.items()))))
