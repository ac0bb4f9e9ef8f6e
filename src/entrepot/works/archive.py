"""The archive: finished works, kept for good, queried, and locked once they are published."""

from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import String, bindparam, delete, func, literal, not_, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from entrepot import locks
from entrepot.db.driver import Among, fetch
from entrepot.errors import Conflict, InvalidInput, Locked, NotFound
from entrepot.identity import Principal, limits
from entrepot.lineage import forget
from entrepot.works import document as documents
from entrepot.works import lineage
from entrepot.works.collection import ARCHIVE, QUEUE
from entrepot.works.document import FINISHED, Document
from entrepot.works.ids import new_id
from entrepot.works.search import dialect_of

_AT_ONCE = 1000
_table = ARCHIVE.table
_TAKEN = select(_table.c.pipeline, _table.c.id).where(
    _table.c.organization_id == bindparam("owner", type_=String()), Among(_table.c.id, "ids")
)
#: What can be asked of archived works, the newest id first.
view, view_texts, walk, count, explain = ARCHIVE.view, ARCHIVE.texts, ARCHIVE.walk, ARCHIVE.count, ARCHIVE.explain
_journal = ARCHIVE.storage.journal


def get(session: Session, principal: Principal, work_id: str, pipeline: str | None = None) -> Document:
    """Return an archived work.

    Raises
    ------
    NotFound
        There is none of this id, in this pipeline.
    InvalidInput
        Several pipelines have one, and it is not said which is meant.
    """
    query = {"id": work_id} | ({} if pipeline is None else {"pipeline": pipeline})
    found: list[Document] = view(session, principal, query, limit=2)
    if not found:
        raise NotFound(f"There is no work {work_id[:100]}.")
    if len(found) > 1:
        raise InvalidInput.field("pipeline", "Several pipelines have a work of this id: say which.")
    return found[0]


def deposit(session: Session, principal: Principal, given: Sequence[Document]) -> list[str]:
    """Archive finished works, all or none, and return their ids in the order given.

    Ids are kept; a work without one gets a new one. Results that are null become an empty object, so that there is
    something to lock.

    Raises
    ------
    InvalidInput
        A document's status is neither ``success`` nor ``failure``, or a field is at fault.
    TooLarge
        The results of one exceed 4 MB.
    Conflict
        An id exists in its pipeline already, or is given twice.
    """
    principal.require("write")
    new = [_archived(one) for one in given]
    for one in new:
        if one["id"] is None:
            one["id"] = new_id()
    _refuse_taken(session, principal, new)
    try:
        ARCHIVE.storage.add(session, principal, new, ended=True)
    except IntegrityError:
        raise Conflict("An id was archived at the same moment.") from None
    limits.grown(session, principal.organization_id, "works", len(new))
    return [one["id"] for one in new]


@limits.measured_by("works")
def _works_of(session: Session, organization_id: str) -> int:
    tables = (QUEUE.table, ARCHIVE.table)
    counts = (select(func.count()).where(table.c.organization_id == organization_id) for table in tables)
    return sum(session.scalar(count) or 0 for count in counts)


def update_documents(session: Session, principal: Principal, given: Sequence[Document]) -> None:
    """Replace archived works by pipeline and id, all or none.

    A locked work accepts itself again, unchanged, and a document that unlocks it (``results.locked`` is false), whose
    other changes are applied too.

    Raises
    ------
    Locked, NotFound
        One of them is locked, or does not exist; nothing is changed.
    """
    principal.require("write")
    new = []
    for one in given:
        document = _archived(one)
        documents.check_id(document["id"])
        new.append(document)
    with session.begin_nested():
        for part in _rounds(new):
            _replace(session, principal, part)
    open_ = [lock_name(one["pipeline"], one["id"]) for one in new if not documents.is_locked(one)]
    locks.forget(session, "work", principal.organization_id, open_)


def lock_name(pipeline: str, work_id: str) -> str:
    """Return what the lock of a work is called: ids are unique within a pipeline."""
    return f"{pipeline}/{work_id}"


def lock(session: Session, principal: Principal, pipeline: str, ids: Iterable[str]) -> int:
    """Lock works, so that nobody can change or delete them, and return how many were not locked yet."""
    return _set_locked(session, principal, pipeline, ids, locked=True)


def unlock(session: Session, principal: Principal, pipeline: str, ids: Iterable[str]) -> int:
    """Unlock works, and return how many were locked."""
    return _set_locked(session, principal, pipeline, ids, locked=False)


def delete_ids(session: Session, principal: Principal, pipeline: str, ids: Iterable[str]) -> int:
    """Delete works of a pipeline, and return how many there were; ids that do not exist are passed over.

    Raises
    ------
    Locked
        One of them is locked; nothing is deleted.
    """
    principal.require("write")
    wanted = sorted(set(ids))
    held = [row for part in _parts(wanted) for row in _hold(session, principal, pipeline, part)]
    if locked := [row.id for row in held if row.locked]:
        raise Locked(f"{locked[0]} is locked in {pipeline}" + (f", and {len(locked) - 1} more" if locked[1:] else ""))
    for part in _parts([row.number for row in held]):
        gone = delete(_table).where(_table.c.number.in_(part), not_(_table.c.locked))
        kept = (_table.c.id, _table.c.organization_id, _table.c.pipeline, _table.c.status)
        statement = _journal.entered(dialect_of(session), gone.returning(*kept, literal("deleted").label("action")))
        _journal.enter(session, statement, {}, user_id=principal.user_id, anew=True)
    forget(session, "work", [row.id for row in held], principal.organization_id)
    return len(held)


