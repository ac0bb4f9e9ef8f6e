"""An object as a file to read from."""

import io
import os
from collections.abc import Iterator

from entrepot.objects.stores import BucketStore


class ObjectReader(io.RawIOBase):
    """The bytes of an object, fetched as they are read."""

    def __init__(self, bucket: BucketStore, key: str, size: int) -> None:
        self._bucket, self._key, self._size = bucket, key, size
        self._at = 0
        self._blocks: Iterator[bytes] | None = None
        self._rest = memoryview(b"")

    def readable(self) -> bool:
        """It is."""
        return True

    def seekable(self) -> bool:
        """It is."""
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Go on elsewhere."""
        start = {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self._size}[whence] + offset
        if start != self._at:
            self._at, self._blocks, self._rest = start, None, memoryview(b"")
        return self._at

    def tell(self) -> int:
        """Return where it is."""
        return self._at

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        """Read the next bytes."""
        if self._at >= self._size:
            return 0
        if self._blocks is None:
            self._blocks = self._bucket.read(self._key, self._at, self._size)
        while not self._rest:
            try:
                self._rest = memoryview(next(self._blocks))
            except StopIteration:
                return 0
        size = min(len(buffer), len(self._rest))
        buffer[:size] = self._rest[:size]
        self._rest = self._rest[size:]
        self._at += size
        return size
