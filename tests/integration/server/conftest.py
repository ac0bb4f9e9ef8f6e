"""Fixtures of what the native interface serves, in this process."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from entrepot.db import Database
from tests.support.interface import Api, farm_of, interface
from tests.support.load import Receiver


@pytest.fixture
def api(database: Database, tmp_path: Path) -> Api:
    """The interface as an administrator sees it."""
    return interface(database, tmp_path)


@pytest.fixture
def farm(api: Api) -> dict[str, Any]:
    """A project with a gate, an importer, a channel and an analysis."""
    return farm_of(api)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """Takes webhooks, and counts how often each event came."""
    made = Receiver()
    yield made
    made.close()
