"""The heartbeat of a worker: keeps its leases, writes its jobs' progress, hears of cancellation and take-over."""

import threading
import time

import structlog
from sqlalchemy.exc import SQLAlchemyError

from entrepot.db import Database
from entrepot.errors import ReadOnly, Unavailable
from entrepot.jobs import queue
from entrepot.jobs.context import JobContext
from entrepot.jobs.outcomes import JobCancelled, LeaseLost

TICK_SECONDS = 0.5

_log = structlog.get_logger(__name__)


class Keeper:
    """Looks after the jobs of one worker in a thread of its own."""

    def __init__(self, database: Database, lease_seconds: float) -> None:
        self._database = database
        self._renew_after = lease_seconds / 4
        self._tick_seconds = min(TICK_SECONDS, lease_seconds / 8)
        self._renewed: dict[JobContext, float] = {}
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True, name="job-keeper")

    def __enter__(self) -> "Keeper":
        """Start the heartbeat."""
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """End the heartbeat."""
        self._stop.set()
        self._thread.join()

    def add(self, context: JobContext) -> None:
        """Look after a job from now on."""
        with self._lock:
            self._renewed[context] = time.monotonic()

    def remove(self, context: JobContext) -> None:
        """Look after a job no longer."""
        with self._lock:
            self._renewed.pop(context, None)

    def _run(self) -> None:
        while not self._stop.wait(self._tick_seconds):
            try:
                self._beat()
            except ReadOnly as error:
                _log.warning("heartbeat failed", error=error.message)
            except (SQLAlchemyError, Unavailable):
                _log.exception("heartbeat failed")

    def _beat(self) -> None:
        with self._lock:
            renewed = {context: at for context, at in self._renewed.items() if not context.ended}
        if not renewed:
            return
        with self._database.read() as session:
            running = queue.watch(session, (context.job for context in renewed))
        for context in renewed:
            row = running.get(context.job.number)
            if row is None or row.fence != context.job.fence:
                context.stop(LeaseLost())  # or ended a moment ago: then nobody looks at it any more
            elif row.cancel_requested:
                context.stop(JobCancelled("The job was cancelled."))
        late = time.monotonic() - self._renew_after
        due = [context for context, at in renewed.items() if at < late or context.has_news]
        if due:
            self._renew(due)

    def _renew(self, contexts: list[JobContext]) -> None:
        with self._database.write() as session:
            # A job with an open unit of work needs no heartbeat: it is locked, and renews its lease itself.
            free = queue.unlocked(session, (context.job for context in contexts))
            for context in contexts:
                if context.job.number in free:
                    try:
                        context.renew(session)
                    except LeaseLost as lost:
                        context.stop(lost)
        with self._lock:
            for context in contexts:
                if context in self._renewed:
                    self._renewed[context] = time.monotonic()
