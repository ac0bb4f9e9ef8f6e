"""The beats of a part: to its supervisor, which restarts one that hangs, and in the database, for all to see."""

import os
import socket
import threading
import time
from collections.abc import Callable
from datetime import timedelta
from types import TracebackType
from typing import Self

import structlog

import entrepot
from entrepot.db import Database, now
from entrepot.errors import ReadOnly, Unavailable
from entrepot.jobs import beats
from entrepot.settings import Settings

log = structlog.get_logger("entrepot.beats")

SECONDS = 5.0
#: A part that the database has not heard of for so long is told.
SILENT_SECONDS = 15.0
_PATIENCE_SECONDS = 1.5


def holder(part: str) -> str:
    """Return under which name a part of this process' supervisor beats."""
    return f"{socket.gethostname()}:{os.getppid()}:{part}"


class Beats:
    """Beats in the database, in a thread and with a connection of its own; what keeps it from that is remembered.

    Attributes
    ----------
    late_since
        Since when (monotonic) the database refuses; None where it does not.
    locked
        Whether it does because somebody else holds a lock.
    refused
        Whether nobody may write: the server is being moved, or was.
    """

    def __init__(self, settings: Settings, part: str) -> None:
        self.late_since: float | None = None
        self.locked = self.refused = False
        self._forget = timedelta(minutes=settings.part_retention_minutes)
        self._database = Database(
            settings.url, synchronous="NORMAL", pool_size=1, patience=_PATIENCE_SECONDS
        )  # NORMAL: a beat that the power takes was of nobody's use
        self._beat = {
            "holder": holder(part),
            "part": part,
            "host": socket.gethostname(),
            "pid": os.getpid(),
            "version": entrepot.__version__,
            "started_at": now(),
        }
        self._others: list[Callable[[Database], None]] = []
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True, name="beats")

    def __enter__(self) -> Self:
        """Begin."""
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """End, and say so."""
        self._stop.set()
        self._thread.join(_PATIENCE_SECONDS)

    def also(self, write: Callable[[Database], None]) -> None:
        """Have something else written after each beat that the database took, and at the end."""
        self._others.append(write)

    def _run(self) -> None:
        while True:
            self._once()
            if self._stop.wait(SECONDS if self.late_since is None else 1.0):
                break
        self._write_others()
        try:
            with self._database.write() as session:
                beats.leave(session, str(self._beat["holder"]))
        except Unavailable as error:
            log.warning("cannot say that the part ended", exc_info=error)
        self._database.close()

    def _once(self) -> None:
        began = time.monotonic()
        try:
            with self._database.write() as session:
                beats.beat(session, self._beat, self._forget)
        except ReadOnly:
            self.late_since, self.locked, self.refused = None, False, True
        except Exception as error:
            self.locked = isinstance(error, Unavailable) and type(error) is Unavailable
            self.late_since = began if self.late_since is None else self.late_since
            if not self.locked or time.monotonic() - self.late_since > SECONDS:
                log.warning("cannot beat", exc_info=error)
        else:
            self.late_since, self.locked, self.refused = None, False, False
            self._write_others()

    def _write_others(self) -> None:
        for write in self._others:
            try:
                write(self._database)
            except Exception as error:
                log.warning("cannot note what requests left behind", exc_info=error)
