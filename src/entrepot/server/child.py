"""How a process behaves that a supervisor started."""

import contextlib
import ctypes
import os
import signal
import sys
import threading

ALIVE_SECONDS = 1.0
_PR_SET_PDEATHSIG, _PR_SET_NAME = 1, 15


class Ready:
    """The line to the supervisor: says that this process is ready, and, again and again, that it lives."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._by_hand = threading.Event()
        os.set_blocking(descriptor, False)

    def __call__(self) -> None:
        """Say that it is ready."""
        self._say(b"1")

    def alive(self) -> None:
        """Say that it lives; who says so itself, from the loop in which it works, does from then on."""
        self._by_hand.set()
        self._say(b".")

    def begin(self) -> None:
        """Have a thread say, every second, that this process lives."""
        threading.Thread(target=self._run, daemon=True, name="alive").start()

    def _run(self) -> None:
        while not self._by_hand.wait(ALIVE_SECONDS):
            self._say(b".")

    def _say(self, word: bytes) -> None:
        with contextlib.suppress(BrokenPipeError, BlockingIOError):
            os.write(self._descriptor, word)


def end_with(parent: int, name: str) -> None:
    """Have this process end when the given parent does, leave the terminal's Ctrl-C to that one, and bear a name."""
    libc = ctypes.CDLL(None)
    libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it ended before we asked
        sys.exit(1)
    libc.prctl(_PR_SET_NAME, f"entrepot {name}".encode())
    signal.signal(signal.SIGINT, signal.SIG_IGN)
