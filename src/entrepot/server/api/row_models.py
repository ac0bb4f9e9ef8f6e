"""Result sets and rows as the interface shows and takes them."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any

import numpy as np
import orjson
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from entrepot import units
from entrepot.errors import InvalidInput
from entrepot.rows.vectors import listed
from entrepot.server.api.nouns import NOT_KEPT, Kept, Name, Noun, Reference, Text
from entrepot.server.api.place_models import Extra, Number


class ResultSetChanges(Noun):
    """What is to change of a result set."""

    name: Name = ""
    description: Text | None = None
    source_type: Text | None = None
    source: Annotated[Text | None, Field(description="Where its rows come from, for people.")] = None
    made_by: Text | None = None
    made_at: AwareDatetime | None = None
    extra: Extra


class ResultSetRequest(ResultSetChanges):
    """A new result set."""

    name: Name
    site: Annotated[str | None, NOT_KEPT, Field(description="Id or name, where the model is given by name.")] = None
    model: Annotated[str, NOT_KEPT, Field(description="Id or name of the model definition.")]
    location: Annotated[str | None, NOT_KEPT, Field(description="Id or name, where it is about one.")] = None


class ResultSetShown(ResultSetChanges):
    """Rows that belong together: of one analysis of one model, perhaps at one location."""

    id: Number
    site: Annotated[Reference | None, NOT_KEPT]
    model: Annotated[Reference | None, NOT_KEPT]
    location: Annotated[Reference | None, NOT_KEPT]
    made_at: datetime
    locked: bool


class Vector(BaseModel):
    """One of the two or three vectors of a row; null is a gap."""

    model_config = ConfigDict(extra="forbid")

    name: Name
    unit: Annotated[str, Field(max_length=300)] = ""
    values: list[float | None]


class RowRequest(BaseModel):
    """A row that is made, or that takes the place of the row of its name."""

    model_config = ConfigDict(extra="forbid")

    name: Annotated[str, Field(min_length=1, max_length=500)]
    location: Annotated[str | None, Field(description="Id or name.")] = None
    columns: Annotated[list[Vector], Field(min_length=2, max_length=3)]
    description: Text | None = None
    about: Annotated[dict[str, Any] | None, Field(description="What else it is about: a `type` and an `id`.")] = None
    extra: dict[str, Any] = Field({}, description="Whatever else is known.")


class RowsRequest(BaseModel):
    """Rows of a result set: all are kept, or none."""

    model_config = ConfigDict(extra="forbid")

    rows: Annotated[list[RowRequest], Field(max_length=100_000)]


class RowShown(Noun):
    """Two or three named vectors of one length, with their units."""

    id: Number
    name: str
    result_set: Annotated[Reference | None, NOT_KEPT]
    location: Annotated[Reference | None, NOT_KEPT]
    columns: Annotated[list[Vector], NOT_KEPT]
    description: Text | None
    about: Annotated[dict[str, Any] | None, Kept(("about",), lambda text: None if text is None else orjson.loads(text))]
    extra: Extra
    locked: bool


class KeptRow(BaseModel):
    """What became of a row that was sent."""

    id: str | None = Field(description="Null of one that a dry run would create.")
    name: str
    action: str = Field(description="`created` or `updated`.")


def payload_of(row: RowRequest, result_set_id: int, site_id: int, location_id: int | None) -> dict[str, Any]:
    """Return a row as the verbs of the domain take it."""
    payload: dict[str, Any] = {
        "result_set": result_set_id,
        "site": site_id,
        "location": location_id,
        "name": row.name,
        "description": row.description,
        "about": row.about,
        "extra": row.extra or None,
    }
    for number, vector in enumerate(row.columns, 1):
        payload |= {
            f"name{number}": vector.name,
            f"unit{number}": vector.unit,
            f"values{number}": vector.values,
        }
    return payload


def in_units(vectors: list[Vector], wanted: Sequence[str]) -> list[Vector]:
    """Return the vectors of a row, those that measure what a wanted unit does in that one.

    Raises
    ------
    InvalidInput
        No vector measures what the unit does.
    """
    for unit in wanted:
        fitting = [number for number, one in enumerate(vectors) if one.unit and units.convertible(one.unit, unit)]
        if not fitting:
            known = ", ".join(one.unit or "none" for one in vectors)
            raise InvalidInput.field("unit", f"No vector converts into {unit[:60]!r}: their units are {known}.")
        for number in fitting:
            one = vectors[number]
            values = units.convert(np.array(one.values, np.float64), one.unit, unit)
            shown = [None if np.isnan(value) else value for value in values.tolist()]
            vectors[number] = one.model_copy(update={"unit": unit, "values": shown})
    return vectors


def vectors_of(row: Any) -> list[Vector]:
    """Return the vectors of a stored row."""
    numbers = (1, 2) if row.values3 is None else (1, 2, 3)
    return [
        Vector.model_construct(
            name=getattr(row, f"name{number}"),
            unit=getattr(row, f"unit{number}") or "",
            values=listed(getattr(row, f"values{number}")),
        )
        for number in numbers
    ]
