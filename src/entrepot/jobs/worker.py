"""A worker: claims jobs, runs their handlers, several at a time, and stops cleanly."""

import os
import socket
import threading
import time
from collections import Counter
from collections.abc import Mapping
from concurrent.futures import Future
from contextlib import suppress
from functools import partial
from typing import Any

import structlog
from sqlalchemy.exc import IntegrityError, SQLAlchemyError

from entrepot.db import Database, installation, new_id
from entrepot.errors import ReadOnly, Unavailable
from entrepot.jobs import ahead, due, queue, registry, turns, waking
from entrepot.jobs.context import JobContext
from entrepot.jobs.execution import execute
from entrepot.jobs.keeper import Keeper
from entrepot.jobs.outcomes import Released
from entrepot.jobs.threads import in_thread
from entrepot.measures import LEASES_LOST
from entrepot.settings import Settings

BUSY_POLL_SECONDS = 0.05
IDLE_POLL_SECONDS = 0.5
AFTER_ERROR_SECONDS = 1.0
GRACE_SECONDS = 20.0
LAST_GRACE_SECONDS = 2.0

_log = structlog.get_logger(__name__)


class Worker:
    """Runs jobs of the kinds registered in this process (see :func:`entrepot.jobs.registry.load`).

    Parameters
    ----------
    services
        What handlers find as ``context.services``.
    slots
        Most jobs at a time in each pool (:data:`entrepot.jobs.registry.POOLS`), or the same number in every one.
    """

    def __init__(
        self,
        database: Database,
        settings: Settings,
        services: Mapping[str, Any] | None = None,
        slots: int | Mapping[str, int] = 4,
    ) -> None:
        registry.load(["entrepot.jobs.housekeeping"])
        self.name = f"{socket.gethostname()}:{os.getpid()}:{new_id()[:8]}"
        self._database = database
        self._settings = settings
        self._services = services or {}
        self._slots = dict.fromkeys(registry.POOLS, slots) if isinstance(slots, int) else dict(slots)
        self._running: dict[JobContext, str] = {}
        self._lock = threading.Lock()
        self._wake = threading.Event()
        self._look_again = True
        self._recover_at = 0.0
        self._quiet = True

    def run(self, stop: threading.Event, grace_seconds: float = GRACE_SECONDS) -> None:
        """Work until `stop` is set; then give running jobs time to end and release those that do not."""
        waking.add_waker(self._wake)
        _log.info("worker started", worker=self.name, slots=self._slots)
        with Keeper(self._database, self._settings.job_lease_seconds) as keeper:
            pause = BUSY_POLL_SECONDS
            while not stop.is_set():
                self._wake.clear()
                try:
                    started = self._step(keeper)
                    pause = BUSY_POLL_SECONDS if started else min(pause * 1.5, IDLE_POLL_SECONDS)
                except ReadOnly as error:
                    _log.warning("worker claims nothing", error=error.message)
                    stop.wait(error.retry_after)
                    continue
                except (SQLAlchemyError, Unavailable):
                    _log.exception("worker cannot reach the database")
                    stop.wait(AFTER_ERROR_SECONDS)
                    continue
                if self._wake.wait(pause):
                    self._look_again = True
                    pause = BUSY_POLL_SECONDS
            self._finish(grace_seconds)
        _log.info("worker stopped", worker=self.name)

    def _step(self, keeper: Keeper) -> int:
        if time.monotonic() >= self._recover_at:
            self._recover_at = time.monotonic() + self._settings.job_lease_seconds / 10
            self._recover()
        started = 0
        for pool in self._due_pools():
            while self._free(pool) > 0 and (context := self._claim(pool)) is not None:
                keeper.add(context)
                in_thread(execute, context).add_done_callback(partial(self._done, keeper, context))
                started += 1
        self._look_again = started > 0
        return started

    def _due_pools(self) -> list[str]:
        free = {pool: self._full(pool) for pool in self._slots if self._free(pool) > 0}
        if not free or self._look_again:
            return list(free)
        with self._database.snapshot() as connection:
            kinds = [kind for pool in free for kind in registry.kinds(pool, quiet=self._quiet)]
            if not due.jobs(connection, kinds):
                return []
        with self._database.read() as session:
            return list(free) if queue.is_due(session, free, quiet=self._quiet) else []

    def _claim(self, pool: str) -> JobContext | None:
        try:
            with self._database.write() as session:
                found = queue.claim(
                    session,
                    self.name,
                    self._settings.job_lease_seconds,
                    pool=pool,
                    full=self._full(pool),
                    quiet=self._quiet,
                )
        except IntegrityError:  # another worker took a job of the same key at this moment
            return None
        if not found:
            return None
        context = JobContext(found[0], self._database, self._settings, self._services)
        with self._lock:
            self._running[context] = pool
        return context

    def _free(self, pool: str) -> int:
        with self._lock:
            return self._slots[pool] - sum(busy == pool for busy in self._running.values())

    def _full(self, pool: str) -> list[str]:
        """Return the tenants who hold all slots of a pool but the last, which nobody gets who has others already."""
        with self._lock:
            held = Counter(context.job.tenant for context, busy in self._running.items() if busy == pool)
        most = self._slots[pool] - 1
        return [tenant for tenant, count in held.items() if tenant != turns.SERVER and count >= most > 0]

    def _recover(self) -> None:
        with self._database.read() as session:
            self._quiet = installation.is_quiet(session)
            if not due.running(session.connection()):
                return
        with self._database.write() as session:
            shortened = ahead.shorten_leases(session, self._settings.job_lease_seconds)
            lost = queue.recover(session)
        if shortened:
            _log.warning("leases lay too far ahead: the clock was set back", jobs=shortened)
        if lost:
            LEASES_LOST.inc(lost)
            self._look_again = True
            _log.warning("took over from a silent worker", jobs=lost)

    def _done(self, keeper: Keeper, context: JobContext, handle: Future[None]) -> None:
        # Until its lease runs out, nobody takes up a job whose end could not be stored.
        keeper.remove(context)
        try:
            handle.result()
        except Exception:  # noqa: BLE001 - logged, whatever it is
            _log.exception("the end of a job could not be stored", job=context.job.id)
        with self._lock:
            self._running.pop(context, None)
        self._wake.set()

    def _finish(self, grace_seconds: float) -> None:
        self._wait(grace_seconds)
        for context in self._contexts():
            context.stop(Released("The worker is stopping."))
        self._wait(LAST_GRACE_SECONDS)
        for context in self._contexts():
            # Where nothing is written any more, the lease lapses by itself, at the new server, too.
            with suppress(ReadOnly), self._database.write() as session:
                queue.release(session, context.job)

    def _wait(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        while self._contexts() and (left := end - time.monotonic()) > 0:
            self._wake.wait(min(left, IDLE_POLL_SECONDS))
            self._wake.clear()

    def _contexts(self) -> list[JobContext]:
        with self._lock:
            return list(self._running)
