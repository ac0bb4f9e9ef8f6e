"""An upload in parts, in the server's own bucket: whichever server takes a part, whichever publishes them."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol

from entrepot.db import new_id
from entrepot.errors import Conflict, TooLarge
from entrepot.files.spool import Digest, Spool
from entrepot.objects.own import own_bucket
from entrepot.objects.stores import BucketStore
from entrepot.settings import Settings

UPLOADS = "uploads"
#: So many bytes become an object while more of them come.
_PIECE = 8 * 2**20
_MOST_PIECES = 10_000


class Coming(Protocol):
    """What came of an upload in parts so far."""

    def create(self) -> None:
        """Begin, with nothing."""

    def append(self, offset: int, blocks: list[bytes]) -> int:
        """Add bytes at the end, which must be at `offset`, and return where the end is then; Conflict elsewhere."""

    def settle(self) -> None:
        """Make sure that what was added stays."""

    def size(self) -> int:
        """Return how many bytes came."""

    def whole(self) -> AbstractContextManager[tuple[Spool, Digest]]:
        """Give what came as one file, to be published; it is forgotten once that is done."""

    def remove(self) -> None:
        """Forget the bytes."""


class Pieces:
    """An upload in parts as objects, each named after the byte that it begins with.

    Of two who add at the same byte one succeeds, for there can be one object of a name.
    """

    def __init__(self, settings: Settings, bucket: BucketStore, organization_id: str, upload_id: str) -> None:
        self._settings, self._bucket = settings, bucket
        self._organization_id, self._id = organization_id, upload_id
        self._folder = f"{UPLOADS}/{organization_id}/{upload_id}"
        self._waiting: list[bytes] = []
        self._end: int | None = None
        self._stored = 0

    def create(self) -> None:
        """Begin, with nothing: there is no object yet."""

    def append(self, offset: int, blocks: list[bytes]) -> int:
        """Add bytes at the end; they stay once :meth:`settle` has ended, and as much as is a piece at once."""
        if self._end is None:
            self._stored = self._end = self.size()
        if offset != self._end:
            raise Conflict(f"The upload has {self._end} bytes: go on from there.")
        self._end += sum(map(len, blocks))
        if self._end > self._settings.file_max_bytes:
            self._end = offset
            raise TooLarge(f"A file may have at most {self._settings.file_max_bytes} bytes.")
        self._waiting += blocks
        if self._end - self._stored >= _PIECE:
            self.settle()
        return self._end

    def settle(self) -> None:
        """Store what waits."""
        if self._end is None or self._end == self._stored:
            return
        content, self._waiting = b"".join(self._waiting), []
        try:
            self._bucket.put_new(f"{self._folder}/{self._stored:020}", content)
        except Conflict:
            raise Conflict(f"Somebody else sent what follows on byte {self._stored}: ask how far it is.") from None
        self._stored = self._end

    def size(self) -> int:
        """Return how many bytes came."""
        return sum(size for _, size in self._found())

    def remove(self) -> None:
        """Delete the objects."""
        for path, _ in list(self._found()):
            self._bucket.delete(path)

    @contextmanager
    def whole(self) -> Iterator[tuple[Spool, Digest]]:
        """Put the pieces together on this machine, and delete them once the block ends well."""
        found = list(self._found())
        spool = Spool(self._settings, self._organization_id, self._id, name=new_id())
        receiver = spool.receive()
        try:
            for path, _ in found:
                for block in self._bucket.read(path):
                    receiver.write([block])
            yield spool, receiver.finish()
        finally:
            spool.remove()
        self.remove()

    def _found(self) -> Iterator[tuple[str, int]]:
        """Yield the pieces, as far as one follows on the other, and how many bytes each has."""
        end = 0
        for number, one in enumerate(self._bucket.list(self._folder)):
            if number == _MOST_PIECES:
                raise TooLarge(f"An upload has at most {_MOST_PIECES} parts: send larger ones.")
            if int(one.path.rpartition("/")[2]) == end:
                end += one.size
                yield one.path, one.size


def coming(settings: Settings, organization_id: str, upload_id: str) -> Coming:
    """Return what came of an upload in parts: objects of the server's own bucket where it has one, else a file."""
    if (bucket := own_bucket(settings)) is not None:
        return Pieces(settings, bucket, organization_id, upload_id)
    return Spool(settings, organization_id, upload_id)
