"""Analyses: what rows belong to."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import delete, insert, select, update
from sqlalchemy.orm import Session

from entrepot import lineage
from entrepot.db import now
from entrepot.errors import InvalidInput, Locked, NotFound
from entrepot.identity import Principal, Right
from entrepot.rows import checks, storage
from entrepot.rows.checks import Column, Spec
from entrepot.rows.models import Location, ModelDefinition, Row, RowAnalysis, Site

Stored = dict[str, Any]

COLUMNS = tuple(RowAnalysis.__table__.columns.keys())
_DUPLICATE = "The fields name, model_definition, timestamp, location must make a unique set."
_SPEC: Spec = {
    "name": Column(checks.title(), required=True, null=False),
    "model_definition": Column(checks.key),
    "model_definition_id": Column(checks.key),
    "location": Column(checks.key),
    "location_id": Column(checks.key),
    "source_type": Column(checks.text),
    "source": Column(checks.text),
    "description": Column(checks.text),
    "user": Column(checks.text),
    "timestamp": Column(checks.instant),
    "additional_data": Column(checks.json_object),
}


def create(session: Session, principal: Principal, payload: Any) -> Stored:
    """Create an analysis and return its columns; without a user or a timestamp, it is the caller's, of now.

    Raises
    ------
    InvalidInput
        Names the fields at fault; or an analysis of this name, model definition, timestamp and location exists.
    """
    principal.require("write")
    storage.take_turns(session, RowAnalysis, principal.organization_id)
    values = _checked(payload, partial=False)
    if values.get("model_definition_id") is None:
        raise InvalidInput.field("model_definition", checks.REQUIRED)
    stored: Stored = {**dict.fromkeys(COLUMNS), "locked": False, **values}
    stored["organization_id"] = principal.organization_id
    stored["user"] = values.get("user") or principal.login
    stored["timestamp"] = values.get("timestamp") or now()
    (stored["id"],) = storage.new_ids(session, RowAnalysis, principal.organization_id, 1)
    stored["slug"] = _slug(stored, *_titles(session, principal, stored))
    _require_unique(session, stored)
    session.execute(insert(RowAnalysis).values(**stored))
    storage.announce(session, principal, "analysis", "created", {stored["id"]: {"name": stored["name"]}})
    return stored


def get(session: Session, principal: Principal, analysis_id: int, right: Right = "read") -> Stored:
    """Return an analysis' columns; NotFound when there is none or it belongs to others."""
    principal.require(right)
    query = select(*RowAnalysis.__table__.columns).where(*_one(principal, analysis_id))
    found = session.execute(query).one_or_none()
    if found is None:
        raise NotFound("Not found.")
    return dict(found._mapping)  # noqa: SLF001 - SQLAlchemy's documented name


def patch(session: Session, principal: Principal, analysis_id: int, payload: Any) -> Stored:
    """Change fields of an analysis that is not locked; its slug stays."""
    storage.take_turns(session, RowAnalysis, principal.organization_id)
    storage.hold_analyses(session, principal.organization_id, [analysis_id])
    stored = _unlocked(session, principal, analysis_id, "write")
    values = _checked(payload, partial=True)
    for name in ("model_definition_id", "timestamp"):
        if name in values and values[name] is None:
            raise InvalidInput.field(name.removesuffix("_id"), checks.NULL)
    merged = stored | values
    _titles(session, principal, merged)
    _require_unique(session, merged)
    if values:
        session.execute(update(RowAnalysis).where(*_one(principal, analysis_id)).values(**values))
        storage.announce(session, principal, "analysis", "updated", {analysis_id: {"name": merged["name"]}})
    return merged


def remove(session: Session, principal: Principal, analysis_id: int) -> None:
    """Delete an analysis with its rows, none of which may be locked; for administrators."""
    storage.hold_analyses(session, principal.organization_id, [analysis_id])
    stored = _unlocked(session, principal, analysis_id, "admin")
    of_it = (Row.organization_id == principal.organization_id, Row.analysis_id == analysis_id)
    rows = session.execute(select(Row.id, Row.locked).where(*of_it)).all()
    if locked := next((row.id for row in rows if row.locked), None):
        raise Locked(f"Row {locked} is locked.")
    ids = [row.id for row in rows]
    session.execute(delete(Row).where(*of_it))
    session.execute(delete(RowAnalysis).where(*_one(principal, analysis_id)))
    for chunk in storage.chunks(ids):
        lineage.forget(session, "row", map(str, chunk), principal.organization_id)
    storage.announce(session, principal, "row", "deleted", {id_: {"analysis": analysis_id} for id_ in ids})
    storage.announce(session, principal, "analysis", "deleted", {analysis_id: {"name": stored["name"]}})


def set_locked(session: Session, principal: Principal, analysis_id: int, *, locked: bool) -> Stored:
    """Lock an analysis, so that neither it nor any of its rows can change, or unlock it."""
    storage.hold_analyses(session, principal.organization_id, [analysis_id])
    stored = get(session, principal, analysis_id, "write")
    if stored["locked"] is not locked:
        session.execute(update(RowAnalysis).where(*_one(principal, analysis_id)).values(locked=locked))
        action = "locked" if locked else "unlocked"
        storage.announce(session, principal, "analysis", action, {analysis_id: {"name": stored["name"]}})
    return stored | {"locked": locked}


def _one(principal: Principal, analysis_id: int) -> tuple[Any, ...]:
    return RowAnalysis.organization_id == principal.organization_id, RowAnalysis.id == analysis_id


def _unlocked(session: Session, principal: Principal, analysis_id: int, right: Right) -> Stored:
    stored = get(session, principal, analysis_id, right)
    if stored["locked"]:
        raise Locked(f"Analysis {analysis_id} is locked.")
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


def _titles(session: Session, principal: Principal, stored: Mapping[str, Any]) -> tuple[str, str | None]:
    """Return the titles of an analysis' site and location, whose existence is checked so."""
    own = principal.organization_id
    definition_id, location_id = stored["model_definition_id"], stored["location_id"]
    site = session.scalar(
        select(Site.title)
        .join(ModelDefinition, ModelDefinition.site_id == Site.id)
        .where(ModelDefinition.id == definition_id, ModelDefinition.organization_id == own, Site.organization_id == own)
    )
    if site is None:
        raise InvalidInput.field("model_definition", checks.no_such(definition_id))
    if location_id is None:
        return site, None
    location = session.scalar(select(Location.title).where(Location.id == location_id, Location.organization_id == own))
    if location is None:
        raise InvalidInput.field("location", checks.no_such(location_id))
    return site, location


def _slug(stored: Mapping[str, Any], site: str, location: str | None) -> str:
    return "_".join([*map(storage.slugify, (site, location or "none", stored["name"])), str(stored["id"])])


def _require_unique(session: Session, stored: Mapping[str, Any]) -> None:
    same = select(RowAnalysis.id).where(
        RowAnalysis.organization_id == stored["organization_id"],
        RowAnalysis.name == stored["name"],
        RowAnalysis.model_definition_id == stored["model_definition_id"],
        RowAnalysis.timestamp == stored["timestamp"],
        RowAnalysis.location_id.is_not_distinct_from(stored["location_id"]),
        RowAnalysis.id != stored["id"],
    )
    if session.scalar(same) is not None:
        raise InvalidInput.field("non_field_errors", _DUPLICATE)
