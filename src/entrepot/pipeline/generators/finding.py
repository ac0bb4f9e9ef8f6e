"""What importers, cleaners and analyses have in common: finding them, their series, and those who consume them."""

import difflib
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import cast

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from entrepot import jobs
from entrepot.errors import NotFound
from entrepot.events import notifications
from entrepot.identity import Principal, Right, limits
from entrepot.identity.projects import is_kept
from entrepot.pipeline.generators import invalidations
from entrepot.pipeline.models import (
    Analysis,
    AnalysisInput,
    Channel,
    Cleaner,
    Feeder,
    Importer,
    ScriptVersion,
    SilenceWatch,
)
from entrepot.pipeline.records import Owned
from entrepot.series import store
from entrepot.series.clocks import Clock, Kind
from entrepot.series.models import Series

AnyGenerator = Importer | Cleaner | Analysis
#: What has runs.
Runner = AnyGenerator | Feeder
KINDS: dict[str, type[AnyGenerator]] = {model.kind: model for model in (Importer, Cleaner, Analysis)}


def find_generator(session: Session, generator_id: str, kind: str | None = None) -> AnyGenerator | None:
    """Return the importer, cleaner or analysis of this id; ids are unique across the three."""
    for model in [KINDS[kind]] if kind else KINDS.values():
        generator = session.scalar(select(model).where(model.id == generator_id, is_kept(model.project_id)))
        if isinstance(generator, Importer | Cleaner | Analysis):
            return generator
    return None


def any_scripted(session: Session) -> bool:
    """Tell whether anybody's scripts may run here: those of importers, which cleaners follow, analyses or feeders."""
    return any(session.scalar(select(model.id).limit(1)) for model in (Importer, Analysis, Feeder))


def owner_of(runner: Runner) -> Owned:
    """Return what says whose it is, and under which name: itself, or the gate of a feeder."""
    return runner.gate if isinstance(runner, Feeder) else runner


def get_generator(
    session: Session, principal: Principal, generator_id: str, right: Right = "read", kind: str | None = None
) -> AnyGenerator:
    """Return a generator, perhaps of a kind, on which the caller has the right; NotFound when it belongs to others."""
    generator = find_generator(session, generator_id, kind)
    if generator is None:
        raise NotFound("Generator not found.")
    principal.require(right, generator.organization_id, "Generator", generator.project_id)
    return generator


def clock_of(kind: str | None, timezone: str | None, day_begins: int = 0) -> Clock:
    """Return the clock that stored fields name; they were checked before they were stored."""
    return Clock(cast("Kind | None", kind), timezone, day_begins)


def raw_clocks(session: Session, importer_id: str) -> dict[str, Clock]:
    """Return the clocks of an importer's series, by name, as its channels know them; others are not known."""
    query = select(Channel).join(Cleaner, Cleaner.id == Channel.cleaner_id)
    found = session.scalars(query.where(Cleaner.importer_id == importer_id))
    return {one.raw: clock_of(one.clock, one.timezone) for one in found}


def series_by_name(session: Session, generator_id: str) -> dict[str, Series]:
    """Return the series that a generator made, by name, in the order of their creation."""
    query = select(Series).where(Series.generator_id == generator_id).order_by(Series.number)
    return {series.name: series for series in session.scalars(query)}


def alike(name: str, names: Iterable[str]) -> str:
    """Return what to say of names that somebody may have meant who wrote another one."""
    found = difflib.get_close_matches(name, names, 3, 0.6)
    return f" (there is {', '.join(found)})" if found else ""


def enqueue_run(
    session: Session,
    generator: AnyGenerator,
    *,
    user_id: str | None = None,
    requested: bool = False,
    due: int | None = None,
) -> jobs.Job:
    """Have the generator run; one that already waits to run is not queued twice.

    ``requested`` runs are somebody's wish and say when they cannot be fulfilled; others skip silently. A run that is
    ``due`` at an instant (microseconds, UTC) waits until a second after it.
    """
    job = jobs.enqueue(
        session,
        f"{generator.kind}.run",
        {"id": generator.id, "requested": requested},
        organization_id=generator.organization_id,
        project_id=generator.project_id,
        user_id=user_id,
        key=job_key(generator.id),
        coalesce=f"{generator.kind}.run:{generator.id}:{requested if due is None else 'due'}",
        run_at=None if due is None else datetime.fromtimestamp(due / 1_000_000 + 1, UTC),
    )
    if requested:
        # What follows from data that was accepted is done: only what somebody asks for is held to the limit.
        limits.grown(session, generator.organization_id, "jobs", job.created_now)
    return job


