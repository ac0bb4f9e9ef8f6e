"""What people ask of generators (run, clear, reset, activate), and what follows from changed configuration."""

from collections.abc import Collection

from sqlalchemy import select
from sqlalchemy.orm import Session

from entrepot import jobs
from entrepot.errors import Locked
from entrepot.jobs import schedules
from entrepot.pipeline.generators import invalidations, notices
from entrepot.pipeline.generators.finding import (
    AnyGenerator,
    consumers_of,
    drop_series,
    enqueue_run,
    forget_generator,
    job_key,
    series_by_name,
)
from entrepot.pipeline.models import Analysis, Channel, Importer


def start(
    session: Session,
    generator: AnyGenerator,
    action: str,
    *,
    instant_us: int | None = None,
    utc: bool = False,
    user_id: str | None = None,
) -> jobs.Job:
    """Have a generator ``run``, ``clear`` or ``reset`` (clear, then run) and return the job that does it.

    Parameters
    ----------
    instant_us
        Clear only from here on: microseconds of the clock in which the generator's series are presented.
    utc
        The instant is one in UTC instead.
    """
    if action == "run":
        return enqueue_run(session, generator, user_id=user_id, requested=True)
    require_unlocked(session, generator)
    return enqueue_clear(
        session, generator, instant_us=instant_us, utc=utc, then_run=action == "reset", user_id=user_id
    )


def require_unlocked(session: Session, generator: AnyGenerator) -> None:
    """Raise where a series of the generator is locked."""
    for series in series_by_name(session, generator.id).values():
        if series.locked:
            raise Locked(f"Series {series.name} is locked.")


def set_active(session: Session, generator: Importer | Analysis, value: bool) -> None:
    """Switch a generator's automatic runs on or off; what is queued or running goes on."""
    if generator.active == value:
        return
    generator.active = value
    generator.touch()
    session.flush()
    if isinstance(generator, Importer):
        schedule(session, generator)
    elif value:
        enqueue_run(session, generator)


def schedule(session: Session, importer: Importer) -> None:
    """Bring an importer's cron schedule (in UTC) in line with its configuration."""
    name = f"importer:{importer.id}"
    if importer.active and importer.schedule:
        schedules.set(
            session,
            name,
            importer.schedule,
            "UTC",
            "importer.run",
            {"id": importer.id, "requested": False, "scheduled": True},
            key=job_key(importer.id),
            organization_id=importer.organization_id,
            project_id=importer.project_id,
        )
    else:
        schedules.remove(session, name)


def channel_created(session: Session, channel: Channel) -> None:
    """Clean the whole raw series by the new channel."""
    invalidations.mark(session, channel.id, "", [invalidations.ALWAYS])
    enqueue_run(session, channel.cleaner)


def channel_changed(session: Session, channel: Channel, old_name: str) -> None:
    """Clear what the channel made under its old name, and clean anew."""
    drop_series(session, channel.cleaner, [old_name])
    invalidations.forget(session, channel.id)
    channel_created(session, channel)


def channel_deleted(session: Session, channel: Channel) -> None:
    """Delete what the channel made; analyses that read it wait for its return."""
    drop_series(session, channel.cleaner, [channel.name])
    invalidations.forget(session, channel.id)


def analysis_changed(session: Session, analysis: Analysis) -> None:
    """Follow a change of an analysis' configuration, inputs or outputs: what it made is obsolete."""
    if series_by_name(session, analysis.id):
        _obsolete(session, analysis, "Its configuration changed after it had computed.")
    else:
        forget_progress(session, analysis)
        if analysis.active:
            enqueue_run(session, analysis)


def analysis_deleted(session: Session, analysis: Analysis) -> None:
    """Delete what the analysis made; the caller deletes the record itself."""
    invalidations.forget(session, analysis.id)
    mark_obsolete(session, analysis, drop_series(session, analysis))
    forget_generator(session, analysis.id)


def mark_obsolete(session: Session, generator: AnyGenerator, names: Collection[str]) -> None:
    """Follow an upstream clear: analyses that computed from these series are obsolete."""
    inputs = [
        analysis_input for found in consumers_of(session, generator.id, names).values() for analysis_input in found
    ]
    for analysis_id in dict.fromkeys(analysis_input.analysis_id for analysis_input in inputs):
        analysis = session.scalar(select(Analysis).where(Analysis.id == analysis_id))
        if analysis is not None and series_by_name(session, analysis.id):
            _obsolete(session, analysis, f"{generator.kind.capitalize()} {generator.name} was cleared.")


def forget_progress(session: Session, analysis: Analysis) -> None:
    """Make the next run of an analysis compute everything."""
    analysis.computed_start = analysis.computed_stop = None
    session.flush()


def _obsolete(session: Session, analysis: Analysis, reason: str) -> None:
    message = f"Results of analysis {analysis.name} are obsolete. {reason}"
    notices.tell(session, analysis, notices.OBSOLETE, message)
    analysis.behind = True
    if analysis.active:
        enqueue_clear(session, analysis, then_run=True)


def enqueue_clear(
    session: Session,
    generator: AnyGenerator,
    *,
    instant_us: int | None = None,
    utc: bool = False,
    then_run: bool,
    user_id: str | None = None,
) -> jobs.Job:
    """Have what a generator made deleted, from an instant on or whole, before it runs again or not."""
    return jobs.enqueue(
        session,
        f"{generator.kind}.clear",
        {"id": generator.id, "instant": instant_us, "utc": utc, "run": then_run},
        organization_id=generator.organization_id,
        project_id=generator.project_id,
        user_id=user_id,
        key=job_key(generator.id),
        coalesce=f"{generator.kind}.clear:{generator.id}:{instant_us}:{utc}:{then_run}",
    )
