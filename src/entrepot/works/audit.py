"""Recovery: works whose workers are lost, works to be tried again, works that nobody wants."""

import time
from typing import Any

from sqlalchemy import Double, String, cast, func, literal, or_, select, update
from sqlalchemy.orm import Session

from entrepot import jobs
from entrepot.works.collection import QUEUE
from entrepot.works.moves import moved
from entrepot.works.queue import forget_deposits
from entrepot.works.search import dialect_of

EVERY_SECONDS = 30.0

_AT_ONCE = 1000
_KIND = "works.audit"
_table = QUEUE.table


def expire(session: Session, organization_id: str | None = None) -> int:
    """Fail the running works whose timeout, or whose worker's lease, has passed; of one organization or of all.

    Returns
    -------
    int
        How many.
    """
    instant = time.time()
    begun = func.coalesce(_table.c.start, _table.c.creation)
    lost = or_(instant - begun > _table.c.timeout, _table.c.lease_until < instant)
    values = moved("failure", stop=instant, keep_start=True)
    return _move(session, organization_id, "expired", (_table.c.status == "running") & lost, values)


def requeue(session: Session, organization_id: str | None = None) -> int:
    """Queue the failed works again that have attempts left; of one organization or of all.

    Returns
    -------
    int
        How many.
    """
    failed = (_table.c.status == "failure") & (_table.c.attempt < _table.c.retries)
    return _move(session, organization_id, "requeued", failed, moved("queued"))


def stale(session: Session, organization_id: str, days: float) -> int:
    """Return how many works were created more than so many days ago; nothing is changed."""
    oldest = cast(time.time() - days * 86400, Double)
    query = select(func.count()).where(_table.c.organization_id == organization_id, _table.c.creation < oldest)
    return int(session.scalar(query) or 0)


def schedule(session: Session) -> None:
    """Have the server recover by itself, with or without clients that ask for it."""
    jobs.schedules.every(session, _KIND, EVERY_SECONDS, _KIND, key=_KIND)


@jobs.task(_KIND)
def run(context: jobs.JobContext) -> dict[str, int]:
    """Recover the works of every organization."""
    with context.unit() as session:
        expired = expire(session)
    with context.unit() as session:
        forget_deposits(session)
        return {"expired": expired, "requeued": requeue(session)}


def _move(session: Session, organization_id: str | None, action: str, condition: Any, values: dict[str, Any]) -> int:
    """Give works another state, some at a time, passing over those that somebody is changing."""
    total, journal = 0, QUEUE.storage.journal
    while True:
        chosen = select(_table.c.number).where(condition).limit(_AT_ONCE).with_for_update(skip_locked=True)
        if organization_id is not None:
            chosen = chosen.where(_table.c.organization_id == organization_id)
        taken = chosen.cte("taken").prefix_with("MATERIALIZED", dialect="postgresql")
        kept = (_table.c.id, _table.c.organization_id, _table.c.pipeline, _table.c.status)
        change = update(_table).where(_table.c.number == taken.c.number).values(values)
        change = change.returning(*kept, literal(action, String()).label("action"))
        rows = journal.enter(session, journal.entered(dialect_of(session), change), {}, anew=True)
        total += len(rows)
        if len(rows) < _AT_ONCE:
            return total
