"""The content of a file, as scripts receive it."""

import io
from collections.abc import Iterator
from typing import Any, Self


class FileContent(bytes):
    """Bytes that are also an open binary file.

    Scripts treat their ``content_bytes`` as bytes (``.decode()``, ``io.BytesIO(content_bytes)``) and as a file
    (``pd.read_json(content_bytes)``, ``pd.read_csv(content_bytes)``); both work. Iteration is that of a file: by lines.
    """

    _file: io.BytesIO

    def __new__(cls, content: bytes = b"") -> Self:
        """Return `content` as a file at its start."""
        self = super().__new__(cls, content)
        # Of plain bytes BytesIO makes no copy, so a file costs its content twice, not three times.
        self._file = io.BytesIO(content)
        return self

    def read(self, size: int | None = -1, /) -> bytes:
        """Read at most `size` bytes, or all that is left; ``b""`` at the end."""
        return self._file.read(size)

    def read1(self, size: int | None = -1, /) -> bytes:
        """Read at most `size` bytes, as `read` does."""
        return self._file.read1(size)

    def readinto(self, buffer: Any, /) -> int:
        """Read into `buffer`; return the number of bytes."""
        return self._file.readinto(buffer)

    def readline(self, size: int | None = -1, /) -> bytes:
        """Read one line, with its end."""
        return self._file.readline(size)

    def readlines(self, hint: int | None = None, /) -> list[bytes]:
        """Read the lines that are left."""
        return self._file.readlines(hint)

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        """Move; return the new position."""
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        """Return the position."""
        return self._file.tell()

    def __iter__(self) -> Iterator[bytes]:  # type: ignore[override]
        return iter(self._file)

    def __next__(self) -> bytes:
        return next(self._file)

    def readable(self) -> bool:
        """Return True."""
        return self._file.readable()

    def seekable(self) -> bool:
        """Return True."""
        return self._file.seekable()

    def writable(self) -> bool:
        """Return False."""
        return False

    def isatty(self) -> bool:
        """Return False."""
        return False

    def fileno(self) -> int:
        """Raise, as there is no descriptor."""
        return self._file.fileno()

    def flush(self) -> None:
        """Do nothing, as files open for reading do."""
        self._file.flush()

    def close(self) -> None:
        """Close the file; the bytes remain."""
        self._file.close()

    @property
    def closed(self) -> bool:
        """Whether `close` was called."""
        return self._file.closed

    @property
    def mode(self) -> str:
        """The mode of a binary file open for reading."""
        return "rb"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
