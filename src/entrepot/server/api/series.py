"""Series of the native API: found, described, made and deleted; their points are in :mod:`.points`."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Literal

from fastapi import Query
from pydantic import Field
from sqlalchemy import Select, select
from sqlalchemy.orm import Session

from entrepot.errors import Conflict, NotFound
from entrepot.identity import Principal, Right, projects
from entrepot.identity.projects import is_kept
from entrepot.pipeline.cleaning import configuration as cleaners
from entrepot.pipeline.importing import pushed
from entrepot.series import labels, store
from entrepot.series.models import DISCARDED, Series
from entrepot.server.api.nouns import (
    NOT_KEPT,
    InProject,
    Labels,
    Maker,
    Named,
    Noun,
    Page,
    Reference,
    SeriesName,
    Sought,
    Step,
    at,
    called,
    listed,
    makers,
    named_clock,
    project_names,
    worded,
)
from entrepot.server.api.routing import NativeRouter, Unit
from entrepot.server.endpoint import Call

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


class SeriesChanges(Noun):
    """What is to change of a series."""

    unit: Annotated[str, Field(max_length=_MOST_TEXT)] = ""
    title: Annotated[str, Field(max_length=_MOST_TEXT)] = ""
    labels: Annotated[Labels | None, NOT_KEPT] = None


class SeriesRequest(SeriesSettings):
    """A new series, to which clients push points."""

    project: Annotated[str, NOT_KEPT, Field(description="Id or name.")]
    name: SeriesName
    labels: Annotated[Labels, NOT_KEPT, Field(default_factory=dict)]
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
    labels: Annotated[dict[str, str], NOT_KEPT]
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
    asked: Sought,
    project: InProject = None,
    of: Annotated[str | None, Query(description="Id of the importer, cleaner or analysis that makes it.")] = None,
    name: Named = None,
    label: Annotated[
        list[str] | None, Query(max_length=20, description="`key:value`, or a key alone; several are all needed.")
    ] = None,
    unit_name: Annotated[
        str | None, Query(alias="unit", max_length=_MOST_TEXT, description="Exactly as it has it.")
    ] = None,
) -> Page[SeriesShown]:
    """List series by name."""
    query = sought(unit, asked.q, label or (), project=project, unit=unit_name).where(
        *([Series.generator_id == of] if of is not None else []),
        *([called(Series.name, name)] if name is not None else []),
    )
    return listed(unit, query, (Series.name, Series.id), asked, lambda rows: _shown(unit, rows))


def sought(
    asker: Unit | Call, q: str | None, label: Sequence[str], *, project: str | None = None, unit: str | None = None
) -> Select[Series]:
    """Return the query of the series that the caller may read, by words, labels, project and unit."""
    query = select(Series).where(
        asker.principal.within(Series),
        is_kept(Series.project_id),
        Series.project_id != DISCARDED,
        *worded(q, Series.name, Series.title),
        *map(labels.has, label),
    )
    if project is not None:
        query = query.where(Series.project_id == projects.find_project(asker.session, asker.principal, project).id)
    return query if unit is None else query.where(Series.unit == unit)


@router.serve("POST", "/series", area="series", right="write", status=201)
def create_series(unit: Unit, given: SeriesRequest) -> SeriesShown:
    """Create a series that clients push points to; it is cleaned by the channels of its importer."""
    project = projects.find_project(unit.session, unit.principal, given.project, "write")
    with SeriesRequest.naming():
        fields = given.kept(unset=True)
        row = pushed.create_series(unit.session, unit.principal, project, given.importer, **fields)
        labels.put(unit.session, row, given.labels)
    return _shown(unit, [row])[0]


@router.serve("GET", "/series/{series_id}", area="series", right="read")
def get_series(unit: Unit, series_id: str) -> SeriesShown:
    """Return a series."""
    return _shown(unit, [find(unit.session, unit.principal, series_id)])[0]


@router.serve("PATCH", "/series/{series_id}", area="series", right="write")
def change_series(unit: Unit, series_id: str, given: SeriesChanges) -> SeriesShown:
    """Change what a series is called and found by; the rest is its maker's to say. `labels` are all that there are."""
    row = find(unit.session, unit.principal, series_id, "write")
    with SeriesChanges.naming():
        if given.labels is not None:
            cleaners.describe_series(unit.session, row, given.labels)
        pushed.describe(unit.session, row, given.kept())
    return _shown(unit, [row])[0]


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
    found = labels.of(unit.session, rows)
    return [
        SeriesShown.showing(
            row, project=names[row.project_id], of=made_by.get(row.generator_id or ""), labels=found.get(row.number, {})
        )
        for row in rows
    ]
