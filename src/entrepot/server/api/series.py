"""Series of the native API: listed, described, made and deleted; their points are in :mod:`.points`."""

from datetime import datetime
from typing import Annotated, Literal

from fastapi import Query
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy.orm import Session

from entrepot.errors import Conflict, NotFound
from entrepot.identity import Principal, Right, projects
from entrepot.pipeline import pushed
from entrepot.series import store
from entrepot.series.clocks import Clock
from entrepot.series.models import Series as SeriesRow
from entrepot.server.api.routing import NativeRouter, Unit

router = NativeRouter(tags=["series"])


class Series(BaseModel):
    """A series and the summary of its points; times are microseconds since 1970, UTC."""

    model_config = ConfigDict(from_attributes=True)

    id: str
    pk: int
    project_id: str
    generator_kind: str
    generator_id: str | None
    name: str
    unit: str
    label: str
    clock: str | None
    timezone: str | None
    freq: str | None
    resample_rule: str
    pushed: bool
    locked: bool
    created: datetime
    count: int
    first: int | None
    last: int | None
    last_value: float | None
    damage: str | None


class SeriesRequest(BaseModel):
    """What a series that a client pushes to is to be."""

    model_config = ConfigDict(extra="forbid")

    project_id: str
    name: str = Field(min_length=1, max_length=255)
    importer: str = Field(
        pushed.USUAL, min_length=1, max_length=300, description="Name of the importer without a gate it belongs to."
    )
    unit: str = Field("", max_length=255)
    label: str = Field("", max_length=255)
    clock: Literal["gmt", "tzt", "dst"] = "gmt"
    timezone: str | None = None
    freq: str | None = None
    resample_rule: Literal["mean", "sum", "first", "last", "min", "max"] = "mean"


@router.serve("GET", "/series", area="series", right="read")
def list_series(
    unit: Unit,
    project_id: str,
    generator_id: str | None = None,
    name: str | None = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 200,
    offset: Annotated[int, Query(ge=0)] = 0,
) -> list[Series]:
    """List a project's series, newest first."""
    projects.get_project(unit.session, unit.principal, project_id)
    found = store.list_series(
        unit.session, project_id=project_id, generator_id=generator_id, name=name, offset=offset, limit=limit
    )
    return [Series.model_validate(row) for row in found]


@router.serve("POST", "/series", area="series", right="write", status=201)
def create_series(unit: Unit, request_: SeriesRequest) -> Series:
    """Create a series that clients push points to; it is cleaned by the cleaner of its importer."""
    project = projects.get_project(unit.session, unit.principal, request_.project_id, "write")
    Clock(request_.clock, request_.timezone)
    fields = request_.model_dump(exclude={"project_id", "importer"})
    row = pushed.create_series(unit.session, unit.principal, project, request_.importer, **fields)
    return Series.model_validate(row)


@router.serve("GET", "/series/{series_id}", area="series", right="read")
def get_series(unit: Unit, series_id: str) -> Series:
    """Return a series."""
    return Series.model_validate(find(unit.session, unit.principal, series_id))


@router.serve("DELETE", "/series/{series_id}", area="series", right="write")
def delete_series(unit: Unit, series_id: str) -> Series:
    """Delete a series that clients push to, with its points; what a generator made is cleared through it."""
    row = find(unit.session, unit.principal, series_id, "write")
    if not row.pushed:
        raise Conflict(f"This series is made by its {row.generator_kind}: clear that instead.")
    described = Series.model_validate(row)
    pushed.delete_series(unit.session, row)
    return described


def find(session: Session, principal: Principal, series_id: str, right: Right = "read") -> SeriesRow:
    """Return a series on which the caller has the right; NotFound when it belongs to others."""
    try:
        row = store.get_series(session, series_id)
    except NotFound:
        raise NotFound("Series not found.") from None
    principal.require(right, row.organization_id, "Series", row.project_id, row.id)
    return row
