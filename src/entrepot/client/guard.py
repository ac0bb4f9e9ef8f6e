"""What stands between a worker and a work: ``python guard.py PROGRAM...`` runs the program and leaves nothing behind.

It ends when the program does, or when the worker does, however that ends: then its standard input, which the worker
holds open, is closed. All that the program started is killed with it, in whatever session or group it is.
"""

import contextlib
import ctypes
import os
import select
import signal
import subprocess
import sys
from pathlib import Path

_SET_PARENT_DEATH_SIGNAL, _SET_CHILD_SUBREAPER = 1, 36
_POLL_SECONDS = 0.03


def main(program: list[str]) -> int:
    """Run a program as long as standard input is open; return its exit code, negative for a signal."""
    _control(_SET_CHILD_SUBREAPER, 1)
    guard = os.getpid()

    def follow() -> None:
        _control(_SET_PARENT_DEATH_SIGNAL, signal.SIGKILL)
        if os.getppid() != guard:
            os._exit(1)

    process = subprocess.Popen(program, stdin=subprocess.DEVNULL, start_new_session=True, preexec_fn=follow)  # noqa: PLW1509, S603 - one thread; what works say is what a worker is for
    try:
        while process.poll() is None:
            readable, _, _ = select.select([0], [], [], _POLL_SECONDS)
            if readable and not os.read(0, 1):
                break
    finally:
        _kill_all(process)
    return process.wait()


def _control(option: int, value: int) -> None:
    # Of Linux alone; elsewhere what is left are process groups.
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(option, value, 0, 0, 0)


def _kill_all(process: "subprocess.Popen[bytes]") -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    while children := _descendants(os.getpid()):
        for child in children:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(child, signal.SIGKILL)
        # What a killed process had started comes to us, and is waited for in turn.
        with contextlib.suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:
                continue
        select.select([], [], [], _POLL_SECONDS)


def _descendants(parent: int) -> list[int]:
    found: list[int] = []
    with contextlib.suppress(OSError):
        for child in Path(f"/proc/{parent}/task/{parent}/children").read_text().split():
            found += [int(child), *_descendants(int(child))]
    return found


if __name__ == "__main__":
    code = main(sys.argv[1:])
    if code < 0:
        signal.signal(-code, signal.SIG_DFL) if -code not in (signal.SIGKILL, signal.SIGSTOP) else None
        os.kill(os.getpid(), -code)
    sys.exit(code)
