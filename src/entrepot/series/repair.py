"""`entrepot check --repair`: what cannot be read any more is dropped, and what a series says of itself counted anew."""

from collections.abc import Callable
from dataclasses import dataclass

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from entrepot.errors import EntrepotError
from entrepot.events import emit, notifications
from entrepot.series import codec, store
from entrepot.series.chunks import chunk_table
from entrepot.series.integrity import span
from entrepot.series.models import Series

NOTICE = "Points dropped"


@dataclass(frozen=True)
class Remedy:
    """What becomes of points that were dropped.

    Attributes
    ----------
    again
        Whether the next run of what made them makes them again.
    told
        How, or what somebody has to do.
    """

    again: bool
    told: str


BY_HAND = Remedy(False, "send them again")

#: Has what a series lost in spans ``[start, stop)`` made again, where that can be.
Remake = Callable[[Session, Series, list[tuple[int, int]]], Remedy]


def _by_hand(_session: Session, _series: Series, _spans: list[tuple[int, int]]) -> Remedy:
    return BY_HAND


def repair(session: Session, number: int, remake: Remake = _by_hand) -> list[str]:
    """Drop the damaged chunks of a series and return which times they covered, and what becomes of these.

    Each is a notice and an event.
    """
    dropped: list[int] = []
    chunks = select(chunk_table.c.bucket, chunk_table.c.data).where(chunk_table.c.series == number)
    for bucket, data in session.execute(chunks.order_by(chunk_table.c.bucket)).all():
        try:
            codec.decode(data)
        except (EntrepotError, RuntimeError, ValueError):
            dropped.append(bucket)
    series = session.scalars(select(Series).where(Series.number == number)).one()
    width = series.width
    session.execute(delete(chunk_table).where(chunk_table.c.series == number, chunk_table.c.bucket.in_(dropped)))
    # As if it had been set aside before: then it is counted anew, and taken back.
    series.damage = "under repair"
    session.flush()
    store.heal(session)
    if not dropped:
        return []
    remedy = remake(session, series, [(bucket, bucket + width) for bucket in dropped])
    return [_tell(session, series, span(bucket, width), remedy) for bucket in dropped]


def _tell(session: Session, series: Series, covered: str, remedy: Remedy) -> str:
    owner = {"organization_id": series.organization_id, "project_id": series.project_id}
    notifications.notify(
        session,
        NOTICE,
        f"The points of series {series.name} {covered} were damaged and are dropped: {remedy.told}.",
        generator_kind=series.generator_kind if series.generator_id else None,
        generator_id=series.generator_id,
        subject=f"{series.name} {covered}",
        origin="storage",
        **owner,
    )
    data = {"name": series.name, "dropped": covered, "again": remedy.again, "remedy": remedy.told}
    emit(session, "series", "repaired", series.id, data=data, **owner)
    return f"{covered}: {remedy.told}"
