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
#: What jobs are for. Each pool has slots of its own in every worker, so that none keeps another waiting.
POOLS = ("runs", "deliveries", "slow_deliveries", "exports", "upkeep")


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
    pool
        Whose slots it takes: ``runs`` of users, ``deliveries`` (webhooks and mails), ``exports``, or the ``upkeep`` of
        what is stored.
    calls_out
        Whether it calls others, or changes what is theirs: that waits while the server is a quiet copy of another.
    by_age
        Whether it deletes what users stored, by its age: that waits for a day after the clock leapt ahead.
    """

    kind: str
    handler: Handler
    max_attempts: int = DEFAULT_ATTEMPTS
    timeout_seconds: float | None = None
    pool: str = "upkeep"
    calls_out: bool = False
    by_age: bool = False


_tasks: dict[str, Task] = {}


def task(
    kind: str,
    *,
    max_attempts: int = DEFAULT_ATTEMPTS,
    timeout_seconds: float | None = None,
    pool: str = "upkeep",
    calls_out: bool = False,
    by_age: bool = False,
) -> Callable[[H], H]:
    """Register the decorated function as the handler of a kind of job."""

    def register(handler: H) -> H:
        if kind in _tasks and _tasks[kind].handler is not handler:
            raise ValueError(f"two handlers for jobs of the kind {kind!r}")
        if pool not in POOLS:
            raise ValueError(f"no pool {pool!r}")
        _tasks[kind] = Task(kind, handler, max_attempts, timeout_seconds, pool, calls_out, by_age)
        return handler

    return register


def load(modules: Iterable[str]) -> None:
    """Import the modules, given by dotted names, that register handlers."""
    for module in modules:
        importlib.import_module(module)


def find(kind: str) -> Task | None:
    """Return a kind of job, or None when no module that registers it was imported."""
    return _tasks.get(kind)


def kinds(pool: str | None = None, *, quiet: bool = False) -> tuple[str, ...]:
    """Return the kinds of job that this process can do, of one pool or of all; of a quiet one, none that calls out."""
    return tuple(
        sorted(kind for kind, task in _tasks.items() if pool in (None, task.pool) and not (quiet and task.calls_out))
    )


def kinds_by_age() -> tuple[str, ...]:
    """Return the kinds of job that delete what users stored, by its age."""
    return tuple(sorted(kind for kind, task in _tasks.items() if task.by_age))
