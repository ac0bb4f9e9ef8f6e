"""Files that a script refused: set aside with the reason, until somebody has them read again or removes them.

The record comes first, in the transaction that lets the importer pass the file; the file follows (:func:`settle`). A
run that is killed between the two is made good by the next one.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Any

from sqlalchemy import ColumnElement, Select, delete, func, select
from sqlalchemy.orm import Session

from entrepot.db import advisory_lock
from entrepot.errors import Conflict, NotFound
from entrepot.events import emit
from entrepot.identity import Principal
from entrepot.pipeline.configuration import get
from entrepot.pipeline.gates import files as gate_files
from entrepot.pipeline.gates.folders import Entry
from entrepot.pipeline.gates.home import Home
from entrepot.pipeline.generators import notices
from entrepot.pipeline.generators.finding import enqueue_run
from entrepot.pipeline.models import Gate, ImportedFile, Importer, QuarantinedFile
from entrepot.scripts import ScriptError

#: What holds of files that were put there, and not taken out since.
IN_QUARANTINE = (QuarantinedFile.stored.is_not(None), QuarantinedFile.retried.is_(False))


def set_aside(
    session: Session, home: Home, importer: Importer, entry: Entry, error: ScriptError, run_id: str
) -> QuarantinedFile:
    """Record that a file of the gate, whose path starts at what the importer reads, is to go into quarantine."""
    assert importer.gate_id is not None
    advisory_lock(session, "quarantine", importer.gate_id)
    path = gate_files.prefix_of(importer.folder) + entry.path
    session.execute(delete(QuarantinedFile).where(*_again(importer, [path])))
    taken = select(QuarantinedFile.stored).where(QuarantinedFile.gate_id == importer.gate_id)
    found = QuarantinedFile(
        gate_id=importer.gate_id,
        importer_id=importer.id,
        path=path,
        stored=gate_files.free_name(home, gate_files.QUARANTINE, path, frozenset(session.scalars(taken))),
        size=entry.size,
        modified_at=gate_files.instant(entry.modified),
        reason=error.message,
        details=f"{error.traceback}\n{error.output}".strip(),
        run_id=run_id,
    )
    session.add(found)
    session.flush()
    emit(
        session,
        "gate",
        "quarantined",
        importer.gate_id,
        organization_id=importer.organization_id,
        project_id=importer.project_id,
        data={"importer": importer.id, "run": run_id, "path": path, "stored": found.stored, "reason": error.message},
    )
    _tell(session, importer)
    return found


def unsettled(session: Session, importer: Importer) -> list[QuarantinedFile]:
    """Return what the importer's next run has to see to: files in quarantine, and on their way into it or out of it.

    What lies in the place of one of its own, once they are settled, is to be read, though the importer has passed it.
    Those of other importers are on their way out: whichever run of the gate is first brings them back for all.
    """
    leaving = QuarantinedFile.retried.is_(True) & QuarantinedFile.stored.is_not(None)
    query = select(QuarantinedFile).where(
        QuarantinedFile.gate_id == importer.gate_id, (QuarantinedFile.importer_id == importer.id) | leaving
    )
    return list(session.scalars(query.order_by(QuarantinedFile.number)))


def settle(home: Home, found: Iterable[QuarantinedFile]) -> dict[str, bool]:
    """Bring files to where their records say that they are.

    Returns
    -------
    dict
        Of the records that turn out to be wrong, by id: whether somebody deleted the file, or a new one has its place.
    """
    wrong: dict[str, bool] = {}
    for record in found:
        if record.stored is None:
            continue
        reason = None
        if not record.retried and not gate_files.exists(home, record.stored):
            reason = home.prepare(_told(record).encode())
        with home.alone() as turn:
            aside = gate_files.exists(turn, record.stored)
            if record.retried and aside:
                if gate_files.exists(turn, record.path):
                    wrong[record.id] = False
                else:
                    gate_files.move(turn, record.stored, record.path)
                    _forget_reason(turn, record.stored)
            elif reason is not None and not aside:
                if gate_files.is_same(turn, record.path, record.size, record.modified_at):
                    turn.put(reason, gate_files.reason_of(record.stored))
                    gate_files.move(turn, record.path, record.stored)
                else:
                    wrong[record.id] = True
    return wrong


def _told(record: QuarantinedFile) -> str:
    return f"{record.path}\nrun {record.run_id}\n\n{record.reason}\n\n{record.details}\n"


def amend(session: Session, wrong: Mapping[str, bool]) -> None:
    """Correct records that :func:`settle` found wrong."""
    records = list(session.scalars(select(QuarantinedFile).where(QuarantinedFile.id.in_(wrong))))
    for record in records:
        record.retried = wrong[record.id]
        record.stored = None if wrong[record.id] else record.stored
    session.flush()
    for importer in session.scalars(select(Importer).where(Importer.id.in_({one.importer_id for one in records}))):
        _tell(session, importer)


def imported(session: Session, importer: Importer, paths: Collection[str]) -> None:
    """Forget files, by the paths that the importer knows, that were to be read again and have been."""
    prefix = gate_files.prefix_of(importer.folder)
    session.execute(delete(QuarantinedFile).where(*_again(importer, [prefix + path for path in paths])))
    _tell(session, importer)


def list_files(session: Session, principal: Principal, home: Home, gate_id: str) -> list[QuarantinedFile]:
    """Return what is in a gate's quarantine, in the order in which it came there."""
    query = kept(session, principal, gate_id).order_by(QuarantinedFile.number)
    return [record for record in session.scalars(query) if is_there(home, record)]


