"""One process for each call: it starts the child, watches it, ends whatever it left behind, and reports.

The runner's socket is the supervisor's alone, so that what it reports cannot be forged by the script; its closing
by the runner means that the call is cancelled.
"""

import contextlib
import fcntl
import os
import resource
import secrets
import select
import signal
import socket
import sys
import time
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import NoReturn

import numpy as np

from . import libc, wire
from .child import evaluate, evaluate_several
from .confine import Job, confine, loosen, make_job
from .limits import TELL_SECONDS, Limits

STARTED = b"\x01"
_TICK = 0.1
_MOST_ENTRIES = 100_000
_CHUNK = 1 << 16


def supervise(descriptors: list[int], folder: Path, limits: Limits, *, cells: bool, network: bool) -> None:
    """Run one call and report on the first of the descriptors that came with it, which at once gets its folder."""
    status, request, result, *entrance = descriptors
    libc.adopt_orphans()
    job = make_job(folder, limits, cells=cells, network=network)
    reading, writing = os.pipe2(os.O_CLOEXEC)
    with socket.socket(fileno=os.dup(status)) as runner:
        socket.send_fds(runner, [STARTED], [job.descriptor])
    started = time.monotonic()
    child = os.fork()
    if child == 0:
        _run_child(job, limits, request, result, writing, entrance)
    for fd in (writing, request, result, *entrance):
        os.close(fd)
    output = _Output(limits.output, status)
    reason = _watch(child, status, reading, output, job, limits, started)
    if job.cell is not None:
        reason = reason or ("disk" if job.cell.full() else None)
        job.cell.kill()
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.kill(child, signal.SIGKILL)
    _, ended, usage = os.wait4(child, 0)
    seconds = time.monotonic() - started
    end_descendants(job)
    output.drain(reading)
    report = {
        "reason": reason,
        "code": os.waitstatus_to_exitcode(ended),
        "cpu": usage.ru_utime + usage.ru_stime,
        "seconds": seconds,
        "peak": usage.ru_maxrss * 1024,
    }
    os.set_blocking(status, True)
    with open(status, "wb", closefd=False) as file:
        file.writelines([output.unsent, *wire.numbered(wire.pack(report, [output.text()]))])


def _run_child(job: Job, limits: Limits, request: int, result: int, output: int, entrance: list[int]) -> NoReturn:
    """Become the child, answer the request, and end."""
    code = 70
    try:
        # No number that a script would guess.
        answer = fcntl.fcntl(result, fcntl.F_DUPFD_CLOEXEC, 64 + secrets.randbelow(128))
        header, buffers = wire.unpack(wire.read(request, sys.maxsize))
        null = os.open(os.devnull, os.O_RDONLY)
        for source, target in ((null, 0), (output, 1), (output, 2)):
            os.dup2(source, target)
        for group in entrance:
            os.write(group, b"0")
        if job.cell is not None:
            job.cell.enter()
        os.closerange(3, answer)
        os.closerange(answer + 1, resource.getrlimit(resource.RLIMIT_NOFILE)[0])
        sys.stdout, sys.stderr = (
            open(fd, "w", buffering=1, encoding="utf-8", errors="backslashreplace", closefd=False)  # noqa: SIM115
            for fd in (1, 2)
        )
        np.random.seed()  # noqa: NPY002 - scripts use it, and forks would all draw the same numbers
        confine(job, limits)
        if "several" in header:
            position = 0
            for message in evaluate_several(header, buffers):
                position = wire.write(answer, wire.numbered(message), position)
        else:
            message = evaluate(header, buffers)
            loosen()
            wire.write(answer, message)
        with contextlib.suppress(OSError, ValueError, AttributeError):
            sys.stdout.flush()
        code = 0
    except BaseException:  # noqa: BLE001 - shown with what was printed; the runner says that there is no result
        traceback.print_exc()
    finally:
        os._exit(code)


def _watch(
    child: int, status: int, reading: int, output: "_Output", job: Job, limits: Limits, started: float
) -> str | None:
    """Wait for the end of the child; return why it has to be killed, if so."""
    handle = os.pidfd_open(child)
    os.set_blocking(reading, False)
    poll = select.poll()
    for fd in (handle, status, reading):
        poll.register(fd, select.POLLIN)
    checked = started
    while True:
        left = started + limits.wall - time.monotonic()
        if left <= 0:
            return "wall"
        ready = {fd for fd, _ in poll.poll(min(left, _TICK) * 1000 + 1)}
        if handle in ready:
            return None
        if status in ready:
            return "cancelled"
        if reading in ready and not output.drain(reading):
            poll.unregister(reading)
        output.tell()
        if time.monotonic() - checked >= _TICK:
            if reason := _exceeded(job, limits):
                return reason
            checked = time.monotonic()


