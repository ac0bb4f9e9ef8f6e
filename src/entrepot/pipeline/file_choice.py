"""Which files of its gate an importer reads, and in which order."""

from collections.abc import Collection

from entrepot.pipeline import folders, gate_files
from entrepot.pipeline.models import ImportedFile, Importer


def choose(
    importer: Importer, files: list[folders.Entry], imported: dict[str, ImportedFile], refused: Collection[str]
) -> list[tuple[folders.Entry, bool]]:
    """Return the files to read, in the order of their paths, each with whether it was passed before."""
    cursor = importer.last_imported_path
    if cursor is None:
        return [(entry, False) for entry in files]
    passed = [entry for entry in files if entry.path <= cursor]
    most = importer.max_ante_scanned_files_nb
    scanned = {entry.path for entry in passed[-most:]} if most else set()
    # Late or rewritten, or refused before: never read, or not as it is now.
    again = [
        entry
        for entry in passed
        if (entry.path in refused or entry.path in scanned)
        and (
            (known := imported.get(entry.path)) is None
            or (known.size, known.modified) != (entry.size, gate_files.instant(entry.modified))
        )
    ]
    if importer.re_run_last_file and passed and passed[-1].path == cursor and passed[-1] not in again:
        again.append(passed[-1])
    return [(entry, True) for entry in again] + [(entry, False) for entry in files if entry.path > cursor]
