"""What a handler gets: its job, a way to write as long as the job is its own, and to say how far it is."""

import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

from sqlalchemy.orm import Session

from entrepot.db import Database, clock, now
from entrepot.jobs import idle, queue, registry
from entrepot.jobs.models import Job
from entrepot.jobs.outcomes import DeadlinePassed, Failed, JobStopped, LeaseLost
from entrepot.settings import Settings

MAX_OUTPUT_CHARACTERS = 64 * 1024
_CUT = "[... earlier output left out ...]\n"


class JobContext:
    """One attempt at a job.

    Attributes
    ----------
    job
        The job as it was claimed (``id``, ``kind``, ``payload``, ``organization_id``, ``attempt``, ...). Not bound to
        a session; changes to it are not stored.
    database, settings
        The server's.
    services
        What the worker offers besides, by name.
    ended
        True once the job's end is committed.
    about
        What the line about it in the log names besides: the run's project and name.
    did, failure
        What :meth:`finish` was told.
    idle
        True once it is known to have found nothing: it leaves a count, not a row.
    """

    def __init__(
        self, job: Job, database: Database, settings: Settings, services: Mapping[str, Any] | None = None
    ) -> None:
        self.job = job
        self.database = database
        self.settings = settings
        self.services: Mapping[str, Any] = services or {}
        self.ended = False
        self.about: dict[str, str] = {}
        self.did: Any = None
        self.failure: Failed | None = None
        self.idle = False
        self._ending = False
        self._in_unit = False
        self._reason: JobStopped | None = None
        self._lock = threading.Lock()
        self._progress: tuple[int, int, str] = (0, 0, "")
        self._output = self._printed = ""
        self._changed = False
        self._stop_at = time.monotonic() + _seconds_left(job)

    def progress(self, done: int, total: int, message: str = "") -> None:
        """Say how much is done; cheap, may be called often (it is written now and then)."""
        with self._lock:
            self._progress = (done, total, storable(message))
            self._changed = True

    def log(self, text: str) -> None:
        """Add to the output that is kept with the job: of more than 64 Ki characters, the last.

        It takes the place of what was only :meth:`printed`.
        """
        with self._lock:
            self._changed = self._changed or bool(text or self._printed)
            self._output, self._printed = _cut(self._output + storable(text)), ""

    def printed(self, text: str) -> None:
        """Show after the output what a script printed so far; what is kept of it :meth:`log` is given then."""
        with self._lock:
            self._printed, self._changed = storable(text), True

    def cancelled(self) -> bool:
        """Tell whether to stop: cancelled, past the deadline, taken over, or the worker is stopping.

        A handler that stops for it raises (:meth:`check` does); one that returns has finished its job.
        """
        return self.reason is not None

    @property
    def reason(self) -> JobStopped | None:
        """Why to stop, if so."""
        if self._reason is None and time.monotonic() > self._stop_at:
            self._reason = DeadlinePassed("The job ran past its deadline.")
        return self._reason

    def check(self) -> None:
        """Raise :class:`JobCancelled`, :class:`LeaseLost` or another :class:`JobStopped` when it is time to stop."""
        if reason := self.reason:
            raise reason

    @contextmanager
    def unit(self) -> Iterator[Session]:
        """Open a unit of work in which the job certainly is ours.

        That is made sure of in the same transaction, and nobody can take the job over before it ends.

        Raises
        ------
        LeaseLost
            When another worker has the job: nothing is changed.
        JobStopped
            When it is time to stop.
        """
        self.check()
        if self._in_unit:
            raise RuntimeError("the job has a unit of work open already")
        self._in_unit, self._ending = True, False
        try:
            began = time.monotonic()
            with self.database.write() as session:
                self.renew(session)
                yield session
                if not self._ending and time.monotonic() - began > self.settings.job_lease_seconds / 4:
                    self.renew(session)
            self.ended = self._ending
        finally:
            self._in_unit = self._ending = False

    def finish(self, session: Session, result: Any = None, *, failure: Failed | None = None) -> None:
        """End the job within the open :meth:`unit`: what it wrote and its end are one transaction.

        Parameters
        ----------
        result
            JSON kept with the job.
        failure
            What is wrong when it ends as failed; the handler may raise it afterwards, or return.
        """
        if not self._in_unit:
            raise RuntimeError("finish() belongs into a unit()")
        told: dict[str, Any] = {"error": None, "error_details": None}
        if failure is not None:
            told = {"error": storable(failure.message), "error_details": failure.details}
        status = "finished" if failure is None else "failed"
        if not queue.end(session, self.job, status, result=result, **told, **self.report(ended=True)):
            raise LeaseLost
        self.did, self.failure = result, failure
        self._ending = True

    def finish_idle(self, session: Session) -> None:
        """End the job within the open :meth:`unit` as one that found nothing: it leaves a count, not a row."""
        if not self._in_unit:
            raise RuntimeError("finish_idle() belongs into a unit()")
        if not idle.end(session, self.job):
            raise LeaseLost
        self.idle = self._ending = True

    # For the worker

    def stop(self, reason: JobStopped) -> None:
        """Tell the handler to stop; the first reason counts."""
        self._reason = self._reason or reason

    def renew(self, session: Session) -> None:
        """Prolong the lease and write what was reported; raise :class:`LeaseLost` when it is no longer ours."""
        lease_until = clock.current(session) + timedelta(seconds=self.settings.job_lease_seconds)
        if not queue.keep(session, self.job, {"lease_until": lease_until, **self.report()}):
            raise LeaseLost

    @property
    def has_news(self) -> bool:
        """Whether progress or output changed since :meth:`report`."""
        return self._changed

    def report(self, *, ended: bool = False) -> dict[str, Any]:
        """Return progress and output as columns of the job; of one that ended, what is kept."""
        with self._lock:
            self._changed = False
            done, total, message = self._progress
            return {
                "progress_done": done,
                "progress_total": total,
                "progress_message": message,
                "output": self._output if ended else _cut(self._output + self._printed),
            }


def storable(text: str) -> str:
    """Return the text with what PostgreSQL cannot keep (NUL, halves of surrogate pairs) replaced."""
    return text.encode(errors="replace").decode().replace("\0", "\ufffd")


def _cut(output: str) -> str:
    if len(output) <= MAX_OUTPUT_CHARACTERS:
        return output
    return _CUT + output[len(_CUT) - MAX_OUTPUT_CHARACTERS :]


def _seconds_left(job: Job) -> float:
    task = registry.find(job.kind)
    seconds = task.timeout_seconds if task and task.timeout_seconds else float("inf")
    return min(seconds, (job.deadline_at - now()).total_seconds()) if job.deadline_at else seconds
