"""Which stamps each file brought to each raw series, so that a corrected file takes back what it no longer has."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import delete, insert, select
from sqlalchemy.orm import Session

from entrepot.db.driver import BATCH
from entrepot.pipeline.models import ImportedStamps
from entrepot.series import codec
from entrepot.series.points import Points

Stamps = NDArray[np.int64]


def forget(session: Session, importer_id: str, paths: Sequence[str]) -> None:
    """Forget the stamps that files brought."""
    for at in range(0, len(paths), BATCH):
        some = ImportedStamps.path.in_(paths[at : at + BATCH])
        session.execute(delete(ImportedStamps).where(ImportedStamps.importer_id == importer_id, some))


def keep(session: Session, importer_id: str, brought: Mapping[str, Mapping[str, Stamps]]) -> None:
    """Remember the stamps that files, of which none are known, brought, by path and series."""
    rows = [
        {
            "importer_id": importer_id,
            "path": path,
            "name": name,
            "first": int(found[0]),
            "last": int(found[-1]),
            "stamps": codec.encode(Points(found, np.zeros(found.size))),
        }
        for path, stamps in brought.items()
        for name, found in stamps.items()
        if found.size
    ]
    if rows:
        session.execute(insert(ImportedStamps), rows)


def taken_back(session: Session, importer_id: str, path: str, stamps: Mapping[str, Stamps]) -> dict[str, Stamps]:
    """Return the stamps, by series, that a file brought before, brings no more, and that no other file brought."""
    before = select(ImportedStamps).where(ImportedStamps.importer_id == importer_id, ImportedStamps.path == path)
    found = {}
    for row in session.scalars(before).all():
        gone = np.setdiff1d(codec.decode(row.stamps).times, stamps.get(row.name, np.empty(0, np.int64)))
        if not gone.size:
            continue
        others = select(ImportedStamps.stamps).where(
            ImportedStamps.importer_id == importer_id,
            ImportedStamps.name == row.name,
            ImportedStamps.path != path,
            ImportedStamps.last >= int(gone[0]),
            ImportedStamps.first <= int(gone[-1]),
        )
        for data in session.scalars(others):
            gone = np.setdiff1d(gone, codec.decode(data).times)
        if gone.size:
            found[row.name] = gone
    return found
