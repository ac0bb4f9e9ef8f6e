"""What people are told of importers, cleaners, analyses and their series: raised once, cleared when it is over."""

from sqlalchemy.orm import Session

from entrepot.events import Notification, notifications
from entrepot.pipeline.generators.finding import AnyGenerator
from entrepot.pipeline.models import Cleaner, Importer

RUN_FAILED = "Run failed"
MISSING_FILES = "Missing files"
QUARANTINED = "Files in quarantine"
CHANGED = "Files changed"
NOTHING_READ = "Nothing read"
SET_ASIDE = "Stamps set aside"
HOURS_OPEN = "Hours shown twice"
NO_SERIES = "Series missing"
SILENT = "Series silent"
OBSOLETE = "Analysis obsolete"
_LONGEST_DETAILS = 4000


def tell(
    session: Session, generator: AnyGenerator, name: str, message: str, *, subject: str | None = None
) -> Notification:
    """Raise a notice, or give the one that is open already this message."""
    return notifications.notify(
        session,
        name,
        message,
        organization_id=generator.organization_id,
        project_id=generator.project_id,
        generator_kind=generator.kind,
        generator_id=generator.id,
        subject=subject,
        origin=_origin(generator),
    )


def with_details(sentence: str, details: str) -> str:
    """Return a sentence and, below it, the end of what a script raised."""
    return f"{sentence}\n\n{details.strip()[-_LONGEST_DETAILS:]}".strip()


def clear(session: Session, generator: AnyGenerator, name: str, *, subject: str | None = None) -> None:
    """Resolve a notice, because its cause is gone."""
    notifications.resolve(session, generator.id, name, subject=subject)


def scheduled_run(session: Session, importer: Importer, *, found: bool, scheduled: bool) -> None:
    """Count the scheduled runs in a row that found no new file, and tell when there are as many as was asked for."""
    if found:
        importer.runs_without_file = 0
        clear(session, importer, MISSING_FILES)
    elif scheduled:
        importer.runs_without_file += 1
        if 0 < importer.told_after <= importer.runs_without_file:
            message = f"Importer {importer.name} found no new file in {importer.runs_without_file} scheduled runs."
            tell(session, importer, MISSING_FILES, message)


def _origin(generator: AnyGenerator) -> str:
    """Return where trouble with a generator comes from: a broken gate is one origin, whatever depends on it."""
    importer = generator.importer if isinstance(generator, Cleaner) else generator
    if isinstance(importer, Importer):
        return f"gate {importer.gate.name}" if importer.gate else f"importer {importer.name}"
    return f"analysis {generator.name}"
