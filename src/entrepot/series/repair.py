"""`entrepot check --repair`: what cannot be read any more is dropped, and what a series says of itself counted anew."""

from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from entrepot.errors import EntrepotError
from entrepot.events import emit, notifications
from entrepot.series import codec, store
from entrepot.series.chunks import chunk_table, series_table
from entrepot.series.integrity import span
from entrepot.series.models import Series

NOTICE = "Points dropped"


def repair(session: Session, pk: int) -> list[str]:
    """Drop the damaged chunks of a series and return which times they covered; each is a notice and an event."""
    dropped: list[int] = []
    chunks = select(chunk_table.c.bucket, chunk_table.c.data).where(chunk_table.c.series == pk)
    for bucket, data in session.execute(chunks.order_by(chunk_table.c.bucket)).all():
        try:
            codec.decode(data)
        except (EntrepotError, RuntimeError, ValueError):
            dropped.append(bucket)
    series = session.scalars(select(Series).where(Series.pk == pk)).one()
    spans = [span(bucket, series.width) for bucket in dropped]
    session.execute(delete(chunk_table).where(chunk_table.c.series == pk, chunk_table.c.bucket.in_(dropped)))
    # As if it had been set aside before: then it is counted anew, and taken back.
    session.execute(update(series_table).where(series_table.c.pk == pk).values(damage="under repair"))
    store.heal(session)
    owner = {"organization_id": series.organization_id, "project_id": series.project_id}
    for covered in spans:
        notifications.notify(
            session,
            NOTICE,
            f"The points of series {series.name} {covered} were damaged and are dropped: import them again.",
            generator_kind=series.generator_kind if series.generator_id else None,
            generator_id=series.generator_id,
            subject=f"{series.name} {covered}",
            origin="storage",
            **owner,
        )
        emit(session, "series", "repaired", series.id, data={"name": series.name, "dropped": covered}, **owner)
    return spans
