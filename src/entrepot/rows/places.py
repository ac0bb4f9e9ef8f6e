"""Sites, their locations and model definitions: what result sets and rows are about."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import delete, insert, or_, select, update
from sqlalchemy.orm import Session

from entrepot.errors import Conflict, InvalidInput, NotFound
from entrepot.identity import Principal
from entrepot.rows import checks, parts, writing
from entrepot.rows.checks import Column, Spec
from entrepot.rows.filters import LOCATIONS, MODEL_DEFINITIONS, SITES, Entity
from entrepot.rows.models import Location, ModelDefinition, ResultSet, Row, Site

Stored = dict[str, Any]

_COMMON: Spec = {
    "name": Column(checks.title(), required=True, null=False),
    "description": Column(checks.text),
    "extra": Column(checks.json_object),
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
    of_site
        Whether it belongs to a site: its field `site` is the id of one, or its name.
    """

    name: str
    entity: Entity
    spec: Spec
    of_site: bool = False

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
    of_site=True,
)
MODEL_DEFINITION = Place("model definition", MODEL_DEFINITIONS, _COMMON, of_site=True)
PLACES = (SITE, LOCATION, MODEL_DEFINITION)


def site_names(session: Session, principal: Principal) -> dict[int, str]:
    """Return the names of the sites of the caller's organization by their ids."""
    query = select(Site.id, Site.name).where(Site.organization_id == principal.organization_id)
    return dict(session.execute(query).all())


def create(session: Session, principal: Principal, place: Place, payload: Any) -> Stored:
    """Create one, with the ``id`` that the payload has or a fresh one, and return its columns.

    Raises
    ------
    InvalidInput
        A field is at fault, or the id or the name is taken.
    """
    principal.require("write")
    writing.take_turns(session, place.model, principal.organization_id)
    values = checks.checked(payload, {"id": Column(checks.key), **place.spec})
    values = dict.fromkeys(place.columns) | values
    values["organization_id"] = principal.organization_id
    if place.of_site:
        values["site_id"] = _site_of(session, principal, payload)
    if place is SITE:
        values["active"] = values["active"] is not False
    if "slug" in place.spec and not values["slug"]:
        values["slug"] = writing.slugify(values["name"])
    _require_free_name(session, place, values)
    if values["id"] is None:
        (values["id"],) = writing.new_ids(session, place.model, principal.organization_id, 1)
    elif session.scalar(select(place.model.id).where(*_one(principal, place, values["id"]))):
        raise checks.Taken(place.name, ("id",))
    else:
        writing.id_was_given(session, place.model, principal.organization_id, values["id"])
    session.execute(insert(place.model).values(**values))
    writing.announce(session, principal, place.name, "created", {values["id"]: {"name": values["name"]}})
    return values


def get(session: Session, principal: Principal, place: Place, id_: int) -> Stored:
    """Return the columns of one; NotFound when there is none or it belongs to others."""
    principal.require("read")
    query = select(*place.model.__table__.columns).where(*_one(principal, place, id_))
    found = session.execute(query).one_or_none()
    if found is None:
        raise NotFound("Not found.")
    return dict(found._mapping)  # noqa: SLF001 - SQLAlchemy's documented name


def around(session: Session, principal: Principal, set_id: int) -> tuple[int, dict[str, int]]:
    """Return the site that a result set is about, and the ids of its locations by name."""
    own = principal.organization_id
    definition = ModelDefinition.id == ResultSet.model_definition_id
    query = select(ModelDefinition.site_id).join(ResultSet, definition)
    site_id = session.scalar(
        query.where(ResultSet.id == set_id, ResultSet.organization_id == own, ModelDefinition.organization_id == own)
    )
    if site_id is None:
        raise NotFound(f"There is no result set {set_id}.")
    of_site = (Location.organization_id == own, Location.site_id == site_id)
    names = session.execute(select(Location.name, Location.id).where(*of_site))
    return site_id, dict(names.all())


def patch(session: Session, principal: Principal, place: Place, id_: int, payload: Any) -> Stored:
    """Change fields of one; its id and slug stay."""
    principal.require("write")
    writing.take_turns(session, place.model, principal.organization_id)
    stored = get(session, principal, place, id_)
    values = checks.checked(payload, {name: c for name, c in place.spec.items() if name != "slug"}, partial=True)
    if place.of_site and _sent_site(payload) is not None:
        values["site_id"] = _site_of(session, principal, payload)
    merged = stored | values
    _require_free_name(session, place, merged)
    if values:
        session.execute(update(place.model).where(*_one(principal, place, id_)).values(**values))
        writing.announce(session, principal, place.name, "updated", {id_: {"name": merged["name"]}})
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
    writing.announce(session, principal, place.name, "deleted", {id_: {"name": stored["name"]}})


def _one(principal: Principal, place: Place, id_: int) -> tuple[Any, ...]:
    return place.model.organization_id == principal.organization_id, place.model.id == id_


def _references(place: Place) -> list[tuple[type[Any], Any]]:
    """Return the columns that refer to a place, each with its table."""
    of_parts = parts.references_to(place.model)
    if place is SITE:
        return [*of_parts, *((model, model.site_id) for model in (Location, ModelDefinition, Row))]
    if place is LOCATION:
        return [*of_parts, *((model, model.location_id) for model in (ResultSet, Row))]
    return [*of_parts, (ResultSet, ResultSet.model_definition_id)]


def _sent_site(payload: Mapping[str, Any]) -> Any:
    return next((payload[name] for name in ("site", "site_id") if payload.get(name) is not None), None)


def _site_of(session: Session, principal: Principal, payload: Mapping[str, Any]) -> int:
    """Return the id of the site that a payload names by id or by name."""
    sent = _sent_site(payload)
    if sent is None:
        raise InvalidInput.field("site", checks.REQUIRED)
    by_name = Site.name == sent if isinstance(sent, str) else None
    try:
        by_id = Site.id == checks.key(sent)
    except ValueError as error:
        if by_name is None:
            raise InvalidInput.field("site", str(error)) from None
        condition = by_name
    else:
        condition = by_id if by_name is None else or_(by_id, by_name)
    ids = session.scalars(select(Site.id).where(condition, Site.organization_id == principal.organization_id)).all()
    if not ids:
        raise InvalidInput.field("site", checks.no_such(sent))
    return ids[0]


def _require_free_name(session: Session, place: Place, values: Stored) -> None:
    model = place.model
    same = [model.organization_id == values["organization_id"], model.name == values["name"]]
    if place.of_site:
        same.append(model.site_id == values["site_id"])
    if session.scalar(select(model.id).where(*same, model.id != (values["id"] or 0))):
        raise checks.Taken(place.name, ("name",))
