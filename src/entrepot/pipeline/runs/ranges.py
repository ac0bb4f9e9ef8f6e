"""Deleting the points of a range of a series, and having what lies downstream follow."""

from sqlalchemy.orm import Session

from entrepot.identity import Principal
from entrepot.pipeline.generators import catalog
from entrepot.pipeline.generators.finding import enqueue_run, find_generator, raw_changed, series_changed
from entrepot.pipeline.models import Importer
from entrepot.series import store


def delete_points(session: Session, principal: Principal, series_id: str, start: int | None, stop: int | None) -> int:
    """Delete the points of a series in ``[start, stop)`` and return how many these were.

    Parameters
    ----------
    start, stop
        Microseconds since 1970 in UTC, or stamps as delivered where the clock of the series is not known; None is no
        bound.
    """
    series = catalog.get_series(session, principal, series_id, "write")
    written = store.replace_range(session, series.number, start, stop, [], [])
    generator = find_generator(session, series.generator_id) if series.generator_id is not None else None
    if generator is not None and written.changed.size:
        if isinstance(generator, Importer) and raw_changed(session, generator.cleaner, series.name, written.changed):
            enqueue_run(session, generator.cleaner)
        series_changed(session, generator, {series.name: written.changed})
    return written.deleted
