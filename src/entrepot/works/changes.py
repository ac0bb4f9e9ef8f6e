"""Changes of many works: of all that match a query, some at a time, by a run that says how far it is.

Each part is a transaction. What was asked for is what there was then: works that come, or fail, later are left alone,
so that a run that goes on elsewhere after its worker died changes nothing twice.
"""

from collections.abc import Callable, Sequence
from typing import Any, Final, Literal

from sqlalchemy import ColumnElement, func, or_, select
from sqlalchemy.orm import Session

from entrepot import jobs, locks
from entrepot.errors import InvalidInput
from entrepot.identity import Principal, User, users
from entrepot.works import archive, queue
from entrepot.works import document as documents
from entrepot.works.collection import ARCHIVE, QUEUE, Collection
from entrepot.works.order import Order
from entrepot.works.query import parse

KIND: Final = "works.change"
Place = Literal["queue", "archive"]
COLLECTIONS: Final[dict[str, Collection]] = {"queue": QUEUE, "archive": ARCHIVE}
_AT_ONCE = 500
_IN_ORDER = Order((("number", True),))
_Act = Callable[[Session, Principal, Sequence[tuple[str, str]]], int]


def _by_id(verb: Callable[[Session, Principal, Sequence[str]], int]) -> _Act:
    return lambda session, principal, found: verb(session, principal, [work_id for _, work_id in found])


def _by_pipeline(verb: Callable[[Session, Principal, str, Sequence[str]], int]) -> _Act:
    def act(session: Session, principal: Principal, found: Sequence[tuple[str, str]]) -> int:
        of: dict[str, list[str]] = {}
        for pipeline, work_id in found:
            of.setdefault(pipeline, []).append(work_id)
        return sum(verb(session, principal, pipeline, ids) for pipeline, ids in sorted(of.items()))

    return act


def _unlock(session: Session, principal: Principal, pipeline: str, ids: Sequence[str]) -> int:
    unlocked = archive.unlock(session, principal, pipeline, ids)
    locks.forget(session, "work", principal.organization_id, [archive.lock_name(pipeline, each) for each in ids])
    return unlocked


_OPEN = {"results.locked": {"$ne": True}}
#: By place and action: of which works there is something to change, and how it is changed, by pipeline and id.
_ACTIONS: Final[dict[str, dict[str, tuple[dict[str, Any], _Act]]]] = {
    "queue": {
        "retry": ({"status": "failure"}, _by_id(queue.retry)),
        "cancel": ({"status": {"$in": ["queued", "running"]}}, _by_id(queue.cancel)),
        "delete": ({}, _by_id(queue.delete_ids)),
    },
    "archive": {
        "lock": (_OPEN, _by_pipeline(archive.lock)),
        "unlock": ({"results.locked": True}, _by_pipeline(_unlock)),
        "delete": (_OPEN, _by_pipeline(archive.delete_ids)),
    },
}


def actions(place: str) -> list[str]:
    """Return what can be done to works of the queue, or of the archive."""
    return list(_ACTIONS[place])


def of(place: str, action: str, query: Any) -> dict[str, Any]:
    """Return the query of those works, of all that match one, at which an action changes something.

    Raises
    ------
    InvalidInput
        There is no such action there.
    """
    if place not in _ACTIONS:
        raise InvalidInput.field("place", "queue or archive.")
    if action not in _ACTIONS[place]:
        raise InvalidInput.field("action", f"One of {', '.join(_ACTIONS[place])}.")
    concerned = _ACTIONS[place][action][0]
    return {"$and": [query, concerned]} if concerned else query


def change(session: Session, principal: Principal, place: str, action: str, found: Sequence[tuple[str, str]]) -> int:
    """Change works by pipeline and id, all or none, and return how many were."""
    of(place, action, {})
    return _ACTIONS[place][action][1](session, principal, found)


def start(session: Session, principal: Principal, place: str, action: str, query: Any) -> jobs.Job:
    """Have all works changed that match a query now."""
    principal.require("write")
    parse(of(place, action, query))
    table = COLLECTIONS[place].table
    last = session.scalar(select(func.max(table.c.number)).where(table.c.organization_id == principal.organization_id))
    text = documents.query_text(query)  # as text: databases hold no integer of any size in JSON
    payload = {"place": place, "action": action, "query": text, "last": last or 0}
    return jobs.enqueue(
        session, KIND, payload, organization_id=principal.organization_id, user_id=principal.user_id or None
    )


@jobs.task(KIND, max_attempts=10, pool="runs")
def run(context: jobs.JobContext) -> dict[str, int]:
    """Change the works of a run, some at a time."""
    payload = context.job.payload
    assert isinstance(payload, dict)
    place, action, last = payload["place"], payload["action"], payload["last"]
    collection, query = COLLECTIONS[place], of(place, action, documents.loads(payload["query"]))
    asked = context.job.created_at.timestamp()
    table, organization_id = collection.table, context.job.organization_id or ""
    # Of what failed since, somebody else should say whether it is tried again.
    before: ColumnElement[bool] = or_(table.c.stop.is_(None), table.c.stop <= asked)
    within = (table.c.number <= last, *([before] if action == "retry" else []))
    changed = seen = after = 0
    with context.database.read() as session:
        total = collection.count(session, _acting(session, context.job), query)
    while True:
        with context.database.read() as session:
            later = (*within, table.c.number > after)
            rows = list(collection.find(session, organization_id, query, *later, limit=_AT_ONCE, order=_IN_ORDER))
        if not rows:
            return {"changed": changed, "seen": seen}
        with context.unit() as session:
            changed += change(session, _acting(session, context.job), place, action, [(r.pipeline, r.id) for r in rows])
        after, seen = rows[-1].number, seen + len(rows)
        context.progress(seen, max(total, seen))


def _acting(session: Session, job: jobs.Job) -> Principal:
    """Return the principal of who asked, with the rights that are left."""
    user = session.get(User, job.user_id) if job.user_id else None
    roles = {} if user is None or user.disabled else users.memberships(session, user.id)
    return Principal(job.user_id or "", user.login if user else "", job.organization_id or "", roles)
