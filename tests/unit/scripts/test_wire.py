import os
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from entrepot.scripts import wire

HEADERS = st.dictionaries(
    st.text(), st.recursive(st.none() | st.booleans() | st.integers() | st.text(), st.lists, max_leaves=4), max_size=4
)


def joined(parts: Any) -> bytes:
    return b"".join(bytes(part) for part in parts)


@given(HEADERS, st.lists(st.binary(max_size=50), max_size=4))
def test_what_is_packed_comes_back(header: Any, buffers: list[bytes]) -> None:
    back, pieces = wire.unpack(joined(wire.pack(header, buffers)))
    assert back == header
    assert [bytes(piece) for piece in pieces] == buffers


@given(st.binary(max_size=100))
def test_garbage_is_refused(garbage: bytes) -> None:
    for message in (garbage, wire.MAGIC + garbage):
        with pytest.raises(ValueError):
            wire.unpack(message)


@given(st.data())
def test_any_other_length_is_refused(data: st.DataObject) -> None:
    message = joined(wire.pack({"a": 1}, [b"xyz"]))
    cut = data.draw(st.integers(0, len(message) - 1))
    with pytest.raises(ValueError):
        wire.unpack(message[:cut])
    with pytest.raises(ValueError, match="tail"):
        wire.unpack(message + b"x")


@pytest.mark.parametrize(
    "text",
    [
        b"[]",
        b'{"header": {}}',
        b'{"header": [], "sizes": []}',
        b'{"header": {}, "sizes": 3}',
        b'{"header": {}, "sizes": [-1]}',
        b'{"header": {}, "sizes": [true]}',
        b'{"header": {}, "sizes": [1e3]}',
        b"[" * 100_000,
        b"\xff",
    ],
)
def test_malformed_headers_are_refused(text: bytes) -> None:
    with pytest.raises(ValueError):
        wire.unpack(wire.MAGIC + len(text).to_bytes(4, "little") + text + b"abc")


def test_requests_are_sealed() -> None:
    fd = wire.memory([b"ab", memoryview(b"c")])
    try:
        with pytest.raises(PermissionError):
            os.pwrite(fd, b"x", 0)
        assert wire.read(fd, 3) == b"abc"
        with pytest.raises(ValueError, match="more than 2"):
            wire.read(fd, 2)
    finally:
        os.close(fd)
