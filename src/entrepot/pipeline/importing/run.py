"""Running an importer: new files of its gate, through its script, into raw series."""

import time
from collections.abc import Collection
from typing import NoReturn

from sqlalchemy import select
from sqlalchemy.orm import Session

from entrepot import jobs
from entrepot.pipeline.gates import files as gate_files
from entrepot.pipeline.gates import folders, quarantine
from entrepot.pipeline.gates.configuration import gate_home
from entrepot.pipeline.gates.home import Home
from entrepot.pipeline.gates.homes import open_home
from entrepot.pipeline.generators import frame, notices
from entrepot.pipeline.generators.finding import enqueue_run
from entrepot.pipeline.generators.frame import Run
from entrepot.pipeline.generators.reports import note_old
from entrepot.pipeline.importing import choice as file_choice
from entrepot.pipeline.importing import disposal
from entrepot.pipeline.importing.choice import Choice
from entrepot.pipeline.importing.parsing import ParsedFile
from entrepot.pipeline.importing.together import parse_all
from entrepot.pipeline.importing.write import MOST_FILES_IN_REPORT, files_with_stamps, write
from entrepot.pipeline.models import Gate, Importer, QuarantinedFile
from entrepot.scripts import ScriptError

#: Parsed files are written together for at most so long, so that many small files do not cost a commit each.
_BATCH_SECONDS = 1.0
_BATCH_POINTS = 2_000_000


Plan = tuple[Importer, Gate, list[QuarantinedFile]]


def _plan(_run: Run[Importer], session: Session, importer: Importer) -> Plan:
    if importer.gate is None:
        raise frame.Unready("The importer has no gate.")
    if not importer.parse.strip():
        raise frame.Unready("The importer has no script.")
    return importer, importer.gate, quarantine.unsettled(session, importer)


@frame.runs("importer.run", Importer, plan=_plan, script=lambda importer: importer.parse)
def run(run: Run[Importer], plan: Plan) -> None:
    """Import what the importer has not imported yet, file by file in their order.

    Each commit holds points, what is known of the files, marks for the cleaner and lineage of some files, so that a run
    that is cut anywhere goes on where its last commit ended.
    """
    context, (importer, gate, unsettled) = run.context, plan
    home = open_home(context.settings, context.database, gate_home(gate.id))
    prefix = gate_files.prefix_of(importer.folder)
    if prefix and not gate_files.is_folder(home, home.resolve(importer.folder)):
        raise jobs.Refused(f"folder: the gate {gate.name} has no folder {prefix!r}.")
    wrong = quarantine.settle(home, unsettled)
    if wrong:
        with run.unit() as (session, _):
            quarantine.amend(session, wrong)
    refused = {record.path.removeprefix(prefix) for record in unsettled if record.importer_id == importer.id}
    choice, noted = _choose(run, importer, home, _remaining(context, home, gate, importer), refused)
    batch = _Batch(run, importer, refused, choice)
    for entry, made in parse_all(context, importer, home, choice.todo):
        context.check()
        try:
            batch.add(made)
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
    _end(run, batch, found=bool(choice.todo), noted=noted or bool(wrong))


def _choose(
    run: Run[Importer], importer: Importer, home: Home, files: list[folders.Entry], refused: set[str]
) -> tuple[Choice, bool]:
    """Return what is to be done with the files, and whether there was something to note of those that are not read."""
    with run.context.database.read() as session:
        known = file_choice.known_files(session, importer.id, files)
        noted = file_choice.noted_changes(session, importer.id)
    choice = file_choice.choose(importer, home, files, known, refused)
    news = file_choice.is_news(importer, choice, noted)
    if news:
        with run.unit() as (session, _):
            file_choice.note(session, importer.id, choice, run.id)
    return choice, news


def _end(run: Run[Importer], batch: "_Batch", *, found: bool, noted: bool) -> None:
    """Write what waits, and end the run: as failed when there was something to read and nothing came of it.

    One that found nothing to read, nor anything else that is news (`noted`), leaves a count unless somebody asked.
    """
    with run.unit() as (session, importer):
        batch.write(session, importer)
        notices.scheduled_run(session, importer, found=found, scheduled=run.scheduled)
        if run.requested or found:
            enqueue_run(session, importer.cleaner)
        if (message := batch.told_of_nothing(session, importer)) is not None:
            notices.clear(session, importer, notices.RUN_FAILED)
            run.fail(session, importer, message, notice=notices.NOTHING_READ)
        else:
            counts = {name: run.report[name] for name in ("read", "added", "replaced")}
            run.finish(session, importer, news=found or noted, **counts)


