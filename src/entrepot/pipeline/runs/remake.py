"""Points that were lost, made again of what they came of: of files that are still at hand, of raw points, of inputs."""

from collections.abc import Sequence

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from entrepot.pipeline.gates import files as gate_files
from entrepot.pipeline.gates.configuration import gate_home
from entrepot.pipeline.gates.home import Home
from entrepot.pipeline.gates.homes import open_home
from entrepot.pipeline.generators import invalidations
from entrepot.pipeline.generators.finding import enqueue_run, find_generator
from entrepot.pipeline.importing import choice as file_choice
from entrepot.pipeline.models import Analysis, AnalysisInput, Channel, Cleaner, ImportedFile, Importer
from entrepot.series.models import Series
from entrepot.series.repair import BY_HAND, Remedy
from entrepot.settings import Settings

Spans = list[tuple[int, int]]


def remake(settings: Settings, session: Session, series: Series, spans: Spans) -> Remedy:
    """Have the next run of its generator make again what a series lost, where that can be."""
    generator = find_generator(session, series.generator_id) if series.generator_id else None
    # Clocks of series differ by less than a day.
    around = [(start - invalidations.DAY, stop + invalidations.DAY) for start, stop in spans]
    match generator:
        case Importer():
            return _read_again(session, settings, generator, spans)
        case Cleaner():
            made = Channel.cleaner_id == generator.id, Channel.name == series.name
            for channel in session.scalars(select(Channel).where(*made)):
                invalidations.mark(session, channel.id, "", around)
                enqueue_run(session, generator)
                return Remedy(True, f"cleaner {generator.name} makes them again of its raw series")
        case Analysis() if generator.config is not None:
            inputs = select(AnalysisInput.column).where(AnalysisInput.analysis_id == generator.id)
            for column in session.scalars(inputs).all():
                invalidations.mark(session, generator.id, column, around)
            enqueue_run(session, generator)
            return Remedy(True, f"analysis {generator.name} computes them again")
    return BY_HAND


def _read_again(session: Session, settings: Settings, importer: Importer, spans: Spans) -> Remedy:
    """Have an importer forget that it read the files of which the points came, if all of these are at hand."""
    gate = importer.gate
    if gate is None or not importer.parse.strip():
        return BY_HAND
    files = concerned(session, importer, spans)
    home = open_home(settings, session, gate_home(gate.id))
    missing = [file.path for file in files if not _is_at_hand(home, importer, file)]
    if missing:
        return Remedy(False, f"{missing[0]} is no longer on gate {gate.name} as it was read: import them again")
    if not files:
        return BY_HAND
    _forget(session, importer, files)
    enqueue_run(session, importer)
    more = f" and {len(files) - 1} more" if len(files) > 1 else ""
    return Remedy(True, f"importer {importer.name} reads {files[0].path}{more} of gate {gate.name} again")


def _forget(session: Session, importer: Importer, files: Sequence[ImportedFile]) -> None:
    for file in files:
        of_file = ImportedFile.importer_id == importer.id, ImportedFile.path == file.path
        session.execute(delete(ImportedFile).where(*of_file))


def from_then_on(instant_us: int) -> Spans:
    """Return the spans of stamps, whatever their clock, that lie at an instant or after it: one day more."""
    return [(instant_us - invalidations.DAY, invalidations.ALWAYS[1])]


def concerned(session: Session, importer: Importer, spans: Spans, *, forget: bool = False) -> list[ImportedFile]:
    """Return the files that brought points of the spans, in their order; perhaps forget that they were read.

    With them those that overlap one of these, and so on, or an older file would have the last word over a newer one.
    """
    known = select(ImportedFile).where(ImportedFile.importer_id == importer.id, ImportedFile.sha256 != "")
    found, undated, chains = [], list[ImportedFile](), list[tuple[int, int, list[ImportedFile]]]()
    for file in session.scalars(known.order_by(ImportedFile.first)).all():
        if file.first is None or file.last is None:
            # Rows without a point bring nothing; without rows, it may be that nobody noted which there were.
            undated += [file] if not file.rows else []
        elif chains and file.first <= chains[-1][1]:
            first, last, files = chains[-1]
            files.append(file)
            chains[-1] = (first, max(last, file.last), files)
        else:
            chains.append((file.first, file.last, [file]))
    for first, last, files in chains:
        if any(first < stop and last >= start for start, stop in spans):
            found += files
    found = sorted(found + undated, key=lambda file: file_choice.natural(file.path))
    if forget:
        _forget(session, importer, found)
    return found


def _is_at_hand(home: Home, importer: Importer, file: ImportedFile) -> bool:
    """Tell whether a file lies where it was read, brought back from where the gate moves what was imported."""
    path = gate_files.prefix_of(importer.folder) + file.path
    if gate_files.sha256_of(home, path) == file.sha256:
        return True
    moved = f"{gate_files.IMPORTED}/{path}"
    if gate_files.exists(home, path) or gate_files.sha256_of(home, moved) != file.sha256:
        return False
    with home.alone() as turn:
        gate_files.move(turn, moved, path)
    return True
