"""Sites, their locations and model definitions: what rows are about."""

from collections.abc import Iterable, Mapping, Sequence
from types import SimpleNamespace
from typing import Annotated, Any, TypeVar

from fastapi import Query
from sqlalchemy import Select, select

from entrepot.errors import InvalidInput, NotFound
from entrepot.rows import places
from entrepot.rows.models import Location, ModelDefinition, Site
from entrepot.rows.places import LOCATION, MODEL_DEFINITION, SITE, Place
from entrepot.server.api.nouns import Named, Page, Paging, Reference, Sought, called, listed, worded
from entrepot.server.api.place_models import (
    LocationChanges,
    LocationRequest,
    LocationShown,
    ModelDefinitionRequest,
    ModelDefinitionShown,
    PlaceChanges,
    SiteChanges,
    SiteRequest,
    SiteShown,
)
from entrepot.server.api.routing import NativeRouter, Unit

router = NativeRouter(tags=["places"])
OfSite = TypeVar("OfSite", LocationShown, ModelDefinitionShown)
_MOST = 2**31 - 1


def number_of(text: str) -> int:
    """Return the number that an id is; raises NotFound for what is none."""
    if not text.isascii() or not text.isdigit() or not 0 < int(text[:12]) <= _MOST:
        raise NotFound("Not found.")
    return int(text)


def resolve(unit: Unit, model: type[Any], text: str, field: str, **scope: int) -> Any:
    """Return the site, location, model definition or result set that an id or a name means.

    Raises
    ------
    InvalidInput
        Names the field: there is none, or there are several of that name.
    """
    query = select(model).where(model.organization_id == unit.principal.organization_id)
    query = query.where(*(getattr(model, one) == value for one, value in scope.items()))
    unit.principal.require("read")
    found = list(unit.session.scalars(query.where(model.name == text).limit(3)))
    if not found and text.isascii() and text.isdigit() and int(text[:12]) <= _MOST:
        found = list(unit.session.scalars(query.where(model.id == int(text[:12]))))
    if len(found) != 1:
        problem = f"There is no {text[:80]!r}." if not found else f"Several are named {text[:80]!r}: give the id."
        raise InvalidInput.field(field, problem)
    return found[0]


def references(unit: Unit, model: type[Any], ids: Iterable[int | None]) -> dict[int, Reference]:
    """Return references to sites, locations, model definitions or result sets of the caller's, by their numbers."""
    wanted = {each for each in ids if each is not None}
    own = model.organization_id == unit.principal.organization_id
    found = unit.session.execute(select(model.id, model.name).where(own, model.id.in_(wanted)))
    return {row.id: Reference(id=str(row.id), name=row.name) for row in found}


def _query(unit: Unit, model: type[Any], asked: Paging, name: str | None) -> Select[Any]:
    unit.principal.require("read")
    query = select(model).where(model.organization_id == unit.principal.organization_id)
    query = query.where(*worded(asked.q, model.name))
    return query if name is None else query.where(called(model.name, name))


def _listed(
    unit: Unit, model: type[Any], shown: type[OfSite], asked: Paging, name: str | None, site: str | None
) -> Page[OfSite]:
    """Return a page of what sites have, each with its site."""
    query = _query(unit, model, asked, name)
    if site is not None:
        query = query.where(model.site_id == resolve(unit, Site, site, "site").id)

    def show(rows: Sequence[Any]) -> list[OfSite]:
        sites = references(unit, Site, {row.site_id for row in rows})
        return [shown.showing(row, site=sites[row.site_id]) for row in rows]

    return listed(unit, query, (model.name, model.id), asked, show)


def _created(unit: Unit, place: Place, shown: type[OfSite], given: LocationRequest | ModelDefinitionRequest) -> OfSite:
    """Create what a site has."""
    site = resolve(unit, Site, given.site, "site")
    with given.naming():
        stored = places.create(unit.session, unit.principal, place, given.kept() | {"site": site.id})
    return shown.showing(_record(stored), site=Reference(id=str(site.id), name=site.name))


