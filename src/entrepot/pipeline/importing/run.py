"""Running an importer: new files of its gate, through its script, into raw series."""

import time
from collections.abc import Collection
from pathlib import Path
from typing import Any, NoReturn

from sqlalchemy import select
from sqlalchemy.orm import Session

from entrepot import jobs, lineage
from entrepot.db import now
from entrepot.pipeline.gates import files as gate_files
from entrepot.pipeline.gates import folders, quarantine
from entrepot.pipeline.gates.configuration import gate_home
from entrepot.pipeline.generators import notices
from entrepot.pipeline.generators.finding import enqueue_run
from entrepot.pipeline.generators.reports import (
    MOST_ATTEMPTS,
    emit_of,
    ended_with_its_job,
    leave_a_count,
    note_old,
    payload_of,
    record_begin,
    record_failure,
    retried_when_series_vanish,
)
from entrepot.pipeline.importing import choice as file_choice
from entrepot.pipeline.importing import disposal
from entrepot.pipeline.importing.choice import Choice
from entrepot.pipeline.importing.parsing import ParsedFile, parse
from entrepot.pipeline.importing.write import MOST_FILES_IN_REPORT, file_with_stamps, write
from entrepot.pipeline.models import Gate, Importer, QuarantinedFile
from entrepot.scripts import ScriptError

#: Parsed files are written together for at most so long, so that many small files do not cost a commit each.
_BATCH_SECONDS = 1.0
_BATCH_POINTS = 2_000_000


@jobs.task("importer.run", max_attempts=MOST_ATTEMPTS, pool="runs")
def run(context: jobs.JobContext) -> dict[str, Any]:
    """Import what the importer has not imported yet, file by file in their order.

    Each commit holds points, what is known of the files, marks for the cleaner and lineage of some files, so that a run
    that is cut anywhere goes on where its last commit ended.
    """
    with ended_with_its_job(context):
        begun = _begin(context)
        if begun is None:
            return jobs.Nothing(skipped="The importer has no gate or no script.")
        return _import(context, *begun)


def _begin(context: jobs.JobContext) -> tuple[Importer, Gate, list[QuarantinedFile]] | None:
    """Record that the run began; None when there is nothing that could be run, and nobody asked for it."""
    with context.unit() as session:
        importer = session.scalar(select(Importer).where(Importer.id == payload_of(context)["id"]))
        if importer is None:
            raise jobs.Refused("The importer was deleted.")
        runnable = importer.gate is not None and bool(importer.parse.strip())
        if not runnable and not payload_of(context).get("requested"):
            return None
        record_begin(context, session, importer, importer.parse)
        gate, aside = importer.gate, quarantine.of_importer(session, importer)
    if gate is None:
        raise jobs.Refused("The importer has no gate.")
    if not runnable:
        raise jobs.Refused("The importer has no script.")
    return importer, gate, aside


def _import(context: jobs.JobContext, importer: Importer, gate: Gate, aside: list[QuarantinedFile]) -> dict[str, Any]:
    home = context.settings.data_dir / gate_home(gate.id)
    prefix = gate_files.prefix_of(importer.folder)
    root = folders.resolve(home, importer.folder)
    if prefix and not root.is_dir():
        raise jobs.Refused(f"folder: the gate {gate.name} has no folder {prefix!r}.")
    wrong = quarantine.settle(home, aside)
    if wrong:
        with context.unit() as session:
            quarantine.amend(session, importer, wrong)
    refused = {record.path.removeprefix(prefix) for record in aside}
    choice, noted = _choose(context, importer, root, _remaining(context, home, gate, importer), refused)
    batch = _Batch(context, importer, refused, choice)
    for done, (entry, again) in enumerate(choice.todo):
        context.check()
        context.progress(done, len(choice.todo), entry.path)
        try:
            batch.add(parse(context, importer, root, entry, again=again))
        except FileNotFoundError:  # it was removed since
            continue
        except ScriptError as error:
            context.check()
            # A script that does not compile says nothing about the file.
            if not gate.quarantine or error.kind == "syntax":
                batch.fail(f"{entry.path}: {error.message}", error)
            batch.set_aside(home, entry, error)
        if batch.is_full:
            batch.commit()
    done_with = [*(entry for entry, _ in choice.todo), *choice.touched]
    if gate.after_import != gate_files.KEEP and done_with:
        batch.commit()
        _dispose(context, home, gate.id, prefix, done_with)
    return _end(context, batch, found=bool(choice.todo), noted=noted or bool(wrong))


