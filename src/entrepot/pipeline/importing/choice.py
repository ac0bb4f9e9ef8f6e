"""Which files of its gate an importer reads, and in which order.

An importer knows each file that it imported by its path, size, time and SHA-256. It reads what it has not, whatever its
name; and of what changed since, what it is to read again. Content is looked at only where size or time differ.
"""

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import bindparam, delete, func, select, update
from sqlalchemy.orm import Session

from entrepot.db import now
from entrepot.pipeline.gates.files import instant, prefix_of, sha256_of
from entrepot.pipeline.gates.folders import Entry
from entrepot.pipeline.gates.home import Home
from entrepot.pipeline.generators import notices
from entrepot.pipeline.models import ImportedFile, Importer

#: Size and time of files, by path.
Versions = Mapping[str, tuple[int | None, datetime | None]]

ORDERS = ("name", "arrival")
_DIGITS = re.compile(r"([0-9]+)")
#: Up to so many files are asked for by their paths; of more, all that the importer knows is looked at.
_FEW, _AT_ONCE = 2000, 500


class Known(NamedTuple):
    """What an importer knows of a file (see :class:`.ImportedFile`)."""

    size: int
    modified_at: datetime
    sha256: str
    changed_size: int | None
    changed_modified_at: datetime | None


@dataclass
class Choice:
    """What is to be done with the files on a gate.

    Attributes
    ----------
    todo
        Files to read, in their order, each with whether it was read before.
    empty
        Files of 0 bytes, which are passed over until they have some.
    touched
        Files whose time changed but not their content.
    passed
        Files that count as imported though they were not.
    unread
        Files that changed and are not read again.
    """

    todo: list[tuple[Entry, bool]] = field(default_factory=list)
    empty: list[Entry] = field(default_factory=list)
    touched: list[Entry] = field(default_factory=list)
    passed: list[Entry] = field(default_factory=list)
    unread: list[Entry] = field(default_factory=list)


def natural(path: str) -> tuple[Any, ...]:
    """Return a key by which the numbers in names compare as numbers."""
    parts: list[Any] = _DIGITS.split(path)
    parts[1::2] = map(int, parts[1::2])
    return (tuple(parts), path)


def known_files(session: Session, importer_id: str, files: Collection[Entry]) -> dict[str, Known]:
    """Return what the importer knows of these files, by path."""
    columns = [getattr(ImportedFile, name) for name in Known._fields]
    query = select(ImportedFile.path, *columns).where(ImportedFile.importer_id == importer_id)
    if len(files) > _FEW:
        there = {entry.path for entry in files}
        return {path: Known(*values) for path, *values in session.execute(query) if path in there}
    paths, found = [entry.path for entry in files], dict[str, Known]()
    for start in range(0, len(paths), _AT_ONCE):
        some = query.where(ImportedFile.path.in_(paths[start : start + _AT_ONCE]))
        found |= {path: Known(*values) for path, *values in session.execute(some)}
    return found


def noted_changes(session: Session, importer_id: str) -> Versions:
    """Return the versions of files that are known to have changed and not to be read again."""
    query = select(ImportedFile).where(ImportedFile.importer_id == importer_id, ImportedFile.changed_size.is_not(None))
    return {row.path: (row.changed_size, row.changed_modified_at) for row in session.scalars(query)}


def choose(
    importer: Importer,
    home: Home,
    files: Iterable[Entry],
    known: Mapping[str, Known],
    refused: Collection[str],
) -> Choice:
    """Return what is to be done with the files of a gate that an importer sees.

    Parameters
    ----------
    known
        What the importer knows of them.
    refused
        Paths of files that were set aside before: what lies there now is read.
    """
    choice, changed, there, asked = Choice(), [], [], set(refused)
    prefix = prefix_of(importer.folder)
    for entry in files:
        was = known.get(entry.path)
        if entry.size == 0:
            choice.empty.append(entry)
        elif was is None and _is_passed(importer, entry):
            choice.passed.append(entry)
        elif was is None:
            choice.todo.append((entry, False))
        else:
            there.append(entry)
            if was.size < 0:  # it is to be read again
                asked.add(entry.path)
            if (was.size, was.modified_at) == (entry.size, instant(entry.modified)):
                continue
            noted = (was.changed_size, was.changed_modified_at) == (entry.size, instant(entry.modified))
            content = None if noted else sha256_of(home, prefix + entry.path)
            if content == was.sha256:
                choice.touched.append(entry)
            elif noted or content is not None:
                changed.append(entry)
    again = _again(importer, there, {entry.path for entry in changed}, asked)
    choice.unread = [entry for entry in changed if entry.path not in again]
    choice.todo += [(entry, True) for entry in there if entry.path in again]
    by_time = importer.file_order == "arrival"
    choice.todo.sort(key=lambda each: (each[0].modified if by_time else 0, *natural(each[0].path)))
    return choice


