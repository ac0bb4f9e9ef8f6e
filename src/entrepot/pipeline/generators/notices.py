"""What people are told of what runs, and of its series: raised once, cleared when it is over."""

from sqlalchemy.orm import Session

from entrepot.events import Notification, notifications
from entrepot.pipeline.generators.finding import Runner, owner_of
from entrepot.pipeline.models import Cleaner, Feeder, Importer

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


def tell(session: Session, runner: Runner, name: str, message: str, *, subject: str | None = None) -> Notification:
    """Raise a notice, or give the one that is open already this message."""
    owner = owner_of(runner)
    return notifications.notify(
        session,
        name,
        message,
        organization_id=owner.organization_id,
        project_id=owner.project_id,
        generator_kind=runner.kind,
        generator_id=runner.id,
        subject=subject,
        origin=_origin(runner),
    )


def with_details(sentence: str, details: str) -> str:
    """Return a sentence and, below it, the end of what a script raised."""
    return f"{sentence}\n\n{details.strip()[-_LONGEST_DETAILS:]}".strip()


def clear(session: Session, runner: Runner, name: str, *, subject: str | None = None) -> None:
    """Resolve a notice, because its cause is gone."""
    notifications.resolve(session, runner.id, name, subject=subject)


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


def called(runner: Runner) -> str:
    """Return what people call it."""
    if isinstance(runner, Feeder):
        return f"the feeder of gate {runner.gate.name}"
    return f"{runner.kind} {runner.name}"


def _origin(runner: Runner) -> str:
    """Return where trouble comes from: a broken gate is one origin, whatever depends on it."""
    found = runner.importer if isinstance(runner, Cleaner) else runner
    gate = found.gate if isinstance(found, Importer | Feeder) else None
    return f"{found.kind} {owner_of(found).name}" if gate is None else f"gate {gate.name}"
