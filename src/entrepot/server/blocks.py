"""The tar that a backup is, in blocks of which each is kept once at a place, under the SHA-256 of what is in it.

It is cut so that what has not changed is the same block again: SQLite's database at its pages, PostgreSQL's tables
between rows, large files each by itself, small ones some together.
"""

import io
import tarfile
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, closing
from dataclasses import dataclass
from hashlib import sha256
from itertools import islice
from typing import Any, TypeVar
from zlib import crc32

from isal import igzip, igzip_lib

from entrepot.errors import EntrepotError, InvalidInput, NotFound
from entrepot.server.contents import SQLITE, TABLES, Content
from entrepot.server.places import Place

Item = TypeVar("Item")
Result = TypeVar("Result")

_BLOCKS = "blocks"
#: Bytes of a block at most; of one of a database at least, and how many of these a database has before they get larger.
_LARGEST, _SMALLEST, _MANY = 8 * 2**20, 64 * 2**10, 8192
#: Files of so many bytes have blocks of their own; others lie together, until a name's hash says that it is the last.
_LARGE, _TOGETHER, _MOST_TOGETHER = 256 * 2**10, 64, 256
#: Of so many rows about one ends a block.
_ROWS = 16
#: How many blocks are written, or read, at a time.
AT_ONCE = 8
_DAMAGE: Any = (igzip.BadGzipFile, igzip_lib.IsalError, EOFError)


@dataclass(frozen=True)
class Group:
    """Some files of a backup, one after the other, and the blocks that they are; `mark` tells whether they changed."""

    mark: str | None
    bytes: int
    blocks: list[str]


class Writer:
    """Cuts what a backup holds into blocks, and has those kept that are new."""

    def __init__(self, place: Place, last: Mapping[str, Group], pool: ThreadPoolExecutor) -> None:
        self._place, self._last, self._pool = place, last, pool
        self._present = present(place)
        self._under_way: deque[Future[None]] = deque()
        self.groups: list[Group] = []
        self.new_bytes = 0

    def write(self, found: Iterable[Content]) -> None:
        """Write all of it; once this returns, it is kept."""
        with closing(_groups(found)) as groups:
            for group in groups:
                self.groups.append(self._written(group))
        self.groups.append(self._kept(None, [bytes(2 * tarfile.BLOCKSIZE)]))  # ends a tar
        while self._under_way:
            self._under_way.popleft().result()

    def _written(self, group: list[Content]) -> Group:
        mark = None
        if all(content.mark for content in group):
            said = "\0".join(f"{content.info.name} {content.mark}" for content in group)
            mark = digest(said.encode(errors="surrogateescape"))
            known = self._last.get(mark)
            if known is not None and self._present.issuperset(known.blocks):
                return known
        return self._kept(mark, _pieces(group))

    def _kept(self, mark: str | None, pieces: Iterable[bytes]) -> Group:
        size, names = 0, []
        for piece in pieces:
            names.append(name := digest(piece))
            size += len(piece)
            if name not in self._present:
                self._present.add(name)
                self.new_bytes += len(piece)
                self._under_way.append(self._pool.submit(self._put, name, piece))
            if len(self._under_way) > AT_ONCE:
                self._under_way.popleft().result()
        return Group(mark, size, names)

    def _put(self, name: str, piece: bytes) -> None:
        self._place.put(path_of(name), igzip.compress(piece, 2, mtime=0))


def read(place: Place, block: str) -> bytes:
    """Return what is in a block; raise InvalidInput where that is not what its name says."""
    try:
        content: bytes = igzip.decompress(place.read(path_of(block)))  # type: ignore[no-untyped-call]
    except NotFound:
        raise InvalidInput(f"{path_of(block)} is missing.") from None
    except _DAMAGE:
        content = b""
    if digest(content) != block:
        raise InvalidInput(f"{path_of(block)} is damaged: it is not what its name says.")
    return content


def present(place: Place) -> set[str]:
    """Return the names of the blocks at a place."""
    return {path.rpartition("/")[2].partition(".")[0] for path in place.list(_BLOCKS)}


