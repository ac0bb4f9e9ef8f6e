"""A terminal before a server in this process."""

from pathlib import Path

import pytest

from entrepot.db import Database
from tests.support.interface import interface
from tests.support.terminal import Terminal


@pytest.fixture
def terminal(database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Terminal:
    """A terminal of an administrator."""
    return Terminal(interface(database, tmp_path), monkeypatch, tmp_path)