def kept(session: Session, principal: Principal, gate_id: str) -> Select[Any]:
    """Return the query of what was put into a gate's quarantine; what still lies there, :func:`is_there` says."""
    get(session, principal, Gate, gate_id)
    return select(QuarantinedFile).where(QuarantinedFile.gate_id == gate_id, *IN_QUARANTINE)


def count(session: Session, gate_ids: Collection[str]) -> dict[str, int]:
    """Return how many files were put into the quarantine of gates and not taken out since, by gate."""
    query = select(QuarantinedFile.gate_id, func.count()).where(QuarantinedFile.gate_id.in_(gate_ids), *IN_QUARANTINE)
    return dict(session.execute(query.group_by(QuarantinedFile.gate_id)).all())


def retry(
    session: Session, principal: Principal, home: Home, gate_id: str, ids: Collection[str] | None = None
) -> Sequence[QuarantinedFile]:
    """Have files in quarantine (by default, all) read again, as if their importers had not passed them.

    Raises
    ------
    Conflict
        A file of the same name was sent since.
    """
    chosen = _chosen(session, principal, home, gate_id, ids)
    names = [record.path for record in chosen]
    for record in chosen:
        sent_again = len(home.existing([record.path, str(record.stored)])) == 2
        if sent_again or names.count(record.path) > 1:
            raise Conflict(f"{record.path} was sent again since: remove one of the two first.")
    importers = list(session.scalars(select(Importer).where(Importer.gate_id == gate_id)))
    for record in chosen:
        record.retried = True
        for importer in importers:
            if importer.id != record.importer_id and not _has_read(session, importer, record):
                session.add(_same_for(importer, record))
    session.flush()
    for importer in importers:
        _tell(session, importer)
        if chosen:
            enqueue_run(session, importer, user_id=principal.user_id)
    return chosen


def remove(
    session: Session, principal: Principal, home: Home, gate_id: str, ids: Collection[str] | None = None
) -> Sequence[QuarantinedFile]:
    """Delete files in quarantine (by default, all) for good; a new one of the same name will be read."""
    chosen = _chosen(session, principal, home, gate_id, ids)
    for record in chosen:
        assert record.stored is not None
        with home.alone() as turn:
            for path in (record.stored, record.path):
                if path == record.stored or gate_files.is_same(turn, path, record.size, record.modified_at):
                    _forget(turn, path)
            _forget_reason(turn, record.stored)
        record.stored, record.retried = None, True
    session.flush()
    for importer in session.scalars(select(Importer).where(Importer.gate_id == gate_id)):
        _tell(session, importer)
    return chosen


def _chosen(
    session: Session, principal: Principal, home: Home, gate_id: str, ids: Collection[str] | None
) -> list[QuarantinedFile]:
    get(session, principal, Gate, gate_id, "write")
    found = {record.id: record for record in list_files(session, principal, home, gate_id)}
    for missing in set(ids or ()) - found.keys():
        raise NotFound(f"There is no file {missing} in quarantine.")
    return [record for id_, record in found.items() if ids is None or id_ in ids]


def is_there(home: Home, record: QuarantinedFile) -> bool:
    """Tell whether a file still lies in quarantine: those who have the gate's account may have deleted it."""
    return gate_files.exists(home, str(record.stored)) or gate_files.is_same(
        home, record.path, record.size, record.modified_at
    )


def _again(importer: Importer, paths: Collection[str]) -> tuple[ColumnElement[bool], ...]:
    return (
        QuarantinedFile.importer_id == importer.id,
        QuarantinedFile.path.in_(paths),
        QuarantinedFile.retried.is_(True),
    )


def _has_read(session: Session, importer: Importer, record: QuarantinedFile) -> bool:
    """Tell whether another importer of the gate read the file before it went into quarantine, or never would."""
    prefix = gate_files.prefix_of(importer.folder)
    if not record.path.startswith(prefix):
        return True
    known = session.get(ImportedFile, (importer.id, record.path.removeprefix(prefix)))
    return known is not None and (known.size, known.modified_at) == (record.size, record.modified_at)


def _same_for(importer: Importer, record: QuarantinedFile) -> QuarantinedFile:
    return QuarantinedFile(
        gate_id=record.gate_id,
        importer_id=importer.id,
        path=record.path,
        stored=None,
        size=record.size,
        modified_at=record.modified_at,
        run_id=record.run_id,
        retried=True,
    )


def _forget_reason(home: Home, stored: str) -> None:
    _forget(home, gate_files.reason_of(stored))
    gate_files.tidy(home, stored)


def _forget(home: Home, path: str) -> None:
    with suppress(FileNotFoundError, NotADirectoryError):
        home.remove(path)


def _tell(session: Session, importer: Importer) -> None:
    """Raise or clear the notice that an importer's files are in quarantine."""
    query = select(QuarantinedFile.path).where(
        QuarantinedFile.importer_id == importer.id, QuarantinedFile.retried.is_(False)
    )
    paths = session.scalars(query.order_by(QuarantinedFile.number)).all()
    if not paths:
        notices.clear(session, importer, notices.QUARANTINED)
        return
    more = f" and {len(paths) - 1} more" if len(paths) > 1 else ""
    notices.tell(
        session, importer, notices.QUARANTINED, f"The script of importer {importer.name} refused {paths[-1]}{more}."
    )