def path_of(block: str) -> str:
    """Return where at its place a block is."""
    return f"{_BLOCKS}/{block[:2]}/{block}.gz"


def digest(content: bytes) -> str:
    """Return the SHA-256 by which bytes are known."""
    return sha256(content).hexdigest()


def ahead(pool: ThreadPoolExecutor, function: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[Result]:
    """Yield what a function makes of items, in their order, some of them made ahead."""
    left = iter(items)
    waiting = deque(pool.submit(function, item) for item in islice(left, 2 * AT_ONCE))
    while waiting:
        yield waiting.popleft().result()
        waiting.extend(pool.submit(function, item) for item in islice(left, 1))


class Joined(io.RawIOBase):
    """Blocks, one after the other, as a file to read from."""

    def __init__(self, blocks: Iterator[bytes]) -> None:
        self._blocks, self._rest = blocks, memoryview(b"")

    def readable(self) -> bool:
        """It is."""
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        """Read the next bytes."""
        while not self._rest:
            if (block := next(self._blocks, None)) is None:
                return 0
            self._rest = memoryview(block)
        size = min(len(buffer), len(self._rest))
        buffer[:size] = self._rest[:size]
        self._rest = self._rest[size:]
        return size


def _groups(found: Iterable[Content]) -> Generator[list[Content]]:
    """Yield what is written together, and close it after that: large files alone, small ones in the same company."""
    with ExitStack() as opened:
        group: list[Content] = []
        ended = False
        for content in found:
            with ExitStack() as coming:
                coming.enter_context(content)
                if group and (ended or _is_alone(content) or _top(content) != _top(group[-1])):
                    yield group
                    opened.close()
                    group = []
                opened.push(coming.pop_all())
            group.append(content)
            ended = (
                crc32(content.info.name.encode(errors="surrogateescape")) % _TOGETHER == 0
                or len(group) == _MOST_TOGETHER
                or sum(one.info.size for one in group) >= _LARGE * _TOGETHER
                or _is_alone(content)
            )
        if group:
            yield group


def _top(content: Content) -> str:
    """Return which part of a backup something is of: what is taken anew each time has no company that is not."""
    return content.info.name[: content.info.name.find("/") + 1]


def _is_alone(content: Content) -> bool:
    return content.info.size >= (_SMALLEST if content.info.name.startswith(f"{TABLES}/") else _LARGE)


def _pieces(group: list[Content]) -> Iterator[bytes]:
    """Yield the part of a tar that some files are, in pieces of which each becomes a block."""
    if not _is_alone(group[0]):
        yield b"".join(piece for content in group if content.is_there for piece in _members(content))
    elif group[0].is_there:
        yield from _members(group[0])


def _members(content: Content) -> Iterator[bytes]:
    info, file = content.info, content.file
    yield info.tobuf(tarfile.PAX_FORMAT, errors="surrogateescape")
    if file is None or not info.size:
        return
    if info.name.startswith(f"{TABLES}/"):
        yield from _rows(file, _of_database(info.size))
    else:
        left, most = info.size, _of_database(info.size) if info.name == SQLITE else _LARGEST
        while left:
            if not (piece := file.read(min(left, most))):
                raise EntrepotError(f"{info.name} became shorter while it was read: make the backup again.")
            left -= len(piece)
            yield piece
    if rest := -info.size % tarfile.BLOCKSIZE:
        yield bytes(rest)


def _of_database(size: int) -> int:
    """Return how large blocks of a database are: small, so that few change, but not too many of them."""
    return min(max(_SMALLEST, 1 << (size // _MANY).bit_length()), _LARGEST)


def _rows(file: "io.BufferedReader[Any]", least: int) -> Iterator[bytes]:
    """Yield a table in pieces that end where a row's own hash says: what is put in between moves no other one."""
    piece = bytearray()
    while row := file.readline(_LARGEST):
        piece += row
        if len(piece) >= _LARGEST or (len(piece) >= least and crc32(row) % _ROWS == 0):
            yield bytes(piece)
            piece.clear()
    if piece:
        yield bytes(piece)
