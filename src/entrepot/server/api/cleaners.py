"""Cleaners and their unit cleaners, each of which makes one regular series of one raw series."""

from typing import Annotated, Any, Literal

from fastapi import Query
from pydantic import BaseModel, ConfigDict, Field

from entrepot.pipeline import cleaners, configuration
from entrepot.pipeline.models import Cleaner, Unitcleaner
from entrepot.server.api.routing import NativeRouter, Unit

router = NativeRouter(tags=["cleaners"])

Text = Annotated[str, Field(max_length=65_536)]
Step = Annotated[str, Field(max_length=32)]


class CleanerShown(BaseModel):
    """A cleaner: that of the importer of its name."""

    model_config = ConfigDict(from_attributes=True, title="Cleaner")

    id: str
    name: str
    comment: str
    project_id: str
    importer_id: str


class UnitcleanerChanges(BaseModel):
    """How a raw series is cleaned; what is left out stays, or has its default.

    ``clock`` and ``timezone`` say what the stamps of the raw series show, unless they are instants. ``day_begins``,
    such as ``06:00``, is what the wall clock shows when a day of the output begins; without it, days begin at midnight
    of standard time. ``filter_first`` has the filter drop points, before they become steps. ``completeness`` is the
    share of its points that a step must have, in per cent; how many each step has is then kept as its tag.
    """

    model_config = ConfigDict(extra="forbid")

    active: bool = True
    freq: Step = "1H"
    input_unit_type: str = "instantaneous"
    unit_type: str = "instantaneous"
    input_convention: Literal["left", "right"] = "left"
    clock: Literal["gmt", "tzt", "dst"] = "tzt"
    timezone: Annotated[str, Field(max_length=64)] = "Europe/Paris"
    unit: str = ""
    label: str = ""
    resample_rule: Literal["mean", "first", "sum"] = "mean"
    interpolate_limit: int = 0
    wait_offset: Step = "6H"
    input_expected_regular: bool = False
    operation_fct: Text | None = None
    filter_fct: Text | None = None
    derivative_filter_fct: Text | None = None
    custom_fct: Text | None = None
    custom_delay: Step | None = None
    custom_before_offset: int | str | None = None
    custom_after_offset: int | str | None = None
    day_begins: str | None = None
    filter_first: bool = False
    completeness: float | None = None


class UnitcleanerRequest(UnitcleanerChanges):
    """A unit cleaner: of which raw series (``external_name``) it makes which series (``name``), and how."""

    external_name: Annotated[str, Field(min_length=1, max_length=255)]
    name: Annotated[str, Field(min_length=1, max_length=255)]


class UnitcleanerShown(UnitcleanerRequest):
    """A unit cleaner, with its settings."""

    model_config = ConfigDict(from_attributes=True, title="Unitcleaner", extra="ignore")

    id: str
    cleaner_id: str


class Unitcleaners(BaseModel):
    """The unit cleaners of a cleaner, in the order of their creation."""

    items: list[UnitcleanerShown]
    next: str | None = None


@router.serve("GET", "/cleaners", area="series", right="read")
def list_cleaners(
    unit: Unit, project_id: str | None = None, name: Annotated[str | None, Query(description="Exact name.")] = None
) -> list[CleanerShown]:
    """List cleaners by name."""
    found = configuration.listed(unit.session, unit.principal, Cleaner, {"project_id": project_id, "name": name})
    return [CleanerShown.model_validate(cleaner) for cleaner in found]


@router.serve("GET", "/cleaners/{cleaner_id}/unitcleaners", area="series", right="read")
def list_unitcleaners(unit: Unit, cleaner_id: str) -> Unitcleaners:
    """List the unit cleaners of a cleaner."""
    cleaner = configuration.get(unit.session, unit.principal, Cleaner, cleaner_id)
    found = configuration.listed(unit.session, unit.principal, Unitcleaner, {"cleaner_id": cleaner.id})
    return Unitcleaners(items=[UnitcleanerShown.model_validate(one) for one in reversed(found)])


@router.serve("POST", "/cleaners/{cleaner_id}/unitcleaners", area="series", right="write", status=201)
def create_unitcleaner(unit: Unit, cleaner_id: str, request_: UnitcleanerRequest) -> UnitcleanerShown:
    """Have a raw series cleaned."""
    fields: dict[str, Any] = {"cleaner": cleaner_id, **request_.model_dump()}
    return UnitcleanerShown.model_validate(cleaners.create_unitcleaner(unit.session, unit.principal, fields))


@router.serve("PATCH", "/unitcleaners/{unitcleaner_id}", area="series", right="write")
def update_unitcleaner(unit: Unit, unitcleaner_id: str, request_: UnitcleanerChanges) -> UnitcleanerShown:
    """Change how a raw series is cleaned; what was made of it is made anew."""
    fields = request_.model_dump(exclude_unset=True)
    changed = cleaners.update_unitcleaner(unit.session, unit.principal, unitcleaner_id, fields)
    return UnitcleanerShown.model_validate(changed)


@router.serve("DELETE", "/unitcleaners/{unitcleaner_id}", area="series", right="write")
def delete_unitcleaner(unit: Unit, unitcleaner_id: str) -> UnitcleanerShown:
    """Delete a unit cleaner with the series that it made."""
    record = configuration.get(unit.session, unit.principal, Unitcleaner, unitcleaner_id, "write")
    described = UnitcleanerShown.model_validate(record)
    cleaners.delete_unitcleaner(unit.session, unit.principal, unitcleaner_id)
    return described
