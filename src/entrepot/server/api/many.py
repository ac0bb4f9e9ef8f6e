"""Many things in one request, all or none: places and parts, such as lines of a table; rows of several result sets."""

from collections.abc import Callable, Iterable
from functools import partial
from typing import Annotated, Any, Generic, TypeVar

from pydantic import BaseModel, ConfigDict, Field

from entrepot.errors import InvalidInput
from entrepot.rows.models import ResultSet
from entrepot.server.api import parts, places
from entrepot.server.api.parts import Kind
from entrepot.server.api.place_models import (
    LocationRequest,
    LocationShown,
    ModelDefinitionRequest,
    ModelDefinitionShown,
    SiteRequest,
    SiteShown,
)
from entrepot.server.api.result_sets import DryRun, keep_rows
from entrepot.server.api.routing import NativeRouter, Unit
from entrepot.server.api.row_models import KeptRow, RowRequest, RowsRequest

router = NativeRouter(tags=["rows"])
GivenT = TypeVar("GivenT")
MadeT = TypeVar("MadeT")
#: Each is made by itself, and others that write wait meanwhile.
_MOST, _MOST_SETS = 2000, 1000


class Many(BaseModel, Generic[GivenT]):
    """Things that are all made, or none."""

    model_config = ConfigDict(extra="forbid")

    items: Annotated[list[GivenT], Field(max_length=_MOST)]


class RowOfSet(RowRequest):
    """A row, and the result set that it belongs to."""

    result_set: Annotated[str, Field(description="Id or name.")]


class RowsOfSets(BaseModel):
    """Rows of any result sets: all are kept, or none."""

    model_config = ConfigDict(extra="forbid")

    rows: Annotated[list[RowOfSet], Field(max_length=100_000)]


@router.serve("POST", "/sites/many", area="rows", right="write", status=201, body="large")
def create_sites(unit: Unit, given: Many[SiteRequest]) -> list[SiteShown]:
    """Create sites, all or none."""
    return _each(given.items, lambda one: places.create_site(unit, one))


@router.serve("POST", "/locations/many", area="rows", right="write", status=201, body="large")
def create_locations(unit: Unit, given: Many[LocationRequest]) -> list[LocationShown]:
    """Create locations, all or none."""
    return _each(given.items, lambda one: places.create_location(unit, one))


@router.serve("POST", "/model-definitions/many", area="rows", right="write", status=201, body="large")
def create_model_definitions(unit: Unit, given: Many[ModelDefinitionRequest]) -> list[ModelDefinitionShown]:
    """Create model definitions, all or none."""
    return _each(given.items, lambda one: places.create_model_definition(unit, one))


@router.serve("POST", "/parts/{kind}/many", area="rows", right="write", status=201, body="large")
def create_parts(unit: Unit, kind: Kind, given: Many[dict[str, Any]]) -> list[dict[str, Any]]:
    """Create records of a kind, all or none; an ``id`` that is given is kept."""
    return _each(given.items, lambda one: parts.create_part(unit, kind, one))


@router.serve("POST", "/rows", area="rows", right="write", body="large")
def keep_rows_of_sets(unit: Unit, given: RowsOfSets, dry_run: DryRun = False) -> list[KeptRow]:
    """Keep rows of any result sets, each matched by its name within its own; all of them, or none."""
    named = {row.result_set: number for number, row in reversed([*enumerate(given.rows)])}
    if len(named) > _MOST_SETS:
        raise InvalidInput.field("rows", f"These are rows of more than {_MOST_SETS} result sets: send them in parts.")
    ids = {
        text: places.resolve(unit, ResultSet, text, f"rows.{number}.result_set").id for text, number in named.items()
    }
    groups: dict[int, list[int]] = {}
    for number, row in enumerate(given.rows):
        groups.setdefault(ids[row.result_set], []).append(number)
    kept: dict[int, KeptRow] = {}
    for id_, numbers in sorted(groups.items()):  # in one order, in which requests hold result sets one after the other
        rows = RowsRequest.model_construct(rows=[given.rows[number] for number in numbers])
        try:
            kept |= zip(numbers, keep_rows(unit, str(id_), rows, dry_run), strict=True)
        except InvalidInput as error:
            raise _numbered(error, numbers) from error
    return [kept[number] for number in range(len(given.rows))]


def _each(given: Iterable[GivenT], make: Callable[[GivenT], MadeT]) -> list[MadeT]:
    """Make things, and say of what is refused which of them it is."""
    made = []
    for number, one in enumerate(given):
        try:
            made.append(make(one))
        except InvalidInput as error:
            if not error.fields:
                raise InvalidInput.field(f"items.{number}", error.message) from error
            raise error.renamed(partial("items.{}.{}".format, number)) from error
    return made


def _numbered(error: InvalidInput, numbers: list[int]) -> InvalidInput:
    """Return an error of rows of one result set with the numbers that these have among all."""

    def numbered(name: str) -> str:
        first, _, rest = name.partition(".")
        number, dot, field = rest.partition(".")
        return f"rows.{numbers[int(number)]}{dot}{field}" if first == "rows" and number.isdecimal() else name

    return error.renamed(numbered) if error.fields else error
