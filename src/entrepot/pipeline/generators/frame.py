"""The frame around runs: what is the same in those of feeders, importers, cleaners and analyses, told once.

A run looks what it is of up, and plans, in one snapshot, what there is to do. It records that it began, does its work
outside of any transaction, and commits, as often as it likes, in units of work in which the job still is this worker's
and what it is of is still there. The last of these ends the run and its job, well or not: with its report, its notice,
its event and its lineage. What goes wrong on the way is ended here with its cause, and told to whom it concerns.
"""

import copy
import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from entrepot import jobs, lineage
from entrepot.db import now
from entrepot.db.faults import named
from entrepot.errors import Away, EntrepotError, NotFound, OutOfSpace, Unavailable
from entrepot.events import emit
from entrepot.pipeline.configuration import existing
from entrepot.pipeline.generators import notices
from entrepot.pipeline.generators.finding import Runner, owner_of
from entrepot.pipeline.generators.reports import note_old
from entrepot.scripts import ScriptError
from entrepot.series.codec import DamagedChunk

#: A run goes on where its last commit ended, so that losing its worker many times does no harm.
MOST_ATTEMPTS = 50

R = TypeVar("R", bound=Runner)
P = TypeVar("P")


class Unready(jobs.Refused):
    """There is nothing yet that could be run: whoever asked for it is told, and nobody else."""


class Deleted(jobs.Refused):
    """What it is a run of was deleted."""


class Run(Generic[R]):
    """A run that is under way.

    Attributes
    ----------
    id
        Its job's, and that under which lineage knows it.
    of
        The id of what it is a run of.
    requested, scheduled
        Whether it is somebody's wish, or that of a schedule.
    report
        What it tells of itself; its work fills it.
    """

    def __init__(self, context: jobs.JobContext, model: type[R]) -> None:
        payload = context.job.payload or {}
        self.context, self._model = context, model
        self.id, self.of = context.job.id, str(payload["id"])
        self.requested, self.scheduled = (bool(payload.get(name)) for name in ("requested", "scheduled"))
        self.report: dict[str, Any] = {}

    @property
    def may_leave_a_count(self) -> bool:
        """Whether nobody asked for it, and it was not begun before and cut, perhaps when it had found something."""
        return not self.requested and self.context.job.user_id is None and self.context.job.fence <= 1

    def find(self, session: Session) -> R:
        """Return what it is a run of.

        Raises
        ------
        Deleted
            It is there no more.
        """
        found: R | None = session.scalar(existing(self._model).where(self._model.id == self.of))
        if found is None:
            raise Deleted(f"The {self._model.kind} was deleted.")
        return found

    @contextmanager
    def unit(self) -> Iterator[tuple[Session, R]]:
        """Open a unit of work in which the job certainly is ours, and what it is a run of is there.

        What is undone is not reported either: a report is put together of lists and mappings that get more entries,
        or others; no entry is changed.
        """
        before = {name: copy.copy(value) for name, value in self.report.items()}
        try:
            with self.context.unit() as session:
                yield session, self.find(session)
        except BaseException as error:
            self.report.clear()
            self.report.update(before)
            if isinstance(error, NotFound):
                raise Unavailable(f"A series was deleted while the run wrote to it: {error.message}") from error
            raise

    def begin(self, session: Session, subject: R, script: str | None) -> None:
        """Record in the open unit of work that it began, and by which script."""
        owner = owner_of(subject)
        self.context.about["name"] = owner.name
        lineage.begin_run(
            session,
            self.id,
            subject.kind,
            subject.id,
            organization_id=owner.organization_id,
            project_id=owner.project_id,
            user_id=self.context.job.user_id,
            script_sha256=None if script is None else hashlib.sha256(script.encode()).hexdigest(),
        )

    def finish(self, session: Session, subject: R, *, news: bool = True, **told: Any) -> None:
        """End it well, and its job, within the open unit of work.

        Parameters
        ----------
        news
            Whether it found anything: one that did not, and that nobody asked for, leaves a count and not a row.
        told
            What the event says of it.
        """
        subject.last_run_at = now()
        notices.clear(session, subject, notices.RUN_FAILED)
        if not news and self.may_leave_a_count:
            lineage.drop_run(session, self.id)
            self.context.finish_idle(session)
            return
        self.emit(session, subject, "run", run=self.id, **told)
        self.end(session)

    def end(self, session: Session) -> None:
        """Record within the open unit of work that it is finished, and end its job."""
        lineage.end_run(session, self.id, "finished", self.report)
        self.context.finish(session, self.report)

    def fail(
        self,
        session: Session,
        subject: R,
        message: str,
        error: ScriptError | None = None,
        *,
        notice: str = notices.RUN_FAILED,
        **told: Any,
    ) -> jobs.Failed:
        """End it as failed, and its job, within the open unit of work; return what may be raised once it is committed.

        What the unit wrote before stays: it is what was done until then.
        """
        self.report["error"] = message
        if error is not None:
            self.report |= {"traceback": error.traceback, "output": error.output}
            note_old(self.report, error.notes)
        subject.last_run_at = now()
        said = f"Run of {notices.called(subject)} failed. {message}"
        notices.tell(session, subject, notice, notices.with_details(said, self.report.get("traceback", "")))
        lineage.end_run(session, self.id, "failed", self.report)
        self.emit(session, subject, "failed", run=self.id, message=message, **told)
        failure = jobs.Failed(message, self.report)
        self.context.finish(session, failure=failure)
        return failure

    def stopped(self, status: str, message: str) -> None:
        """See to it that a run whose job ends otherwise than it recorded is not left running, and says why."""
        with suppress(SQLAlchemyError, Unavailable), self.context.database.write() as session:
            run = session.get(lineage.Run, self.id)
            if run is None or run.status != "running":
                return
            lineage.end_run(session, self.id, status, {**self.report, "error": message})
            if status == "refused":
                with suppress(Deleted):
                    subject = self.find(session)
                    said = f"Run of {notices.called(subject)} was refused. {message}"
                    notices.tell(session, subject, notices.RUN_FAILED, said)

    def emit(self, session: Session, subject: R, action: str, **data: Any) -> None:
        """Record that something happened to what it is a run of."""
        owner = owner_of(subject)
        emit(
            session,
            subject.kind,
            action,
            subject.id,
            organization_id=owner.organization_id,
            project_id=owner.project_id,
            data=data,
        )


