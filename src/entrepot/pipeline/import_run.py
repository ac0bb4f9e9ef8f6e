"""Running an importer: new files of its gate, through its script, into raw series."""

import hashlib
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import select
from sqlalchemy.orm import Session

from entrepot import jobs, lineage
from entrepot.db import now
from entrepot.events import emit, notifications
from entrepot.pipeline import folders
from entrepot.pipeline.generators import enqueue_run, raw_changed, series_by_name
from entrepot.pipeline.models import ImportedFile, Importer, ImporterSeries
from entrepot.pipeline.reports import (
    MOST_ATTEMPTS,
    RUN_FAILED,
    payload_of,
    record_failure,
    retried_when_series_vanish,
    script_limits,
    stamps_of,
)
from entrepot.scripts import ScriptError
from entrepot.series import store
from entrepot.series.catalog import LONGEST_NAME

MISSING_FILES = "Missing files"
#: Parsed files are written together for at most so long, so that many small files do not cost a commit each.
_BATCH_SECONDS = 1.0
_BATCH_POINTS = 2_000_000
_MOST_FILES_IN_REPORT = 1000


@dataclass
class ParsedFile:
    """A file that the script understood: its columns' stamps (as delivered, in microseconds) and values."""

    path: str
    size: int
    modified: datetime
    sha256: str
    columns: dict[str, tuple[NDArray[np.int64], NDArray[np.float64]]] = field(default_factory=dict)
    report: dict[str, Any] = field(default_factory=dict)
    #: Read again though the cursor has passed it; the cursor stays.
    again: bool = False


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
        home = f"gates/{importer.gate.id}"
        script, root_dir_path = importer.parse_script, importer.root_dir_path
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
    root = folders.resolve(context.settings.data_dir / home, root_dir_path)
    files = folders.list_files(root)
    todo = _choose(importer, files, imported)
    report: dict[str, Any] = {
        "files": [],
        "read": 0,
        "skipped": 0,
        "rows": 0,
        "added": 0,
        "replaced": 0,
        "unchanged": 0,
    }
    batch: list[ParsedFile] = []
    began, points = time.monotonic(), 0
    for done, (entry, again) in enumerate(todo):
        context.check()
        context.progress(done, len(todo), entry.path)
        try:
            parsed = _parse(context, script, root, entry, again=again)
        except ScriptError as error:
            context.check()
            with retried_when_series_vanish(), context.unit() as session:
                importer = _write(context, session, importer.id, batch, report)
                failure = record_failure(context, session, importer, f"{entry.path}: {error.message}", error, report)
            raise failure from error
        batch.append(parsed)
        points += sum(times.size for times, _ in parsed.columns.values())
        if time.monotonic() - began > _BATCH_SECONDS or points > _BATCH_POINTS:
            with retried_when_series_vanish(), context.unit() as session:
                _write(context, session, importer.id, batch, report)
            batch, began, points = [], time.monotonic(), 0
    with retried_when_series_vanish(), context.unit() as session:
        importer = _write(context, session, importer.id, batch, report)
        importer.last_run = now()
        _watch_for_missing_files(
            session, importer, found=bool(todo), scheduled=bool(payload_of(context).get("scheduled"))
        )
        notifications.resolve(session, importer.id, RUN_FAILED)
        if payload_of(context).get("requested") or todo:
            enqueue_run(session, importer.cleaner)
        lineage.end_run(session, context.job.id, "finished", report)
        emit(
            session,
            "importer",
            "run",
            importer.id,
            organization_id=importer.organization_id,
            project_id=importer.project_id,
            data={
                "run": context.job.id,
                "read": report["read"],
                "added": report["added"],
                "replaced": report["replaced"],
            },
        )
        context.finish(session, report)
    return report


def _choose(
    importer: Importer, files: list[folders.Entry], imported: dict[str, ImportedFile]
) -> list[tuple[folders.Entry, bool]]:
    """Return the files to read, in the order of their paths, each with whether it was passed before."""
    cursor = importer.last_imported_path
    if cursor is None:
        return [(entry, False) for entry in files]
    passed = [entry for entry in files if entry.path <= cursor]
    again: list[folders.Entry] = []
    if importer.max_ante_scanned_files_nb:
        # Late or rewritten: never read, or not as it is now.
        again = [
            entry
            for entry in passed[-importer.max_ante_scanned_files_nb :]
            if (known := imported.get(entry.path)) is None
            or (known.size, known.modified) != (entry.size, _modified(entry))
        ]
    if importer.re_run_last_file and passed and passed[-1].path == cursor and passed[-1] not in again:
        again.append(passed[-1])
    return [(entry, True) for entry in again] + [(entry, False) for entry in files if entry.path > cursor]


