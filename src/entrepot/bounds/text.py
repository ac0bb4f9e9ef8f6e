"""Bounds of JSON, CSV, and what is packed by gzip."""

import csv
import io
import re
import zlib
from collections.abc import Collection, Iterable, Iterator
from typing import Any

import orjson

from entrepot.errors import InvalidInput, TooLarge

#: Objects and arrays in one JSON text: an empty one takes two bytes there, and seventy in memory.
MOST_CONTAINERS = 2_000_000
#: Values in one JSON text.
MOST_VALUES = 40_000_000
#: Texts below this are not counted: whatever is in them becomes at most some hundred megabytes.
_SMALL = 4 * 2**20
_HEADER = re.compile(rb"(?:\xef\xbb\xbf)?[\r\n]*([^\r\n]{0,4096})(?:[\r\n]|$)")
_BLOCK = 1 << 20


def read_json(text: bytes) -> Any:
    """Return the value of a JSON text that others sent.

    Raises
    ------
    TooLarge
        It holds more objects, arrays or values than any honest text of ours.
    orjson.JSONDecodeError
        It is no JSON, or is nested too deep.
    """
    require_modest(text)
    return orjson.loads(text)


def require_modest(text: bytes) -> None:
    """Raise TooLarge for a JSON text that becomes much larger than it is."""
    if len(text) <= _SMALL:
        return
    if text.count(b"{") + text.count(b"[") > MOST_CONTAINERS:
        raise TooLarge(f"JSON may hold at most {MOST_CONTAINERS} objects and arrays: send it in parts.")
    if text.count(b",") > MOST_VALUES:
        raise TooLarge(f"JSON may hold at most {MOST_VALUES} values: send it in parts.")


def check_csv(text: bytes, columns: Collection[str], most_rows: int, optional: Collection[str] = ()) -> None:
    """Make sure that a CSV text has these columns, in any order, perhaps optional ones, and not more rows than that.

    Raises
    ------
    InvalidInput
        Its first line is another: it has other columns, or is packed.
    TooLarge
        It has too many rows.
    """
    found = _HEADER.match(text)
    try:
        names = next(csv.reader(io.StringIO((found[1] if found else b"").decode())), [])
    except (UnicodeDecodeError, csv.Error):
        names = []
    if sorted(name for name in names if name not in optional) != sorted(columns) or len({*names}) < len(names):
        wrong = sorted({*names}.symmetric_difference(columns).difference(optional)) or ["columns"]
        raise InvalidInput.field(", ".join(wrong)[:100], f"The first line names the columns {', '.join(columns)}.")
    if text.count(b"\n") > most_rows or text.count(b"\r") > most_rows:
        raise TooLarge(f"A table may have at most {most_rows} rows: send it in parts.")


def inflated(blocks: Iterable[bytes]) -> Iterator[bytes]:
    """Yield what gzip (or zlib) packed, never more than a block at a time, whatever the ratio.

    Raises
    ------
    zlib.error
        It is not packed so, or is damaged.
    """
    unpacker = zlib.decompressobj(zlib.MAX_WBITS | 32)
    for block in blocks:
        left = block
        while left:
            if unpacker.eof:  # gzip files may be joined
                unpacker = zlib.decompressobj(zlib.MAX_WBITS | 32)
            unpacked = unpacker.decompress(left, _BLOCK)
            if unpacked:
                yield unpacked
            # Of what is packed well, some waits inside when all of the input was taken.
            while len(unpacked) == _BLOCK and not unpacker.unconsumed_tail and not unpacker.eof:
                unpacked = unpacker.decompress(b"", _BLOCK)
                if unpacked:
                    yield unpacked
            left = unpacker.unused_data if unpacker.eof else unpacker.unconsumed_tail
    if not unpacker.eof:
        raise zlib.error("it ends early")
