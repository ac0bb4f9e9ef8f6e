"""Files that were imported leave the gate where it says so: once every importer that reads them has, and not before.

What was imported is known by its size and time, as it was committed; so this may be cut anywhere and done again.
"""

from sqlalchemy import select
from sqlalchemy.orm import Session

from entrepot.pipeline.gates import files as gate_files
from entrepot.pipeline.gates.files import MOVE
from entrepot.pipeline.gates.folders import Entry
from entrepot.pipeline.gates.home import Home
from entrepot.pipeline.importing import choice as file_choice
from entrepot.pipeline.models import Gate, Importer


def imported_everywhere(session: Session, gate: Gate, entries: dict[str, Entry]) -> list[Entry]:
    """Return those of the files, given by their paths on the gate, that all who read them have imported as they are.

    The last file of an importer that reads its last file again is one that it still reads.
    """
    left = dict(entries)
    for importer in session.scalars(select(Importer).where(Importer.gate_id == gate.id)):
        if not importer.parse.strip():
            continue
        prefix = gate_files.prefix_of(importer.folder)
        concerned = {path for path in left if path.startswith(prefix)}
        own = [Entry(path.removeprefix(prefix), left[path].size, left[path].modified) for path in concerned]
        read = {
            prefix + path: (row.size, row.modified_at)
            for path, row in file_choice.known_files(session, importer.id, own).items()
            if row.sha256
        }
        last = f"{prefix}{importer.last_path}" if importer.rereads_last else None
        for path in concerned:
            entry = left[path]
            if path == last or read.get(path) != (entry.size, gate_files.instant(entry.modified)):
                del left[path]
    return [Entry(path, entry.size, entry.modified) for path, entry in left.items()]


def dispose(home: Home, after_import: str, entries: list[Entry]) -> int:
    """Move or delete imported files, given by their paths on the gate, and return how many there were."""
    done = 0
    for entry in entries:
        with home.alone() as turn:
            # A new one may have taken its place, which nobody has read.
            if not gate_files.is_same(turn, entry.path, entry.size, gate_files.instant(entry.modified)):
                continue
            if after_import == MOVE:
                target = gate_files.free_name(turn, gate_files.IMPORTED, entry.path)
                gate_files.move(turn, entry.path, target)
            else:
                turn.remove(entry.path)
        done += 1
    return done


def restore(home: Home, prefix: str) -> None:
    """Bring files that an importer had moved back to their place, but for those whose place a newer one has taken.

    Before the importer forgets that it has read them: should it not come to that, they are moved once more.
    """
    for entry in home.walked(f"{gate_files.IMPORTED}/{prefix}"):
        own = entry.path.removeprefix(f"{gate_files.IMPORTED}/")
        with home.alone() as turn:
            if turn.existing([entry.path, own]) == {entry.path}:
                gate_files.move(turn, entry.path, own)
