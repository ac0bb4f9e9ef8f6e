"""Filters as Django writes them, such as ``result_set__model_definition__name__icontains=design``, compiled to SQL.

Paths are resolved by the table of entities below. What SQL cannot say the same on every database (JSON, vectors,
ignoring case, regular expressions) becomes a :class:`Check`, done in Python over the columns that it needs.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import orjson
from sqlalchemy import ColumnElement, bindparam, or_, select
from sqlalchemy.orm import InstrumentedAttribute, Session

from entrepot.errors import InvalidInput
from entrepot.rows.lookups import LOOKUPS, PARTS, Kind, Lookup, operands, parse_instant
from entrepot.rows.models import Location, ModelDefinition, ResultSet, Row, Site
from entrepot.rows.vectors import listed, unpack

_MISSING = object()
#: Most related records that a check may choose; more would not fit into a statement.
_RELATED_MOST = 50_000
_CHUNK = 2000
#: Filters of rows by time.
FROM, TO = "from", "to"


@dataclass(frozen=True)
class Field:
    """A column that can be asked about.

    Attributes
    ----------
    decode
        Makes a JSON value of what is stored.
    gaps
        Whether a null in that value is a gap, where nothing is.
    """

    column: Any
    kind: Kind
    decode: Callable[[Any], Any] | None = None
    gaps: bool = False


@dataclass(frozen=True)
class Entity:
    """What can be asked about a table: fields, and relations by foreign key."""

    model: type[Any]
    fields: Mapping[str, Field]
    relations: Mapping[str, tuple[InstrumentedAttribute[Any], "Entity"]] = field(default_factory=dict)


@dataclass(frozen=True)
class Check:
    """A condition that Python answers from the values of some columns."""

    columns: tuple[Any, ...]
    passes: Callable[..., bool]


@dataclass(frozen=True)
class Filter:
    """What a record of an organization must be: SQL conditions, and checks on those that meet them."""

    model: type[Any]
    organization_id: str
    where: Sequence[ColumnElement[bool]]
    checks: Sequence[Check] = ()


def _entity(model: type[Any], texts: str, /, *, json: str = "extra", **others: Kind) -> Entity:
    fields = {"id": Field(model.id, "integer")}
    fields |= {name: Field(getattr(model, name), "text") for name in texts.split()}
    fields |= {name: Field(getattr(model, name), kind) for name, kind in others.items()}
    fields |= {name: Field(getattr(model, name), "json", orjson.loads) for name in json.split()}
    return Entity(model, fields)


def _related(entity: Entity, relations: Mapping[str, tuple[Any, Entity]]) -> Entity:
    keys = {f"{name}_id": Field(key, "integer") for name, (key, _) in relations.items()}
    return Entity(entity.model, {**entity.fields, **keys}, relations)


SITES = _entity(Site, "name slug description", active="flag")
LOCATIONS = _related(
    _entity(Location, "name slug description", northing="number", easting="number", elevation="number"),
    {"site": (Location.site_id, SITES)},
)
MODEL_DEFINITIONS = _related(_entity(ModelDefinition, "name description"), {"site": (ModelDefinition.site_id, SITES)})
RESULT_SETS = _related(
    _entity(ResultSet, "name source_type source description made_by slug", made_at="instant", locked="flag"),
    {
        "model_definition": (ResultSet.model_definition_id, MODEL_DEFINITIONS),
        "location": (ResultSet.location_id, LOCATIONS),
    },
)
_ROWS = _entity(
    Row,
    "name description slug name1 name2 name3 unit1 unit2 unit3",
    json="extra about",
    locked="flag",
)
_VECTORS = {name: Field(getattr(Row, name), "json", listed, gaps=True) for name in ("values1", "values2", "values3")}
ROWS = _related(
    Entity(Row, {**_ROWS.fields, **_VECTORS}),
    {
        "result_set": (Row.result_set_id, RESULT_SETS),
        "site": (Row.site_id, SITES),
        "location": (Row.location_id, LOCATIONS),
    },
)


def compile_filter(
    session: Session,
    entity: Entity,
    organization_id: str,
    parameters: Iterable[tuple[str, str]],
    path_of: Callable[[str], str] = str,
) -> Filter:
    """Return the filter that parameters ask for: all of them; of a repeated one, any value.

    Parameters
    ----------
    path_of
        Returns the path that a parameter means, where its name is not the path itself.

    Raises
    ------
    InvalidInput
        Names the parameter that is unknown or whose value is not of its field's kind.
    """
    asked: dict[str, list[str]] = {}
    for name, text in parameters:
        asked.setdefault(name, []).append(text)
    conditions: list[ColumnElement[bool] | Check] = []
    bounds: dict[str, datetime] = {}
    for name, texts in asked.items():
        path = path_of(name)
        if entity is ROWS and path in (FROM, TO):
            bounds[path] = _bound(texts[-1], name)
        else:
            conditions.append(_condition(session, organization_id, entity, path.split("__"), texts, name))
    if bounds:
        conditions.append(_window(bounds.get(FROM), bounds.get(TO)))
    return Filter(
        entity.model,
        organization_id,
        [condition for condition in conditions if not isinstance(condition, Check)],
        [condition for condition in conditions if isinstance(condition, Check)],
    )


def find(session: Session, columns: Sequence[Any], filter_: Filter, order_by: Sequence[str]) -> Iterator[Sequence[Any]]:
    """Yield the columns of the records that a filter lets pass, in order, in lists of some thousands."""
    order = [getattr(filter_.model, name) for name in order_by]
    query = select(*columns).where(filter_.model.organization_id == filter_.organization_id).order_by(*order)
    if not filter_.checks:
        result = session.execute(query.where(*filter_.where).execution_options(yield_per=_CHUNK))
        yield from result.partitions()
        return
    ids = list(_passing(session, filter_, order))
    for start in range(0, len(ids), _CHUNK):
        yield session.execute(query.where(one_of(filter_.model.id, ids[start : start + _CHUNK]))).all()


def _passing(session: Session, filter_: Filter, order_by: Sequence[Any] = ()) -> Iterator[int]:
    columns = [column for check in filter_.checks for column in check.columns]
    own = filter_.model.organization_id == filter_.organization_id
    query = select(filter_.model.id, *columns).where(own, *filter_.where).order_by(*order_by)
    for id_, *values in session.execute(query.execution_options(yield_per=_CHUNK)):
        rest = iter(values)
        if all(check.passes(*(next(rest) for _ in check.columns)) for check in filter_.checks):
            yield id_


def one_of(column: Any, ids: Sequence[int]) -> ColumnElement[bool]:
    """Return the condition that a column has one of these numbers, however many they are."""
    # Written out: a statement may have more numbers than parameters.
    condition: ColumnElement[bool] = column.in_(bindparam(None, ids, expanding=True, literal_execute=True))
    return condition


def _condition(
    session: Session, organization_id: str, entity: Entity, path: Sequence[str], texts: Sequence[str], name: str
) -> ColumnElement[bool] | Check:
    head, *rest = path
    if head in entity.fields:
        return _on_field(entity.fields[head], rest, texts, name)
    if head not in entity.relations:
        raise InvalidInput.field(name, "Unknown filter.")
    key, target = entity.relations[head]
    if rest and rest[0] == "id":
        return _on_field(Field(key, "integer"), rest[1:], texts, name)
    if not rest or rest[0] in LOOKUPS:
        return _on_field(Field(key, "integer"), rest, texts, name)
    condition = _condition(session, organization_id, target, rest, texts, name)
    if isinstance(condition, Check):
        ids = list(_passing(session, Filter(target.model, organization_id, (), (condition,))))
        if len(ids) > _RELATED_MOST:
            raise InvalidInput.field(name, f"This matches more than {_RELATED_MOST} records.")
        found = one_of(key, ids)
    else:
        own = target.model.organization_id == organization_id
        found = key.in_(select(target.model.id).where(own, condition).correlate(None))
    if rest[-1] == "isnull" and any(operands(LOOKUPS["isnull"], "flag", texts)):
        return or_(key.is_(None), found)
    return found


def _on_field(field_: Field, rest: Sequence[str], texts: Sequence[str], name: str) -> ColumnElement[bool] | Check:
    *steps, last = rest or ["exact"]
    if last not in LOOKUPS:
        steps, last = [*steps, last], "exact"
    lookup, kind, part = LOOKUPS[last], field_.kind, None
    if kind == "json":
        return _on_json(field_, lookup, steps, _operands(lookup, kind, texts, name))
    if kind == "instant" and steps and steps[0] in PARTS:
        kind, part = PARTS[steps.pop(0)]
    if steps or kind not in lookup.kinds:
        raise InvalidInput.field(name, f"Unknown lookup {'__'.join(rest)!r}.")
    given = _operands(lookup, kind, texts, name)
    if lookup.sql is not None and part is None and (kind == "text" or lookup.operand != "text"):
        return or_(*[lookup.sql(field_.column, one) for one in given])

    def passes(stored: Any) -> bool:
        if stored is None:
            return last == "isnull" and True in given
        value = part(stored) if part else stored
        return any(lookup.test(value, one) for one in given)

    return Check((field_.column,), passes)


def _on_json(field_: Field, lookup: Lookup, keys: Sequence[str], given: Sequence[Any]) -> Check:
    decode = field_.decode
    assert decode is not None

    def passes(stored: Any) -> bool:
        value = _MISSING if stored is None else _at(decode(stored), keys)
        if value is _MISSING or (field_.gaps and value is None):
            return lookup.operand == "flag" and True in given
        return any(lookup.json(value, one) for one in given)

    return Check((field_.column,), passes)


def _at(value: Any, keys: Sequence[str]) -> Any:
    for key in keys:
        if isinstance(value, dict) and key in value:
            value = value[key]
        elif isinstance(value, list) and key.isdecimal() and int(key[:9]) < len(value):
            value = value[int(key[:9])]
        elif isinstance(value, list) and key == "len":
            value = len(value)
        else:
            return _MISSING
    return value


def _operands(lookup: Lookup, kind: Kind, texts: Sequence[str], name: str) -> list[Any]:
    try:
        return operands(lookup, kind, texts)
    except ValueError as error:
        raise InvalidInput.field(name, str(error)) from None


def _window(start: datetime | None, stop: datetime | None) -> Check:
    """Return the check of a window of time: on the epochs of a row that has some, else on when its set was made."""
    own = ResultSet.organization_id == Row.organization_id
    instant = select(ResultSet.made_at).where(ResultSet.id == Row.result_set_id, own).scalar_subquery()

    def passes(name: str, packed: bytes, made_at: datetime) -> bool:
        if name != "timestamp":
            return (start is None or made_at >= start) and (stop is None or made_at <= stop)
        seconds = unpack(packed)
        after = seconds >= (start.timestamp() if start else float("-inf"))
        before = seconds <= (stop.timestamp() if stop else float("inf"))
        return bool((after & before).any())

    return Check((Row.name1, Row.values1, instant), passes)


def _bound(text: str, name: str) -> datetime:
    try:
        return parse_instant(text).astimezone(UTC)
    except ValueError as error:
        raise InvalidInput.field(name, str(error)) from None
