"""Where handlers run: an engine takes a call and gives a handle; here, threads of the worker's own process."""

import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, Protocol


class Handle(Protocol):
    """A call under way, as :class:`concurrent.futures.Future` and Dask's futures have it."""

    def done(self) -> bool:
        """Tell whether the call has ended."""

    def result(self, timeout: float | None = None) -> Any:
        """Wait for the call's end; return what it returned or raise what it raised."""

    def add_done_callback(self, function: Callable[[Any], object]) -> None:
        """Have a function called with this handle at the call's end."""


class Engine(Protocol):
    """Runs calls, several at a time."""

    def submit(self, function: Callable[..., Any], /, *arguments: Any) -> Handle:
        """Start a call."""


class LocalEngine:
    """Runs each call in a thread of this process.

    Heavy work in users' scripts happens in processes of their own, and NumPy's without the interpreter's lock.
    The threads are daemons: a handler that does not stop when told cannot keep the process from ending.
    """

    def submit(self, function: Callable[..., Any], /, *arguments: Any) -> Handle:
        """Start a call."""
        future: Future[Any] = Future()

        def run() -> None:
            try:
                result = function(*arguments)
            except BaseException as error:  # noqa: BLE001 - handed to whoever asks for the result
                future.set_exception(error)
            else:
                future.set_result(result)

        future.set_running_or_notify_cancel()
        threading.Thread(target=run, daemon=True, name=f"job-{id(future):x}").start()
        return future
