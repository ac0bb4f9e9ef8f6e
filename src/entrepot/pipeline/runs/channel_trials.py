"""Trying how a channel cleans before it counts: raw beside cleaned, between two instants. Nothing is written."""

import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from entrepot import jobs
from entrepot.errors import InvalidInput
from entrepot.identity import Principal
from entrepot.pipeline.cleaning import reading, spec
from entrepot.pipeline.cleaning.clean import clean
from entrepot.pipeline.cleaning.functions import ScriptFunctions
from entrepot.pipeline.cleaning.influence import influence
from entrepot.pipeline.cleaning.spec import CleaningSpec
from entrepot.pipeline.configuration import check_series_texts, get
from entrepot.pipeline.intervals import EVER
from entrepot.pipeline.models import Importer
from entrepot.scripts import ScriptError
from entrepot.scripts.sketch import sketch
from entrepot.series.models import Series
from entrepot.series.points import Points

_TRY = "channel.try"
#: Raw points that are tried at most, and points of each kind that are told.
MOST_POINTS, _TOLD = 200_000, 2000
_WEEK = 7 * 86_400 * 1_000_000


def start(
    session: Session,
    principal: Principal,
    importer_id: str,
    fields: Mapping[str, Any],
    *,
    start: int | None = None,
    end: int | None = None,
) -> jobs.Job:
    """Have it tried how a channel of an importer would clean, and return the job that does it.

    Parameters
    ----------
    fields
        Those of :class:`~entrepot.pipeline.models.Channel`; ``raw`` names the raw series.
    start, end
        Between which stamps, as the raw series has them, in microseconds; by default, its last week.
    """
    importer = get(session, principal, Importer, importer_id, "write")
    check_series_texts(fields, "raw")
    spec.validate(fields)
    if start is not None and end is not None and start >= end:
        raise InvalidInput.field("to", "This is not after `from`.")
    raw = _raw(session, importer.id, fields["raw"])
    if raw is None or raw.first is None:
        raise InvalidInput.field("raw", f"The importer has no points of {fields['raw'][:80]!r} yet.")
    return jobs.enqueue(
        session,
        _TRY,
        {"id": importer.id, "fields": dict(fields), "start": start, "end": end},
        organization_id=importer.organization_id,
        project_id=importer.project_id,
        user_id=principal.user_id,
    )


@jobs.task(_TRY, pool="runs")
def run(context: jobs.JobContext) -> dict[str, Any]:
    """Clean a part of a raw series, and tell both."""
    payload: Any = context.job.payload
    fields = payload["fields"]
    with context.database.read() as session:
        raw = _raw(session, payload["id"], fields["raw"])
        if raw is None or raw.first is None or raw.last is None:
            raise jobs.Refused("The raw series was deleted.")
        how = replace(CleaningSpec.of(fields), instants=raw.clock is not None)
        start, stop = _window(raw.first, raw.last, payload["start"], payload["end"])
        before, after = reading.neighbours(session, raw.number, start, stop, how)
        stretch = influence(how, start, stop, before, after)
        extent = reading.extent(session, raw.number, raw.first, raw.last, how)
        stamps, values, passes = reading.points(session, raw.number, stretch, how)
        if stamps.size > MOST_POINTS:
            raise jobs.Refused(f"These are more than {MOST_POINTS:,} points: try a shorter time.")
        shown = reading.instants(session, raw.number, start, stop, how)
        unit = raw.unit
    functions = ScriptFunctions(context, fields)
    window = None if stretch[2:] == EVER else (stretch.write_start, stretch.write_stop)
    told: dict[str, Any] = {"window": [start, stop], "raw_unit": unit, "raw": _points(shown)}
    try:
        at = round(time.time() * 1_000_000)
        cleaned = clean(stamps, values, how, functions, passes=passes, extent=extent, window=window, now=at)
    except ScriptError as error:
        context.check()
        return {**told, "error": error.message, "traceback": error.traceback, "output": functions.output}
    counts = cleaned.report.as_dict()
    return {
        **told,
        "error": None,
        "output": functions.output,
        "cleaned": _points(Points(cleaned.times, cleaned.values)),
        "counts": counts,
    }


def _raw(session: Session, importer_id: str, name: str) -> Series | None:
    return session.scalar(select(Series).where(Series.generator_id == importer_id, Series.name == name))


def _window(first: int, last: int, start: int | None, end: int | None) -> tuple[int, int]:
    stop = end if end is not None else (last + 1 if start is None else start + _WEEK)
    begin = start if start is not None else stop - _WEEK
    if begin > last or stop <= first:
        raise jobs.Refused("The raw series has no points in this time.")
    return max(begin, first), min(stop, last + 1)


def _points(points: Points) -> dict[str, Any]:
    """Return points as JSON has them, as a plot shows them."""
    return {"count": len(points), **sketch(points.times, points.values, _TOLD)}
