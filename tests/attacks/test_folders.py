"""Attacks with folders: deeper than any path, more than can be counted."""

import os
import tarfile
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
from pyftpdlib.exceptions import FilesystemError

from entrepot.db import Database, migrate
from entrepot.errors import InvalidInput, TooLarge
from entrepot.identity import Vault
from entrepot.pipeline.gates import files as gate_files
from entrepot.pipeline.gates import folders, trees
from entrepot.pipeline.gates.folder_home import FolderHome
from entrepot.pipeline.gates.home import Usage
from entrepot.server import backup
from entrepot.server.ftp.folder import Folder
from entrepot.server.services import Services
from entrepot.settings import Settings

DEEP = 1500  # folders: beyond what Python calls, and with these names, beyond what a path holds
NAME = "folder-in-a-folder"


@pytest.fixture
def deep(tmp_path: Path) -> Iterator[Path]:
    """A tree that was made one folder in the other, with a file in the deepest."""
    root = tmp_path / "data" / "gates" / "g"
    root.mkdir(parents=True)
    (root / "shallow.csv").write_bytes(b"1")
    here = os.open(root, os.O_RDONLY)
    for _ in range(DEEP):
        os.mkdir(NAME, dir_fd=here)
        inner = os.open(NAME, os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = inner
    with os.fdopen(os.open("deepest.csv", os.O_WRONLY | os.O_CREAT, dir_fd=here), "wb") as file:
        file.write(b"far down")
    os.close(here)
    yield root
    trees.remove(tmp_path / "data")
    assert not (tmp_path / "data").exists()


def test_a_tree_beyond_all_paths_is_walked_and_does_not_keep_a_gate_from_being_read(deep: Path) -> None:
    found = folders.list_files(deep)
    assert [entry.size for entry in found] == [8, 1]
    assert len(found[0].path) > DEEP * len(NAME) > 25_000
    assert FolderHome(deep).usage() == Usage(9, 2)
    assert [entry.path for entry in gate_files.importable(FolderHome(deep), "/")] == ["shallow.csv"]
    assert trees.height(deep) == DEEP + 1


def test_a_tree_beyond_all_paths_is_removed(deep: Path) -> None:
    (deep / "link").symlink_to("/etc")
    trees.remove(deep)
    assert not deep.exists()
    assert Path("/etc/passwd").exists()


def test_a_tree_beyond_all_paths_does_not_end_the_backup(deep: Path, tmp_path: Path) -> None:
    data_dir = deep.parent.parent
    settings = Settings(data_dir=data_dir)
    database = Database(settings.url)
    migrate.upgrade(database)
    Vault.create(settings.secret_key_file)
    file, again = tmp_path / "backup.tar.gz", tmp_path / "again"
    try:
        backup.backup(Services(settings, database), file)
    finally:
        database.close()
    try:
        backup.restore(file, again)
        found = {item.path: item.status for item in trees.walk(again / "gates") if item.is_file}
        assert sorted(status.st_size for status in found.values()) == [1, 8]
        assert max(path.count("/") for path in found) == DEEP + 1
        with tarfile.open(file) as tar:
            assert sum(1 for member in tar if member.isdir()) > DEEP
    finally:
        trees.remove(again)


class _Session:
    staging = Path()

    def __init__(self, root: Path) -> None:
        self.authorizer = SimpleNamespace(files=FolderHome(root))
        self.services = SimpleNamespace(settings=SimpleNamespace(ftp_part_hours=24.0))

    def quota(self) -> gate_files.Quota:
        return gate_files.NO_QUOTA


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    root = tmp_path / "gate"
    root.mkdir()
    return Folder("/gate", _Session(root))


def test_ftp_makes_no_folder_too_deep_and_renames_none_into_one(folder: Folder, tmp_path: Path) -> None:
    path = Path(folder.root)
    for _ in range(folders.MOST_DEPTH):
        path /= "d"
        folder.mkdir(str(path))
    with pytest.raises(FilesystemError, match="32"):
        folder.mkdir(str(path / "d"))
    with pytest.raises(FilesystemError, match="32"):
        folder.receive(str(path / "f.csv"), "w")
    tall = Path(folder.root, "t")
    (tmp_path / "gate" / "t" / "u" / "v").mkdir(parents=True)
    with pytest.raises(FilesystemError, match="32"):
        folder.rename(str(tall), str(path.parent / "t"))
    folder.rename(str(tall), str(path.parent.parent.parent / "t"))
    assert trees.height(tmp_path / "gate") == folders.MOST_DEPTH + 1


@pytest.mark.parametrize("path", ["d/" * 32 + "f", "/".join(["x" * 250] * 9)])
def test_no_door_takes_a_path_that_is_too_deep_or_too_long(path: str, tmp_path: Path) -> None:
    with pytest.raises(InvalidInput) as raised:
        folders.require_shallow(path)
    assert list(raised.value.fields) == ["path"]
    complete = tmp_path / "came"
    complete.write_bytes(b"x")
    home = tmp_path / "home"
    home.mkdir()
    with pytest.raises(InvalidInput):
        gate_files.place(FolderHome(home), complete, path, gate_files.NO_QUOTA)
    assert list(home.iterdir()) == []


def test_the_number_of_files_and_folders_has_an_end(
    folder: Folder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    entries = gate_files.Entries(most=50)
    monkeypatch.setattr(gate_files, "ENTRIES", entries)
    monkeypatch.setattr("entrepot.server.ftp.folder.ENTRIES", entries)
    counts: list[Path] = []
    walk = trees.walk
    monkeypatch.setattr(trees, "walk", lambda root, *given: (counts.append(root), walk(root, *given))[1])
    for number in range(49):
        folder.mkdir(str(Path(folder.root, f"d{number}")))
    home = FolderHome(tmp_path / "gate")
    for name, kept in (("f", True), ("g", False), ("h/i", False)):
        complete = tmp_path / "came"
        complete.write_bytes(b"x")
        if kept:
            gate_files.place(home, complete, name, gate_files.NO_QUOTA)
        else:
            with pytest.raises(TooLarge, match="50"):
                gate_files.place(home, complete, name, gate_files.NO_QUOTA)
    with pytest.raises(FilesystemError, match="50"):
        folder.mkdir(str(Path(folder.root, "more")))
    assert len(counts) < 25, "it is not counted each time"
    complete.write_bytes(b"new")
    gate_files.place(home, complete, "f", gate_files.NO_QUOTA)  # in place of another it is no more
    assert (home.root / "f").read_bytes() == b"new"
