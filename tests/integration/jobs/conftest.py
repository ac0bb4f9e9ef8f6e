"""Handlers for the tests of jobs, and settings for them."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog

from entrepot import jobs
from entrepot.jobs import registry
from entrepot.jobs.context import JobContext
from entrepot.settings import Settings


@pytest.fixture(autouse=True)
def logs() -> Iterator[list[Any]]:
    """What is logged, unformatted: pretty tracebacks take seconds."""
    with structlog.testing.capture_logs() as captured:
        yield captured


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(data_dir=tmp_path, job_lease_seconds=5)


@pytest.fixture
def handler(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Register a function under a kind of job, for this test."""
    monkeypatch.setattr(registry, "_tasks", {})

    def register(kind: str, function: Callable[[JobContext], Any] | None = None, **options: Any) -> None:
        jobs.task(kind, **options)(function or (lambda context: None))

    return register
