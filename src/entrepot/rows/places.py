"""Sites, their locations and model definitions: what analyses and rows are about."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import delete, insert, or_, select, update
from sqlalchemy.orm import Session

from entrepot.errors import Conflict, InvalidInput, NotFound
from entrepot.identity import Principal
from entrepot.rows import checks, parts, storage
from entrepot.rows.checks import Column, Spec
from entrepot.rows.filters import LOCATIONS, MODEL_DEFINITIONS, SITES, Entity
from entrepot.rows.models import Location, ModelDefinition, Row, RowAnalysis, Site

Stored = dict[str, Any]

_COMMON: Spec = {
    "title": Column(checks.title(), required=True, null=False),
    "description": Column(checks.text),
    "additional_data": Column(checks.json_object),
}


@dataclass(frozen=True)
class Place:
    """One of the three kinds.

    Attributes
    ----------
    name
        What events and errors call it.
    entity
        What can be asked about it.
    spec
        The fields that may be sent.
    site_field
        For what belongs to a site: the field with its id, or its title.
    """

    name: str
    entity: Entity
    spec: Spec
    site_field: str | None = None

    @property
    def model(self) -> type[Any]:
        """Its table."""
        return self.entity.model

    @property
    def columns(self) -> tuple[str, ...]:
        """The names of its columns."""
        return tuple(self.model.__table__.columns.keys())


SITE = Place("site", SITES, {**_COMMON, "slug": Column(checks.text), "active": Column(checks.flag, null=False)})
LOCATION = Place(
    "location",
    LOCATIONS,
    {
        **_COMMON,
        "slug": Column(checks.text),
        "northing": Column(checks.number),
        "easting": Column(checks.number),
        "elevation": Column(checks.number),
    },
    "projectsite",
)
MODEL_DEFINITION = Place("model definition", MODEL_DEFINITIONS, _COMMON, "project")
PLACES = (SITE, LOCATION, MODEL_DEFINITION)


def site_titles(session: Session, principal: Principal) -> dict[int, str]:
    """Return the titles of the sites of the caller's organization by their ids."""
    query = select(Site.id, Site.title).where(Site.organization_id == principal.organization_id)
    return dict(session.execute(query).all())


def create(session: Session, principal: Principal, place: Place, payload: Any) -> Stored:
    """Create one, with the ``id`` that the payload has or a fresh one, and return its columns.

    Raises
    ------
    InvalidInput
        A field is at fault, or the id or the title is taken.
    """
    principal.require("write")
    storage.take_turns(session, place.model, principal.organization_id)
    values = checks.checked(payload, {"id": Column(checks.key), **place.spec})
    values = dict.fromkeys(place.columns) | values
    values["organization_id"] = principal.organization_id
    if place.site_field:
        values["site_id"] = _site_of(session, principal, place, payload)
    if place is SITE:
        values["active"] = values["active"] is not False
    if "slug" in place.spec and not values["slug"]:
        values["slug"] = storage.slugify(values["title"])
    _require_free_title(session, place, values)
    if values["id"] is None:
        (values["id"],) = storage.new_ids(session, place.model, principal.organization_id, 1)
    elif session.scalar(select(place.model.id).where(*_one(principal, place, values["id"]))):
        raise InvalidInput.field("id", f"A {place.name} with this id already exists.")
    else:
        storage.id_was_given(session, place.model, principal.organization_id, values["id"])
    session.execute(insert(place.model).values(**values))
    storage.announce(session, principal, place.name, "created", {values["id"]: {"title": values["title"]}})
    return values


def get(session: Session, principal: Principal, place: Place, id_: int) -> Stored:
    """Return the columns of one; NotFound when there is none or it belongs to others."""
    principal.require("read")
    query = select(*place.model.__table__.columns).where(*_one(principal, place, id_))
    found = session.execute(query).one_or_none()
    if found is None:
        raise NotFound("Not found.")
    return dict(found._mapping)  # noqa: SLF001 - SQLAlchemy's documented name