def _exceeded(job: Job, limits: Limits) -> str | None:
    cell = job.cell
    processes = [pid for pid in descendants(os.getpid()) if cell is None or pid != cell.first]
    if len(processes) > limits.processes:
        return "processes"
    files = cell.used() if cell is not None else 0
    # One alone is held by its own limit.
    if (len(processes) > 1 or files) and sum(map(_memory, processes)) + files > limits.memory + _memory(os.getpid()):
        return "memory"
    return "disk" if (cell.full() if cell is not None else _folder_exceeds(job.folder, limits.disk)) else None


def _folder_exceeds(folder: Path, most: int) -> bool:
    total = entries = 0
    queue = [str(folder)]
    while queue:
        try:
            with os.scandir(queue.pop()) as listing:
                for entry in listing:
                    entries += 1
                    total += entry.stat(follow_symlinks=False).st_blocks * 512
                    if total > most or entries > _MOST_ENTRIES:
                        return True
                    if entry.is_dir(follow_symlinks=False):
                        queue.append(entry.path)
        except OSError:  # removed meanwhile
            continue
    return False


def _memory(process: int) -> int:
    """Return the process's share of memory in bytes, or what it has beyond this one where its share is hidden."""
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{process}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) * 1024
    with contextlib.suppress(OSError, IndexError):
        return max(_resident(process) - _resident(os.getpid()), 0)
    return 0


def _resident(process: int) -> int:
    return int(Path(f"/proc/{process}/statm").read_text().split()[1]) * resource.getpagesize()


def descendants(process: int) -> Iterator[int]:
    """Yield the processes below `process`, as they are now."""
    queue = [process]
    while queue:
        parent = queue.pop()
        with contextlib.suppress(OSError):
            for thread in Path(f"/proc/{parent}/task").iterdir():
                children = [int(pid) for pid in (thread / "children").read_text().split()]
                yield from children
                queue += children


def end_descendants(job: Job | None, keep: frozenset[int] = frozenset()) -> None:
    """Kill and bury all below this process, but for the children `keep` and what is below them.

    Nothing escapes: what loses its parent becomes a child of this process, and is met in the next round.
    """
    alone = job is not None and job.alone
    while True:
        with contextlib.suppress(ChildProcessError):
            while not keep and os.waitpid(-1, os.WNOHANG)[0]:
                pass
        own = [pid for pid in _children() if pid not in keep]
        if not own:
            return
        if alone and job is not None and job.user is not None:
            # At one stroke: a fork bomb outruns any list.
            _kill_user(job.user)
        for child in own:
            for process in (*descendants(child), child):
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.kill(process, signal.SIGKILL)
            with contextlib.suppress(ChildProcessError):
                os.waitpid(child, 0)


def _children() -> list[int]:
    return [int(pid) for pid in Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()]


def _kill_user(user: int) -> None:
    try:
        helper = os.fork()
    except OSError:
        return
    if helper == 0:
        try:
            libc.become(user)
            os.kill(-1, signal.SIGKILL)
        finally:
            os._exit(0)
    os.waitpid(helper, 0)


class _Output:
    """What was printed: the first and the last of it, told now and then while it goes."""

    def __init__(self, most: int, status: int) -> None:
        self._half = most // 2
        self._head = bytearray()
        self._tail = bytearray()
        self._dropped = 0
        self._runner = socket.socket(fileno=os.dup(status))
        self._told_at, self._is_news = time.monotonic(), False
        #: The rest of what is being told.
        self.unsent = b""

    def drain(self, fd: int) -> bool:
        """Take a few pieces of what is there to read; False at the end."""
        for _ in range(16):
            try:
                piece = os.read(fd, _CHUNK)
            except BlockingIOError:
                return True
            if not piece:
                return False
            self._is_news = True
            room = self._half - len(self._head)
            self._head += piece[:room] if room > 0 else b""
            self._tail += piece[max(room, 0) :]
            if (excess := len(self._tail) - self._half) > 0:
                self._dropped += excess
                del self._tail[:excess]
        return True

    def text(self) -> bytes:
        """Return what was kept, with a note where something is missing."""
        note = f"\n[... {self._dropped} bytes left out ...]\n".encode() if self._dropped else b""
        return bytes(self._head) + note + bytes(self._tail)

    def tell(self) -> None:
        """Tell the runner the whole lines of what would be kept by now, if it is time; never wait for it to read."""
        if self._is_news and not self.unsent and time.monotonic() - self._told_at >= TELL_SECONDS:
            text = self.text()
            lines = text[: text.rfind(b"\n") + 1]
            self._told_at, self._is_news = time.monotonic(), False
            self.unsent = b"".join(wire.numbered(wire.pack({"printed": len(lines)}, [lines])))
        if self.unsent:
            with contextlib.suppress(OSError):  # it reads later; or never more, which the watch sees
                self.unsent = self.unsent[self._runner.send(self.unsent, socket.MSG_DONTWAIT) :]
