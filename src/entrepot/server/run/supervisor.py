"""Keeps the processes of a server alive, and ends them all together."""

import contextlib
import math
import mmap
import multiprocessing
import os
import selectors
import signal
import socket
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from multiprocessing.context import ForkProcess

import structlog

from entrepot.server.reload import reload
from entrepot.server.run.process import TELL, preload, run_part
from entrepot.server.tally import new_slot
from entrepot.settings import Settings

log = structlog.get_logger("entrepot.supervisor")

STOP_SECONDS = 10.0
#: How long a part that is to be killed has to write where it is.
_TELL_SECONDS = 0.2
_LOOK_SECONDS = 1.0
#: A part that is silent for so many looks hangs. They are counted, not seconds, in which the machine may have slept.
_HANG_LOOKS = 10
#: One that begins is given longer: on a machine that has much else to do it says nothing while it imports.
_BEGINNING_LOOKS = 60
_FIRST_DELAY, _LONGEST_DELAY = 0.1, 30.0
_LONG_LIVED_SECONDS = 30.0
_START_ATTEMPTS = 3
#: Forked, with what is imported already, a part starts in a fraction of the time. The supervisor has no threads.
_FORK = multiprocessing.get_context("fork")


@dataclass(frozen=True)
class Part:
    """A process to keep alive; what its kind runs is in :mod:`entrepot.server.run.process`.

    Attributes
    ----------
    listening
        A listening socket that it serves; connections wait in it while the part starts again.
    """

    name: str
    kind: str
    listening: socket.socket | None = None


class _Child:
    """A part's process, now and over its restarts."""

    def __init__(self, part: Part, slots: Sequence[mmap.mmap], number: int) -> None:
        self.part = part
        self._slots = slots
        self._number = number
        self.process: ForkProcess | None = None
        self.ready = False
        self.was_ready = False
        self.silent = 0
        self.failures = 0
        self.started = 0.0
        self.start_at = 0.0

    def start(self, settings: Settings) -> int:
        """Start the process and return the descriptor on which it says that it is ready."""
        reader, writer = os.pipe()
        arguments = (
            self.part.name,
            self.part.kind,
            os.getpid(),
            settings,
            writer,
            self.part.listening,
            self._slots,
            self._number,
        )
        self.process = _FORK.Process(target=run_part, args=arguments)
        self.process.start()
        os.close(writer)
        self.started = time.monotonic()
        self.silent = 0
        return reader

    def died(self) -> None:
        """Forget the process, and decide when the next one starts: later each time that it does not live long."""
        now = time.monotonic()
        lived = self.ready and now - self.started > _LONG_LIVED_SECONDS
        self.failures = 1 if lived else self.failures + 1
        self.start_at = now + min(_FIRST_DELAY * 2 ** (self.failures - 1), _LONGEST_DELAY)
        self.process, self.ready = None, False


