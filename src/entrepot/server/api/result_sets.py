"""Result sets and their rows: made, matched by name, read, locked."""

from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from types import SimpleNamespace
from typing import Annotated, Any

from fastapi import Query
from sqlalchemy import Select, select

from entrepot.db.undone import undone
from entrepot.errors import InvalidInput
from entrepot.rows import places, result_sets, results
from entrepot.rows.checks import InvalidRows
from entrepot.rows.filters import RESULT_SETS, ROWS
from entrepot.rows.models import Location, ModelDefinition, ResultSet, Row, Site
from entrepot.server.api.lookups import Where, holding
from entrepot.server.api.nouns import Named, Page, Reference, Sought, called, listed, worded
from entrepot.server.api.places import number_of, references, resolve
from entrepot.server.api.routing import NativeRouter, Unit
from entrepot.server.api.row_models import (
    KeptRow,
    ResultSetChanges,
    ResultSetRequest,
    ResultSetShown,
    RowShown,
    RowsRequest,
    in_units,
    payload_of,
    vectors_of,
)

router = NativeRouter(tags=["rows"])

InUnit = Annotated[
    list[str] | None,
    Query(alias="unit", max_length=10, description="Into which vectors are converted that measure the same."),
]
DryRun = Annotated[bool, Query(description="Say what would become of each, and do nothing; what is new has no id.")]
_WORDS = {
    **{f"{kind}{number}": f"columns.{number - 1}" for kind in ("name", "unit", "values") for number in (1, 2, 3)},
}


@router.serve("GET", "/result-sets", area="rows", right="read")
def list_result_sets(
    unit: Unit,
    asked: Sought,
    site: Annotated[str | None, Query(description="Id or name of the site.")] = None,
    model: Annotated[str | None, Query(description="Id or name of the model definition.")] = None,
    name: Named = None,
    location: Annotated[str | None, Query(description="Id or name of the location.")] = None,
    where: Where = None,
) -> Page[ResultSetShown]:
    """List result sets by name."""
    query = sought(unit, asked.q, site, model, name, location, where)

    def show(rows: Sequence[ResultSet]) -> list[ResultSetShown]:
        return _shown_sets(unit, [_stored(row) for row in rows])

    return listed(unit, query, (ResultSet.name, ResultSet.id), asked, show)


def sought(
    unit: Unit,
    q: str | None,
    site: str | None,
    model: str | None,
    name: str | None,
    location: str | None,
    where: list[str] | None,
) -> Select[tuple[ResultSet]]:
    """Return the query of the result sets that are asked for."""
    unit.principal.require("read")
    own = unit.principal.organization_id
    query: Select[tuple[ResultSet]] = select(ResultSet)
    query = query.where(ResultSet.organization_id == own, *worded(q, ResultSet.name))
    if name is not None:
        query = query.where(called(ResultSet.name, name))
    scope = {} if site is None else {"site_id": resolve(unit, Site, site, "site").id}
    if model is not None:
        query = query.where(ResultSet.model_definition_id == resolve(unit, ModelDefinition, model, "model", **scope).id)
    elif scope:
        of_site = select(ModelDefinition.id).where(
            ModelDefinition.organization_id == own, ModelDefinition.site_id == scope["site_id"]
        )
        query = query.where(ResultSet.model_definition_id.in_(of_site))
    if location is not None:
        query = query.where(ResultSet.location_id == resolve(unit, Location, location, "location", **scope).id)
    return query.where(*holding(unit, RESULT_SETS, where))


@router.serve("POST", "/result-sets", area="rows", right="write", status=201)
def create_result_set(unit: Unit, given: ResultSetRequest) -> ResultSetShown:
    """Create a result set."""
    scope = {} if given.site is None else {"site_id": resolve(unit, Site, given.site, "site").id}
    model = resolve(unit, ModelDefinition, given.model, "model", **scope)
    fields = given.kept() | {"model_definition": model.id}
    if given.location is not None:
        fields["location"] = resolve(unit, Location, given.location, "location", site_id=model.site_id).id
    with ResultSetRequest.naming(model_definition="model"):
        return _shown_sets(unit, [result_sets.create(unit.session, unit.principal, fields)])[0]


@router.serve("GET", "/result-sets/{set_id}", area="rows", right="read")
def get_result_set(unit: Unit, set_id: str) -> ResultSetShown:
    """Return a result set."""
    return _shown_sets(unit, [result_sets.get(unit.session, unit.principal, number_of(set_id))])[0]


@router.serve("PATCH", "/result-sets/{set_id}", area="rows", right="write")
def change_result_set(unit: Unit, set_id: str, given: ResultSetChanges) -> ResultSetShown:
    """Change a result set that is not locked."""
    with ResultSetChanges.naming():
        return _shown_sets(unit, [result_sets.patch(unit.session, unit.principal, number_of(set_id), given.kept())])[0]


@router.serve("DELETE", "/result-sets/{set_id}", area="rows", right="admin", status=204)
def delete_result_set(unit: Unit, set_id: str) -> None:
    """Delete a result set with its rows, none of which may be locked; for administrators."""
    result_sets.remove(unit.session, unit.principal, number_of(set_id))


