"""One attempt at a job, from the handler's call to the status in which it ends."""

import time
import traceback
from typing import Any

import orjson
import structlog
from sqlalchemy.orm import Session

from entrepot.db.faults import named
from entrepot.errors import Away, EntrepotError, OutOfSpace, Unavailable
from entrepot.jobs import idle, queue, registry
from entrepot.jobs.context import JobContext, storable
from entrepot.jobs.models import Job
from entrepot.jobs.outcomes import DeadlinePassed, Failed, JobStopped, LeaseLost, Refused, Released
from entrepot.measures import JOB_SECONDS, JOBS_ENDED

_log = structlog.get_logger(__name__)
_DATABASE_PAUSE_SECONDS = 0.5
_SERVER_ERROR = "An error of the server stopped the job."


def execute(context: JobContext) -> None:
    """Run the handler and store how it ended."""
    job = context.job
    log = _log.bind(job=job.id, kind=job.kind, attempt=job.attempt)
    task = registry.find(job.kind)
    assert task is not None, "only jobs of known kinds are claimed"
    began = time.monotonic()
    failure: Exception | None = None
    result: Any = None
    try:
        context.check()
        result = task.handler(context)
        orjson.dumps(result, option=orjson.OPT_NON_STR_KEYS)
    except Exception as error:  # noqa: BLE001 - the border between the worker and what it runs
        failure = error
    if context.ended:
        if failure is not None and failure is not context.failure:
            log.warning("job raised after its end", exc_info=failure)
        _tell(context, log, began, context.failure, result)
        return
    if failure is not None and context.reason is not None:
        # Whatever a handler makes of being stopped, that it was stopped is what happened.
        failure = context.reason
    if isinstance(fault := failure and named(failure), Away | OutOfSpace):
        failure = fault
    try:
        kept = _store(context, result, failure)
    except Unavailable:
        raise
    except Exception as error:  # noqa: BLE001 - a result or details that the database cannot keep
        failure = error
        kept = _store(context, None, failure)
    context.ended = True
    if not kept:
        log.warning("job was taken over")
    else:
        _tell(context, log, began, failure, result)


def _tell(context: JobContext, log: Any, began: float, failure: Exception | None, result: Any) -> None:
    """Leave one line about an attempt, and count it."""
    seconds = time.monotonic() - began
    how = "finished" if failure is None else type(failure).__name__ if isinstance(failure, EntrepotError) else "error"
    JOBS_ENDED.labels(context.job.kind, "idle" if context.idle else how).inc()
    JOB_SECONDS.labels(context.job.kind).observe(seconds)
    if context.idle:  # as many as there are minutes in a day, of each generator
        log.debug("job found nothing")
        return
    log = log.bind(seconds=round(seconds, 3), **context.about)
    if context.job.project_id is not None:
        log = log.bind(project=context.job.project_id)
    if failure is None:
        log.info("job finished", did=_numbers(context.did or result))
    else:
        unexpected = not isinstance(failure, EntrepotError)
        log.log(40 if unexpected else 20, "job ended", reason=str(failure), exc_info=failure if unexpected else None)


def _numbers(result: Any) -> dict[str, int | float]:
    """Return what a job did in so far as it can be counted."""
    report = result if isinstance(result, dict) else {}
    return {name: value for name, value in report.items() if isinstance(value, int | float) and value is not False}


def _store(context: JobContext, result: Any, failure: Exception | None) -> bool:
    """Write how the job ended; wait for a database that is away for a moment."""
    give_up = time.monotonic() + context.settings.job_lease_seconds
    while True:
        try:
            with context.database.write() as session:
                return _end(session, context, result, failure)
        except Unavailable:
            if time.monotonic() > give_up:
                raise
            time.sleep(_DATABASE_PAUSE_SECONDS)


def _found_nothing(job: Job, result: Any) -> bool:
    """Tell whether a job that came by itself says that it did nothing, by zeros alone or by :class:`Nothing`."""
    zeros = job.scheduled and isinstance(result, dict) and result and not any(result.values())
    return isinstance(result, idle.Nothing) or bool(zeros)


def _end(session: Session, context: JobContext, result: Any, failure: Exception | None) -> bool:
    job, report = context.job, context.report(ended=True)
    match failure:
        case None if _found_nothing(job, result):
            context.idle = idle.end(session, job)
            return context.idle
        case None:
            return queue.end(session, job, "finished", result=result, error=None, traceback=None, **report)
        case LeaseLost():
            return False
        case Released():
            return queue.release(session, job)
        case DeadlinePassed():
            return queue.end(session, job, "failed", error=storable(failure.message), **report)
        case JobStopped():
            return queue.end(session, job, "cancelled", error=storable(failure.message), **report)
        case Refused():
            return queue.end(session, job, "refused", error=storable(failure.message), **report)
        case Failed():
            details = failure.details
            return queue.end(session, job, "failed", error=storable(failure.message), error_details=details, **report)
        case Away() | OutOfSpace():
            return queue.put_off(session, job, queue.PUT_OFF_SECONDS, error=failure.message, **report)
        case EntrepotError() if failure.status < 500:
            # What the domain refuses now it will refuse again.
            return queue.end(session, job, "failed", error=storable(failure.message), **report)
        case _:
            text = storable("".join(traceback.format_exception(failure)))
            return queue.again_or_give_up(session, job, _SERVER_ERROR, text, **report)
