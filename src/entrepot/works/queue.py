"""The queue: works wait here until a worker withdraws them, and are reported back when they are done."""

import hashlib
import time
from collections.abc import Iterable, Sequence
from functools import cache
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Delete,
    Double,
    Executable,
    String,
    Update,
    and_,
    bindparam,
    case,
    delete,
    func,
    select,
    union_all,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from entrepot.db.driver import Among, fetch, word
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
from entrepot.works.plain import is_plain
from entrepot.works.query.searchable import is_storable
from entrepot.works.search import dialect_of

#: How long a repeated deposit counts as the same one, in seconds.
REPEAT_SECONDS = 60.0
STATUSES = ("queued", "running", "success", "failure")

_AT_ONCE = 1000
_table = QUEUE.table
_HEARTBEAT = (
    update(_table)
    .where(
        _table.c.organization_id == bindparam("owner"),
        _table.c.id == bindparam("work"),
        _table.c.attempt == bindparam("at"),
        _table.c.status == word("running"),
    )
    .values(lease_until=bindparam("lapses"))
    .returning(_table.c.number)
)
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
    if keep_ids:  # a new one is nobody else's
        _refuse_taken(session, principal, [one["id"] for one in given if one.get("id") is not None])
    last = not limits.is_limited(session, principal.organization_id, "works")
    try:
        QUEUE.storage.add(session, principal, new, last=last)
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
        if not is_plain(document):
            if document["status"] not in FINISHED:  # somebody may withdraw it yet
                document = runnable(document)
            documents.check(document)
        lineage.check_inputs(document)
        if documents.results_too_large(document):
            document["results"] = None
        new.append(document)
    done: list[Document] = []
    rounds = list(_rounds(new))
    last = len(rounds) == 1 and not any(map(slack.is_told, new))
    for part in rounds:
        done += QUEUE.storage.replace(session, principal, part, last=last).values()
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
    mine = {"owner": principal.organization_id, "work": work_id, "at": attempt}
    if not fetch(session, _HEARTBEAT, {**mine, "lapses": time.time() + lease_seconds}, last=True):
        raise Conflict("The work was given up for lost, or withdrawn again.")


def retry(session: Session, principal: Principal, ids: Iterable[str]) -> int:
    """Queue works that failed once more, with all their attempts, and return how many were."""
    principal.require("write")
    return _change(session, principal, "requeued", ids)


def cancel(session: Session, principal: Principal, ids: Iterable[str]) -> int:
    """Give works up that wait or run, and return how many did: they fail, with no attempt left.

    What the worker of one that runs still does is not taken; it learns so by its next heartbeat or report.
    """
    principal.require("write")
    return _change(session, principal, "cancelled", ids)


def delete_ids(session: Session, principal: Principal, ids: Iterable[str]) -> int:
    """Delete works and return how many there were."""
    principal.require("write")
    return _change(session, principal, "deleted", ids)


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
    conditions = [] if pipeline is None else [_table.c.pipeline == pipeline]
    rows = by_state(session, principal, [_table.c.status, func.count()], [_table.c.status], *conditions)
    counts = {row[0]: row[1] for row in rows}
    return {"total": sum(counts.values()), **{name: counts.get(name, 0) for name in STATUSES}}


def pipelines(session: Session, principal: Principal) -> list[str]:
    """Return the names of the pipelines that have works, sorted."""
    principal.require("read")
    pipeline = _table.c.pipeline
    return sorted({row[0] for row in by_state(session, principal, [pipeline], [pipeline])})


def by_state(
    session: Session, principal: Principal, wanted: Sequence[Any], by: Sequence[ColumnElement[Any]], *conditions: Any
) -> Sequence[Any]:
    """Return what is wanted of works in groups: each state has an index that tells of no other."""
    mine = (_table.c.organization_id == principal.organization_id, *conditions)
    states = (
        _table.c.status == word("queued"),
        _table.c.status == word("running"),
        and_(_table.c.status != word("queued"), _table.c.status != word("running")),
    )
    return session.execute(union_all(*(select(*wanted).where(*mine, state).group_by(*by) for state in states))).all()


def _change(session: Session, principal: Principal, action: str, ids: Iterable[str]) -> int:
    """Change works, record it, and return how many there were."""
    journal, statement = QUEUE.storage.journal, _changing(dialect_of(session), action)
    common, changed = {"owner": principal.organization_id, "instant": time.time()}, 0
    for part in _parts(sorted(set(ids))):
        given = common | {"ids": [one for one in part if is_storable(one)]}
        changed += len(journal.enter(session, statement, given, user_id=principal.user_id))
    return changed


@cache
def _changing(dialect: str, action: str) -> Executable:
    """Return the statement that deletes works, queues those again that failed, or cancels those that have not ended."""
    those = and_(_table.c.organization_id == bindparam("owner", type_=String()), Among(_table.c.id, "ids"))
    change: Update | Delete = delete(_table).where(those)
    if action == "requeued":
        failed = _table.c.status == word("failure")
        change = update(_table).where(failed, those).values(moved("queued", attempt=0))
    elif action == "cancelled":
        # An attempt that nobody makes: reports of those that were made are of former ones.
        attempt = (func.greatest if dialect == "postgresql" else func.max)(_table.c.attempt + 1, _table.c.retries)
        stopped = moved("failure", stop=bindparam("instant", type_=Double()), keep_start=True, attempt=attempt)
        open_ = _table.c.status.in_((word("queued"), word("running")))
        change = update(_table).where(open_, those).values(stopped)
    kept = (_table.c.id, _table.c.organization_id, _table.c.pipeline, _table.c.status)
    statement: Executable = QUEUE.storage.journal.entered(
        dialect, change.returning(*kept, word(action).label("action"))
    )
    return statement


def _are(principal: Principal, ids: Sequence[str]) -> ColumnElement[bool]:
    return and_(_table.c.organization_id == principal.organization_id, _table.c.id.in_(ids))


def _queued(given: Document, *, keep_ids: bool) -> Document:
    document = documents.completed(given)
    document["status"], document["start"], document["stop"] = "queued", None, None
    kept = document["id"] if keep_ids else None
    document["id"] = new_id() if kept is None else documents.check_id(kept)
    if not is_plain(document):
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
    instant = time.time()
    new = {"new_digest": digest, "new_ids": documents.dumps(ids), "new_deposited_at": instant}
    ((text,),) = fetch(session, _remembering(dialect_of(session)), new | {"since": instant - REPEAT_SECONDS})
    found: list[str] = documents.loads(text)
    return found


@cache
def _remembering(dialect: str) -> Executable:
    """Return the statement that keeps a deposit, or finds one of the last minute; it waits for whoever is making it."""
    module = postgresql if dialect == "postgresql" else sqlite
    names = ("digest", "ids", "deposited_at")
    put = module.insert(Deposit).values({name: bindparam(f"new_{name}") for name in names})
    lapsed = Deposit.deposited_at < bindparam("since")
    kept = {name: getattr(Deposit, name) for name in names[1:]}
    values = {name: case((lapsed, put.excluded[name]), else_=column) for name, column in kept.items()}
    statement: Executable = put.on_conflict_do_update(index_elements=["digest"], set_=values).returning(Deposit.ids)
    return statement


def forget_deposits(session: Session) -> None:
    """Drop what is kept of deposits that can no longer be repeated."""
    session.execute(delete(Deposit).where(Deposit.deposited_at < time.time() - REPEAT_SECONDS))


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