class _Batch:
    """Parsed files that wait to be written together, and what the run reports of all that were.

    Parameters
    ----------
    refused
        Paths of files that were refused before.
    choice
        What is done with the gate's files.
    """

    def __init__(self, run: Run[Importer], importer: Importer, refused: Collection[str], choice: Choice) -> None:
        self._run, self._refused = run, refused
        #: A file of each kind of stamps, with a zone and without, where there may be only one kind.
        self._kinds: dict[bool, str] | None = {} if importer.clock is None else None
        self._stored: dict[bool, list[str]] = {}
        self._files: list[ParsedFile] = []
        self._began, self._points = time.monotonic(), 0
        counts = ("read", "skipped", "rows", "rows_set_aside", "added", "replaced", "unchanged", "deleted")
        self._report = run.report
        self._report |= {
            "files": [],
            "quarantined": [],
            **dict.fromkeys(counts, 0),
            "empty": [entry.path for entry in choice.empty[:MOST_FILES_IN_REPORT]],
            "nothing": [],
            "passed": [entry.path for entry in choice.passed[:MOST_FILES_IN_REPORT]],
            "changed_unread": len(choice.unread),
            "changed": [entry.path for entry in choice.unread[:MOST_FILES_IN_REPORT]],
        }

    def add(self, parsed: ParsedFile | ScriptError) -> None:
        """Have a file written with the next commit.

        Raises
        ------
        ScriptError
            The script refuses it; or its stamps have a zone and those of another file have none, or the other way
            round.
        """
        if isinstance(parsed, ScriptError):
            raise parsed
        self._check_zones(parsed)
        self._files.append(parsed)
        note_old(self._report, parsed.notes)
        if parsed.nothing is not None and len(self._report["nothing"]) < MOST_FILES_IN_REPORT:
            self._report["nothing"].append({"path": parsed.path, "why": parsed.nothing})
        self._points += sum(len(points) for points in parsed.columns.values())

    def _check_zones(self, parsed: ParsedFile) -> None:
        if self._kinds is None or parsed.zoned is None:
            return
        other = self._kinds.get(not parsed.zoned) or next(
            (path for path in self._stored_of_kind(zoned=not parsed.zoned) if path != parsed.path), None
        )
        if other is not None:
            having, lacking = (parsed.path, other) if parsed.zoned else (other, parsed.path)
            raise ScriptError(
                "result",
                f"the stamps of {having} have a zone, those of {lacking} have none: give the script's stamps a "
                "zone in all files (tz_localize), or say by the importer's `clock` and `timezone` what the others show",
            )
        self._kinds.setdefault(parsed.zoned, parsed.path)

    def _stored_of_kind(self, *, zoned: bool) -> list[str]:
        """Return a few stored files whose stamps have a zone, or have none; looked up once a commit."""
        if zoned not in self._stored:
            with self._run.context.database.read() as session:
                self._stored[zoned] = files_with_stamps(session, self._run.of, zoned=zoned)
        return self._stored[zoned]

    @property
    def is_full(self) -> bool:
        """Whether it is time to commit."""
        return time.monotonic() - self._began > _BATCH_SECONDS or self._points > _BATCH_POINTS

    def write(self, session: Session, importer: Importer) -> None:
        """Write what waits into an open unit of work."""
        write(self._run, session, importer, self._files)
        if read := [parsed.path for parsed in self._files if parsed.path in self._refused]:
            quarantine.imported(session, importer, read)
        self._files, self._began, self._points = [], time.monotonic(), 0
        self._stored.clear()

    def told_of_nothing(self, session: Session, importer: Importer) -> str | None:
        """Tell of files of which nothing came; return what is amiss where nothing came of any file."""
        points = sum(self._report[name] for name in ("added", "replaced", "unchanged"))
        nothing = self._report["nothing"]
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
            with self._run.unit() as (session, importer):
                self.write(session, importer)

    def fail(self, message: str, error: ScriptError) -> NoReturn:
        """Write what waits, and end the run as failed."""
        with self._run.unit() as (session, importer):
            self.write(session, importer)
            failure = self._run.fail(session, importer, message, error)
        raise failure from error

    def set_aside(self, home: Home, entry: folders.Entry, error: ScriptError) -> None:
        """Write what waits, and put a file into quarantine that the script refuses."""
        with self._run.unit() as (session, importer):
            self.write(session, importer)
            record = quarantine.set_aside(session, home.within(session), importer, entry, error, self._run.id)
        note_old(self._report, error.notes)
        quarantine.settle(home, [record])
        if len(self._report["quarantined"]) < MOST_FILES_IN_REPORT:
            self._report["quarantined"].append({"path": entry.path, "stored": record.stored, "reason": error.message})


def _remaining(context: jobs.JobContext, home: Home, gate: Gate, importer: Importer) -> list[folders.Entry]:
    """Return the files to choose from, once those have left that a run before this one imported and was cut."""
    files = gate_files.importable(home, importer.folder)
    if gate.after_import != gate_files.KEEP:
        _dispose(context, home, gate.id, gate_files.prefix_of(importer.folder), files)
        files = gate_files.importable(home, importer.folder)
    return files


def _dispose(context: jobs.JobContext, home: Home, gate_id: str, prefix: str, files: list[folders.Entry]) -> None:
    with context.database.read() as session:
        gate = session.scalar(select(Gate).where(Gate.id == gate_id))
        if gate is None or gate.after_import == gate_files.KEEP:
            return
        found = disposal.imported_everywhere(session, gate, {prefix + entry.path: entry for entry in files})
    disposal.dispose(home, gate.after_import, found)