def _parse(context: jobs.JobContext, script: str, root: Path, entry: folders.Entry, *, again: bool) -> ParsedFile:
    content = (root / entry.path).read_bytes()
    parsed = ParsedFile(entry.path, len(content), _modified(entry), hashlib.sha256(content).hexdigest(), again=again)
    frame = (
        context.services["scripts"]
        .parse(script, content, entry.path, script_limits(context.settings), cancelled=context.cancelled)
        .value
    )
    if frame is None or frame.empty:
        parsed.report = {"path": entry.path, "rows": 0}
        return parsed
    stamps = stamps_of(frame.index)
    last_rows = ~frame.index.duplicated(keep="last")
    empty = 0
    for label in frame.columns:
        if not label.strip() or "\0" in label or len(label) > LONGEST_NAME:
            raise ScriptError("result", f"a column's label has 1 to {LONGEST_NAME} characters, unlike {label[:40]!r}")
        values = frame[label].to_numpy(dtype=np.float64)
        present = ~np.isnan(values) & last_rows
        empty += int(np.isnan(values).sum())
        order = np.argsort(stamps[present], kind="stable")
        parsed.columns[label] = (stamps[present][order], values[present][order])
    parsed.report = {
        "path": entry.path,
        "rows": len(frame),
        "duplicate_stamps": int((~last_rows).sum()),
        "empty_cells": empty,
    }
    return parsed


def _write(
    context: jobs.JobContext, session: Session, importer_id: str, batch: list[ParsedFile], report: dict[str, Any]
) -> Importer:
    """Write parsed files: points, cursor, marks for the cleaner, lineage and the report's sums."""
    importer = session.scalar(select(Importer).where(Importer.id == importer_id))
    if importer is None:
        raise jobs.Refused("The importer was deleted.")
    known = series_by_name(session, importer.id)
    labels = set(session.scalars(select(ImporterSeries.external_name).where(ImporterSeries.importer_id == importer.id)))
    touched = False
    for parsed in batch:
        _remember(session, importer, parsed, context.job.id)
        lineage.read(session, context.job.id, "gate file", f"{importer.gate_id}/{parsed.path}", sha256=parsed.sha256)
        sums = {"added": 0, "replaced": 0, "unchanged": 0}
        for label, (times, values) in parsed.columns.items():
            if label not in labels:
                session.add(ImporterSeries(importer_id=importer.id, external_name=label))
                labels.add(label)
            if label not in known:
                known[label] = store.create_series(
                    session,
                    organization_id=importer.organization_id,
                    project_id=importer.project_id,
                    generator_kind=importer.kind,
                    generator_id=importer.id,
                    name=label,
                )
            written = store.append(session, known[label].pk, times, values)
            for name in sums:
                sums[name] += getattr(written, name)
            if written.changed.size:
                touched |= raw_changed(session, importer.cleaner, label, written.changed)
                first, last = int(written.changed[0]), int(written.changed[-1])
                lineage.made(session, context.job.id, "series", known[label].id, first, last + 1)
        report["read"] += 1
        report["skipped"] += not parsed.columns
        report["rows"] += parsed.report["rows"]
        for name, count in sums.items():
            report[name] += count
        if len(report["files"]) < _MOST_FILES_IN_REPORT:
            report["files"].append({**parsed.report, **sums, "again": parsed.again})
    if touched:
        enqueue_run(session, importer.cleaner)
    return importer


def _remember(session: Session, importer: Importer, parsed: ParsedFile, run_id: str) -> None:
    session.merge(
        ImportedFile(
            importer_id=importer.id,
            path=parsed.path,
            size=parsed.size,
            modified=parsed.modified,
            sha256=parsed.sha256,
            run_id=run_id,
        )
    )
    if importer.latest_imported_mdate is None or parsed.modified > importer.latest_imported_mdate:
        importer.latest_imported_mdate = parsed.modified
    if not parsed.again:
        importer.last_imported_path = parsed.path


def _watch_for_missing_files(session: Session, importer: Importer, *, found: bool, scheduled: bool) -> None:
    if found:
        importer.runs_without_file = 0
        notifications.resolve(session, importer.id, MISSING_FILES)
    elif scheduled:
        importer.runs_without_file += 1
        if 0 < importer.notify_missing_files_nb <= importer.runs_without_file:
            notifications.notify(
                session,
                MISSING_FILES,
                f"Importer {importer.name} found no new file in {importer.runs_without_file} scheduled runs.",
                organization_id=importer.organization_id,
                project_id=importer.project_id,
                generator_kind=importer.kind,
                generator_id=importer.id,
            )


def _modified(entry: folders.Entry) -> datetime:
    return datetime.fromtimestamp(entry.modified, UTC)