def _choose(
    context: jobs.JobContext, importer: Importer, root: Path, files: list[folders.Entry], refused: set[str]
) -> tuple[Choice, bool]:
    """Return what is to be done with the files, and whether there was something to note of those that are not read."""
    with context.database.read() as session:
        known = file_choice.known_files(session, importer.id, files)
        noted = file_choice.noted_changes(session, importer.id)
    choice = file_choice.choose(importer, root, files, known, refused)
    news = file_choice.is_news(importer, choice, noted)
    if news:
        with context.unit() as session:
            file_choice.note(session, importer.id, choice, context.job.id)
    return choice, news


def _end(context: jobs.JobContext, batch: "_Batch", *, found: bool, noted: bool) -> dict[str, Any]:
    """Write what waits, and end the run: as failed when there was something to read and nothing came of it.

    One that found nothing to read, nor anything else that is news (`noted`), leaves a count unless somebody asked.
    """
    asked, scheduled = (bool(payload_of(context).get(name)) for name in ("requested", "scheduled"))
    with retried_when_series_vanish(), context.unit() as session:
        importer = batch.write(session)
        report = batch.report
        importer.last_run_at = now()
        notices.scheduled_run(session, importer, found=found, scheduled=scheduled)
        notices.clear(session, importer, notices.RUN_FAILED)
        if asked or found:
            enqueue_run(session, importer.cleaner)
        if not found and not noted and leave_a_count(context, session):
            return report
        if (message := batch.told_of_nothing(session, importer)) is not None:
            failure = record_failure(context, session, importer, message, None, report, notice=notices.NOTHING_READ)
            context.finish(session, report, status="failed", error=message)
            return failure.details  # type: ignore[no-any-return]
        lineage.end_run(session, context.job.id, "finished", report)
        data = {"run": context.job.id, **{name: report[name] for name in ("read", "added", "replaced")}}
        emit_of(session, importer, "run", data)
        context.finish(session, report)
    return report


