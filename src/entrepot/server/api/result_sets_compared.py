"""Result sets compared: what differs first, values side by side."""

from collections.abc import Sequence
from typing import Annotated

from pydantic import BaseModel, Field
from sqlalchemy import select

from entrepot.errors import InvalidInput, NotFound
from entrepot.rows import compare
from entrepot.rows.compare import MOST_SETS, Comparison
from entrepot.rows.models import ResultSet
from entrepot.server.api.nouns import Noun
from entrepot.server.api.places import number_of
from entrepot.server.api.result_sets import sought
from entrepot.server.api.routing import NativeRouter, Unit

router = NativeRouter(tags=["rows"])


class ComparisonRequest(Noun):
    """Which result sets are compared: by their ids, or by what lists of them are filtered by."""

    result_sets: Annotated[list[str] | None, Field(max_length=MOST_SETS, description="Ids.")] = None
    q: Annotated[str | None, Field(max_length=200, description="Words of the name.")] = None
    name: Annotated[str | None, Field(max_length=300, description="Exact name, or a pattern with `*`.")] = None
    site: Annotated[str | None, Field(description="Id or name of the site.")] = None
    model: Annotated[str | None, Field(description="Id or name of the model definition.")] = None
    location: Annotated[str | None, Field(description="Id or name of the location.")] = None
    where: Annotated[list[str] | None, Field(max_length=50, description="Lookups, as lists take them.")] = None
    unit: Annotated[
        list[str] | None,
        Field(max_length=10, description="Into which vectors are converted that measure the same."),
    ] = None
    limit: Annotated[int, Field(ge=1, le=10_000, description="Most fields that are returned.")] = 200


class Compared(BaseModel):
    """A result set that is compared."""

    id: str
    name: str


class FieldShown(BaseModel):
    """A value that the sets have: of which row, in which vector, at which place of it."""

    row: str = Field(description="Without the name of the set's location; empty: it is known of the set itself.")
    vector: str
    at: str
    unit: str
    difference: float = Field(description="The span by the largest; of texts, the share that is not the most frequent.")
    missing: int = Field(description="How many sets have none.")
    values: list[float | str | None] = Field(description="Of each set, in their order.")


class ComparisonShown(BaseModel):
    """Result sets side by side."""

    sets: list[Compared]
    fields: list[FieldShown] = Field(description="Those that differ most first.")
    differing: int = Field(description="How many fields differ.")
    same: int = Field(description="How many do not.")


@router.serve("POST", "/result-sets/compare", area="rows", right="read", write=False)
def compare_result_sets(unit: Unit, given: ComparisonRequest) -> ComparisonShown:
    """Compare result sets, up to 1,000: which values differ, and how much."""
    found = compared(unit, given)
    return ComparisonShown(
        sets=[Compared(id=str(one.id), name=one.name) for one in found.sets],
        fields=[FieldShown.model_validate(vars(one)) for one in found.fields[: given.limit]],
        differing=found.differing,
        same=len(found.fields) - found.differing,
    )


def compared(unit: Unit, given: ComparisonRequest) -> Comparison:
    """Return the comparison that is asked for."""
    asked = (given.q, given.site, given.model, given.name, given.location, given.where)
    if given.result_sets is not None:
        if any(one is not None for one in asked):
            raise InvalidInput.field("result_sets", "Say which by their ids, or by filters.")
        sets = _by_id(unit, given.result_sets)
    else:
        query = sought(unit, *asked).order_by(ResultSet.name, ResultSet.id)
        sets = list(unit.session.scalars(query.limit(MOST_SETS + 1)))
        if len(sets) > MOST_SETS:
            raise InvalidInput.field("q", f"More than {MOST_SETS:,} result sets match: narrow them.")
    return compare.compare(unit.session, unit.principal, sets, given.unit or ())


def _by_id(unit: Unit, ids: Sequence[str]) -> list[ResultSet]:
    """Return result sets in the order of their ids as they were given; all must be there."""
    unit.principal.require("read")
    numbers = list(dict.fromkeys(number_of(one) for one in ids))
    own = ResultSet.organization_id == unit.principal.organization_id
    found = {one.id: one for one in unit.session.scalars(select(ResultSet).where(own, ResultSet.id.in_(numbers)))}
    if missing := [one for one in numbers if one not in found]:
        raise NotFound(f"There is no result set {missing[0]}.")
    return [found[one] for one in numbers]
