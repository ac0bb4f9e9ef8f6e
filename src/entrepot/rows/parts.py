"""Parts of structures (geometry) and what measures them (SHM): records that results refer to and scripts look up."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson
from sqlalchemy import delete, insert, select, update
from sqlalchemy.orm import Session

from entrepot.errors import Conflict, InvalidInput, NotFound
from entrepot.identity import Principal
from entrepot.rows import checks, models, writing
from entrepot.rows.checks import Column, Spec
from entrepot.rows.filters import LOCATIONS, MODEL_DEFINITIONS, SITES, Entity, Field, one_of

Stored = dict[str, Any]


@dataclass(frozen=True)
class Link:
    """A reference to another record, by its id.

    Attributes
    ----------
    column
        Where it is kept.
    target
        What it refers to.
    required
        Whether there is no record without it.
    """

    column: str
    target: Entity
    required: bool = False


@dataclass(frozen=True)
class Part:
    """A kind of records.

    Attributes
    ----------
    name
        What events and errors call it.
    model
        Its table.
    spec
        The fields that may be sent, beside links.
    links
        What it refers to, by the name of the field.
    """

    name: str
    model: type[Any]
    spec: Spec
    links: Mapping[str, Link]

    @property
    def entity(self) -> Entity:
        """What can be asked about it."""
        fields = {"id": Field(self.model.id, "integer")}
        fields |= {name: Field(self.model.fields, "json", _picker(name), gaps=True) for name in self.spec}
        keys = {name: getattr(self.model, link.column) for name, link in self.links.items()}
        fields |= {f"{name}_id": Field(key, "integer") for name, key in keys.items()}
        relations = {name: (key, self.links[name].target) for name, key in keys.items()}
        return Entity(self.model, fields, relations)

    @property
    def taken(self) -> set[str]:
        """The names of its fields."""
        return {"id", "attachments", *self.spec, *self.links, *(f"{name}_id" for name in self.links)}

    def shown(self, stored: Mapping[str, Any]) -> dict[str, Any]:
        """Return a record as a JSON object that has every field, null where it was not sent."""
        links = {name: stored[link.column] for name, link in self.links.items()}
        return {"id": stored["id"], **dict.fromkeys(self.spec), **orjson.loads(stored["fields"]), **links}


def _picker(name: str) -> Any:
    return lambda stored: orjson.loads(stored).get(name)


def _instant(value: Any) -> str:
    return checks.instant(value).isoformat().replace("+00:00", "Z")


def _part(
    name: str,
    model: type[Any],
    *,
    required: str = "",
    texts: str = "",
    numbers: str = "",
    instants: str = "",
    values: str = "",
    links: Mapping[str, Link] | None = None,
) -> Part:
    spec = {one: Column(checks.title(), required=True, null=False) for one in required.split()}
    for names, convert in (
        (texts, checks.text),
        (numbers, checks.number),
        (instants, _instant),
        (values, checks.anything),
    ):
        spec |= {one: Column(convert) for one in names.split()}
    return Part(name, model, spec, links or {})


_POSITION = "x_position y_position z_position"
MATERIAL = _part(
    "material",
    models.Material,
    required="name",
    texts="slug description",
    numbers="density poisson_ratio young_modulus",
    values="extra",
)
SUBASSEMBLY = _part(
    "subassembly",
    models.Subassembly,
    required="name subassembly_type",
    texts="slug description vertical_position_reference_system source",
    numbers=_POSITION,
    values="extra",
    links={
        "location": Link("location_id", LOCATIONS, required=True),
        "model_definition": Link("model_definition_id", MODEL_DEFINITIONS),
    },
)
BUILDING_BLOCK = _part(
    "building block",
    models.BuildingBlock,
    required="name",
    texts="slug description vertical_position_reference_system",
    numbers=f"{_POSITION} alpha beta gamma height wall_thickness bottom_outer_diameter top_outer_diameter mass "
    "mass_distribution volume_distribution area_distribution c_d c_m moment_of_inertia_x moment_of_inertia_y "
    "moment_of_inertia_z",
    values="extra",
    links={
        "subassembly": Link("subassembly_id", SUBASSEMBLY.entity, required=True),
        "material": Link("material_id", MATERIAL.entity),
    },
)
_SIGNAL: Any = {
    "texts": "title subtitle description signal_type status orientation",
    "values": "heading level stats model_definition subassembly extra",
    "links": {
        "site": Link("site_id", SITES),
        "location": Link("location_id", LOCATIONS),
    },
}
_HISTORY: Any = {
    "texts": "status status_approval",
    "instants": "activity_start_timestamp timestamp",
}
_CALIBRATION: Any = {"instants": "calibration_date", "texts": "status_approval"}
#: By what they are called together.
PARTS: dict[str, Part] = {
    "materials": MATERIAL,
    "subassemblies": SUBASSEMBLY,
    "building-blocks": BUILDING_BLOCK,
    "sensor-types": _part(
        "sensor type",
        models.SensorType,
        required="name",
        texts="hardware_supplier type type_extended unit",
        values="file",
    ),
    "sensors": _part(
        "sensor", models.Sensor, texts="serial_number name slug description", values="sensor_type_id cabinet"
    ),
    "sensor-calibrations": _part(
        "sensor calibration",
        models.SensorCalibration,
        **_CALIBRATION,
        numbers="value",
        values="sensor_id sensor_serial_number file",
    ),
    "signals": _part("signal", models.Signal, required="signal_id", **_SIGNAL),
    "signal-history": _part(
        "signal history",
        models.SignalHistory,
        **_HISTORY | {"texts": _HISTORY["texts"] + " legacy_signal_id"},
        numbers="value",
        values="signal_id is_latest_status sensor_serial_number",
    ),
    "signal-calibrations": _part(
        "signal calibration", models.SignalCalibration, **_CALIBRATION, values="signal_id tempcomp_signal_id data"
    ),
    "derived-signals": _part(
        "derived signal",
        models.DerivedSignal,
        required="derived_signal_id",
        **_SIGNAL,
    ),
    "derived-signal-history": _part(
        "derived signal history",
        models.DerivedSignalHistory,
        **_HISTORY,
        numbers="value",
        values="derived_signal_id is_latest_status parent_signals",
    ),
    "derived-signal-calibrations": _part(
        "derived signal calibration", models.DerivedSignalCalibration, **_CALIBRATION, values="derived_signal_id data"
    ),
}


def create(session: Session, principal: Principal, part: Part, payload: Any) -> Stored:
    """Create a record, with the ``id`` that the payload has or a fresh one, and return its columns.

    Raises
    ------
    InvalidInput
        A field is at fault, what it refers to does not exist, or the id is taken.
    """
    return create_many(session, principal, part, [payload])[0]


def create_many(session: Session, principal: Principal, part: Part, payloads: Sequence[Any]) -> list[Stored]:
    """Create records as :meth:`create` does, all or none, in a few statements however many they are."""
    principal.require("write")
    writing.take_turns(session, part.model, principal.organization_id)
    made = [_new(principal, part, payload) for payload in payloads]
    _require_targets(session, principal, part, made)
    _number(session, principal, part, made)
    if made:
        session.execute(insert(part.model), made)
        writing.announce(session, principal, part.name, "created", {one["id"]: {} for one in made})
    return made


def _new(principal: Principal, part: Part, payload: Any) -> Stored:
    fields = checks.checked(payload, {"id": Column(checks.key), **part.spec})
    id_ = fields.pop("id", None)
    links = dict.fromkeys(link.column for link in part.links.values()) | _linked(part, payload)
    for name, link in part.links.items():
        if link.required and links[link.column] is None:
            raise InvalidInput.field(name, checks.REQUIRED)
    if all(value is None for value in fields.values()):
        raise InvalidInput.field("non_field_errors", f"A {part.name} without any field says nothing.")
    if "slug" in part.spec and not fields.get("slug"):
        fields["slug"] = writing.slugify(str(fields.get("name") or fields.get("title") or ""))
    own = principal.organization_id
    return {"organization_id": own, "id": id_, "fields": orjson.dumps(fields).decode(), **links}


def _number(session: Session, principal: Principal, part: Part, made: Sequence[Stored]) -> None:
    """Give records their ids: those that were asked for, which must be free, and fresh ones."""
    own, given = principal.organization_id, [one["id"] for one in made if one["id"] is not None]
    taken = select(part.model.id).where(part.model.organization_id == own, one_of(part.model.id, given))
    if len(set(given)) < len(given) or (given and session.scalar(taken.limit(1)) is not None):
        raise checks.Taken(part.name, ("id",))
    if given:
        writing.id_was_given(session, part.model, own, max(given))
    fresh = iter(writing.new_ids(session, part.model, own, len(made) - len(given)))
    for one in made:
        if one["id"] is None:
            one["id"] = next(fresh)


def get(session: Session, principal: Principal, part: Part, id_: int) -> Stored:
    """Return the columns of one; NotFound when there is none or it belongs to others."""
    principal.require("read")
    found = session.execute(select(*part.model.__table__.columns).where(*_one(principal, part, id_))).one_or_none()
    if found is None:
        raise NotFound("Not found.")
    return dict(found._mapping)  # noqa: SLF001 - SQLAlchemy's documented name


def patch(session: Session, principal: Principal, part: Part, id_: int, payload: Any) -> Stored:
    """Change fields of one; null clears what may be null."""
    principal.require("write")
    writing.take_turns(session, part.model, principal.organization_id)
    stored = get(session, principal, part, id_)
    fields = orjson.loads(stored["fields"]) | checks.checked(payload, part.spec, partial=True)
    links = _linked(part, payload)
    _require_targets(session, principal, part, [links])
    changes = {"fields": orjson.dumps(fields).decode(), **links}
    for name, link in part.links.items():
        if link.required and changes.get(link.column, id_) is None:
            raise InvalidInput.field(name, checks.NULL)
    session.execute(update(part.model).where(*_one(principal, part, id_)).values(**changes))
    writing.announce(session, principal, part.name, "updated", {id_: {}})
    return stored | changes


def remove(session: Session, principal: Principal, part: Part, id_: int) -> None:
    """Delete one that nothing refers to any more.

    Raises
    ------
    Conflict
        Something does.
    """
    principal.require("admin")
    get(session, principal, part, id_)
    for model, column in references_to(part.model):
        users = select(model.id).where(model.organization_id == principal.organization_id, column == id_)
        if session.scalar(users.limit(1)) is not None:
            raise Conflict(f"This {part.name} is still referred to.")
    attached = (models.Attachment.kind == part.model.__tablename__, models.Attachment.part_id == id_)
    own = models.Attachment.organization_id == principal.organization_id
    session.execute(delete(models.Attachment).where(own, *attached))
    session.execute(delete(part.model).where(*_one(principal, part, id_)))
    writing.announce(session, principal, part.name, "deleted", {id_: {}})


def references_to(model: type[Any]) -> list[tuple[type[Any], Any]]:
    """Return the columns of parts that refer to a table, each with its own."""
    return [
        (part.model, getattr(part.model, link.column))
        for part in PARTS.values()
        for link in part.links.values()
        if link.target.model is model
    ]


def _one(principal: Principal, part: Part, id_: int) -> tuple[Any, ...]:
    return part.model.organization_id == principal.organization_id, part.model.id == id_


def _linked(part: Part, payload: Mapping[str, Any]) -> dict[str, int | None]:
    """Return the columns of the links that a payload sets."""
    columns: dict[str, int | None] = {}
    for name, link in part.links.items():
        names = [one for one in (name, f"{name}_id") if one in payload]
        sent = [payload[one] for one in names if payload[one] is not None]
        if not names:
            continue
        try:
            columns[link.column] = checks.key(sent[0]) if sent else None
        except ValueError as error:
            raise InvalidInput.field(name, str(error)) from None
    return columns


def _require_targets(
    session: Session, principal: Principal, part: Part, records: Sequence[Mapping[str, int | None]]
) -> None:
    """Raise InvalidInput where records refer to what does not exist."""
    for name, link in part.links.items():
        keys = {key for one in records if (key := one.get(link.column)) is not None}
        model = link.target.model
        query = select(model.id).where(model.organization_id == principal.organization_id, one_of(model.id, [*keys]))
        missing = keys.difference(session.scalars(query) if keys else ())
        if missing:
            raise InvalidInput.field(name, checks.no_such(min(missing)))
