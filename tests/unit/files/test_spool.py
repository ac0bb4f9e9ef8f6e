"""Parts of a file are hashed as they come, whoever took the ones before."""

import hashlib
import random
from pathlib import Path

import pytest

from entrepot.errors import Conflict
from entrepot.files import spool as spools
from entrepot.files.spool import Spool
from entrepot.settings import Settings


@pytest.mark.parametrize("forgotten", [(), (0,), (1,), (3,), (0, 2)])
def test_parts_are_hashed_as_they_come(tmp_path: Path, forgotten: tuple[int, ...]) -> None:
    """Another process, which knows nothing of the parts before, takes those that are `forgotten`."""
    spool = Spool(Settings(data_dir=tmp_path), "organization")
    spool.create()
    chance, content = random.Random(1), b""
    for number in range(4):
        if number in forgotten:
            spools._running.clear()
        blocks = [chance.randbytes(70_000) for _ in range(3)]
        assert spool.append(len(content), blocks) == len(content) + 210_000
        content += b"".join(blocks)
        with pytest.raises(Conflict):
            spool.append(0, blocks)
    for _ in range(2):
        digest = spool.digest()
        assert (digest.size, digest.sha256) == (len(content), hashlib.sha256(content).hexdigest())
        assert digest.md5 == hashlib.md5(content).hexdigest()
    spool.remove()
    assert spool.id not in spools._running


def test_only_so_many_are_remembered(tmp_path: Path) -> None:
    for _ in range(spools._MOST_RUNNING + 5):
        spool = Spool(Settings(data_dir=tmp_path), "organization")
        spool.create()
        spool.append(0, [b"x"])
    assert len(spools._running) == spools._MOST_RUNNING
    spools._running.clear()