def _record(stored: Mapping[str, Any]) -> SimpleNamespace:
    return SimpleNamespace(**stored)


@router.serve("GET", "/sites", area="rows", right="read")
def list_sites(unit: Unit, asked: Sought, name: Named = None) -> Page[SiteShown]:
    """List sites by name."""
    query = _query(unit, Site, asked, name)
    return listed(unit, query, (Site.name, Site.id), asked, lambda rows: map(SiteShown.showing, rows))


@router.serve("POST", "/sites", area="rows", right="write", status=201)
def create_site(unit: Unit, given: SiteRequest) -> SiteShown:
    """Create a site."""
    with SiteRequest.naming():
        return SiteShown.showing(_record(places.create(unit.session, unit.principal, SITE, given.kept())))


@router.serve("GET", "/locations", area="rows", right="read")
def list_locations(
    unit: Unit,
    asked: Sought,
    site: Annotated[str | None, Query(description="Id or name of the site.")] = None,
    name: Named = None,
) -> Page[LocationShown]:
    """List locations by name."""
    return _listed(unit, Location, LocationShown, asked, name, site)


@router.serve("POST", "/locations", area="rows", right="write", status=201)
def create_location(unit: Unit, given: LocationRequest) -> LocationShown:
    """Create a location of a site."""
    return _created(unit, LOCATION, LocationShown, given)


@router.serve("GET", "/model-definitions", area="rows", right="read")
def list_model_definitions(
    unit: Unit,
    asked: Sought,
    site: Annotated[str | None, Query(description="Id or name of the site.")] = None,
    name: Named = None,
) -> Page[ModelDefinitionShown]:
    """List model definitions by name."""
    return _listed(unit, ModelDefinition, ModelDefinitionShown, asked, name, site)


@router.serve("POST", "/model-definitions", area="rows", right="write", status=201)
def create_model_definition(unit: Unit, given: ModelDefinitionRequest) -> ModelDefinitionShown:
    """Create a model definition of a site."""
    return _created(unit, MODEL_DEFINITION, ModelDefinitionShown, given)


def _serve_one(kinds: str, place: Place, shown: Any, changes: type[PlaceChanges]) -> None:
    """Serve one site, location or model definition: shown, changed and deleted alike."""

    def show(unit: Unit, stored: Mapping[str, Any]) -> Any:
        others = {"site": references(unit, Site, {stored["site_id"]})[stored["site_id"]]} if place.of_site else {}
        return shown.showing(_record(stored), **others)

    @router.serve("GET", f"/{kinds}/{{place_id}}", area="rows", right="read", name=f"get_{place.name}")
    def get(unit: Unit, place_id: str) -> shown:
        return show(unit, places.get(unit.session, unit.principal, place, number_of(place_id)))

    @router.serve("PATCH", f"/{kinds}/{{place_id}}", area="rows", right="write", name=f"change_{place.name}")
    def change(unit: Unit, place_id: str, given: changes) -> shown:  # type: ignore[valid-type]
        with given.naming():  # type: ignore[attr-defined]
            fields = given.kept()  # type: ignore[attr-defined]
            stored = places.patch(unit.session, unit.principal, place, number_of(place_id), fields)
        return show(unit, stored)

    @router.serve(
        "DELETE", f"/{kinds}/{{place_id}}", area="rows", right="admin", status=204, name=f"delete_{place.name}"
    )
    def delete(unit: Unit, place_id: str) -> None:
        places.remove(unit.session, unit.principal, place, number_of(place_id))

    get.__doc__ = f"Return a {place.name}."
    change.__doc__ = f"Change a {place.name}."
    delete.__doc__ = f"Delete a {place.name} that nothing refers to; for administrators."


_serve_one("sites", SITE, SiteShown, SiteChanges)
_serve_one("locations", LOCATION, LocationShown, LocationChanges)
_serve_one("model-definitions", MODEL_DEFINITION, ModelDefinitionShown, PlaceChanges)