def matching(session: Session, principal: Principal, query: Any) -> list[tuple[str, str]]:
    """Return pipeline and id of the works that match; in a snapshot of its own, before a transaction that writes."""
    principal.require("write")
    return [(row.pipeline, row.id) for row in ARCHIVE.find(session, principal.organization_id, query)]


def delete_found(session: Session, principal: Principal, found: Iterable[tuple[str, str]]) -> int:
    """Delete the works of these pipelines and ids, all or none, and return how many there were.

    Raises
    ------
    Locked
        One of them is locked; nothing is deleted.
    """
    by_pipeline: dict[str, list[str]] = {}
    for pipeline, work_id in found:
        by_pipeline.setdefault(pipeline, []).append(work_id)
    with session.begin_nested():
        return sum(delete_ids(session, principal, name, ids) for name, ids in sorted(by_pipeline.items()))


def status(session: Session, principal: Principal) -> dict[str, int]:
    """Return how many works each pipeline has, those without any left out."""
    principal.require("read")
    query = (
        select(_table.c.pipeline, func.count().label("works"))
        .where(_table.c.organization_id == principal.organization_id)
        .group_by(_table.c.pipeline)
        .order_by(_table.c.pipeline)
    )
    return {row.pipeline: row.works for row in session.execute(query)}


def _archived(given: Document) -> Document:
    document = documents.completed(given)
    if document["results"] is None:
        document["results"] = {}
    if document["status"] not in FINISHED:
        raise InvalidInput.field("status", "must be success or failure")
    if document["id"] is not None:
        documents.check_id(document["id"])
    documents.check(document)
    documents.check_results_size(document)
    lineage.check_inputs(document)
    return document


def _refuse_taken(session: Session, principal: Principal, new: Sequence[Document]) -> None:
    wanted: set[tuple[str, str]] = set()
    for one in new:
        key = (one["pipeline"], one["id"])
        if key in wanted:
            raise Conflict(f"id {key[1]} is given twice for {key[0]}")
        wanted.add(key)
    for part in _parts(sorted({key[1] for key in wanted})):
        for pipeline, work_id in fetch(session, _TAKEN, {"owner": principal.organization_id, "ids": [*part]}):
            if (pipeline, work_id) in wanted:
                raise Conflict(f"id {work_id} already exists in {pipeline}")


def _replace(session: Session, principal: Principal, new: dict[tuple[str, str], Document]) -> None:
    done = ARCHIVE.storage.replace(session, principal, list(new.values()))
    for key, document in new.items():
        if key not in done:
            _require_same(session, principal, document)


def _require_same(session: Session, principal: Principal, document: Document) -> None:
    """Raise NotFound or Locked unless a document that could not be replaced is stored as it is."""
    one = _are(principal, document["pipeline"], [document["id"]])
    text = session.scalar(select(ARCHIVE.text_column(dialect_of(session))).where(one))
    if text is None:
        raise NotFound(f"There is no work {document['id']} in {document['pipeline']}.")
    if not _same(documents.loads(text), document):
        raise Locked(f"{document['id']} is locked in {document['pipeline']}")


def _rounds(new: Sequence[Document]) -> Iterable[dict[tuple[str, str], Document]]:
    """Split documents, by their key, so that none stands twice in a part, in their order."""
    part: dict[tuple[str, str], Document] = {}
    for one in new:
        key = (one["pipeline"], one["id"])
        if key in part:
            yield part
            part = {}
        part[key] = one
    if part:
        yield part


def _set_locked(session: Session, principal: Principal, pipeline: str, ids: Iterable[str], *, locked: bool) -> int:
    principal.require("write")
    wanted = sorted(set(ids))
    held = [row for part in _parts(wanted) for row in _hold(session, principal, pipeline, part)]
    if missing := set(wanted) - {row.id for row in held}:
        raise NotFound(f"There is no work {min(missing)[:100]} in {pipeline}.")
    changed = [row for row in held if row.locked is not locked]
    new = [documents.loads(row.text) for row in changed]
    for one in new:
        one["results"]["locked"] = locked
    storage, action = ARCHIVE.storage, "locked" if locked else "unlocked"
    return len(storage.replace(session, principal, new, action=action))


def _hold(session: Session, principal: Principal, pipeline: str, ids: Sequence[str]) -> Sequence[Any]:
    """Return works, which nobody else can change until the transaction ends."""
    query = select(_table.c.number, _table.c.id, _table.c.locked, ARCHIVE.text_column(dialect_of(session)))
    return session.execute(query.where(_are(principal, pipeline, ids)).order_by(_table.c.id).with_for_update()).all()


def _are(principal: Principal, pipeline: str, ids: Sequence[str]) -> Any:
    return (
        (_table.c.organization_id == principal.organization_id) & (_table.c.pipeline == pipeline) & _table.c.id.in_(ids)
    )


def _same(stored: Document, given: Document) -> bool:
    # By their text, which tells 1 from 1.0 and true from 1; the order of keys does not matter.
    return bool(_sorted_text(stored) == _sorted_text(given))


def _sorted_text(value: Any) -> Any:
    if isinstance(value, dict):
        return sorted((name, _sorted_text(child)) for name, child in value.items())
    return [_sorted_text(child) for child in value] if isinstance(value, list) else documents.dumps(value)


def _parts(values: Sequence[Any]) -> Iterable[Sequence[Any]]:
    return (values[start : start + _AT_ONCE] for start in range(0, len(values), _AT_ONCE))
