"""Which fields works have, for who writes a query: those that all have, and those seen in the latest documents."""

from typing import Any, Final

from sqlalchemy import Integer, Select, func, select
from sqlalchemy.orm import Session

from entrepot.identity import Principal
from entrepot.works import document as documents
from entrepot.works.collection import Collection
from entrepot.works.search import dialect_of, text_column

#: The fields that every work has, those by which works are found without reading documents first.
KNOWN: Final = (
    "pipeline", "status", "id", "site", "user", "tags", "event", "creation", "start", "stop", "priority", "attempt",
    "retries", "timeout", "config.parent", "results.locked", "function", "command", "parameters", "results", "products",
    "plots", "inputs",
)  # fmt: skip
_MOST_READ, _MOST_BYTES, _MOST = 100, 20_000, 400
_DEPTH, _ELEMENTS = 5, 3


def fields(collection: Collection, session: Session, principal: Principal) -> list[str]:
    """Return the paths of fields, the known ones first."""
    table, dialect = collection.table, dialect_of(session)
    text = text_column(table, dialect)
    size = (func.length if dialect == "sqlite" else func.pg_column_size)(text, type_=Integer())

    def made(hits: Select[Any]) -> Any:
        latest = hits.subquery()
        texts = select(text).join_from(latest, table, table.c.number == latest.c.number)
        return texts.where(size <= _MOST_BYTES)

    found = dict.fromkeys(KNOWN)
    for (document,) in collection.of_hits(session, principal, {}, made, most=_MOST_READ):
        _see(documents.loads(document), "", found, _DEPTH)
        if len(found) >= _MOST:
            break
    return list(found)[:_MOST]


def _see(value: Any, path: str, found: dict[str, None], depth: int) -> None:
    if isinstance(value, list):
        for element in value[:_ELEMENTS]:
            if isinstance(element, dict):
                _see(element, path, found, depth)
    elif isinstance(value, dict) and depth > 0:
        for name, child in value.items():
            if name and not name.startswith("$") and "." not in name and len(name) <= 100:
                below = f"{path}.{name}" if path else name
                found.setdefault(below)
                _see(child, below, found, depth - 1)
