"""What a file that is moved into its place waits for: its content, and its name where that does not come with it."""

import os
from pathlib import Path
from stat import S_ISDIR

import pytest

from entrepot.objects import folder as folders
from entrepot.objects.folder import Folder


@pytest.mark.parametrize(
    ("file_system", "directories"), [("ext4", 0), ("xfs", 0), ("btrfs", 1), ("overlay", 1), ("nfs4", 1), (None, 1)]
)
def test_a_name_is_synced_unless_it_comes_with_the_content(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, file_system: str | None, directories: int
) -> None:
    synced: list[bool] = []
    fsync = os.fsync

    def noting(descriptor: int) -> None:
        synced.append(S_ISDIR(os.fstat(descriptor).st_mode))
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", noting)
    monkeypatch.setattr(folders, "_file_system_of", lambda _device: file_system)
    source = tmp_path / "source"
    source.write_bytes(b"content")
    Folder(tmp_path / "root").put("aa/moved", source, move=True)
    assert synced == [False] + [True] * directories
    assert (tmp_path / "root" / "aa" / "moved").read_bytes() == b"content"
    synced.clear()
    Folder(tmp_path / "root").put("aa/copied", source)  # whose name is another one than that under which it was synced
    assert synced == [False, True]


def test_the_file_system_of_a_device_is_what_the_kernel_says() -> None:
    proc = Path("/proc").stat().st_dev
    folders._file_system_of.cache_clear()
    assert folders._file_system_of(proc) == "proc"
    assert folders._file_system_of(os.makedev(4095, 1048575)) is None
