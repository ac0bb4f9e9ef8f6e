"""Which function does which kind of job."""

import importlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from entrepot.jobs.context import JobContext

Handler = Callable[["JobContext"], Any]
H = TypeVar("H", bound=Handler)

DEFAULT_ATTEMPTS = 3


@dataclass(frozen=True)
class Task:
    """A kind of job.

    Attributes
    ----------
    handler
        Does the job; what it returns (JSON or None) is the job's result.
    max_attempts
        How often it is tried when it raises what it should not, or its worker dies.
    timeout_seconds
        Longest run of one attempt; None: no limit.
    """

    kind: str
    handler: Handler
    max_attempts: int = DEFAULT_ATTEMPTS
    timeout_seconds: float | None = None


_tasks: dict[str, Task] = {}


def task(kind: str, *, max_attempts: int = DEFAULT_ATTEMPTS, timeout_seconds: float | None = None) -> Callable[[H], H]:
    """Register the decorated function as the handler of a kind of job."""

    def register(handler: H) -> H:
        if kind in _tasks and _tasks[kind].handler is not handler:
            raise ValueError(f"two handlers for jobs of the kind {kind!r}")
        _tasks[kind] = Task(kind, handler, max_attempts, timeout_seconds)
        return handler

    return register


def load(modules: Iterable[str]) -> None:
    """Import the modules, given by dotted names, that register handlers."""
    for module in modules:
        importlib.import_module(module)


def find(kind: str) -> Task | None:
    """Return a kind of job, or None when no module that registers it was imported."""
    return _tasks.get(kind)


def kinds() -> list[str]:
    """Return the kinds of job that this process can do."""
    return sorted(_tasks)