class _Batch:
    """Parsed files that wait to be written together, and the report of all that were.

    Parameters
    ----------
    refused
        Paths of files that were refused before.
    choice
        What is done with the gate's files.
    """

    def __init__(self, context: jobs.JobContext, importer: Importer, refused: Collection[str], choice: Choice) -> None:
        self._context, self._importer_id, self._refused = context, importer.id, refused
        #: A file of each kind of stamps, with a zone and without, where there may be only one kind.
        self._kinds: dict[bool, str] | None = {} if importer.clock is None else None
        self._files: list[ParsedFile] = []
        self._began, self._points = time.monotonic(), 0
        counts = ("read", "skipped", "rows", "rows_set_aside", "added", "replaced", "unchanged", "deleted")
        self.report: dict[str, Any] = {
            "files": [],
            "quarantined": [],
            **dict.fromkeys(counts, 0),
            "empty": [entry.path for entry in choice.empty[:MOST_FILES_IN_REPORT]],
            "nothing": [],
            "changed_unread": len(choice.unread),
            "changed": [entry.path for entry in choice.unread[:MOST_FILES_IN_REPORT]],
        }

    def add(self, parsed: ParsedFile) -> None:
        """Have a file written with the next commit.

        Raises
        ------
        ScriptError
            Its stamps have a zone and those of another file have none, or the other way round.
        """
        self._check_zones(parsed)
        self._files.append(parsed)
        note_old(self.report, parsed.notes)
        if parsed.nothing is not None and len(self.report["nothing"]) < MOST_FILES_IN_REPORT:
            self.report["nothing"].append({"path": parsed.path, "why": parsed.nothing})
        self._points += sum(len(points) for points in parsed.columns.values())

    def _check_zones(self, parsed: ParsedFile) -> None:
        if self._kinds is None or parsed.zoned is None:
            return
        if (other := self._kinds.get(not parsed.zoned)) is None:
            with self._context.database.read() as session:
                other = file_with_stamps(session, self._importer_id, zoned=not parsed.zoned, but=parsed.path)
        if other is not None:
            having, lacking = (parsed.path, other) if parsed.zoned else (other, parsed.path)
            raise ScriptError(
                "result",
                f"the stamps of {having} have a zone, those of {lacking} have none: give the script's stamps a "
                "zone in all files (tz_localize), or say by the importer's `clock` and `timezone` what the others show",
            )
        self._kinds.setdefault(parsed.zoned, parsed.path)

    @property
    def is_full(self) -> bool:
        """Whether it is time to commit."""
        return time.monotonic() - self._began > _BATCH_SECONDS or self._points > _BATCH_POINTS

    def write(self, session: Session) -> Importer:
        """Write what waits into an open unit of work, and return the importer."""
        importer = write(self._context, session, self._importer_id, self._files, self.report)
        if read := [parsed.path for parsed in self._files if parsed.path in self._refused]:
            quarantine.imported(session, importer, read)
        self._files, self._began, self._points = [], time.monotonic(), 0
        return importer

    def told_of_nothing(self, session: Session, importer: Importer) -> str | None:
        """Tell of files of which nothing came; return what is amiss where nothing came of any file."""
        points = sum(self.report[name] for name in ("added", "replaced", "unchanged"))
        nothing = self.report["nothing"]
        if not nothing:
            if points:
                notices.clear(session, importer, notices.NOTHING_READ)
            return None
        more = f" (and of {len(nothing) - 1} more files)" if len(nothing) > 1 else ""
        message = f"{nothing[0]['path']}: nothing came of it: {nothing[0]['why']}{more}."
        if not points:
            return message
        notices.tell(session, importer, notices.NOTHING_READ, f"Importer {importer.name}: {message}")
        return None

    def commit(self) -> None:
        """Write what waits."""
        if self._files:
            with retried_when_series_vanish(), self._context.unit() as session:
                self.write(session)

    def fail(self, message: str, error: ScriptError) -> NoReturn:
        """Write what waits, and end the run as failed."""
        with retried_when_series_vanish(), self._context.unit() as session:
            importer = self.write(session)
            failure = record_failure(self._context, session, importer, message, error, self.report)
        raise failure from error

    def set_aside(self, home: Path, entry: folders.Entry, error: ScriptError) -> None:
        """Write what waits, and put a file into quarantine that the script refuses."""
        with retried_when_series_vanish(), self._context.unit() as session:
            importer = self.write(session)
            record = quarantine.set_aside(session, home, importer, entry, error, self._context.job.id)
        note_old(self.report, error.notes)
        quarantine.settle(home, [record])
        if len(self.report["quarantined"]) < MOST_FILES_IN_REPORT:
            self.report["quarantined"].append({"path": entry.path, "stored": record.stored, "reason": error.message})


def _remaining(context: jobs.JobContext, home: Path, gate: Gate, importer: Importer) -> list[folders.Entry]:
    """Return the files to choose from, once those have left that a run before this one imported and was cut."""
    files = gate_files.importable(home, importer.folder)
    if gate.after_import != gate_files.KEEP:
        _dispose(context, home, gate.id, gate_files.prefix_of(importer.folder), files)
        files = gate_files.importable(home, importer.folder)
    return files


def _dispose(context: jobs.JobContext, home: Path, gate_id: str, prefix: str, files: list[folders.Entry]) -> None:
    with context.database.read() as session:
        gate = session.scalar(select(Gate).where(Gate.id == gate_id))
        if gate is None or gate.after_import == gate_files.KEEP:
            return
        found = disposal.imported_everywhere(session, gate, {prefix + entry.path: entry for entry in files})
    disposal.dispose(home, gate.after_import, found)
