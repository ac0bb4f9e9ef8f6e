"""Writing what files became: points, what is known of the files, marks for the cleaner, and lineage."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Any, cast

import numpy as np
from sqlalchemy import Table, select
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert
from sqlalchemy.orm import Session

from entrepot import lineage
from entrepot.pipeline.gates import files as gate_files
from entrepot.pipeline.generators import invalidations, notices
from entrepot.pipeline.generators.finding import (
    consumers_of_raw,
    enqueue_run,
    raw_changed,
    series_by_name,
    series_changed,
)
from entrepot.pipeline.generators.frame import Run
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
from entrepot.series.points import Points, concatenate

MOST_FILES_IN_REPORT = 1000
_SUMS = ("added", "replaced", "unchanged", "deleted")


def write(run: Run[Importer], session: Session, importer: Importer, batch: list[ParsedFile]) -> None:
    """Write parsed files: points, cursor, marks for the cleaner, lineage and the report's sums."""
    if not batch:
        return
    writing = _Writing(run, session, importer)
    for group in _groups(importer, batch):
        writing.write(group)
    writing.end()


def _groups(importer: Importer, batch: Sequence[ParsedFile]) -> Iterator[list[ParsedFile]]:
    """Yield the files in their order, those together that come to the same when they are written at once.

    These are files whose points lie apart in time, series by series, and that neither take anything back nor have hours
    of which what was written before them has to tell.
    """
    group: list[ParsedFile] = []
    spans: dict[str, tuple[int, int]] = {}
    for parsed in batch:
        own = {
            label: (int(points.times[0]), int(points.times[-1]))
            for label, points in parsed.columns.items()
            if len(points)
        }
        alone = (parsed.again and importer.replaces) or hours_settled.has_some(importer, parsed)
        apart = all(
            label not in spans or first > spans[label][1] or last < spans[label][0]
            for label, (first, last) in own.items()
        )
        if group and (alone or not apart):
            yield group
            group, spans = [], {}
        if alone:
            yield [parsed]
            continue
        group.append(parsed)
        for label, (first, last) in own.items():
            low, high = spans.get(label, (first, last))
            spans[label] = min(low, first), max(high, last)
    if group:
        yield group


