"""The board: how many works each pipeline has in which state, since when the oldest waits, and how many end an hour."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from entrepot.db import now
from entrepot.identity import Principal
from entrepot.lineage import Run
from entrepot.works.collection import QUEUE
from entrepot.works.document import instant
from entrepot.works.queue import STATUSES, by_state

_table = QUEUE.table


@dataclass
class Standing:
    """How a pipeline stands.

    Attributes
    ----------
    pipeline
        Its name.
    counts
        How many works of it are in the queue, by their status.
    oldest_created_at, oldest_started_at
        Since when the oldest of those that wait has waited, and the first of those that run has run; None: none does.
    ended
        How many ended within the last hour, archived since or not.
    """

    pipeline: str
    counts: dict[str, int] = field(default_factory=lambda: dict.fromkeys(STATUSES, 0))
    oldest_created_at: datetime | None = None
    oldest_started_at: datetime | None = None
    ended: int = 0


def board(session: Session, principal: Principal) -> list[Standing]:
    """Return how each pipeline stands that has works in the queue, or had one that ended within the hour, by name."""
    principal.require("read")
    found = dict[str, Standing]()

    def of(pipeline: str) -> Standing:
        return found.setdefault(pipeline, Standing(pipeline))

    kept = (_table.c.pipeline, _table.c.status)
    standing = by_state(session, principal, [*kept, func.count(), func.min(_table.c.creation)], kept)
    for pipeline, status, count, oldest in standing:
        of(pipeline).counts[status] = count
        if status == "queued":
            of(pipeline).oldest_created_at = instant(oldest)
    for pipeline, oldest in session.execute(_longest(principal)):
        of(pipeline).oldest_started_at = instant(oldest)
    for pipeline, count in session.execute(_ended(principal)):
        of(pipeline).ended = count
    return sorted(found.values(), key=lambda one: one.pipeline)


def _longest(principal: Principal) -> Any:
    query = select(_table.c.pipeline, func.min(func.coalesce(_table.c.start, _table.c.creation)))
    of = (_table.c.organization_id == principal.organization_id, _table.c.status == "running")
    return query.where(*of).group_by(_table.c.pipeline)


def _ended(principal: Principal) -> Any:
    query = select(Run.generator_id, func.count()).where(
        Run.organization_id == principal.organization_id,
        Run.generator_kind == "work",
        Run.ended_at >= now() - timedelta(hours=1),
    )
    return query.group_by(Run.generator_id)
