"""What people ask of generators (run, clear, reset, activate), and what follows from changed configuration."""

from collections.abc import Collection

from sqlalchemy import select
from sqlalchemy.orm import Session

from entrepot import jobs
from entrepot.errors import Locked
from entrepot.jobs import schedules
from entrepot.pipeline import dirty, disposal, file_choice, notices
from entrepot.pipeline.generators import (
    AnyGenerator,
    consumers_of,
    drop_series,
    enqueue_run,
    forget_generator,
    job_key,
    series_by_name,
)
from entrepot.pipeline.models import Analysis, Importer, Unitcleaner

#: Changes to these fields make an importer's series say something else.
_PARSING_FIELDS = {"gate", "parse_script", "root_dir_path", "clock", "timezone"}


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
    _require_unlocked(session, generator)
    return enqueue_clear(
        session, generator, instant_us=instant_us, utc=utc, then_run=action == "reset", user_id=user_id
    )


def _require_unlocked(session: Session, generator: AnyGenerator) -> None:
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
    if importer.active and importer.crontab:
        schedules.set(
            session,
            name,
            importer.crontab,
            "UTC",
            "importer.run",
            {"id": importer.id, "requested": False, "scheduled": True},
            key=job_key(importer.id),
            organization_id=importer.organization_id,
            project_id=importer.project_id,
        )
    else:
        schedules.remove(session, name)


def unitcleaner_created(session: Session, unitcleaner: Unitcleaner) -> None:
    """Clean the whole raw series by the new unit cleaner."""
    dirty.mark(session, unitcleaner.id, "", [dirty.ALWAYS])
    enqueue_run(session, unitcleaner.cleaner)


def unitcleaner_changed(session: Session, unitcleaner: Unitcleaner, old_name: str) -> None:
    """Clear what the unit cleaner made under its old name, and clean anew."""
    drop_series(session, unitcleaner.cleaner, [old_name])
    dirty.forget(session, unitcleaner.id)
    unitcleaner_created(session, unitcleaner)


def unitcleaner_deleted(session: Session, unitcleaner: Unitcleaner) -> None:
    """Delete what the unit cleaner made; analyses that read it wait for its return."""
    drop_series(session, unitcleaner.cleaner, [unitcleaner.name])
    dirty.forget(session, unitcleaner.id)


def importer_changed(session: Session, importer: Importer, changed: Collection[str]) -> None:
    """Follow a change of an importer: its schedule, and what it made by an older script."""
    schedule(session, importer)
    # What was read of files that are deleted then cannot be read again.
    unique = importer.gate is not None and importer.gate.after_import == disposal.DELETE
    # Nor can what was pushed be.
    unique = unique or any(series.pushed for series in series_by_name(session, importer.id).values())
    if not _PARSING_FIELDS & set(changed) or unique:
        return
    if series_by_name(session, importer.id):
        _require_unlocked(session, importer)
        enqueue_clear(session, importer, then_run=importer.active)
    else:
        # Of what was read nothing came, or nothing was: it is read by what the importer is now.
        file_choice.forget(session, importer)


def importer_deleted(session: Session, importer: Importer) -> None:
    """Delete what the importer and its cleaner made; the caller deletes the records themselves."""
    schedules.remove(session, f"importer:{importer.id}")
    unitcleaners = select(Unitcleaner).where(Unitcleaner.cleaner_id == importer.cleaner.id)
    for unitcleaner in session.scalars(unitcleaners):
        dirty.forget(session, unitcleaner.id)
    for generator in (importer.cleaner, importer):
        mark_obsolete(session, generator, drop_series(session, generator))
        forget_generator(session, generator.id)


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
    dirty.forget(session, analysis.id)
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
    analysis.is_obsolete = True
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
