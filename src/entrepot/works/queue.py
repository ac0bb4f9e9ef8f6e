"""The queue: works wait here until a worker withdraws them, and are reported back when they are done."""

import hashlib
import time
from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Delete, String, Update, and_, case, delete, func, literal, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from entrepot.errors import Conflict, InvalidInput, NotFound
from entrepot.identity import Principal, limits
from entrepot.works import document as documents
from entrepot.works import lineage, slack
from entrepot.works.collection import QUEUE
from entrepot.works.document import FINISHED, Document
from entrepot.works.ids import new_id
from entrepot.works.model import runnable
from entrepot.works.models import Deposit
from entrepot.works.moves import moved
from entrepot.works.search import dialect_of

#: How long a repeated deposit counts as the same one, in seconds.
REPEAT_SECONDS = 60.0
STATUSES = ("queued", "running", "success", "failure")

_AT_ONCE = 1000
_table = QUEUE.table
#: What can be asked of works that wait, run or ended, in the order of their deposits.
view, walk, count, explain = QUEUE.view, QUEUE.walk, QUEUE.count, QUEUE.explain


def deposit(session: Session, principal: Principal, given: Sequence[Document], *, keep_ids: bool = False) -> list[str]:
    """Queue works, all or none, and return their ids in the order given.

    A deposit that one caller repeats within a minute, its works carrying the instant of their creation, is the same
    deposit: the ids of the first are returned. Clients that heard no answer in time repeat it so.

    Parameters
    ----------
    given
        The works' documents; what they leave out is completed.
    keep_ids
        Whether ids that documents bring are kept. By default every work gets a new one.

    Raises
    ------
    InvalidInput
        A document is not one that a worker could take; ``TooLarge``: its results exceed 4 MB.
    Conflict
        An id that is kept is taken.
    """
    principal.require("write")
    new = [_queued(one, keep_ids=keep_ids) for one in given]
    ids = [one["id"] for one in new]
    if digest := _digest(principal, given):
        known = _first_ids(session, digest, ids)
        if known != ids:
            return known
    if keep_ids:
        _refuse_taken(session, principal, ids)
    try:
        QUEUE.storage.add(session, principal.organization_id, principal.user_id, new)
    except IntegrityError:
        raise Conflict("An id was taken at the same moment.") from None
    limits.grown(session, principal.organization_id, "works", len(new))
    return ids


def update_documents(session: Session, principal: Principal, given: Sequence[Document]) -> bool:
    """Replace works by id, as their workers report them, and tell whether all were.

    A work that is unknown, or that was withdrawn again since (its stored ``attempt`` is higher), stays as it is; the
    others are replaced. Results of more than 4 MB are dropped and the rest kept: the worker cannot do better.
    """
    principal.require("write")
    new = []
    for one in given:
        document = documents.completed(one)
        documents.check_id(document["id"])
        if document["status"] not in FINISHED:  # somebody may withdraw it yet
            document = runnable(document)
        documents.check(document)
        lineage.check_inputs(document)
        if documents.results_too_large(document):
            document["results"] = None
        new.append(document)
    done: list[Document] = []
    for part in _rounds(new):
        done += QUEUE.storage.replace(session, principal.organization_id, principal.user_id, part).values()
    lineage.record(session, principal, [one for one in done if one["status"] in FINISHED])
    slack.tell_later(session, principal, done)
    return len(done) == len(new)


def heartbeat(session: Session, principal: Principal, work_id: str, attempt: int, lease_seconds: float) -> None:
    """Keep a withdrawn work for another while.

    Raises
    ------
    Conflict
        It is no longer the caller's: it was given up and perhaps withdrawn again, or deleted.
    """
    principal.require("write")
    statement = (
        update(_table)
        .where(
            _table.c.organization_id == principal.organization_id,
            _table.c.id == work_id,
            _table.c.attempt == attempt,
            _table.c.status == "running",
        )
        .values(lease_until=time.time() + lease_seconds)
        .returning(_table.c.number)
    )
    if session.scalar(statement) is None:
        raise Conflict("The work was given up for lost, or withdrawn again.")


def retry(session: Session, principal: Principal, ids: Iterable[str]) -> int:
    """Queue works that failed once more, with all their attempts, and return how many were."""
    principal.require("write")
    wanted = sorted(set(ids))
    values = moved(dialect_of(session), "queued", attempt=0)
    failed = _table.c.status == "failure"
    return sum(
        _change(session, principal, "requeued", update(_table).where(failed, _are(principal, part)).values(values))
        for part in _parts(wanted)
    )


def delete_ids(session: Session, principal: Principal, ids: Iterable[str]) -> int:
    """Delete works and return how many there were."""
    principal.require("write")
    return sum(
        _change(session, principal, "deleted", delete(_table).where(_are(principal, part)))
        for part in _parts(sorted(set(ids)))
    )


