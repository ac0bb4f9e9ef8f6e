"""Blocks of a backup: joined they are the tar, and what changes little changes few of them."""

import io
import random
import tarfile
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from entrepot.server import blocks
from entrepot.server.contents import Content


class Memory:
    """A place that is a dictionary."""

    def __init__(self) -> None:
        self.kept: dict[str, bytes] = {}

    def put(self, path: str, content: bytes) -> None:
        self.kept[path] = content

    def read(self, path: str) -> bytes:
        return self.kept[path]

    def list(self, folder: str) -> Any:
        return iter([path for path in self.kept if path.startswith(f"{folder}/")])

    def delete(self, path: str) -> None:
        del self.kept[path]


def content(name: str, held: bytes, mark: str | None = "settled") -> Content:
    info = tarfile.TarInfo(name)
    info.size = len(held)
    file: Any = io.BufferedReader(io.BytesIO(held))
    return Content(info, file, mark)


def written(place: Memory, found: dict[str, bytes], last: dict[str, blocks.Group]) -> blocks.Writer:
    with ThreadPoolExecutor(2) as pool:
        writer = blocks.Writer(place, last, pool)
        writer.write(content(name, held) for name, held in found.items())
    return writer


SIZES = st.sampled_from([0, 1, 511, 512, 513, 70_000, 262_143, 262_144, 300_001])
NAMES = st.sampled_from(["tables/a", "tables/b", "entrepot.db", "gates/é", "gates/\udcff", "files/" + "x" * 150, "z"])


@given(st.dictionaries(NAMES, SIZES), st.integers())
def test_joined_they_are_a_tar_of_what_was_given_and_a_second_time_nothing_is_new(
    sizes: dict[str, int], seed: int
) -> None:
    noise = random.Random(seed)
    found = {name: noise.randbytes(size) for name, size in sizes.items()}
    place = Memory()
    first = written(place, found, {})
    names = [name for group in first.groups for name in group.blocks]
    joined = io.BufferedReader(blocks.Joined(blocks.read(place, name) for name in names))
    with tarfile.open(fileobj=joined, mode="r|") as tar:
        assert {member.name: tar.extractfile(member).read() for member in tar} == found
    assert sum(group.bytes for group in first.groups) == sum(len(blocks.read(place, name)) for name in names)
    again = written(place, found, {group.mark: group for group in first.groups if group.mark})
    assert (again.groups, again.new_bytes) == (first.groups, 0)


@given(st.integers(0, 8000), st.binary(min_size=1, max_size=200).filter(lambda row: b"\n" not in row), st.integers())
def test_a_row_that_is_put_into_a_table_changes_few_of_its_blocks(at: int, new: bytes, seed: int) -> None:
    noise = random.Random(seed)
    rows = [noise.randbytes(30).hex().encode() + b"\n" for _ in range(8000)]

    def cut(held: list[bytes]) -> list[bytes]:
        file: Any = io.BufferedReader(io.BytesIO(b"".join(held)))
        pieces = list(blocks._rows(file, 16_384))
        assert b"".join(pieces) == b"".join(held)
        return pieces

    before = set(cut(rows))
    after = cut([*rows[:at], new + b"\n", *rows[at:]])
    assert len(before) > 20
    assert len(set(after) - before) <= 8
