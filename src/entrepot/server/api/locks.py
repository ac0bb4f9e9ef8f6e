"""Locks: one verb for all kinds of results."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import Query
from pydantic import AwareDatetime, Field
from sqlalchemy import select

from entrepot import locks
from entrepot.db import unindexed
from entrepot.files.models import PublishedFile
from entrepot.locks import Lock
from entrepot.pipeline.runs import locking  # noqa: F401 - it knows how each kind is locked
from entrepot.rows.models import ResultSet, Row
from entrepot.series.models import Series
from entrepot.server.api.nouns import (
    NOT_KEPT,
    Asked,
    InProject,
    Noun,
    Page,
    Reference,
    listed,
    of_project,
    project_names,
    user_names,
)
from entrepot.server.api.routing import NativeRouter, Unit

router = NativeRouter(tags=["locks"])
AREAS = "series|rows|works|files"
Kind = Literal["series", "result_set", "row", "work", "file"]


class LockRequest(Noun):
    """What is to be locked."""

    kind: Kind
    id: Annotated[str, Field(min_length=1, max_length=400, description="Of what is locked.")]
    until: Annotated[
        AwareDatetime | None, Field(description="When it ends by itself; null: when somebody ends it.")
    ] = None
    why: Annotated[str, Field(max_length=2000)] = ""


class LockShown(Noun):
    """What keeps a result from being changed, through whichever door."""

    id: str
    kind: Kind
    of: Annotated[Reference, NOT_KEPT, Field(description="What is locked.")]
    project: Annotated[Reference | None, NOT_KEPT]
    until: datetime | None
    why: str
    by: Annotated[Reference | None, NOT_KEPT]
    created_at: datetime


@router.serve("GET", "/locks", area=AREAS, right="read")
def list_locks(
    unit: Unit,
    asked: Asked,
    project: InProject = None,
    kind: Annotated[Kind | None, Query()] = None,
    id: Annotated[str | None, Query(max_length=400, description="Of what is locked.")] = None,  # noqa: A002
) -> Page[LockShown]:
    """List locks, newest first."""
    query = select(Lock).where(unit.principal.within(Lock), unindexed(Lock.kind).in_(locks.kinds_for(unit.principal)))
    for name, value in {**of_project(unit, project), "kind": kind, "target": id}.items():
        if value is not None:
            query = query.where(getattr(Lock, name) == value)
    return listed(unit, query, (Lock.number,), asked, lambda rows: _shown(unit, rows), newest_first=True)


@router.serve("POST", "/locks", area=AREAS, right="write", status=201)
def create_lock(unit: Unit, given: LockRequest) -> LockShown:
    """Lock a series, a result set with all its rows, a row, an archived work or a file; a second time says why anew."""
    return _shown(unit, [locks.lock(unit.session, unit.principal, given.kind, given.id, given.until, given.why)])[0]


@router.serve("GET", "/locks/{lock_id}", area=AREAS, right="read")
def get_lock(unit: Unit, lock_id: str) -> LockShown:
    """Return a lock."""
    return _shown(unit, [locks.get(unit.session, unit.principal, lock_id)])[0]


@router.serve("DELETE", "/locks/{lock_id}", area=AREAS, right="write", status=204)
def delete_lock(unit: Unit, lock_id: str) -> None:
    """Unlock what is locked; what was to be made of it meanwhile is made then."""
    locks.unlock(unit.session, unit.principal, lock_id)


def _shown(unit: Unit, rows: Sequence[Lock]) -> list[LockShown]:
    projects = project_names(unit, rows)
    users = user_names(unit, rows)
    names = {kind: _names(unit, kind, [row for row in rows if row.kind == kind]) for kind in locks.AREAS}
    return [
        LockShown.showing(
            row,
            of=Reference(id=row.target, name=names[row.kind].get(row.target, row.target)),
            project=projects.get(row.project_id or ""),
            by=users.get(row.user_id),
        )
        for row in rows
    ]


def _names(unit: Unit, kind: str, rows: Iterable[Lock]) -> dict[str, str]:
    """Return what locked things are called, by their ids; works have no names."""
    known: dict[str, tuple[Any, Any]] = {
        "series": (Series, Series.name),
        "file": (PublishedFile, PublishedFile.name),
        "result_set": (ResultSet, ResultSet.name),
        "row": (Row, Row.name),
    }
    ids: list[Any] = [row.target for row in rows]
    if kind not in known or not ids:
        return {}
    model, name = known[kind]
    if kind in ("result_set", "row"):
        ids = [int(each) for each in ids]
    query = select(model.id, name.label("name")).where(model.id.in_(ids))
    if kind in ("result_set", "row"):
        query = query.where(model.organization_id == unit.principal.organization_id)
    return {str(row.id): row.name for row in unit.session.execute(query)}
