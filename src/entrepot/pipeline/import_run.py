"""Running an importer: new files of its gate, through its script, into raw series."""

import hashlib
import time
from collections.abc import Collection
from pathlib import Path
from typing import Any, NoReturn

from sqlalchemy import select
from sqlalchemy.orm import Session

from entrepot import jobs, lineage
from entrepot.db import now
from entrepot.events import emit
from entrepot.pipeline import disposal, folders, gate_files, notices, quarantine
from entrepot.pipeline.file_choice import choose
from entrepot.pipeline.gates import gate_home
from entrepot.pipeline.generators import enqueue_run
from entrepot.pipeline.import_write import MOST_FILES_IN_REPORT, write
from entrepot.pipeline.models import Gate, ImportedFile, Importer
from entrepot.pipeline.parsing import ParsedFile, parse
from entrepot.pipeline.reports import (
    MOST_ATTEMPTS,
    payload_of,
    record_failure,
    retried_when_series_vanish,
)
from entrepot.scripts import ScriptError

#: Parsed files are written together for at most so long, so that many small files do not cost a commit each.
_BATCH_SECONDS = 1.0
_BATCH_POINTS = 2_000_000


@jobs.task("importer.run", max_attempts=MOST_ATTEMPTS)
def run(context: jobs.JobContext) -> dict[str, Any]:
    """Import what is new on the gate, file by file in the order of their paths.

    Each commit holds points, cursor, marks for the cleaner and lineage of some files, so that a run that is cut
    anywhere goes on where its last commit ended.
    """
    with context.unit() as session:
        importer = session.scalar(select(Importer).where(Importer.id == payload_of(context)["id"]))
        if importer is None:
            raise jobs.Refused("The importer was deleted.")
        if importer.gate is None or not importer.parse_script.strip():
            if not payload_of(context).get("requested"):
                return {"skipped": "The importer has no gate or no script."}
            raise jobs.Refused("The importer has no gate." if importer.gate is None else "The importer has no script.")
        gate, script = importer.gate, importer.parse_script
        lineage.begin_run(
            session,
            context.job.id,
            importer.kind,
            importer.id,
            organization_id=importer.organization_id,
            project_id=importer.project_id,
            user_id=context.job.user_id,
            script_sha256=hashlib.sha256(script.encode()).hexdigest(),
        )
        imported = {
            row.path: row
            for row in session.scalars(select(ImportedFile).where(ImportedFile.importer_id == importer.id))
        }
        aside = quarantine.of_importer(session, importer)
    home = context.settings.data_dir / gate_home(gate.id)
    prefix = gate_files.prefix_of(importer.root_dir_path)
    root = folders.resolve(home, importer.root_dir_path)
    if wrong := quarantine.settle(home, aside):
        with context.unit() as session:
            quarantine.amend(session, importer, wrong)
    files = _remaining(context, home, gate, importer)
    refused = {record.path.removeprefix(prefix) for record in aside}
    todo = choose(importer, files, imported, refused)
    batch = _Batch(context, importer.id, refused)
    for done, (entry, again) in enumerate(todo):
        context.check()
        context.progress(done, len(todo), entry.path)
        try:
            batch.add(parse(context, script, root, entry, again=again))
        except ScriptError as error:
            context.check()
            # A script that does not compile says nothing about the file.
            if not gate.quarantine or error.kind == "syntax":
                batch.fail(f"{entry.path}: {error.message}", error)
            batch.set_aside(home, entry, error, again=again)
        if batch.is_full:
            batch.commit()
    if gate.after_import != disposal.KEEP and todo:
        batch.commit()
        _dispose(context, home, gate.id, prefix, [entry for entry, _ in todo])
    report = batch.report
    with retried_when_series_vanish(), context.unit() as session:
        importer = batch.write(session)
        importer.last_run = now()
        scheduled = bool(payload_of(context).get("scheduled"))
        notices.scheduled_run(session, importer, found=bool(todo), scheduled=scheduled)
        notices.clear(session, importer, notices.RUN_FAILED)
        if payload_of(context).get("requested") or todo:
            enqueue_run(session, importer.cleaner)
        lineage.end_run(session, context.job.id, "finished", report)
        data = {"run": context.job.id, **{name: report[name] for name in ("read", "added", "replaced")}}
        emit(
            session,
            "importer",
            "run",
            importer.id,
            organization_id=importer.organization_id,
            project_id=importer.project_id,
            data=data,
        )
        context.finish(session, report)
    return report


class _Batch:
    """Parsed files that wait to be written together, and the report of all that were.

    Parameters
    ----------
    refused
        Paths of files that were refused before.
    """

    def __init__(self, context: jobs.JobContext, importer_id: str, refused: Collection[str]) -> None:
        self._context, self._importer_id, self._refused = context, importer_id, refused
        self._files: list[ParsedFile] = []
        self._began, self._points = time.monotonic(), 0
        counts = ("read", "skipped", "rows", "added", "replaced", "unchanged")
        self.report: dict[str, Any] = {"files": [], "quarantined": [], **dict.fromkeys(counts, 0)}

    def add(self, parsed: ParsedFile) -> None:
        """Have a file written with the next commit."""
        self._files.append(parsed)
        self._points += sum(times.size for times, _ in parsed.columns.values())

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

    def set_aside(self, home: Path, entry: folders.Entry, error: ScriptError, *, again: bool) -> None:
        """Write what waits, and put a file into quarantine that the script refuses."""
        with retried_when_series_vanish(), self._context.unit() as session:
            importer = self.write(session)
            if not again:
                importer.last_imported_path = entry.path
            record = quarantine.set_aside(session, home, importer, entry, error, self._context.job.id)
        quarantine.settle(home, [record])
        if len(self.report["quarantined"]) < MOST_FILES_IN_REPORT:
            self.report["quarantined"].append({"path": entry.path, "stored": record.stored, "reason": error.message})


def _remaining(context: jobs.JobContext, home: Path, gate: Gate, importer: Importer) -> list[folders.Entry]:
    """Return the files to choose from, once those have left that a run before this one imported and was cut."""
    files = gate_files.importable(home, importer.root_dir_path)
    if gate.after_import != disposal.KEEP:
        _dispose(context, home, gate.id, gate_files.prefix_of(importer.root_dir_path), files)
        files = gate_files.importable(home, importer.root_dir_path)
    return files


def _dispose(context: jobs.JobContext, home: Path, gate_id: str, prefix: str, files: list[folders.Entry]) -> None:
    with context.database.read() as session:
        gate = session.scalar(select(Gate).where(Gate.id == gate_id))
        if gate is None or gate.after_import == disposal.KEEP:
            return
        found = disposal.imported_everywhere(session, gate, {prefix + entry.path: entry for entry in files})
    disposal.dispose(home, gate.after_import, found)
