"""Clearing and resetting: deleting what a generator made, whole or from an instant, and what follows downstream."""

from typing import Any

import numpy as np
from sqlalchemy import select
from sqlalchemy.orm import Session

from entrepot import jobs
from entrepot.db import now
from entrepot.pipeline.gates import files as gate_files
from entrepot.pipeline.gates.configuration import gate_home
from entrepot.pipeline.generators import invalidations, notices
from entrepot.pipeline.generators.actions import enqueue_clear, forget_progress, mark_obsolete
from entrepot.pipeline.generators.finding import (
    AnyGenerator,
    clock_of,
    drop_series,
    enqueue_run,
    find_generator,
    raw_changed,
    raw_clocks,
    series_by_name,
    series_changed,
)
from entrepot.pipeline.generators.reports import MOST_ATTEMPTS, emit_of, payload_of
from entrepot.pipeline.importing import choice as file_choice
from entrepot.pipeline.importing import disposal
from entrepot.pipeline.models import Channel, Cleaner, Importer
from entrepot.series import store
from entrepot.series.clocks import Clock, to_naive, to_utc


@jobs.task("importer.clear", max_attempts=MOST_ATTEMPTS, pool="runs")
@jobs.task("cleaner.clear", max_attempts=MOST_ATTEMPTS, pool="runs")
@jobs.task("analysis.clear", max_attempts=MOST_ATTEMPTS, pool="runs")
def run(context: jobs.JobContext) -> dict[str, Any]:
    """Clear a generator in one transaction; a reset then has it run."""
    payload = payload_of(context)
    if payload["instant"] is None:
        with context.database.read() as session:
            generator = find_generator(session, payload["id"])
            if isinstance(generator, Importer) and generator.gate is not None:
                home = context.settings.data_dir / gate_home(generator.gate.id)
                disposal.restore(home, gate_files.prefix_of(generator.folder))
    with context.unit() as session:
        generator = find_generator(session, payload["id"])
        if generator is None:
            raise jobs.Refused(f"The {context.job.kind.partition('.')[0]} was deleted.")
        report = (
            _clear_from(session, generator, payload["instant"], utc=payload.get("utc", False))
            if payload["instant"] is not None
            else _clear(session, generator)
        )
        generator.last_cleared_at = now()
        emit_of(session, generator, "cleared", report)
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


def _clear_from(session: Session, generator: AnyGenerator, instant_us: int, *, utc: bool) -> dict[str, Any]:
    """Delete points from an instant on, in UTC or in the clock in which the generator's series are presented."""
    changed, deleted = {}, 0
    delivered = raw_clocks(session, generator.id) if utc else {}
    for name, series in series_by_name(session, generator.id).items():
        clock = clock_of(series.clock, series.timezone)
        start = _in_utc(instant_us, clock) if not utc else instant_us
        if utc and clock.kind is None and name in delivered:
            start = int(to_naive(np.array([instant_us], dtype=np.int64), delivered[name])[0])
        written = store.delete_after(session, series.pk, start)
        changed[name] = written.changed
        deleted += written.deleted
    if isinstance(generator, Importer):
        touched = [raw_changed(session, generator.cleaner, name, stamps) for name, stamps in changed.items()]
        if any(touched):
            enqueue_run(session, generator.cleaner)
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
    query = select(Channel).where(Channel.cleaner_id == cleaner.id).order_by(Channel.pk)
    return list(session.scalars(query))
