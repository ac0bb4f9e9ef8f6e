"""What a file is, by its first bytes."""

import json
import re

HEAD_BYTES = 64 * 1024

_MAGIC = (
    (b"\x89PNG\r\n\x1a\n", "png"),
    (b"\xff\xd8\xff", "jpg"),
    (b"GIF8", "gif"),
    (b"%PDF-", "pdf"),
    (b"\x1f\x8b", "gz"),
    (b"BZh", "bz2"),
    (b"\xfd7zXZ\x00", "xz"),
    (b"\x28\xb5\x2f\xfd", "zst"),
    (b"7z\xbc\xaf\x27\x1c", "7z"),
    (b"PAR1", "parquet"),
    (b"ARROW1", "arrow"),
    (b"\x89HDF\r\n\x1a\n", "hdf5"),
    (b"CDF\x01", "nc"),
    (b"CDF\x02", "nc"),
    (b"SQLite format 3\x00", "sqlite"),
    (b"\x93NUMPY", "npy"),
    (b"SIMPLE  =", "fits"),
    (b"Obj\x01", "avro"),
    (b"<?xml", "xml"),
)
_HTML = re.compile(rb"\s*<(!doctype html|html)", re.IGNORECASE)
_TEXT_CONTROLS = frozenset(range(32)) - frozenset(b"\t\n\r\f\x1b")


def recognise(head: bytes, size: int) -> str | None:
    """Return the type of a file of `size` bytes that begins with `head`, in lower case; None when it is unknown."""
    for magic, kind in _MAGIC:
        if head.startswith(magic):
            return kind
    if head.startswith(b"PK\x03\x04"):
        return _zipped(head)
    if head[257:262] == b"ustar":
        return "tar"
    if _HTML.match(head):
        return "html"
    return _textual(head, whole=len(head) == size)


def _zipped(head: bytes) -> str:
    for part, kind in ((b"xl/", "xlsx"), (b"word/", "docx"), (b"ppt/", "pptx")):
        if part in head:
            return kind
    return "npz" if b".npy" in head[:200] else "zip"


def _textual(head: bytes, *, whole: bool) -> str | None:
    try:
        # What was cut off may be half a character.
        text = head.decode() if whole else head.decode(errors="ignore")
    except UnicodeDecodeError:
        return None
    if not head or any(byte in _TEXT_CONTROLS for byte in head) or (not whole and len(text.encode()) < len(head) - 3):
        return None
    start = text.lstrip("\ufeff \t\r\n")
    if start[:1] in ("{", "[") and _is_json(start, whole=whole):
        return "json"
    return _table(start)


def _is_json(text: str, *, whole: bool) -> bool:
    if not whole:
        return re.match(r'[{\[]\s*["{\[\d\-}\]tfn]', text) is not None
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True


def _table(text: str) -> str:
    lines = text.splitlines()[:6]
    complete = lines[:-1] if len(lines) > 2 else lines
    for separator, kind in ((",", "csv"), (";", "csv"), ("\t", "tsv")):
        counts = {line.count(separator) for line in complete}
        if len(complete) > 1 and len(counts) == 1 and counts.pop() > 0:
            return kind
    return "txt"
