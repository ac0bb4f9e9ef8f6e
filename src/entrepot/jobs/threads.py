"""Handlers run in threads of the worker's own process."""

import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any


def in_thread(function: Callable[..., Any], /, *arguments: Any) -> Future[Any]:
    """Start a call in a thread of its own.

    Heavy work in users' scripts happens in other processes, and NumPy's without the interpreter's lock. The thread is
    a daemon: a handler that does not stop when told cannot keep the process from ending.
    """
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
