"""How requests and results cross: a JSON header and plain buffers, in memory that two processes share."""

import fcntl
import json
import os
import struct
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

MAGIC = b"ENT1"
_PREFIX = struct.Struct("<4sI")
LENGTH = struct.Struct("<Q")
MAX_HEADER = 16 << 20
MAX_BUFFERS = 10_000
#: Objects and arrays in a header: two bytes there, seventy in memory.
MAX_CONTAINERS = 1_000_000
_SEALS = fcntl.F_SEAL_SEAL | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_WRITE

Buffer = bytes | bytearray | memoryview


def pack(header: Mapping[str, Any], buffers: Sequence[Buffer] = ()) -> list[Buffer]:
    """Return the parts of a message, to be written one after the other."""
    text = json.dumps({"header": header, "sizes": [len(buffer) for buffer in buffers]}).encode()
    return [_PREFIX.pack(MAGIC, len(text)) + text, *buffers]


def unpack(message: Buffer) -> tuple[dict[str, Any], list[memoryview]]:
    """Return header and buffers of a message; ValueError if it is anything but one whole message."""
    view = memoryview(message)
    header, sizes, position = unpack_head(view)
    buffers = []
    for size in sizes:
        if size > len(view) - position:
            raise ValueError("the sizes contradict the message")
        buffers.append(view[position : position + size])
        position += size
    if position != len(view):
        raise ValueError("the message has a tail")
    return header, buffers


def unpack_head(message: Buffer, most: int = MAX_HEADER) -> tuple[dict[str, Any], list[int], int]:
    """Return a message's header, the sizes of its buffers and where these begin, of which none need be there."""
    view = memoryview(message)
    if len(view) < _PREFIX.size:
        raise ValueError("the message is too short")
    magic, length = _PREFIX.unpack_from(view)
    if magic != MAGIC or length > min(most, len(view) - _PREFIX.size):
        raise ValueError("this is no message")
    position = _PREFIX.size + length
    text = bytes(view[_PREFIX.size : position])
    if text.count(b"{") + text.count(b"[") > MAX_CONTAINERS:
        raise ValueError(f"the header holds more than {MAX_CONTAINERS} objects and arrays")
    try:
        content = json.loads(text)
    except RecursionError:
        raise ValueError("the header is nested too deep") from None
    if not isinstance(content, dict) or content.keys() != {"header", "sizes"}:
        raise ValueError("the header is malformed")
    header, sizes = content["header"], content["sizes"]
    if not isinstance(header, dict) or not isinstance(sizes, list):
        raise ValueError("the header is malformed")  # noqa: TRY004
    if len(sizes) > MAX_BUFFERS:
        raise ValueError(f"the message has more than {MAX_BUFFERS} parts")
    if not all(type(size) is int and size >= 0 for size in sizes):
        raise ValueError("the sizes contradict the message")
    return header, sizes, position


def numbered(parts: Sequence[Buffer]) -> list[Buffer]:
    """Return the parts of a message that others follow: its length comes before it."""
    return [LENGTH.pack(sum(map(len, parts))), *parts]


def messages(content: Buffer) -> Iterator[memoryview]:
    """Yield the messages that were written one after the other, :func:`numbered`; not one that was cut."""
    view = memoryview(content)
    while len(view) >= LENGTH.size and (end := LENGTH.size + LENGTH.unpack_from(view)[0]) <= len(view):
        yield view[LENGTH.size : end]
        view = view[end:]


def write(fd: int, parts: Sequence[Buffer], position: int = 0) -> int:
    """Write all parts to a file, from a position on; return where they end."""
    for part in parts:
        view = memoryview(part)
        while view:
            written = os.pwrite(fd, view[: 1 << 30], position)
            position += written
            view = view[written:]
    return position


def read(fd: int, limit: int) -> bytes:
    """Read a whole file; ValueError if it has more than `limit` bytes."""
    # Mapping it would let whoever truncates the file end this process with SIGBUS.
    size = os.fstat(fd).st_size
    if size > limit:
        raise ValueError(f"the message has more than {limit} bytes")
    content = bytearray()
    while len(content) < size and (piece := os.pread(fd, min(1 << 30, size - len(content)), len(content))):
        content += piece
    return bytes(content)


def memory(parts: Sequence[Buffer] | None = None) -> int:
    """Return the descriptor of a file in memory: empty, or with `parts` and sealed against changes."""
    fd = os.memfd_create("entrepot", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    if parts is not None:
        try:
            write(fd, parts)
            fcntl.fcntl(fd, fcntl.F_ADD_SEALS, _SEALS)
        except BaseException:
            os.close(fd)
            raise
    return fd
