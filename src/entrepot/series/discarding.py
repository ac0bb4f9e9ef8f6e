"""Deleting series whatever there is in them: gone at once for everybody, and deleted in the background.

A series may have so many points, and a generator so many series, that to delete them in one go would keep all other
writers waiting. So a discarded series only becomes nobody's; a job deletes it in units, each of which takes a moment
and leaves as long a one to others. Whatever ends that job, the next one goes on.
"""

from collections.abc import Iterable, Sequence

from sqlalchemy import delete, select, tuple_, update
from sqlalchemy.orm import Session

from entrepot import jobs
from entrepot.db.driver import BATCH
from entrepot.errors import Locked
from entrepot.lineage import results
from entrepot.series.chunks import chunk_table, tail_table
from entrepot.series.heads import series_table
from entrepot.series.models import DISCARDED, Series
from entrepot.settings import Settings

DISCARD = "series.discard"
_EVERY_SECONDS = 3600.0
_AT_ONCE = 200
_MOST_CHUNKS, _MOST_ROWS = 500, 20_000


def discard(session: Session, numbers: Iterable[int]) -> None:
    """Delete series with all their points; those that somebody else deleted at this moment are passed over.

    Raises
    ------
    Locked
        One of them is locked; nothing may be committed then.
    """
    wanted = sorted(set(numbers))
    nobodys = {"organization_id": DISCARDED, "project_id": DISCARDED, "generator_id": series_table.c.id}
    for at in range(0, len(wanted), BATCH):
        part = series_table.c.number.in_(wanted[at : at + BATCH])
        # Taken in the order in which writers take them.
        taken = select(series_table.c.name, series_table.c.locked).where(part).order_by(series_table.c.number)
        if held := next((row.name for row in session.execute(taken.with_for_update()) if row.locked), None):
            raise Locked(f"Series {held} is locked.")
        session.execute(update(series_table).where(part).values(nobodys))
    if wanted:
        known = (one for one in session.identity_map.values() if isinstance(one, Series) and one.number in wanted)
        for series in list(known):
            session.expunge(series)
        jobs.enqueue(session, DISCARD, key=DISCARD, coalesce=DISCARD)


@results.found_by("series")
def found(session: Session, _settings: Settings, organization_id: str, ids: Sequence[str]) -> Sequence[str]:
    """Return those of the series that were not discarded."""
    of = (series_table.c.id.in_(ids), series_table.c.organization_id == organization_id)
    return session.scalars(select(series_table.c.id).where(*of)).all()


def schedule(session: Session) -> None:
    """Have what was discarded deleted to the end, whatever became of the job that was to do it."""
    jobs.schedules.every(session, DISCARD, _EVERY_SECONDS, DISCARD, key=DISCARD)


@jobs.task(DISCARD, max_attempts=100)
def run(context: jobs.JobContext) -> dict[str, int]:
    """Delete the series that were discarded."""
    deleted = 0

    def some(session: Session) -> int:
        nonlocal deleted
        part = delete_some(session, DISCARDED)
        deleted += max(part, 0)
        context.progress(deleted, deleted, "Deleting series.")
        return part

    return {"deleted": jobs.in_units(context, some)}


def delete_some(session: Session, project_id: str) -> int:
    """Delete points of some series of a project, and these once they have none.

    Returns
    -------
    int
        How many series were deleted; -1: none, because points are left.
    """
    # Held before their points are, and in the same order, as by whoever writes or folds.
    some = select(series_table.c.number).where(series_table.c.project_id == project_id).order_by(series_table.c.number)
    numbers = list(session.scalars(some.limit(_AT_ONCE).with_for_update()))
    if numbers and not _emptied(session, numbers):
        return -1
    session.execute(delete(series_table).where(series_table.c.number.in_(numbers)))
    return len(numbers)


def _emptied(session: Session, numbers: Sequence[int]) -> bool:
    left = False
    for table, most in ((chunk_table, _MOST_CHUNKS), (tail_table, _MOST_ROWS)):
        keys = list(table.primary_key.columns)
        some = select(*keys).where(table.c.series.in_(numbers)).limit(most)
        gone = session.execute(delete(table).where(tuple_(*keys).in_(some)).returning(keys[0])).all()
        left = left or len(gone) == most
    return not left
