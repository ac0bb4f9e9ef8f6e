"""Handlers are found by the kind of job that they do."""

import pytest

from entrepot import jobs
from entrepot.jobs import registry
from entrepot.jobs.context import JobContext


@pytest.fixture(autouse=True)
def nothing_registered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "_tasks", {})


def test_a_decorated_function_is_found() -> None:
    @jobs.task("a.b", max_attempts=7, timeout_seconds=1.5)
    def handle(context: JobContext) -> None: ...

    task = registry.find("a.b")
    assert task is not None
    assert (task.handler, task.max_attempts, task.timeout_seconds) == (handle, 7, 1.5)
    assert registry.find("other") is None
    assert list(registry.kinds()) == ["a.b"]


def test_two_handlers_for_one_kind_are_a_mistake() -> None:
    jobs.task("a")(lambda context: None)
    with pytest.raises(ValueError, match="'a'"):
        jobs.task("a")(lambda context: None)


def test_a_handler_may_be_registered_again() -> None:
    def handle(context: JobContext) -> None: ...

    jobs.task("a")(handle)
    jobs.task("a")(handle)


def test_modules_are_loaded_by_name() -> None:
    jobs.load(["entrepot.jobs.housekeeping"])
    with pytest.raises(ModuleNotFoundError):
        jobs.load(["entrepot.nothing"])
