"""Lookups in lists of rows and of result sets: more than a filter a field can say."""

from typing import Annotated

from fastapi import Query
from sqlalchemy import ColumnElement

from entrepot.errors import InvalidInput
from entrepot.rows.filters import Entity, compile_filter, find, one_of
from entrepot.server.api.routing import Unit

#: Most records that lookups may choose that the database does not answer by itself.
_MOST = 50_000
Where = Annotated[
    list[str] | None,
    Query(
        max_length=50,
        description="Lookups that must all hold, as `NAME__LOOKUP=VALUE`; of one that is repeated, any value.",
    ),
]


def holding(unit: Unit, entity: Entity, where: list[str] | None) -> list[ColumnElement[bool]]:
    """Return the conditions that lookups such as ``name__startswith=BBA`` are.

    Raises
    ------
    InvalidInput
        One is none, or they choose too many records that are looked through one by one.
    """
    pairs = []
    for text in where or ():
        name, equals, value = text.partition("=")
        if not equals:
            raise InvalidInput.field("where", f"Write NAME__LOOKUP=VALUE, unlike {text[:80]!r}.")
        pairs.append((name, value))
    if not pairs:
        return []
    found = compile_filter(unit.session, entity, unit.principal.organization_id, pairs)
    if not found.checks:
        return [*found.where]
    ids: list[int] = []
    for chunk in find(unit.session, [entity.model.id], found, ["id"]):
        ids += [id_ for (id_,) in chunk]
        if len(ids) > _MOST:
            raise InvalidInput.field("where", f"These choose more than {_MOST:,}: add what narrows them.")
    return [one_of(entity.model.id, ids)]
