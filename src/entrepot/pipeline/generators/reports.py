"""What the runs share: how they begin, limits of users' scripts, stamps of what they return, and how they go wrong."""

import hashlib
import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from entrepot import jobs, lineage
from entrepot.db import now
from entrepot.db.faults import named
from entrepot.errors import Away, NotFound, OutOfSpace, Unavailable
from entrepot.events import emit
from entrepot.pipeline.generators import invalidations, notices
from entrepot.pipeline.generators.finding import AnyGenerator, find_generator
from entrepot.scripts import Limits, Note, ScriptError

RUN_FAILED = notices.RUN_FAILED
#: A run goes on where its last commit ended, so that losing its worker many times does no harm.
MOST_ATTEMPTS = 50


def payload_of(context: jobs.JobContext) -> dict[str, Any]:
    """Return what the run was asked for."""
    payload: dict[str, Any] = context.job.payload or {}
    return payload


def record_begin(
    context: jobs.JobContext, session: Session, generator: AnyGenerator, script: str | None = None
) -> None:
    """Record in the open unit of work that a generator's run began, and by which script."""
    context.about["name"] = generator.name
    lineage.begin_run(
        session,
        context.job.id,
        generator.kind,
        generator.id,
        organization_id=generator.organization_id,
        project_id=generator.project_id,
        user_id=context.job.user_id,
        script_sha256=None if script is None else hashlib.sha256(script.encode()).hexdigest(),
    )


def emit_of(session: Session, generator: AnyGenerator, action: str, data: dict[str, Any]) -> None:
    """Record that something happened to a generator."""
    emit(
        session,
        generator.kind,
        action,
        generator.id,
        organization_id=generator.organization_id,
        project_id=generator.project_id,
        data=data,
    )


def leave_a_count(context: jobs.JobContext, session: Session) -> bool:
    """End a run that nobody asked for, and that found nothing, within the open unit: it leaves a count, not a row.

    Returns
    -------
    bool
        False: somebody asked for it, or it was begun before and cut, perhaps when it had found something: it ends as
        any other.
    """
    if payload_of(context).get("requested") or context.job.user_id is not None or context.job.fence > 1:
        return False
    lineage.drop_run(session, context.job.id)
    context.finish_idle(session)
    return True


def script_limits(context: jobs.JobContext) -> Limits:
    """Return the operator's limits for a job's scripts."""
    settings = context.settings
    return Limits(
        wall=settings.script_seconds,
        cpu=math.ceil(settings.script_seconds),
        memory=settings.script_memory_bytes,
        organization=context.job.organization_id,
        organization_memory=settings.script_organization_memory_bytes or None,
    )


@contextmanager
def retried_when_series_vanish() -> Iterator[None]:
    """Have the run tried again when a series that it writes is deleted at that moment."""
    try:
        yield
    except NotFound as error:
        raise Unavailable(f"A series was deleted while the run wrote to it: {error.message}") from error


def record_failure(
    context: jobs.JobContext,
    session: Session,
    generator: AnyGenerator,
    message: str,
    error: ScriptError | None,
    report: dict[str, Any],
    *,
    notice: str = RUN_FAILED,
) -> jobs.Failed:
    """Record in the open unit of work that a run failed, and return what is to be raised once it is committed.

    What the unit wrote before stays: it is what was done until then.
    """
    if error is not None:
        report = {**report, "error": message, "traceback": error.traceback, "output": error.output}
        note_old(report, error.notes)
    else:
        report = {**report, "error": message}
    generator.last_run_at = now()
    said = f"Run of {generator.kind} {generator.name} failed. {message}"
    notices.tell(session, generator, notice, notices.with_details(said, error.traceback if error else ""))
    lineage.end_run(session, context.job.id, "failed", report)
    emit_of(session, generator, "failed", {"run": context.job.id, "message": message})
    return jobs.Failed(message, report)


@contextmanager
def ended_with_its_job(context: jobs.JobContext) -> Iterator[None]:
    """See to it that a run whose job ends otherwise than it recorded is not left running, and says why.

    A run that another worker takes over goes on.
    """
    try:
        yield
    except (jobs.LeaseLost, jobs.Released):
        raise
    except jobs.Refused as error:
        _end(context, "refused", error.message)
        raise
    except jobs.DeadlinePassed as error:
        _end(context, "failed", error.message)
        raise
    except jobs.JobStopped as error:
        _end(context, "cancelled", error.message)
        raise
    except jobs.Failed:
        raise
    except Exception as error:
        # What an operator has to mend is over at some time: the job is put off, and the run goes on then.
        if not context.ended and not isinstance(named(error), Away | OutOfSpace):
            _end(context, "failed", "An error of the server stopped the run.")
        raise


def _end(context: jobs.JobContext, status: str, message: str) -> None:
    with suppress(SQLAlchemyError, Unavailable), context.database.write() as session:
        run = session.get(lineage.Run, context.job.id)
        if run is None or run.status != "running":
            return
        lineage.end_run(session, run.id, status, {**run.report, "error": message})
        generator = find_generator(session, run.generator_id)
        if generator is not None and status == "refused":
            what = f"Run of {generator.kind} {generator.name} was refused. {message}"
            notices.tell(session, generator, RUN_FAILED, what)


def note_old(report: dict[str, Any], notes: Sequence[Note], script: str | None = None) -> None:
    """Note in a run's report what is old in a script, once each; with its name where the run has several."""
    known = list(report.get("old_pandas", ()))
    for note in notes:
        found = {**note, "script": script} if script else {**note}
        if not any((each["old"], each.get("script")) == (note["old"], script) for each in known):
            known.append(found)
    if known:
        report["old_pandas"] = known


def stamps_of(index: pd.Index) -> NDArray[np.int64]:
    """Return an index's stamps as delivered, in microseconds; stamps with a zone are taken to UTC."""
    assert isinstance(index, pd.DatetimeIndex)
    naive = index.tz_convert("UTC").tz_localize(None) if index.tz is not None else index
    return naive.to_numpy().astype("datetime64[us]").astype(np.int64)


def spans_of(changed: NDArray[np.int64]) -> list[list[str]]:
    """Return the stretches in which intervals changed, as the ISO stamps (UTC) of their first and last intervals."""
    return [
        [np.datetime_as_string(np.datetime64(stamp, "us"), unit="s").item() for stamp in (start, stop - 1)]
        for start, stop in invalidations.spans(changed)
    ]
