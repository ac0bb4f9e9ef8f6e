"""Bounds of Arrow streams: what their batches say that they will take, read before anything is unpacked.

A compressed buffer begins with the length that it will have, and the reader allocates as much; a batch says how many
rows it has, and a column of nothing needs no byte for a billion of them. Both are in the messages' heads, which are
FlatBuffers, of which these lines read the few fields that matter.
"""

import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pyarrow as pa

from entrepot.errors import InvalidInput, TooLarge

MOST_BYTES = 512 * 2**20
MOST_ROWS = 20_000_000
MOST_COLUMNS = 100_000
_MOST_MESSAGES = 200_000
_DICTIONARY, _BATCH = 2, 3
_LENGTH, _NODES, _BUFFERS, _COMPRESSION = 0, 1, 2, 3

Accept = Callable[[pa.Schema], object]


def read_stream(stream: Any, accept: Accept) -> pa.Table:
    """Return the table of an Arrow stream that others sent, as :func:`check_stream` allows, every offset checked."""
    check_stream(stream, accept)
    with _readable(), pa.ipc.open_stream(pa.py_buffer(stream)) as reader:
        table = reader.read_all()
        table.validate(full=True)  # offsets and indices that lead outside would be followed otherwise
    return table


def check_stream(
    stream: Any,
    accept: Accept = lambda _schema: None,
    *,
    most_bytes: int = MOST_BYTES,
    most_rows: int = MOST_ROWS,
) -> None:
    """Make sure that an Arrow stream can be read, without unpacking anything of it.

    Parameters
    ----------
    stream
        The bytes.
    accept
        Is given the schema before anything else is read, and raises where it is not what is wanted. Types that nest,
        repeat or come from extensions are refused in any case.
    most_bytes, most_rows
        The most that all batches together may take once they are unpacked.

    Raises
    ------
    TooLarge
        It would take more.
    InvalidInput
        A column has a type that is never taken.
    pyarrow.ArrowException, OSError
        It is no Arrow stream.
    """
    buffer = pa.py_buffer(stream)
    with _readable(), pa.ipc.open_stream(buffer) as reader:
        schema = reader.schema
    if len(schema) > MOST_COLUMNS:
        raise TooLarge(f"A table may have at most {MOST_COLUMNS} columns.")
    with _readable():
        for field in schema:
            _require_plain(field)
        accept(schema)
        _require_bounded(buffer, len(schema), most_bytes, most_rows)


@contextmanager
def _readable() -> Iterator[None]:
    """Say of names and messages that are not UTF-8, which the library fails to show, that the stream is damaged."""
    try:
        yield
    except UnicodeDecodeError:
        raise pa.ArrowInvalid("it holds names that are not UTF-8") from None


def _require_plain(field: pa.Field) -> None:
    kind = field.type.value_type if pa.types.is_dictionary(field.type) else field.type
    if isinstance(kind, pa.BaseExtensionType) or pa.types.is_nested(kind) or pa.types.is_dictionary(kind):
        raise InvalidInput.field(field.name[:100], f"Columns of the type {str(field.type)[:100]} are not taken.")


def _require_bounded(buffer: pa.Buffer, columns: int, most_bytes: int, most_rows: int) -> None:
    size = rows = 0
    for number, message in enumerate(_messages(buffer)):
        if number > _MOST_MESSAGES:
            raise TooLarge("The stream has too many messages: send larger batches.")
        try:
            length, unpacked = _declared(memoryview(message.metadata), message.body)
        except (struct.error, IndexError):
            raise pa.ArrowInvalid("a message's head is damaged") from None
        rows += length
        # What comes of a column takes eight bytes a row, whatever it is in the stream.
        size += unpacked + 8 * length * max(columns, 1)
        if rows > most_rows:
            raise TooLarge(f"A table may have at most {most_rows} rows: send it in parts.")
        if size > most_bytes:
            raise TooLarge(f"Unpacked, the table would take more than {most_bytes} bytes: send it in parts.")


def _messages(buffer: pa.Buffer) -> Iterator[pa.Message]:
    reader = pa.ipc.MessageReader.open_stream(buffer)
    while True:
        try:
            yield reader.read_next_message()
        except StopIteration:
            return


def _declared(head: memoryview, body: pa.Buffer | None) -> tuple[int, int]:
    """Return how many rows a message says that it has, and how many bytes its buffers take once unpacked."""
    message = _follow(head, 0)
    kind = _field(head, message, 1)
    position = _field(head, message, 2)
    if kind is None or position is None or head[kind] not in (_DICTIONARY, _BATCH):
        return 0, 0
    batch = _follow(head, position)
    if head[kind] == _DICTIONARY:
        inner = _field(head, batch, 1)
        if inner is None:
            return 0, 0
        batch = _follow(head, inner)
    length = _field(head, batch, _LENGTH)
    rows = [0 if length is None else _int64(head, length), *(row for row, _ in _pairs(head, batch, _NODES))]
    packed = _field(head, batch, _COMPRESSION) is not None
    size = 0
    content = memoryview(b"" if body is None else body)
    for offset, taken in _pairs(head, batch, _BUFFERS):
        if min(offset, taken) < 0 or offset + taken > len(content):
            raise pa.ArrowInvalid("a buffer lies outside its message")
        unpacked = _int64(content, offset) if packed and taken >= 8 else -1
        size += taken if unpacked == -1 else unpacked
        if unpacked < -1:
            raise pa.ArrowInvalid("a buffer has a negative length")
    if min(rows) < 0:
        raise pa.ArrowInvalid("a batch has a negative length")
    return max(rows), size


def _follow(head: memoryview, position: int) -> int:
    return position + int(struct.unpack_from("<I", head, position)[0])


def _field(head: memoryview, table: int, number: int) -> int | None:
    """Return where a field of a table lies; None where the table has none."""
    layout = table - struct.unpack_from("<i", head, table)[0]
    if layout < 0:
        raise IndexError
    size = struct.unpack_from("<H", head, layout)[0]
    at = 4 + 2 * number
    offset = struct.unpack_from("<H", head, layout + at)[0] if at + 2 <= size else 0
    return table + offset if offset else None


def _pairs(head: memoryview, table: int, number: int) -> Iterator[tuple[int, int]]:
    position = _field(head, table, number)
    if position is None:
        return
    start = _follow(head, position)
    count = struct.unpack_from("<I", head, start)[0]
    if 16 * count > len(head) - start:
        raise IndexError
    yield from struct.iter_unpack("<qq", head[start + 4 : start + 4 + 16 * count])


def _int64(data: memoryview, position: int) -> int:
    return int(struct.unpack_from("<q", data, position)[0])
