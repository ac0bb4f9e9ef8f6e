"""How far series are behind: for those who look after a server."""

import time

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from entrepot.series.models import Series, SeriesHead


def tail(session: Session) -> int:
    """Return how many points wait to be folded."""
    return int(session.scalar(select(func.sum(SeriesHead.tail)).where(SeriesHead.tail > 0)) or 0)


def lag(session: Session) -> dict[str, float]:
    """Return, by project, how many seconds ago an importer last wrote points."""
    query = (
        select(Series.project_id, func.max(SeriesHead.written_at))
        .join(SeriesHead)
        .where(Series.generator_kind == "importer", SeriesHead.written_at.is_not(None))
    )
    instant = time.time()
    found = session.execute(query.group_by(Series.project_id))
    return {project: instant - (written or 0) / 1e6 for project, written in found}
