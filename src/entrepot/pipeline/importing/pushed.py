"""Series that clients push to: raw series of an importer without a gate, whose cleaner is one like any other."""

from collections.abc import Collection, Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import delete, or_, select
from sqlalchemy.orm import Session

from entrepot.db.driver import Among, fetch
from entrepot.errors import InvalidInput, Locked
from entrepot.identity import Principal, Project
from entrepot.pipeline.generators import invalidations
from entrepot.pipeline.generators.finding import consumers_of_raw, drop_series, enqueue_run, raw_changed, series_changed
from entrepot.pipeline.importing.configuration import create_importer
from entrepot.pipeline.models import AnalysisInput, Channel, Cleaner, Importer, ImporterSeries
from entrepot.series import store
from entrepot.series.models import Series

#: The importer of series of which nobody says to which one they belong.
USUAL: Final = "pushed"


def create_series(session: Session, principal: Principal, project: Project, importer: str, **fields: Any) -> Series:
    """Create a series that clients push points to, and its importer where there is none of that name.

    Raises
    ------
    InvalidInput
        The importer reads a gate.
    Conflict
        There is such a series.
    """
    found = session.scalar(select(Importer).where(Importer.project_id == project.id, Importer.name == importer))
    if found is None:
        found = create_importer(session, principal, {"project": project.id, "name": importer})
    elif found.gate_id is not None:
        raise InvalidInput.field("importer", f"The importer {importer} reads a gate: only that writes its series.")
    series = store.create_series(
        session,
        organization_id=project.organization_id,
        project_id=project.id,
        generator_kind=found.kind,
        generator_id=found.id,
        pushed=True,
        **fields,
    )
    known = ImporterSeries.importer_id == found.id, ImporterSeries.raw == series.name
    if session.scalar(select(ImporterSeries.number).where(*known)) is None:
        session.add(ImporterSeries(importer_id=found.id, raw=series.name))
        session.flush()
    return series


def describe(session: Session, series: Series, fields: Mapping[str, Any]) -> None:
    """Give a series another unit or title.

    Raises
    ------
    Locked
        It is locked.
    """
    if series.locked:
        raise Locked(f"Series {series.name} is locked.")
    for name, value in fields.items():
        setattr(series, name, value)
    session.flush()


def delete_series(session: Session, series: Series) -> None:
    """Delete a series that clients pushed to; what was cleaned and computed of it is made anew."""
    importer = session.scalar(select(Importer).where(Importer.id == series.generator_id))
    if importer is None:
        store.delete_series(session, series.number)
        return
    name = series.name
    label = ImporterSeries.importer_id == importer.id, ImporterSeries.raw == name
    session.execute(delete(ImporterSeries).where(*label))
    drop_series(session, importer, [name])
    for channel in consumers_of_raw(session, importer.cleaner, name):
        invalidations.mark(session, channel.id, "", [invalidations.ALWAYS])
        enqueue_run(session, importer.cleaner)


def is_read(session: Session, importers: Collection[str]) -> bool:
    """Return whether a channel or an analysis reads any series of these importers."""
    if not importers:
        return False
    ((read,),) = fetch(session, _READ, {"importers": list(importers)})
    return bool(read)


def changed(session: Session, stamps: Mapping[tuple[str, str], NDArray[np.int64]]) -> None:
    """Have cleaned and analysed what changed of series, given by their importers and names."""
    of_importer: dict[str, dict[str, NDArray[np.int64]]] = {}
    for (importer_id, name), found in stamps.items():
        of_importer.setdefault(importer_id, {})[name] = found
    for importer in session.scalars(select(Importer).where(Importer.id.in_(of_importer))).all():
        series = of_importer[importer.id]
        touched = [raw_changed(session, importer.cleaner, name, found) for name, found in series.items()]
        if any(touched):
            enqueue_run(session, importer.cleaner)
        series_changed(session, importer, series)


_CLEANED = select(Channel.number).join(Cleaner, Cleaner.id == Channel.cleaner_id)
_READ = select(
    or_(
        _CLEANED.where(Among(Cleaner.importer_id, "importers")).exists(),
        select(AnalysisInput.number).where(Among(AnalysisInput.generator_id, "importers")).exists(),
    )
)
