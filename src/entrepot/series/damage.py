"""Series of which points cannot be read any more: set aside and told of, so that no other series suffers.

What is written to such a series waits in its tail until it can be read again: nothing that was acknowledged is lost,
and a write to many series does not fail for the sake of one.
"""

import numpy as np
import structlog
from sqlalchemy import select
from sqlalchemy.orm import Session

from entrepot.events import emit, notifications
from entrepot.series import chunks
from entrepot.series.chunks import Written
from entrepot.series.codec import DamagedChunk
from entrepot.series.heads import Head
from entrepot.series.models import Series
from entrepot.series.points import Points

NOTICE = "Series damaged"

log = structlog.get_logger(__name__)


def set_aside(session: Session, head: Head, error: DamagedChunk) -> None:
    """Fold a series no more, and tell its owner why; the caller saves the head."""
    if head.damage is not None:
        return
    series = _series(session, head)
    head.damage = series.damage = error.message
    log.error("series damaged", series=series.id, name=series.name, project=series.project_id, reason=error.message)
    notifications.notify(
        session,
        NOTICE,
        error.message,
        organization_id=series.organization_id,
        project_id=series.project_id,
        generator_kind=series.generator_kind if series.generator_id else None,
        generator_id=series.generator_id,
        subject=series.name,
        origin="storage",
    )
    _emit(session, series, "damaged", {"reason": error.message})


def keep(session: Session, head: Head, new: Points) -> Written:
    """Write points to the tail, whatever is stored below: what of them is new, nobody can say now."""
    held = chunks.tail_times(session, head, int(new.times[0]), int(new.times[-1]) + 1)
    chunks.save_tail(session, chunks.tail_of(head, new), fresh=False)
    head.tail += len(new) - int(np.isin(new.times, held).sum())
    return Written(added=len(new), changed=new.times, fresh=new.times)


def heal(session: Session, head: Head) -> bool:
    """Take a series back whose points can all be read again; the caller holds and saves the head."""
    try:
        points = chunks.load(session, [head.number])[head.number]
    except DamagedChunk:
        return False
    series = _series(session, head)
    head.damage = series.damage = None
    head.count = len(points)
    head.first = head.last = head.last_value = None
    if len(points):
        head.first, head.last, head.last_value = int(points.times[0]), int(points.times[-1]), float(points.values[-1])
    for notice in notifications.open_ones(session, NOTICE):
        if (notice.project_id, notice.generator_id, notice.subject) == (
            series.project_id,
            series.generator_id,
            series.name,
        ):
            notifications.settle(session, notice)
    _emit(session, series, "restored", {})
    return True


def _series(session: Session, head: Head) -> Series:
    return session.scalars(select(Series).where(Series.number == head.number)).one()


def _emit(session: Session, series: Series, action: str, data: dict[str, str]) -> None:
    owner = {"organization_id": series.organization_id, "project_id": series.project_id}
    emit(session, "series", action, series.id, data={"name": series.name, **data}, **owner)
