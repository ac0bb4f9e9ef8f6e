"""Result sets: what rows belong to."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import delete, insert, select, update
from sqlalchemy.orm import Session

from entrepot import lineage
from entrepot.db import now
from entrepot.errors import InvalidInput, Locked, NotFound
from entrepot.identity import Principal, Right
from entrepot.rows import checks, writing
from entrepot.rows.checks import Column, Spec
from entrepot.rows.models import Location, ModelDefinition, ResultSet, Row, Site

Stored = dict[str, Any]

COLUMNS = tuple(ResultSet.__table__.columns.keys())
_SPEC: Spec = {
    "name": Column(checks.title(), required=True, null=False),
    "model_definition": Column(checks.key),
    "model_definition_id": Column(checks.key),
    "location": Column(checks.key),
    "location_id": Column(checks.key),
    "source_type": Column(checks.text),
    "source": Column(checks.text),
    "description": Column(checks.text),
    "made_by": Column(checks.text),
    "made_at": Column(checks.instant),
    "extra": Column(checks.json_object),
}


def create(session: Session, principal: Principal, payload: Any) -> Stored:
    """Create a result set and return its columns; by default it is made by the caller, now.

    Raises
    ------
    InvalidInput
        Names the fields at fault; or a set of this name, model definition, instant and location exists.
    """
    principal.require("write")
    writing.take_turns(session, ResultSet, principal.organization_id)
    values = _checked(payload, partial=False)
    if values.get("model_definition_id") is None:
        raise InvalidInput.field("model_definition", checks.REQUIRED)
    stored: Stored = {**dict.fromkeys(COLUMNS), "locked": False, **values}
    stored["organization_id"] = principal.organization_id
    stored["made_by"] = values.get("made_by") or principal.login
    stored["made_at"] = values.get("made_at") or now()
    (stored["id"],) = writing.new_ids(session, ResultSet, principal.organization_id, 1)
    stored["slug"] = _slug(stored, *_names(session, principal, stored))
    _require_unique(session, stored)
    session.execute(insert(ResultSet).values(**stored))
    writing.announce(session, principal, "result_set", "created", {stored["id"]: {"name": stored["name"]}})
    return stored


def get(session: Session, principal: Principal, set_id: int, right: Right = "read") -> Stored:
    """Return a result set's columns; NotFound when there is none or it belongs to others."""
    principal.require(right)
    query = select(*ResultSet.__table__.columns).where(*_one(principal, set_id))
    found = session.execute(query).one_or_none()
    if found is None:
        raise NotFound("Not found.")
    return dict(found._mapping)  # noqa: SLF001 - SQLAlchemy's documented name


def patch(session: Session, principal: Principal, set_id: int, payload: Any) -> Stored:
    """Change fields of a result set that is not locked; its slug stays."""
    writing.take_turns(session, ResultSet, principal.organization_id)
    writing.hold_sets(session, principal.organization_id, [set_id])
    stored = _unlocked(session, principal, set_id, "write")
    values = _checked(payload, partial=True)
    for name in ("model_definition_id", "made_at"):
        if name in values and values[name] is None:
            raise InvalidInput.field(name.removesuffix("_id"), checks.NULL)
    merged = stored | values
    _names(session, principal, merged)
    _require_unique(session, merged)
    if values:
        session.execute(update(ResultSet).where(*_one(principal, set_id)).values(**values))
        writing.announce(session, principal, "result_set", "updated", {set_id: {"name": merged["name"]}})
    return merged


def remove(session: Session, principal: Principal, set_id: int) -> None:
    """Delete a result set with its rows, none of which may be locked; for administrators."""
    writing.hold_sets(session, principal.organization_id, [set_id])
    stored = _unlocked(session, principal, set_id, "admin")
    of_it = (Row.organization_id == principal.organization_id, Row.result_set_id == set_id)
    rows = session.execute(select(Row.id, Row.locked).where(*of_it)).all()
    if locked := next((row.id for row in rows if row.locked), None):
        raise Locked(f"Row {locked} is locked.")
    ids = [row.id for row in rows]
    session.execute(delete(Row).where(*of_it))
    session.execute(delete(ResultSet).where(*_one(principal, set_id)))
    for chunk in writing.chunks(ids):
        lineage.forget(session, "row", map(str, chunk), principal.organization_id)
    writing.announce(session, principal, "row", "deleted", {id_: {"result_set": set_id} for id_ in ids})
    writing.announce(session, principal, "result_set", "deleted", {set_id: {"name": stored["name"]}})


def set_locked(session: Session, principal: Principal, set_id: int, *, locked: bool) -> Stored:
    """Lock a result set, so that neither it nor any of its rows can change, or unlock it."""
    writing.hold_sets(session, principal.organization_id, [set_id])
    stored = get(session, principal, set_id, "write")
    if stored["locked"] is not locked:
        session.execute(update(ResultSet).where(*_one(principal, set_id)).values(locked=locked))
        action = "locked" if locked else "unlocked"
        writing.announce(session, principal, "result_set", action, {set_id: {"name": stored["name"]}})
    return stored | {"locked": locked}


def _one(principal: Principal, set_id: int) -> tuple[Any, ...]:
    return ResultSet.organization_id == principal.organization_id, ResultSet.id == set_id


def _unlocked(session: Session, principal: Principal, set_id: int, right: Right) -> Stored:
    stored = get(session, principal, set_id, right)
    if stored["locked"]:
        raise Locked(f"Result set {set_id} is locked.")
    return stored


def _checked(payload: Any, *, partial: bool) -> Stored:
    """Return the columns that a payload sets; each foreign key has two spellings, of which one may be null."""
    values = checks.checked(payload, _SPEC, partial=partial)
    for name in ("model_definition", "location"):
        spellings = [values.pop(one) for one in (name, f"{name}_id") if one in values]
        chosen = [one for one in spellings if one is not None]
        if len(set(chosen)) > 1:
            raise InvalidInput.field(name, f"{name} and {name}_id differ.")
        if spellings:
            values[f"{name}_id"] = chosen[0] if chosen else None
    return values


def _names(session: Session, principal: Principal, stored: Mapping[str, Any]) -> tuple[str, str | None]:
    """Return the names of a set's site and location, whose existence is checked so."""
    own = principal.organization_id
    definition_id, location_id = stored["model_definition_id"], stored["location_id"]
    site = session.scalar(
        select(Site.name)
        .join(ModelDefinition, ModelDefinition.site_id == Site.id)
        .where(ModelDefinition.id == definition_id, ModelDefinition.organization_id == own, Site.organization_id == own)
    )
    if site is None:
        raise InvalidInput.field("model_definition", checks.no_such(definition_id))
    if location_id is None:
        return site, None
    location = session.scalar(select(Location.name).where(Location.id == location_id, Location.organization_id == own))
    if location is None:
        raise InvalidInput.field("location", checks.no_such(location_id))
    return site, location


def _slug(stored: Mapping[str, Any], site: str, location: str | None) -> str:
    return "_".join([*map(writing.slugify, (site, location or "none", stored["name"])), str(stored["id"])])


def _require_unique(session: Session, stored: Mapping[str, Any]) -> None:
    same = select(ResultSet.id).where(
        ResultSet.organization_id == stored["organization_id"],
        ResultSet.name == stored["name"],
        ResultSet.model_definition_id == stored["model_definition_id"],
        ResultSet.made_at == stored["made_at"],
        ResultSet.location_id.is_not_distinct_from(stored["location_id"]),
        ResultSet.id != stored["id"],
    )
    if session.scalar(same) is not None:
        raise checks.Taken("result set", ("name", "model_definition", "made_at", "location"))