def around(session: Session, principal: Principal, analysis_id: int) -> tuple[int, dict[str, int]]:
    """Return the site that an analysis is about, and the ids of its locations by title."""
    own = principal.organization_id
    definition = ModelDefinition.id == RowAnalysis.model_definition_id
    query = select(ModelDefinition.site_id).join(RowAnalysis, definition)
    site_id = session.scalar(
        query.where(
            RowAnalysis.id == analysis_id, RowAnalysis.organization_id == own, ModelDefinition.organization_id == own
        )
    )
    if site_id is None:
        raise NotFound(f"There is no analysis {analysis_id}.")
    of_site = (Location.organization_id == own, Location.site_id == site_id)
    titles = session.execute(select(Location.title, Location.id).where(*of_site))
    return site_id, dict(titles.all())


def patch(session: Session, principal: Principal, place: Place, id_: int, payload: Any) -> Stored:
    """Change fields of one; its id and slug stay."""
    principal.require("write")
    storage.take_turns(session, place.model, principal.organization_id)
    stored = get(session, principal, place, id_)
    values = checks.checked(payload, {name: c for name, c in place.spec.items() if name != "slug"}, partial=True)
    if place.site_field and _sent_site(place, payload) is not None:
        values["site_id"] = _site_of(session, principal, place, payload)
    merged = stored | values
    _require_free_title(session, place, merged)
    if values:
        session.execute(update(place.model).where(*_one(principal, place, id_)).values(**values))
        storage.announce(session, principal, place.name, "updated", {id_: {"title": merged["title"]}})
    return merged


def remove(session: Session, principal: Principal, place: Place, id_: int) -> None:
    """Delete one that nothing refers to any more.

    Raises
    ------
    Conflict
        Something does.
    """
    principal.require("admin")
    stored = get(session, principal, place, id_)
    for model, column in _references(place):
        users = select(model.id).where(model.organization_id == principal.organization_id, column == id_)
        if session.scalar(users.limit(1)) is not None:
            raise Conflict(f"This {place.name} is still referred to.")
    session.execute(delete(place.model).where(*_one(principal, place, id_)))
    storage.announce(session, principal, place.name, "deleted", {id_: {"title": stored["title"]}})


def _one(principal: Principal, place: Place, id_: int) -> tuple[Any, ...]:
    return place.model.organization_id == principal.organization_id, place.model.id == id_


def _references(place: Place) -> list[tuple[type[Any], Any]]:
    """Return the columns that refer to a place, each with its table."""
    of_parts = parts.references_to(place.model)
    if place is SITE:
        return [*of_parts, *((model, model.site_id) for model in (Location, ModelDefinition, Row))]
    if place is LOCATION:
        return [*of_parts, *((model, model.location_id) for model in (RowAnalysis, Row))]
    return [*of_parts, (RowAnalysis, RowAnalysis.model_definition_id)]


def _sent_site(place: Place, payload: Mapping[str, Any]) -> Any:
    names = (place.site_field, f"{place.site_field}_id", "projectsite", "projectsite_name", "site", "site_id")
    return next((payload[name] for name in names if name is not None and payload.get(name) is not None), None)


def _site_of(session: Session, principal: Principal, place: Place, payload: Mapping[str, Any]) -> int:
    """Return the id of the site that a payload names by id or by title."""
    assert place.site_field is not None
    sent = _sent_site(place, payload)
    if sent is None:
        raise InvalidInput.field(place.site_field, checks.REQUIRED)
    by_title = Site.title == sent if isinstance(sent, str) else None
    try:
        by_id = Site.id == checks.key(sent)
    except ValueError as error:
        if by_title is None:
            raise InvalidInput.field(place.site_field, str(error)) from None
        condition = by_title
    else:
        condition = by_id if by_title is None else or_(by_id, by_title)
    ids = session.scalars(select(Site.id).where(condition, Site.organization_id == principal.organization_id)).all()
    if not ids:
        raise InvalidInput.field(place.site_field, f'Invalid pk "{sent}" - object does not exist.')
    return ids[0]


def _require_free_title(session: Session, place: Place, values: Stored) -> None:
    model = place.model
    same = [model.organization_id == values["organization_id"], model.title == values["title"]]
    if place.site_field:
        same.append(model.site_id == values["site_id"])
    if session.scalar(select(model.id).where(*same, model.id != (values["id"] or 0))):
        raise InvalidInput.field("title", f"A {place.name} with this title already exists.")
