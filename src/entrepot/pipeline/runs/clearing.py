"""Clearing and resetting: deleting what a generator made, whole or from an instant, and what follows downstream."""

from typing import Any

import numpy as np
from sqlalchemy import select
from sqlalchemy.orm import Session

from entrepot import jobs
from entrepot.db import now
from entrepot.pipeline.gates import files as gate_files
from entrepot.pipeline.gates.configuration import gate_home
from entrepot.pipeline.gates.homes import open_home
from entrepot.pipeline.generators import invalidations, notices
from entrepot.pipeline.generators.actions import enqueue_clear, forget_progress, mark_obsolete
from entrepot.pipeline.generators.finding import (
    KINDS,
    AnyGenerator,
    clock_of,
    drop_series,
    enqueue_run,
    raw_changed,
    raw_clocks,
    series_by_name,
    series_changed,
)
from entrepot.pipeline.generators.frame import MOST_ATTEMPTS, Run
from entrepot.pipeline.importing import choice as file_choice
from entrepot.pipeline.importing import disposal
from entrepot.pipeline.models import Channel, Cleaner, Importer
from entrepot.pipeline.runs.remake import concerned, from_then_on
from entrepot.series import store
from entrepot.series.clocks import Clock, to_naive, to_utc


@jobs.task("importer.clear", max_attempts=MOST_ATTEMPTS, pool="runs")
@jobs.task("cleaner.clear", max_attempts=MOST_ATTEMPTS, pool="runs")
@jobs.task("analysis.clear", max_attempts=MOST_ATTEMPTS, pool="runs")
def run(context: jobs.JobContext) -> dict[str, Any]:
    """Clear a generator in one transaction; a reset then has it run."""
    payload: Any = context.job.payload
    clearing = Run(context, KINDS[context.job.kind.partition(".")[0]])
    if payload["instant"] is None or payload["run"]:
        moved = None
        with context.database.read() as session:
            generator = clearing.find(session)
            if isinstance(generator, Importer) and generator.gate is not None:
                moved = gate_home(generator.gate.id), gate_files.prefix_of(generator.folder)
        if moved is not None:
            disposal.restore(open_home(context.settings, context.database, moved[0]), moved[1])
    with clearing.unit() as (session, generator):
        report = (
            _clear_from(session, generator, payload["instant"], utc=payload.get("utc", False), again=payload["run"])
            if payload["instant"] is not None
            else _clear(session, generator)
        )
        generator.last_cleared_at = now()
        clearing.emit(session, generator, "cleared", **report)
        if payload["run"]:
            enqueue_run(session, generator)
        context.finish(session, report)
    return report


def _clear(session: Session, generator: AnyGenerator) -> dict[str, Any]:
    names = drop_series(session, generator)
    if isinstance(generator, Importer):
        file_choice.forget(session, generator)
        notices.clear(session, generator, notices.SET_ASIDE)
        enqueue_clear(session, generator.cleaner, then_run=False)
    elif isinstance(generator, Cleaner):
        for channel in _channels(session, generator):
            invalidations.forget(session, channel.id)
            invalidations.mark(session, channel.id, "", [invalidations.ALWAYS])
    else:
        invalidations.forget(session, generator.id)
        forget_progress(session, generator)
        generator.behind = False
    mark_obsolete(session, generator, names)
    return {"series": names}


def _clear_from(
    session: Session, generator: AnyGenerator, instant_us: int, *, utc: bool, again: bool
) -> dict[str, Any]:
    """Delete points from an instant on, in UTC or in the clock in which the generator's series are presented.

    What is to be made again of files is read again; a published client, whose clock it is otherwise, says by a path
    which these are.
    """
    changed, deleted = {}, 0
    delivered = raw_clocks(session, generator.id) if utc else {}
    for name, series in series_by_name(session, generator.id).items():
        clock = clock_of(series.clock, series.timezone)
        start = _in_utc(instant_us, clock) if not utc else instant_us
        if utc and clock.kind is None and name in delivered:
            start = int(to_naive(np.array([instant_us], dtype=np.int64), delivered[name])[0])
        written = store.delete_after(session, series.number, start)
        changed[name] = written.changed
        deleted += written.deleted
    if isinstance(generator, Importer):
        touched = [raw_changed(session, generator.cleaner, name, stamps) for name, stamps in changed.items()]
        if any(touched):
            enqueue_run(session, generator.cleaner)
        if again and utc:
            concerned(session, generator, from_then_on(instant_us), forget=True)
    elif isinstance(generator, Cleaner):
        for channel in _channels(session, generator):
            # One day earlier than the instant, whatever the clock of the raw series: what is equal stays as it is.
            invalidations.mark(session, channel.id, "", [(instant_us - invalidations.DAY, invalidations.ALWAYS[1])])
    else:
        start = instant_us if utc else 0
        if generator.config and not utc:
            start = _in_utc(instant_us, clock_of(generator.config.clock, generator.config.timezone))
        if generator.computed_stop is not None and generator.computed_stop > start:
            generator.computed_stop = max(start, generator.computed_start or start)
    series_changed(session, generator, changed)
    return {"from": instant_us, "deleted": deleted}


def _in_utc(instant_us: int, clock: Clock) -> int:
    return int(to_utc(np.array([instant_us], dtype=np.int64), clock)[0])


def _channels(session: Session, cleaner: Cleaner) -> list[Channel]:
    query = select(Channel).where(Channel.cleaner_id == cleaner.id).order_by(Channel.number)
    return list(session.scalars(query))
