"""How a process behaves that a supervisor started."""

import contextlib
import os
import signal
import sys
import threading
from types import FrameType

from entrepot.scripts.libc import die_with_parent


class Ready:
    """The way to say that this process is ready."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def __call__(self) -> None:
        """Say it; the supervisor hears it the first time."""
        with contextlib.suppress(BrokenPipeError):
            os.write(self._descriptor, b"1")
        os.close(self._descriptor)


def end_with(parent: int) -> None:
    """Have this process end when the given parent does, and leave the terminal's Ctrl-C to that one."""
    die_with_parent()
    if os.getppid() != parent:  # it ended before we asked
        sys.exit(1)
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def stop_on_sigterm() -> threading.Event:
    """Return an event that SIGTERM sets."""
    stop = threading.Event()

    def handle(_number: int, _frame: FrameType | None) -> None:
        stop.set()

    signal.signal(signal.SIGTERM, handle)
    return stop
