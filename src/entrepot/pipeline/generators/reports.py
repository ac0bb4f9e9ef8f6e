"""What runs say and take of users' scripts: their limits, what is old in them, stamps of what they return."""

import math
from collections.abc import Callable, Generator, Sequence
from contextlib import closing
from typing import Any, TypeVar

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from entrepot import jobs
from entrepot.pipeline.generators import invalidations
from entrepot.scripts import Limits, Note, Outcome, ScriptError

T = TypeVar("T")


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


def heard(context: jobs.JobContext, call: Callable[..., Outcome[T]]) -> Outcome[T]:
    """Make a call of a script for a job: it ends with the job, whose output has what it prints, live and kept.

    Raises
    ------
    ScriptError
        If there is no result; what was printed until then is kept all the same.
    """
    try:
        outcome = call(limits=script_limits(context), cancelled=context.cancelled, printed=context.printed)
    except ScriptError as error:
        context.log(error.output)
        raise
    context.log(outcome.output)
    return outcome


def heard_each(
    context: jobs.JobContext, call: Callable[..., Generator[Outcome[T], None, None]]
) -> Generator[Outcome[T], None, None]:
    """Yield what comes of calls of a script for a job, as :func:`heard` returns what comes of one."""
    given = {"limits": script_limits(context), "cancelled": context.cancelled, "printed": context.printed}
    try:
        with closing(call(**given)) as outcomes:
            for outcome in outcomes:
                context.log(outcome.output)
                yield outcome
    except ScriptError as error:
        context.log(error.output)
        raise


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
