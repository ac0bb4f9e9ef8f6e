"""How a process behaves that a supervisor started."""

import contextlib
import ctypes
import os
import signal
import sys
import threading
from types import FrameType

_PR_SET_PDEATHSIG, _PR_SET_NAME = 1, 15


class Ready:
    """The way to say that this process is ready."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def __call__(self) -> None:
        """Say it; the supervisor hears it the first time."""
        with contextlib.suppress(BrokenPipeError):
            os.write(self._descriptor, b"1")
        os.close(self._descriptor)


def end_with(parent: int, name: str) -> None:
    """Have this process end when the given parent does, leave the terminal's Ctrl-C to that one, and bear a name."""
    libc = ctypes.CDLL(None)
    libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it ended before we asked
        sys.exit(1)
    libc.prctl(_PR_SET_NAME, f"entrepot {name}".encode())
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def stop_on_sigterm() -> threading.Event:
    """Return an event that SIGTERM sets."""
    stop = threading.Event()

    def handle(_number: int, _frame: FrameType | None) -> None:
        stop.set()

    signal.signal(signal.SIGTERM, handle)
    return stop
