import os
import time
from pathlib import Path

import pytest

from entrepot.errors import InvalidInput, NotFound
from entrepot.pipeline.gates import folders


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "gate"
    (root / "b" / "deep").mkdir(parents=True)
    (root / "b" / "deep" / "2.csv").write_bytes(b"22")
    (root / "a b é.csv").write_bytes(b"1")
    (root / "b.csv").write_bytes(b"")
    (tmp_path / "secret").write_text("outside")
    return root


@pytest.mark.parametrize("path", ["/b/deep/2.csv", "b/deep/2.csv", "//b/./deep//2.csv"])
def test_resolve_finds_what_lies_below(root: Path, path: str) -> None:
    assert folders.resolve(root, path) == root / "b" / "deep" / "2.csv"


def test_resolve_names_what_does_not_exist_yet(tmp_path: Path) -> None:
    assert folders.resolve(tmp_path / "missing", "/new") == tmp_path / "missing" / "new"


@pytest.mark.parametrize(
    "path",
    ["..", "/../secret", "b/../../secret", "b/..", "a\0b", "a\nb", ".entrepot-x", "\ud800", "é" * 128, "a/" * 2001],
)
def test_resolve_refuses(root: Path, path: str) -> None:
    with pytest.raises(InvalidInput) as error:
        folders.resolve(root, path)
    assert "path" in error.value.fields


def test_a_loop_of_links_is_no_way(root: Path) -> None:
    (root / "loop").symlink_to(root / "loop")
    assert folders.resolve(root, "loop") == root / "loop"
    assert folders.list_files(root, "loop") == []
    with pytest.raises(NotFound):
        folders.list_dir(root, "loop")


def test_links_lead_nowhere(root: Path, tmp_path: Path) -> None:
    (root / "out").symlink_to(tmp_path)
    (root / "file").symlink_to(tmp_path / "secret")
    for path in ("out", "out/secret", "file"):
        with pytest.raises(NotFound):
            folders.resolve(root, path)
    assert [entry.path for entry in folders.list_files(root)] == ["a b é.csv", "b.csv", "b/deep/2.csv"]


def test_list_files(root: Path) -> None:
    entries = folders.list_files(root)
    assert [(entry.path, entry.size) for entry in entries] == [("a b é.csv", 1), ("b.csv", 0), ("b/deep/2.csv", 2)]
    assert entries[2].modified == (root / "b" / "deep" / "2.csv").stat().st_mtime
    assert [entry.path for entry in folders.list_files(root, "/b")] == ["b/deep/2.csv"]
    assert folders.list_files(root, "/nothing") == []
    assert folders.list_files(root / "nothing") == []


def test_list_files_leaves_out_what_is_no_file(root: Path) -> None:
    os.mkfifo(root / "pipe")
    (root / os.fsdecode(b"latin-\xe9.csv")).write_bytes(b"")
    (root / f"{folders.HIDDEN_PREFIX}1").write_bytes(b"")
    assert [entry.path for entry in folders.list_files(root)] == ["a b é.csv", "b.csv", "b/deep/2.csv"]


def test_list_dir(root: Path) -> None:
    assert [(entry.name, entry.type) for entry in folders.list_dir(root)] == [
        ("a b é.csv", "file"),
        ("b", "directory"),
        ("b.csv", "file"),
    ]
    assert [(entry.path, entry.name) for entry in folders.list_dir(root, "b")] == [("b/deep", "deep")]
    for missing in ("nothing", "b.csv"):
        with pytest.raises(NotFound):
            folders.list_dir(root, missing)


def test_a_file_appears_whole_in_place_of_an_older_one(root: Path) -> None:
    with folders.replacing(root / "b.csv") as file:
        file.write(b"ab")
        assert [entry.path for entry in folders.list_dir(root)] == ["a b é.csv", "b", "b.csv"]
        file.write(b"c")
    assert (root / "b.csv").read_bytes() == b"abc"


def test_what_fails_leaves_nothing_and_the_older_file(root: Path) -> None:
    (root / "b.csv").write_bytes(b"old")

    def fail() -> None:
        with folders.replacing(root / "b.csv") as file:
            file.write(b"new")
            raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        fail()
    assert (root / "b.csv").read_bytes() == b"old"
    assert not list(root.glob(".*"))


def test_what_a_killed_writer_left_is_removed_later_and_what_is_being_written_is_not(root: Path) -> None:
    old, fresh, folder = (root / f"{folders.HIDDEN_PREFIX}{letter * 32}" for letter in "abc")
    theirs = root / f"{folders.HIDDEN_PREFIX}data"  # a folder that a user named so
    for each in (folder, theirs):
        each.mkdir()
    for path in (old, fresh, folder / "inside", theirs / "inside"):
        path.write_bytes(b"half")
    os.utime(fresh, (time.time(),) * 2)
    long_ago = (time.time() - 30 * 86_400,) * 2
    os.utime(old, long_ago)
    for each in (folder, theirs):
        os.utime(each, long_ago)
    with folders.hidden_folder(root) as held, folders.replacing(root / "c.csv"):
        (under_way,) = set(root.glob(f"{folders.HIDDEN_PREFIX}*")) - {held, fresh, folder, old, theirs}
        for path in (held, under_way):
            os.utime(path, long_ago)  # as where the clock jumped ahead meanwhile
        with folders.replacing(root / "b.csv"):
            assert set(root.glob(f"{folders.HIDDEN_PREFIX}*")) >= {held, under_way}
    assert set(root.glob(".*")) == {fresh, theirs}
    assert (theirs / "inside").exists()
    assert (root / "c.csv").exists()