@router.serve("POST", "/result-sets/{set_id}/rows", area="rows", right="write", body="large")
def keep_rows(unit: Unit, set_id: str, given: RowsRequest, dry_run: DryRun = False) -> list[KeptRow]:
    """Keep rows: those whose name is there already are updated, the others created; all of them, or none."""
    with undone(unit.session) if dry_run else nullcontext():
        kept = _kept(unit, set_id, given)
    return [one.model_copy(update={"id": None}) if dry_run and one.action == "created" else one for one in kept]


def _kept(unit: Unit, set_id: str, given: RowsRequest) -> list[KeptRow]:
    result_set = result_sets.get(unit.session, unit.principal, number_of(set_id))
    site_id, located = places.around(unit.session, unit.principal, result_set["id"])
    payloads = []
    for number, row in enumerate(given.rows):
        if row.location is not None and row.location not in located:  # given by its id
            field = f"rows.{number}.location"
            located[row.location] = resolve(unit, Location, row.location, field, site_id=site_id).id
        location = result_set["location_id"] if row.location is None else located[row.location]
        payloads.append(payload_of(row, result_set["id"], site_id, location))
    try:
        _, summary = results.upsert_many(unit.session, unit.principal, payloads)
    except InvalidRows as error:
        raise InvalidInput(fields=_named(error)) from error
    return [KeptRow(id=str(one["id"]), name=one["name"], action=one["action"]) for one in summary]


@router.serve("GET", "/rows", area="rows", right="read")
def list_rows(
    unit: Unit,
    asked: Sought,
    result_set: Annotated[str | None, Query(description="Id or name of the result set.")] = None,
    location: Annotated[str | None, Query(description="Id or name of the location.")] = None,
    name: Named = None,
    unit_: InUnit = None,
    where: Where = None,
) -> Page[RowShown]:
    """List rows by name."""
    unit.principal.require("read")
    own = unit.principal.organization_id
    query = select(Row).where(Row.organization_id == own, *worded(asked.q, Row.name))
    if result_set is not None:
        query = query.where(Row.result_set_id == resolve(unit, ResultSet, result_set, "result_set").id)
    if location is not None:
        query = query.where(Row.location_id == resolve(unit, Location, location, "location").id)
    if name is not None:
        query = query.where(called(Row.name, name))
    query = query.where(*holding(unit, ROWS, where))

    def show(rows: Sequence[Row]) -> list[RowShown]:
        return _shown_rows(unit, [_stored(row) for row in rows], unit_)

    return listed(unit, query, (Row.name, Row.id), asked, show)


@router.serve("GET", "/rows/{row_id}", area="rows", right="read")
def get_row(unit: Unit, row_id: str, unit_: InUnit = None) -> RowShown:
    """Return a row."""
    return _shown_rows(unit, [results.get(unit.session, unit.principal, number_of(row_id))], unit_)[0]


@router.serve("DELETE", "/rows/{row_id}", area="rows", right="write", status=204)
def delete_row(unit: Unit, row_id: str) -> None:
    """Delete a row that is not locked."""
    results.remove(unit.session, unit.principal, [number_of(row_id)])


def _stored(row: Any) -> dict[str, Any]:
    return {column.key: getattr(row, column.key) for column in type(row).__table__.columns}


def _shown_sets(unit: Unit, stored: Sequence[Mapping[str, Any]]) -> list[ResultSetShown]:
    own = ModelDefinition.organization_id == unit.principal.organization_id
    ids = {one["model_definition_id"] for one in stored}
    models = {
        one.id: one for one in unit.session.scalars(select(ModelDefinition).where(own, ModelDefinition.id.in_(ids)))
    }
    sites = references(unit, Site, {model.site_id for model in models.values()})
    locations = references(unit, Location, (one["location_id"] for one in stored))
    return [
        ResultSetShown.showing(
            SimpleNamespace(**one),
            model=Reference(id=str(model.id), name=model.name),
            site=sites[model.site_id],
            location=None if one["location_id"] is None else locations[one["location_id"]],
        )
        for one in stored
        for model in (models[one["model_definition_id"]],)
    ]


def _shown_rows(unit: Unit, stored: Sequence[Mapping[str, Any]], wanted: Sequence[str] | None = None) -> list[RowShown]:
    sets = references(unit, ResultSet, (one["result_set_id"] for one in stored))
    locations = references(unit, Location, (one["location_id"] for one in stored))
    return [
        RowShown.showing(
            row,
            result_set=sets[row.result_set_id],
            location=None if row.location_id is None else locations[row.location_id],
            columns=in_units(vectors_of(row), wanted or ()),
        )
        for row in (SimpleNamespace(**one) for one in stored)
    ]


def _named(error: InvalidRows) -> dict[str, list[str]]:
    """Return what is wrong with rows, in the words of the interface."""
    found: dict[str, list[str]] = {}
    for number, fields in error.rows.items():
        for name, reasons in fields.items():
            found.setdefault(f"rows.{number}.{_WORDS.get(name, name)}", []).extend(reasons)
    return found
