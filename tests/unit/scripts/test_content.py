import io
from typing import Any, cast

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from entrepot.scripts import FileContent

SIZES = st.one_of(st.none(), st.integers(-1, 12))
STEPS = st.one_of(
    st.tuples(st.sampled_from(["read", "read1", "readline"]), SIZES),
    st.tuples(st.just("seek"), st.integers(0, 40), st.just(0)),
    st.tuples(st.just("seek"), st.integers(-5, 5), st.sampled_from([1, 2])),
    st.tuples(st.sampled_from(["tell", "readlines", "__next__", "readable", "seekable"])),
)
CONTENTS = st.binary(max_size=40) | st.text("ab\n", max_size=40).map(str.encode)


def outcome(file: Any, name: str, *arguments: Any) -> Any:
    try:
        return getattr(file, name)(*arguments)
    except (ValueError, StopIteration, OSError) as error:
        return type(error)


@given(CONTENTS, st.lists(STEPS, max_size=20))
def test_is_a_file_as_bytesio_is(content: bytes, steps: list[tuple[Any, ...]]) -> None:
    file, model = FileContent(content), io.BytesIO(content)
    for step in steps:
        assert outcome(file, *step) == outcome(model, *step)
        assert file.tell() == model.tell()


@given(CONTENTS)
def test_is_the_bytes_too(content: bytes) -> None:
    file = FileContent(content)
    assert file == content
    assert hash(file) == hash(content)
    assert len(file) == len(content)
    assert io.BytesIO(file).read() == content
    lines: list[Any] = list(io.BytesIO(content))
    assert list(file) == lines
    assert file.read() == b""
    assert bytes(file) == content
    assert file[:3] == content[:3]


def test_reads_into_buffers() -> None:
    file, buffer = FileContent(b"abc"), bytearray(2)
    assert [(file.readinto(buffer), bytes(buffer)) for _ in range(3)] == [(2, b"ab"), (1, b"cb"), (0, b"cb")]


def test_closes_as_a_file_and_stays_bytes() -> None:
    with FileContent(b"abc") as file:
        assert not file.closed
        assert not file.writable()
        assert not file.isatty()
        assert file.mode == "rb"
        file.flush()
    assert file.closed
    assert file.decode() == "abc"
    with pytest.raises(ValueError, match="closed"):
        file.read()


def test_has_no_descriptor() -> None:
    with pytest.raises(io.UnsupportedOperation):
        FileContent(b"").fileno()


@pytest.mark.parametrize("engine", ["c", "python", "pyarrow"])
def test_pandas_reads_csv(engine: Any) -> None:
    frame = pd.read_csv(FileContent(b"t,v\n2012-01-01,1\n2012-01-02,2\n"), engine=engine, index_col=0)
    assert frame["v"].tolist() == [1, 2]


@pytest.mark.parametrize("compressed", [False, True])
def test_pandas_reads_json(compressed: bool) -> None:
    import gzip

    text = b'{"a": {"1325376000000": 1, "1325379600000": 2}}'
    if compressed:
        frame = pd.read_json(FileContent(gzip.compress(text)), compression="gzip")
    else:
        frame = pd.read_json(FileContent(text))
    assert isinstance(frame.index, pd.DatetimeIndex)
    assert frame["a"].tolist() == [1, 2]


def test_text_wrappers_read_it() -> None:
    assert list(io.TextIOWrapper(cast("Any", FileContent("é\nb".encode())), encoding="utf-8")) == ["é\n", "b"]
