"""Digests of a file's leaves, stretches of it of one size: so any part of it is checked without reading the rest."""

import hashlib
from collections.abc import Iterable, Iterator

LEAF = 2**20
_BYTES = 16


def digest(leaf: bytes | memoryview) -> bytes:
    """Return the digest of a leaf."""
    return hashlib.blake2b(leaf, digest_size=_BYTES).digest()


class Leaves:
    """The digests of a file as far as it came."""

    def __init__(self) -> None:
        self._ended = bytearray()
        self._begin()

    def update(self, block: bytes) -> None:
        """Take the next bytes into account."""
        rest = memoryview(block)
        while rest:
            piece = rest[: self._left]
            self._leaf.update(piece)
            self._left -= len(piece)
            rest = rest[len(piece) :]
            if not self._left:
                self._ended += self._leaf.digest()
                self._begin()

    def digests(self) -> bytes:
        """Return the digests, one after the other, the last one that of what is left."""
        return bytes(self._ended) + (self._leaf.digest() if self._left < LEAF else b"")

    def _begin(self) -> None:
        self._leaf, self._left = hashlib.blake2b(digest_size=_BYTES), LEAF


def around(start: int, stop: int, size: int) -> tuple[int, int]:
    """Return where the leaves begin and end in which ``[start, stop)`` of a file of a size lies."""
    return start // LEAF * LEAF, min(-(-stop // LEAF) * LEAF, size)


def checked(blocks: Iterable[bytes], first: int, digests: bytes) -> Iterator[tuple[bytes, bool]]:
    """Yield the leaves of what is read of a file from `first` on, where a leaf begins, and whether each is right."""
    number, held = first // LEAF, bytearray()

    def judged(leaf: bytes) -> tuple[bytes, bool]:
        return leaf, digest(leaf) == digests[number * _BYTES : (number + 1) * _BYTES]

    for block in blocks:
        held += block
        while len(held) >= LEAF:
            yield judged(bytes(held[:LEAF]))
            del held[:LEAF]
            number += 1
    if held:
        yield judged(bytes(held))
