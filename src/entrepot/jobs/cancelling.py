"""Cancelling many jobs at once."""

from typing import NamedTuple, cast

from sqlalchemy import Table, literal_column, or_, select, update
from sqlalchemy.orm import Session

from entrepot.db import now
from entrepot.jobs import turns
from entrepot.jobs.models import Job

_table = cast("Table", Job.__table__)
_is_pending = _table.c.status == literal_column("'pending'")
_is_running = _table.c.status == literal_column("'running'")
MOST_CANCELLED = 20_000


class Cancelled(NamedTuple):
    """How many jobs were cancelled that waited, how many were told that run, and whether more are left that wait."""

    waiting: int
    running: int
    more: bool


def cancel_all(
    session: Session,
    organization_id: str | None,
    project_id: str | None,
    *,
    kind: str | None = None,
    running: bool = True,
    limit: int = MOST_CANCELLED,
) -> Cancelled:
    """Cancel the jobs of a project: those that wait at once, at most `limit`; those that run are told.

    Parameters
    ----------
    kind
        Only jobs of this kind (``importer.run``), or of those that begin so (``importer``).
    running
        Whether those that run are told to stop.
    """
    ours = [_table.c.tenant == turns.tenant_of(organization_id, project_id)]
    if kind is not None:
        ours.append(or_(_table.c.kind == kind, _table.c.kind.startswith(f"{kind}.", autoescape=True)))
    told = 0
    if running:
        asking = update(_table).where(_is_running, ~_table.c.cancel_requested, *ours).values(cancel_requested=True)
        told = len(session.execute(asking.returning(_table.c.number)).all())
    # One that is being claimed at this moment, or waited for by others, is passed over rather than waited for.
    waiting = select(_table.c.number).where(_is_pending, *ours).order_by(_table.c.number).limit(limit)
    numbers = waiting.with_for_update(skip_locked=True).cte("cancelled")
    ending = update(_table).where(_table.c.number == numbers.c.number).values(status="cancelled", ended_at=now())
    ended = len(session.execute(ending.returning(_table.c.number)).all())
    for job in [one for one in session.identity_map.values() if isinstance(one, Job)]:
        session.expire(job)
    return Cancelled(ended, told, more=ended == limit)
