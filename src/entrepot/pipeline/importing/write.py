"""Writing what files became: points, what is known of the files, marks for the cleaner, and lineage."""

from typing import Any

import numpy as np
from sqlalchemy import select
from sqlalchemy.orm import Session

from entrepot import jobs, lineage
from entrepot.pipeline.gates import files as gate_files
from entrepot.pipeline.generators import invalidations, notices
from entrepot.pipeline.generators.finding import (
    consumers_of_raw,
    enqueue_run,
    raw_changed,
    series_by_name,
    series_changed,
)
from entrepot.pipeline.importing import brought as imported_stamps
from entrepot.pipeline.importing import hours_settled
from entrepot.pipeline.importing.brought import Stamps
from entrepot.pipeline.importing.choice import natural
from entrepot.pipeline.importing.parsing import ParsedFile
from entrepot.pipeline.importing.stamps import told_aside
from entrepot.pipeline.models import ImportedFile, Importer, ImporterSeries
from entrepot.series import store
from entrepot.series.clocks import UTC_CLOCK
from entrepot.series.models import Series

MOST_FILES_IN_REPORT = 1000


def write(
    context: jobs.JobContext, session: Session, importer_id: str, batch: list[ParsedFile], report: dict[str, Any]
) -> Importer:
    """Write parsed files: points, cursor, marks for the cleaner, lineage and the report's sums."""
    importer = session.scalar(select(Importer).where(Importer.id == importer_id))
    if importer is None:
        raise jobs.Refused("The importer was deleted.")
    known = series_by_name(session, importer.id)
    labels = set(session.scalars(select(ImporterSeries.raw).where(ImporterSeries.importer_id == importer.id)))
    touched, changed = False, dict[str, list[Stamps]]()
    for parsed in batch:
        path = gate_files.prefix_of(importer.folder) + parsed.path
        lineage.read(session, context.job.id, "gate file", f"{importer.gate_id}/{path}", sha256=parsed.sha256)
        sums = {"added": 0, "replaced": 0, "unchanged": 0, "deleted": 0}
        for label in parsed.columns:
            if label not in labels:
                session.add(ImporterSeries(importer_id=importer.id, raw=label))
                labels.add(label)
            if label not in known:
                known[label] = store.create_series(
                    session,
                    organization_id=importer.organization_id,
                    project_id=importer.project_id,
                    generator_kind=importer.kind,
                    generator_id=importer.id,
                    name=label,
                    clock=parsed.clock.kind,
                )
            elif parsed.clock.kind is not None and known[label].clock is None:
                _made_instants(session, importer, known[label])
        settled = hours_settled.settle(session, importer, parsed, known)
        gone = _remember(session, importer, parsed, context.job.id, settled)
        brought = [
            (label, store.append(session, known[label].pk, points.times, points.values, points.tags))
            for label, points in parsed.columns.items()
        ]
        taken = [(label, _delete(session, known[label].pk, at)) for label, at in gone.items() if label in known]
        hours_settled.seen_once(session, importer, parsed, known)
        for label, written in (*settled.written, *brought, *taken):
            for name in sums:
                sums[name] += getattr(written, name)
            if written.changed.size:
                touched |= raw_changed(session, importer.cleaner, label, written.changed)
                changed.setdefault(label, []).append(written.changed)
                first, last = int(written.changed[0]), int(written.changed[-1])
                lineage.made(session, context.job.id, "series", known[label].id, first, last + 1)
        report["read"] += 1
        report["skipped"] += not parsed.columns
        report["rows"] += parsed.report["rows"]
        if aside := parsed.report.get("rows_set_aside", 0):
            report["rows_set_aside"] += aside
            told = f"Importer {importer.name}: {told_aside(parsed.path, parsed.report)}."
            notices.tell(session, importer, notices.SET_ASIDE, told)
        for name, count in sums.items():
            report[name] += count
        if len(report["files"]) < MOST_FILES_IN_REPORT:
            report["files"].append({**parsed.report, **sums, "again": parsed.again})
    if touched:
        enqueue_run(session, importer.cleaner)
    series_changed(session, importer, {label: np.unique(np.concatenate(stamps)) for label, stamps in changed.items()})
    return importer


def _remember(
    session: Session, importer: Importer, parsed: ParsedFile, run_id: str, settled: hours_settled.Settled
) -> dict[str, Stamps]:
    """Note that a file was imported, and return the stamps that its older version takes back."""
    stamps = {label: points.times for label, points in parsed.columns.items()} if importer.replaces else {}
    gone = imported_stamps.taken_back(session, importer.id, parsed.path, stamps) if importer.replaces else {}
    session.merge(
        ImportedFile(
            importer_id=importer.id,
            path=parsed.path,
            size=parsed.size,
            modified=parsed.modified,
            sha256=parsed.sha256,
            run_id=run_id,
            rows=parsed.report["rows"],
            first=parsed.first,
            last=parsed.last,
            zoned=parsed.zoned,
            open_hours=settled.kept,
            changed_size=None,
            changed_modified=None,
        )
    )
    session.flush()
    if importer.replaces or parsed.again:
        imported_stamps.keep(session, importer.id, parsed.path, stamps)
    if importer.last_modified_at is None or parsed.modified > importer.last_modified_at:
        importer.last_modified_at = parsed.modified
    if not parsed.again and _is_last(session, importer, parsed.path):
        importer.last_path = parsed.path
    for label, times in settled.left.items():
        left = np.setdiff1d(times, parsed.columns[label].times)
        if left.size:
            gone[label] = np.union1d(gone.get(label, left), left)
    return gone


def file_with_stamps(session: Session, importer_id: str, *, zoned: bool, but: str) -> str | None:
    """Return a file, other than one, that brought stamps with a zone, or without; None if there is none."""
    query = select(ImportedFile.path).where(
        ImportedFile.importer_id == importer_id, ImportedFile.zoned.is_(zoned), ImportedFile.path != but
    )
    return session.scalar(query.order_by(ImportedFile.path).limit(1))


def _made_instants(session: Session, importer: Importer, series: Series) -> None:
    """Take the stamps of a series for instants: that they had a zone was not noted when they were imported."""
    series.clock = UTC_CLOCK.kind
    for channel in consumers_of_raw(session, importer.cleaner, series.name):
        invalidations.mark(session, channel.id, "", [invalidations.ALWAYS])


def _is_last(session: Session, importer: Importer, path: str) -> bool:
    last = importer.last_path
    if last is None or importer.file_order == "arrival" or natural(path) > natural(last):
        return True
    # Clients may have set it to anything.
    return session.get(ImportedFile, (importer.id, last)) is None


def _delete(session: Session, pk: int, stamps: Stamps) -> store.Written:
    start, stop = int(stamps[0]), int(stamps[-1]) + 1
    points = store.read(session, pk, start, stop)
    kept = points[~np.isin(points.times, stamps)]
    return store.replace_range(session, pk, start, stop, kept.times, kept.values, kept.tags)