def _again(importer: Importer, there: list[Entry], changed: set[str], refused: Collection[str]) -> set[str]:
    """Return the paths of known files that are read once more."""
    again = changed if importer.reads_changed else changed & set(refused)
    if most := importer.rereads:
        last = sorted((entry.path for entry in there), key=natural)[-most:]
        again = again | (changed & set(last))
    if importer.rereads_last and any(entry.path == importer.last_path for entry in there):
        again = again | {importer.last_path or ""}
    return again


def _is_passed(importer: Importer, entry: Entry) -> bool:
    if importer.passed_path is None or importer.passed_at is None:
        return False
    return entry.path <= importer.passed_path and instant(entry.modified) <= importer.passed_at


def note(session: Session, importer_id: str, choice: Choice, run_id: str) -> None:
    """Remember what was found out of files that are not read, and tell of those that changed."""
    importer = session.scalars(select(Importer).where(Importer.id == importer_id)).one()
    for entry in choice.passed:
        session.merge(
            ImportedFile(
                importer_id=importer.id,
                path=entry.path,
                size=entry.size,
                modified_at=instant(entry.modified),
                sha256="",
                run_id=run_id,
            )
        )
    importer.passed_path = importer.passed_at = None
    session.flush()
    of_importer = ImportedFile.importer_id == importer.id
    settled = update(ImportedFile).where(of_importer, ImportedFile.changed_size.is_not(None))
    session.execute(settled.values(changed_size=None, changed_modified_at=None))
    one = update(ImportedFile).where(of_importer, ImportedFile.path == bindparam("at"))
    if choice.touched:
        rows = [{"at": entry.path, "to": instant(entry.modified)} for entry in choice.touched]
        session.connection().execute(one.values(modified_at=bindparam("to")), rows)
    if choice.unread:
        rows = [{"at": entry.path, "n": entry.size, "to": instant(entry.modified)} for entry in choice.unread]
        session.connection().execute(one.values(changed_size=bindparam("n"), changed_modified_at=bindparam("to")), rows)
    session.expire_all()
    _tell(session, importer, choice.unread)


def forget(session: Session, importer: Importer) -> None:
    """Have every file read as if none had been."""
    importer.last_path = importer.last_modified_at = None
    importer.passed_path = importer.passed_at = None
    session.execute(delete(ImportedFile).where(ImportedFile.importer_id == importer.id))
    for name in (notices.CHANGED, notices.NOTHING_READ, notices.HOURS_OPEN):
        notices.clear(session, importer, name)


def move_to(session: Session, importer: Importer, path: str | None) -> None:
    """Go on after a path, as the published client says it: what lies up to it counts as imported, nothing after it."""
    importer.last_path = importer.passed_path = path
    importer.passed_at = now() if path is not None else None
    paths = session.scalars(select(ImportedFile.path).where(ImportedFile.importer_id == importer.id))
    after = [known for known in paths if path is None or known > path]
    for start in range(0, len(after), _AT_ONCE):
        some = after[start : start + _AT_ONCE]
        session.execute(
            delete(ImportedFile).where(ImportedFile.importer_id == importer.id, ImportedFile.path.in_(some))
        )


def is_news(importer: Importer, choice: Choice, noted: Versions) -> bool:
    """Tell whether there is something to note, given what is noted already."""
    unread = {entry.path: (entry.size, instant(entry.modified)) for entry in choice.unread}
    return bool(choice.passed or choice.touched or importer.passed_path is not None or noted != unread)


def count_unread(session: Session, gate_ids: Collection[str]) -> dict[str | None, int]:
    """Return how many files of gates changed after an importer had read them, and are not read again, by gate."""
    query = select(Importer.gate_id, func.count()).join(ImportedFile, Importer.id == ImportedFile.importer_id)
    query = query.where(Importer.gate_id.in_(gate_ids), ImportedFile.changed_size.is_not(None))
    return dict(session.execute(query.group_by(Importer.gate_id)).all())


def _tell(session: Session, importer: Importer, unread: list[Entry]) -> None:
    if not unread:
        notices.clear(session, importer, notices.CHANGED)
        return
    more = f" and {len(unread) - 1} more" if len(unread) > 1 else ""
    message = (
        f"{unread[0].path}{more} changed after importer {importer.name} had read it, and is not read again: "
        "set reads_changed of the importer to have changed files read."
    )
    notices.tell(session, importer, notices.CHANGED, message)
