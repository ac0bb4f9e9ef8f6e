"""Facets: which pipelines, states, sites, users and tags the works that match a query have, and how many of each."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Select, Text, cast, func, literal, select, union_all
from sqlalchemy.orm import Session

from entrepot.identity import Principal
from entrepot.works.collection import Collection

#: Of how many works that match, the latest, values are counted; and how many values of each field are told.
MOST_COUNTED, MOST_VALUES = 10_000, 12
FIELDS = ("pipeline", "status", "site", "user")


@dataclass(frozen=True)
class Facets:
    """What the works that match have.

    Attributes
    ----------
    count, more
        How many were counted, and whether still more match.
    fields
        By field, its most frequent values with their counts; the field that is missing has None.
    """

    count: int
    more: bool
    fields: dict[str, list[tuple[str | None, int]]]


def facets(collection: Collection, session: Session, principal: Principal, query: Any) -> Facets:
    """Return the facets of the works that match."""
    table, tags = collection.table, collection.storage.tags

    def made(hits: Select[Any]) -> Any:
        kept = hits.add_columns(*(table.c[name] for name in FIELDS))
        found = kept.cte("hits").prefix_with("MATERIALIZED", dialect="postgresql")
        nothing, all_of_them = literal(None, Text()), func.count()
        parts = [select(literal("", Text()), nothing, all_of_them).select_from(found)]
        parts += [_frequent(name, select(found.c[name].label("value"))) for name in FIELDS]
        tagged = select(tags.c.value.label("value")).join_from(found, tags, tags.c.number == found.c.number)
        return union_all(*parts, _frequent("tags", tagged))

    counted, by_name = 0, dict[str, list[tuple[str | None, int]]]()
    for name, value, works in collection.of_hits(session, principal, query, made, most=MOST_COUNTED + 1):
        if name:
            by_name.setdefault(name, []).append((value, works))
        else:
            counted = works
    fields = {name: by_name.get(name, []) for name in (*FIELDS, "tags")}
    for values in fields.values():
        values.sort(key=lambda one: (-one[1], one[0] or ""))
    return Facets(min(counted, MOST_COUNTED), counted > MOST_COUNTED, fields)


def _frequent(name: str, values: Select[Any]) -> Select[Any]:
    each = values.subquery()
    value, works = cast(each.c.value, Text()), func.count()
    frequent = select(value.label("value"), works.label("works")).group_by(value).order_by(works.desc(), value)
    chosen = frequent.limit(MOST_VALUES).subquery()
    return select(literal(name, Text()), chosen.c.value, chosen.c.works)
