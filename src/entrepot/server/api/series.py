"""Series of the native API: found, described, made and deleted; their points are in :mod:`.points`."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Literal

from fastapi import Query
from pydantic import Field
from sqlalchemy import select
from sqlalchemy.orm import Session

from entrepot.db import keyset
from entrepot.errors import Conflict, NotFound
from entrepot.identity import Principal, Right, projects
from entrepot.identity.projects import is_kept
from entrepot.pipeline.importing import pushed
from entrepot.series import store
from entrepot.series.models import DISCARDED, Series
from entrepot.server.api.nouns import (
    NOT_KEPT,
    Asked,
    Maker,
    Noun,
    Page,
    Reference,
    SeriesName,
    Step,
    at,
    makers,
    named_clock,
    next_page,
    project_names,
)
from entrepot.server.api.routing import NativeRouter, Unit

router = NativeRouter(tags=["series"])
_MOST_TEXT = 255


class SeriesSettings(Noun):
    """What a series is; its points are elsewhere."""

    unit: Annotated[str, Field(max_length=_MOST_TEXT)] = ""
    title: Annotated[str, Field(max_length=_MOST_TEXT)] = ""
    clock: Annotated[
        str | None, named_clock(), Field(description="In which it is presented, whose days its steps follow.")
    ] = "UTC"
    step: Annotated[Step | None, Field(description="The distance of its points; null: any.")] = None
    rule: Annotated[
        Literal["mean", "sum", "first", "last", "min", "max"],
        Field(description="How its points become longer steps."),
    ] = "mean"


class SeriesRequest(SeriesSettings):
    """A new series, to which clients push points."""

    project: Annotated[str, NOT_KEPT, Field(description="Id or name.")]
    name: SeriesName
    importer: Annotated[
        str,
        NOT_KEPT,
        Field(min_length=1, max_length=300, description="Name of the importer without a gate that it belongs to."),
    ] = pushed.USUAL


class SeriesShown(SeriesSettings):
    """A series and the summary of its points."""

    id: str
    name: str
    project: Annotated[Reference | None, NOT_KEPT]
    of: Annotated[Maker | None, NOT_KEPT]
    kind: str | None
    pushed: Annotated[bool, Field(description="Whether clients push its points.")]
    locked: bool
    created_at: datetime
    count: int
    first_at: Annotated[datetime | None, at("first")]
    last_at: Annotated[datetime | None, at("last")]
    last_value: float | None
    damage: Annotated[str | None, Field(description="What cannot be read any more of it; null: all is well.")]


@router.serve("GET", "/series", area="series", right="read")
def list_series(
    unit: Unit,
    asked: Asked,
    project: Annotated[str | None, Query(description="Id or name of the project.")] = None,
    of: Annotated[str | None, Query(description="Id of the importer, cleaner or analysis that makes it.")] = None,
    name: Annotated[str | None, Query(description="Exact name.")] = None,
    q: Annotated[str | None, Query(max_length=200, description="Words of its name or title.")] = None,
) -> Page[SeriesShown]:
    """List series by name."""
    query = select(Series).where(
        unit.principal.within(Series), is_kept(Series.project_id), Series.project_id != DISCARDED
    )
    if project is not None:
        query = query.where(Series.project_id == projects.find_project(unit.session, unit.principal, project).id)
    for one, value in ((Series.generator_id, of), (Series.name, name)):
        if value is not None:
            query = query.where(one == value)
    for word in (q or "").split():
        query = query.where(
            Series.name.icontains(word, autoescape=True) | Series.title.icontains(word, autoescape=True)
        )
    rows, cursor = keyset.page(unit.session, query, (Series.name, Series.id), limit=asked.limit, cursor=asked.cursor)
    return Page(items=_shown(unit, rows), next=next_page(unit, cursor))


@router.serve("POST", "/series", area="series", right="write", status=201)
def create_series(unit: Unit, given: SeriesRequest) -> SeriesShown:
    """Create a series that clients push points to; it is cleaned by the channels of its importer."""
    project = projects.find_project(unit.session, unit.principal, given.project, "write")
    with SeriesRequest.naming():
        fields = given.kept(unset=True)
        row = pushed.create_series(unit.session, unit.principal, project, given.importer, **fields)
    return _shown(unit, [row])[0]


@router.serve("GET", "/series/{series_id}", area="series", right="read")
def get_series(unit: Unit, series_id: str) -> SeriesShown:
    """Return a series."""
    return _shown(unit, [find(unit.session, unit.principal, series_id)])[0]


@router.serve("DELETE", "/series/{series_id}", area="series", right="write", status=204)
def delete_series(unit: Unit, series_id: str) -> None:
    """Delete a series that clients push to, with its points; what a generator made is cleared through it."""
    row = find(unit.session, unit.principal, series_id, "write")
    if not row.pushed:
        raise Conflict(f"This series is made by its {row.generator_kind}: clear that instead.")
    pushed.delete_series(unit.session, row)


def find(session: Session, principal: Principal, series_id: str, right: Right = "read") -> Series:
    """Return a series on which the caller has the right; NotFound when it belongs to others."""
    try:
        row = store.get_series(session, series_id)
    except NotFound:
        raise NotFound("Series not found.") from None
    principal.require(right, row.organization_id, "Series", row.project_id, row.id)
    return row


def _shown(unit: Unit, rows: Sequence[Series]) -> list[SeriesShown]:
    names = project_names(unit, rows)
    made_by = makers(unit, (row.generator_id for row in rows))
    return [
        SeriesShown.showing(row, project=names[row.project_id], of=made_by.get(row.generator_id or "")) for row in rows
    ]