class _Writing:
    """One unit of work in which files are written, a group after the other."""

    def __init__(self, run: Run[Importer], session: Session, importer: Importer) -> None:
        self._run, self._session, self._importer = run, session, importer
        self._known = series_by_name(session, importer.id)
        self._labels = set(session.scalars(select(ImporterSeries.raw).where(ImporterSeries.importer_id == importer.id)))
        self._changed = defaultdict[str, list[Stamps]](list)
        self._links: list[lineage.Linked] = []
        #: Whether paths are those of files that were imported.
        self._imported: dict[str, bool] = {}

    def write(self, group: Sequence[ParsedFile]) -> None:
        """Write files that come to the same when they are written at once."""
        session, importer, known = self._session, self._importer, self._known
        for parsed in group:
            self._find_series(parsed)
        settled = hours_settled.Settled()
        gone: dict[str, Stamps] = {}
        if (single := group[0] if len(group) == 1 else None) is not None:
            if single.open:
                settled = hours_settled.settle(session, importer, single, known)
            gone = self._left(single, settled)
        self._remember(group, settled)
        brought = self._append(group)
        if single is not None:
            taken = [(label, _delete(session, known[label].number, at)) for label, at in gone.items() if label in known]
            brought[0] = [*settled.written, *brought[0], *taken]
            hours_settled.seen_once(session, importer, single, known)
        for parsed, written in zip(group, brought, strict=True):
            self._report(parsed, written)

    def end(self) -> None:
        """Write what is written once: lineage, and marks for those who read the series."""
        session, importer = self._session, self._importer
        lineage.record_links(session, self._run.id, self._links)
        changed = {label: np.unique(np.concatenate(stamps)) for label, stamps in self._changed.items()}
        marked = [raw_changed(session, importer.cleaner, label, stamps) for label, stamps in changed.items()]
        if any(marked):
            enqueue_run(session, importer.cleaner)
        series_changed(session, importer, changed)

    def _find_series(self, parsed: ParsedFile) -> None:
        """Make the series of a file's columns that there are not."""
        session, importer = self._session, self._importer
        for label in parsed.columns:
            if label not in self._labels:
                session.add(ImporterSeries(importer_id=importer.id, raw=label))
                self._labels.add(label)
            if label not in self._known:
                self._known[label] = store.create_series(
                    session,
                    organization_id=importer.organization_id,
                    project_id=importer.project_id,
                    generator_kind=importer.kind,
                    generator_id=importer.id,
                    name=label,
                    clock=parsed.clock.kind,
                )
            elif parsed.clock.kind is not None and self._known[label].clock is None:
                _made_instants(session, importer, self._known[label])

    def _left(self, parsed: ParsedFile, settled: hours_settled.Settled) -> dict[str, Stamps]:
        """Return the stamps that the older version of a file takes back."""
        gone: dict[str, Stamps] = {}
        if self._importer.replaces and parsed.again:
            gone = imported_stamps.taken_back(self._session, self._importer.id, parsed.path, _stamps(parsed))
        for label, times in settled.left.items():
            left = np.setdiff1d(times, parsed.columns[label].times)
            if left.size:
                gone[label] = np.union1d(gone.get(label, left), left)
        return gone

    def _remember(self, group: Sequence[ParsedFile], settled: hours_settled.Settled) -> None:
        """Note that files were imported, and which stamps they brought where they may take these back."""
        session, importer = self._session, self._importer
        for parsed in group:
            if importer.last_modified_at is None or parsed.modified_at > importer.last_modified_at:
                importer.last_modified_at = parsed.modified_at
            if not parsed.again and self._is_last(parsed.path):
                importer.last_path = parsed.path
        rows = [
            {
                "importer_id": importer.id,
                "path": parsed.path,
                "size": parsed.size,
                "modified_at": parsed.modified_at,
                "sha256": parsed.sha256,
                "run_id": self._run.id,
                "rows": parsed.report["rows"],
                "first": parsed.first,
                "last": parsed.last,
                "zoned": parsed.zoned,
                "open_hours": settled.kept,
                "changed_size": None,
                "changed_modified_at": None,
            }
            for parsed in group
        ]
        session.execute(_upsert_files(session.get_bind().dialect.name), rows)
        self._imported |= dict.fromkeys((parsed.path for parsed in group), True)
        imported_stamps.forget(session, importer.id, [parsed.path for parsed in group if parsed.again])
        if importer.replaces:
            imported_stamps.keep(session, importer.id, {parsed.path: _stamps(parsed) for parsed in group})

    def _is_last(self, path: str) -> bool:
        last = self._importer.last_path
        if last is None or self._importer.file_order == "arrival" or natural(path) > natural(last):
            return True
        # Clients may have set it to anything.
        if last not in self._imported:
            self._imported[last] = self._session.get(ImportedFile, (self._importer.id, last)) is not None
        return not self._imported[last]

    def _append(self, group: Sequence[ParsedFile]) -> list[list[tuple[str, store.Written]]]:
        """Write the points of all files, and return for each what that did, series by series."""
        parts = defaultdict[str, list[Points]](list)
        for parsed in group:
            for label, points in parsed.columns.items():
                parts[label].append(points)
        batch = {}
        for label, some in parts.items():
            whole = concatenate(some)
            batch[self._known[label].number] = whole.times, whole.values, whole.tags
        written = store.append_many(self._session, batch) if batch else {}
        return [
            [
                (label, done if len(parts[label]) == 1 else done.of(points))
                for label, points in parsed.columns.items()
                for done in (written[self._known[label].number],)
            ]
            for parsed in group
        ]

    def _report(self, parsed: ParsedFile, written: list[tuple[str, store.Written]]) -> None:
        importer, report = self._importer, self._run.report
        path = gate_files.prefix_of(importer.folder) + parsed.path
        self._links.append(lineage.Linked("in", "gate file", f"{importer.gate_id}/{path}", {"sha256": parsed.sha256}))
        sums = {name: sum(getattr(each, name) for _, each in written) for name in _SUMS}
        for label, each in written:
            if each.changed.size:
                self._changed[label].append(each.changed)
                span = int(each.changed[0]), int(each.changed[-1]) + 1
                self._links.append(lineage.Linked("out", "series", self._known[label].id, {}, *span))
        report["read"] += 1
        report["skipped"] += not parsed.columns
        report["rows"] += parsed.report["rows"]
        if aside := parsed.report.get("rows_set_aside", 0):
            report["rows_set_aside"] += aside
            told = f"Importer {importer.name}: {told_aside(parsed.path, parsed.report)}."
            notices.tell(self._session, importer, notices.SET_ASIDE, told)
        for name, count in sums.items():
            report[name] += count
        if len(report["files"]) < MOST_FILES_IN_REPORT:
            report["files"].append({**parsed.report, **sums, "again": parsed.again})


def files_with_stamps(session: Session, importer_id: str, *, zoned: bool) -> list[str]:
    """Return the first two files that brought stamps with a zone, or without."""
    query = select(ImportedFile.path).where(ImportedFile.importer_id == importer_id, ImportedFile.zoned.is_(zoned))
    return list(session.scalars(query.order_by(ImportedFile.path).limit(2)))


def _stamps(parsed: ParsedFile) -> dict[str, Stamps]:
    return {label: points.times for label, points in parsed.columns.items()}


def _made_instants(session: Session, importer: Importer, series: Series) -> None:
    """Take the stamps of a series for instants: that they had a zone was not noted when they were imported."""
    series.clock = UTC_CLOCK.kind
    for channel in consumers_of_raw(session, importer.cleaner, series.name):
        invalidations.mark(session, channel.id, "", [invalidations.ALWAYS])


def _delete(session: Session, number: int, stamps: Stamps) -> store.Written:
    start, stop = int(stamps[0]), int(stamps[-1]) + 1
    points = store.read(session, number, start, stop)
    kept = points[~np.isin(points.times, stamps)]
    return store.replace_range(session, number, start, stop, kept.times, kept.values, kept.tags)


@lru_cache(2)
def _upsert_files(dialect: str) -> Any:
    table = cast("Table", ImportedFile.__table__)
    statement = (postgresql_insert if dialect == "postgresql" else sqlite_insert)(table)
    keys = [column.name for column in table.primary_key]
    others = {column.name: statement.excluded[column.name] for column in table.columns if column.name not in keys}
    return statement.on_conflict_do_update(index_elements=keys, set_=others)