class Supervisor:
    """Starts parts, restarts those that die, stops them all on SIGTERM or SIGINT.

    Parameters
    ----------
    settings
        What each part gets.
    changed
        Told which parts are ready, each time that this changes.
    looked
        Called every second.
    """

    def __init__(
        self,
        parts: Sequence[Part],
        settings: Settings,
        changed: Callable[[Mapping[str, bool]], None] | None = None,
        looked: Callable[[], None] | None = None,
    ) -> None:
        slots = [new_slot() for _ in parts]
        self._children = [_Child(part, slots, number) for number, part in enumerate(parts)]
        self._settings = settings
        self._changed = changed or (lambda _: None)
        self._looked = looked or (lambda: None)
        self._look_at = 0.0
        self._selector = selectors.DefaultSelector()
        self._readers: dict[int, _Child] = {}
        self._stopping = self._reloading = False

    def run(self) -> int:
        """Work until told to stop; return the exit code. To be called in the main thread, for its signals.

        Returns
        -------
        int
            0 after a clean end, 1 when a part cannot start or had to be killed.
        """
        preload({child.part.kind for child in self._children})
        with self._signals():
            self._tell()
            while not self._stopping:
                self._start()
                self._wait(min((child.start_at for child in self._children if not child.process), default=math.inf))
                self._look()
                if self._reloading:
                    self._reload()
                if failed := self._bury():
                    log.error("cannot start", part=failed)
                    self._stop()
                    return 1
            return self._stop()

    def _start(self) -> None:
        for child in self._children:
            if child.process is None and child.start_at <= time.monotonic():
                reader = child.start(self._settings)
                self._readers[reader] = child
                self._selector.register(reader, selectors.EVENT_READ)

    def _wait(self, until: float) -> None:
        """Wait for a signal, a part's word or a moment, for as long as until the next look."""
        timeout = max(min(until - time.monotonic(), _LOOK_SECONDS), 0)
        for key, _ in self._selector.select(timeout):
            if (child := self._readers.get(key.fd)) is None:
                with contextlib.suppress(BlockingIOError):
                    os.read(key.fd, 4096)
                continue
            said = os.read(key.fd, 4096)
            if not said:
                del self._readers[key.fd]
                self._selector.unregister(key.fd)
                os.close(key.fd)
                continue
            child.silent = 0
            if b"1" in said:
                child.ready = child.was_ready = True
                log.info("ready", part=child.part.name)
                self._tell()

    def _look(self) -> None:
        """Kill the parts that hang, so that they start again."""
        if (now := time.monotonic()) < self._look_at:
            return
        self._look_at = now + _LOOK_SECONDS
        self._looked()
        for child in self._children:
            if child.process is None:
                continue
            child.silent += 1
            most = _HANG_LOOKS if child.ready else _BEGINNING_LOOKS
            if child.silent == most - 1:
                _tell_where(child.process)
            elif child.silent == most:
                log.error("part hangs, killed", part=child.part.name, silent_seconds=child.silent)
                child.process.kill()

    def _bury(self) -> str | None:
        """Note the dead; return the name of a part that never came up."""
        for child in self._children:
            if child.process is None or (code := child.process.exitcode) is None:
                continue
            child.died()
            delay = round(child.start_at - time.monotonic(), 1)
            log.warning("process ended", part=child.part.name, code=code, restart_in=delay)
            self._tell()
            if not child.was_ready and child.failures >= _START_ATTEMPTS:
                return child.part.name
        return None

    def _reload(self) -> None:
        """Read the settings again, and have every part do so, unless they make no sense."""
        self._reloading = False
        if reload(self._settings, tell=True):
            for child in self._children:
                if child.process and child.process.pid and child.process.is_alive():
                    os.kill(child.process.pid, signal.SIGHUP)

    def _stop(self) -> int:
        """End every process: ask, wait, and kill what is still there."""
        end = time.monotonic() + STOP_SECONDS + self._settings.drain_seconds
        living = {child.part.name: child.process for child in self._children if child.process}
        for process in living.values():
            process.terminate()
        # Whoever connects once the parts take nobody any more is refused, and asks another server, instead of waiting.
        for child in self._children:
            if child.part.listening is not None:
                child.part.listening.close()
        while living := {name: process for name, process in living.items() if process.is_alive()}:
            if time.monotonic() >= end:
                for name, process in living.items():
                    _tell_where(process)
                    process.join(_TELL_SECONDS)
                    log.warning("did not stop, killed", part=name)
                    process.kill()
                    process.join()
                return 1
            self._wait(end)
        return 0

    def _tell(self) -> None:
        self._changed({child.part.name: child.ready for child in self._children})

    @contextlib.contextmanager
    def _signals(self) -> Iterator[None]:
        """Have signals, a child's death among them, wake the selector."""
        reader, writer = socket.socketpair()
        reader.setblocking(False)
        writer.setblocking(False)
        self._selector.register(reader, selectors.EVENT_READ)
        handlers: dict[signal.Signals, Callable[..., None]] = {
            signal.SIGTERM: self._on_stop,
            signal.SIGINT: self._on_stop,
            signal.SIGHUP: self._on_reload,
            signal.SIGCHLD: lambda *_: None,
        }
        before = {number: signal.signal(number, handler) for number, handler in handlers.items()}
        wakeup = signal.set_wakeup_fd(writer.fileno())
        try:
            yield
        finally:
            signal.set_wakeup_fd(wakeup)
            for number, handler in before.items():
                signal.signal(number, handler)
            for descriptor in self._readers:
                os.close(descriptor)
            self._selector.close()
            reader.close()
            writer.close()

    def _on_stop(self, *_: object) -> None:
        self._stopping = True

    def _on_reload(self, *_: object) -> None:
        self._reloading = True


def _tell_where(process: ForkProcess) -> None:
    """Have a process that is to be killed write where it is: it may be nobody's fault but ours."""
    if process.pid and process.is_alive():
        os.kill(process.pid, TELL)