def matching(session: Session, principal: Principal, query: Any) -> list[str]:
    """Return the ids of the works that match; in a snapshot of its own, for what is then changed by their ids."""
    principal.require("write")
    return [row.id for row in QUEUE.find(session, principal.organization_id, query)]


def get(session: Session, principal: Principal, work_id: str) -> Document:
    """Return a work."""
    found = view(session, principal, {"id": work_id}, limit=1)
    if not found:
        raise NotFound(f"There is no work {work_id[:100]} in the queue.")
    return found[0]


def status(session: Session, principal: Principal, pipeline: str | None = None) -> dict[str, int]:
    """Return how many works there are, in all and by status, of one pipeline or of all."""
    principal.require("read")
    query = select(_table.c.status, func.count().label("works")).where(
        _table.c.organization_id == principal.organization_id
    )
    if pipeline is not None:
        query = query.where(_table.c.pipeline == pipeline)
    counts = {row.status: row.works for row in session.execute(query.group_by(_table.c.status))}
    return {"total": sum(counts.values()), **{name: counts.get(name, 0) for name in STATUSES}}


def pipelines(session: Session, principal: Principal) -> list[str]:
    """Return the names of the pipelines that have works, sorted."""
    principal.require("read")
    query = select(_table.c.pipeline).where(_table.c.organization_id == principal.organization_id)
    return list(session.scalars(query.distinct().order_by(_table.c.pipeline)))


def _change(session: Session, principal: Principal, action: str, change: Update | Delete) -> int:
    """Change works, record it, and return how many there were."""
    journal = QUEUE.storage.journal
    kept = (_table.c.id, _table.c.organization_id, _table.c.pipeline, _table.c.status)
    change = change.returning(*kept, literal(action, String()).label("action"))
    statement = journal.entered(dialect_of(session), change)
    return len(journal.enter(session, statement, {}, user_id=principal.user_id))


def _are(principal: Principal, ids: Sequence[str]) -> ColumnElement[bool]:
    return and_(_table.c.organization_id == principal.organization_id, _table.c.id.in_(ids))


def _queued(given: Document, *, keep_ids: bool) -> Document:
    document = documents.completed(given)
    document["status"], document["start"], document["stop"] = "queued", None, None
    kept = document["id"] if keep_ids else None
    document["id"] = new_id() if kept is None else documents.check_id(kept)
    document = runnable(document)
    documents.check(document)
    documents.check_results_size(document)
    lineage.check_inputs(document)
    return document


def _refuse_taken(session: Session, principal: Principal, ids: list[str]) -> None:
    if len(set(ids)) < len(ids):
        raise Conflict("An id is given twice.")
    for part in _parts(ids):
        if taken := session.scalar(select(_table.c.id).where(_are(principal, part)).limit(1)):
            raise Conflict(f"id {taken} already exists in the queue")


def _digest(principal: Principal, given: Sequence[Document]) -> str | None:
    if not given or any(one.get("creation") is None or one.get("id") is not None for one in given):
        return None
    try:
        text = documents.dumps([principal.organization_id, principal.user_id, principal.key_id, given])
    except RecursionError:
        raise InvalidInput("The JSON is nested too deep.") from None
    return hashlib.sha256(text.encode()).hexdigest()


def _first_ids(session: Session, digest: str, ids: list[str]) -> list[str]:
    """Return the ids of the deposit of this digest: those given, unless there was one in the last minute."""
    module = postgresql if dialect_of(session) == "postgresql" else sqlite
    instant = time.time()
    new = module.insert(Deposit).values(digest=digest, ids=documents.dumps(ids), at=instant)
    lapsed = Deposit.at < instant - REPEAT_SECONDS
    values = {name: case((lapsed, new.excluded[name]), else_=getattr(Deposit, name)) for name in ("ids", "at")}
    # It waits for whoever is making the same deposit.
    statement = new.on_conflict_do_update(index_elements=["digest"], set_=values).returning(Deposit.ids)
    found: list[str] = documents.loads(session.connection().execute(statement).scalar_one())
    return found


def forget_deposits(session: Session) -> None:
    """Drop what is kept of deposits that can no longer be repeated."""
    session.execute(delete(Deposit).where(Deposit.at < time.time() - REPEAT_SECONDS))


def _rounds(new: Sequence[Document]) -> Iterable[list[Document]]:
    """Split works so that none stands twice in a part, in their order."""
    part: dict[str, Document] = {}
    for one in new:
        if one["id"] in part:
            yield list(part.values())
            part = {}
        part[one["id"]] = one
    if part:
        yield list(part.values())


def _parts(ids: Sequence[str]) -> Iterable[Sequence[str]]:
    return (ids[start : start + _AT_ONCE] for start in range(0, len(ids), _AT_ONCE))