@dataclass(frozen=True)
class _Frame(Generic[R, P]):
    """A kind of run; see :func:`runs`."""

    model: type[R]
    plan: Callable[[Run[R], Session, R], P]
    work: Callable[[Run[R], P], None]
    script: Callable[[R], str | None]
    deleted: Callable[[Run[R]], None] | None

    def __call__(self, context: jobs.JobContext) -> dict[str, Any]:
        """Do a job; a run that another worker takes over goes on there."""
        run = Run(context, self.model)
        try:
            self._do(run)
        except (jobs.LeaseLost, jobs.Released, jobs.Failed):
            raise
        except jobs.Refused as error:
            if isinstance(error, Deleted) and self.deleted is not None:
                self.deleted(run)
            if isinstance(error, Unready) and run.may_leave_a_count:
                return jobs.Nothing(skipped=error.message)
            run.stopped("refused", error.message)
            raise
        except jobs.JobStopped as error:
            run.stopped("failed" if isinstance(error, jobs.DeadlinePassed) else "cancelled", error.message)
            raise
        except Exception as error:
            # What an operator has to mend is over at some time: the job is put off, and the run goes on then.
            if not context.ended and not isinstance(named(error), Away | OutOfSpace):
                run.stopped("failed", "An error of the server stopped the run.")
            raise
        return run.report

    def _do(self, run: Run[R]) -> None:
        try:
            self.work(run, self._begin(run))
        except (jobs.JobStopped, jobs.Refused):
            raise
        except (EntrepotError, ScriptError) as error:
            if run.context.ended or _is_ours(error):
                raise
            run.context.check()
            with run.unit() as (session, subject):
                failure = run.fail(session, subject, error.message, error if isinstance(error, ScriptError) else None)
            raise failure from error

    def _begin(self, run: Run[R]) -> P:
        """Return the plan, having recorded that the run began; it did also where there is no plan and that is told."""
        try:
            with run.context.database.read() as session:
                plan = self.plan(run, session, run.find(session))
        except EntrepotError as error:
            if not (isinstance(error, Deleted) or (isinstance(error, Unready) and run.may_leave_a_count)):
                self._record(run)
            raise
        self._record(run)
        return plan

    def _record(self, run: Run[R]) -> None:
        with run.unit() as (session, subject):
            run.begin(session, subject, self.script(subject))


def runs(
    kind: str,
    model: type[R],
    *,
    plan: Callable[[Run[R], Session, R], P],
    script: Callable[[R], str | None],
    deleted: Callable[[Run[R]], None] | None = None,
    calls_out: bool = False,
) -> Callable[[Callable[[Run[R], P], None]], Callable[[Run[R], P], None]]:
    """Register the decorated function as the work of a kind of run.

    It ends with :meth:`Run.finish` or :meth:`Run.fail`, or raises: what a script or the user's data is at fault for
    fails the run, and the rest is tried again.

    Parameters
    ----------
    kind
        The kind of its jobs.
    model
        What it is a run of.
    plan
        Returns, out of a snapshot, what the work is given; raises :class:`Unready` where nothing can be done.
    script
        Returns the script that the run goes by; None: it has several, or none.
    deleted
        Tidies up after what was deleted.
    calls_out
        See :func:`entrepot.jobs.task`.
    """

    def register(work: Callable[[Run[R], P], None]) -> Callable[[Run[R], P], None]:
        frame = _Frame(model, plan, work, script, deleted)
        jobs.task(kind, max_attempts=MOST_ATTEMPTS, pool="runs", calls_out=calls_out)(frame)
        return work

    return register


def _is_ours(error: EntrepotError | ScriptError) -> bool:
    """Tell whether an error is the server's, so that the run is tried again, and not the user's."""
    return isinstance(error, EntrepotError) and error.status >= 500 and not isinstance(error, DamagedChunk)
