"""Writing what files became: points, what is known of the files, marks for the cleaner, and lineage."""

from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from entrepot import jobs, lineage
from entrepot.pipeline import gate_files
from entrepot.pipeline.generators import enqueue_run, raw_changed, series_by_name
from entrepot.pipeline.models import ImportedFile, Importer, ImporterSeries
from entrepot.pipeline.parsing import ParsedFile
from entrepot.series import store

MOST_FILES_IN_REPORT = 1000


def write(
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
        path = gate_files.prefix_of(importer.root_dir_path) + parsed.path
        lineage.read(session, context.job.id, "gate file", f"{importer.gate_id}/{path}", sha256=parsed.sha256)
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
        if len(report["files"]) < MOST_FILES_IN_REPORT:
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