def job_key(generator_id: str) -> str:
    """Return the key under which a generator's jobs take turns."""
    return f"generator:{generator_id}"


def forget_generator(session: Session, generator_id: str) -> None:
    """Follow the end of a generator: cancel its jobs, resolve its notices, forget its watches and scripts."""
    while found := jobs.list_(session, key=job_key(generator_id), statuses=["pending"], limit=100):
        for job in found:
            jobs.cancel(session, job.id)
    jobs.idle.forget(session, key=job_key(generator_id))
    notifications.resolve_all(session, generator_id)
    for model in (SilenceWatch, ScriptVersion):
        session.execute(delete(model).where(model.generator_id == generator_id))


def consumers_of_raw(session: Session, cleaner: Cleaner, name: str) -> list[Channel]:
    """Return the channels that read a raw series."""
    query = select(Channel).where(Channel.cleaner_id == cleaner.id, Channel.raw == name)
    return list(session.scalars(query))


def raw_changed(session: Session, cleaner: Cleaner, name: str, changed: NDArray[np.int64]) -> bool:
    """Mark what channels have to recompute after raw points changed; tell whether there is any."""
    intervals = invalidations.spans(changed)
    consumers = consumers_of_raw(session, cleaner, name) if intervals else []
    for channel in consumers:
        invalidations.mark(session, channel.id, "", intervals)
    return bool(consumers)


def consumers_of(session: Session, generator_id: str, names: Iterable[str]) -> dict[str, list[AnalysisInput]]:
    """Return the analysis inputs that read series of a generator, by series name."""
    query = select(AnalysisInput).where(
        AnalysisInput.generator_id == generator_id, AnalysisInput.series_name.in_(list(names))
    )
    found: dict[str, list[AnalysisInput]] = {}
    for analysis_input in session.scalars(query.order_by(AnalysisInput.number)):
        found.setdefault(analysis_input.series_name, []).append(analysis_input)
    return found


def series_changed(session: Session, generator: AnyGenerator, changed: dict[str, NDArray[np.int64]]) -> None:
    """Mark what analyses have to recompute after points of series changed, and have the active ones run."""
    changed = {name: stamps for name, stamps in changed.items() if stamps.size}
    _wake(
        session,
        [
            (analysis_input, invalidations.spans(changed[name]))
            for name, inputs in consumers_of(session, generator.id, changed).items()
            for analysis_input in inputs
        ],
    )


def drop_series(session: Session, generator: AnyGenerator, names: Iterable[str] | None = None) -> list[str]:
    """Delete series of a generator (all of them by default); analyses that read them have to recompute."""
    wanted = set(names) if names is not None else None
    found = {
        name: series for name, series in series_by_name(session, generator.id).items() if not wanted or name in wanted
    }
    store.discard(session, [series.number for series in found.values()])
    _wake(
        session,
        [
            (analysis_input, [invalidations.ALWAYS])
            for inputs in consumers_of(session, generator.id, found).values()
            for analysis_input in inputs
        ],
    )
    return list(found)


def _wake(session: Session, touched: list[tuple[AnalysisInput, list[tuple[int, int]]]]) -> None:
    for analysis_input, intervals in touched:
        invalidations.mark(session, analysis_input.analysis_id, analysis_input.column, intervals)
    for analysis_id in dict.fromkeys(analysis_input.analysis_id for analysis_input, _ in touched):
        analysis = session.scalar(select(Analysis).where(Analysis.id == analysis_id))
        if analysis is not None and analysis.active:
            enqueue_run(session, analysis)
