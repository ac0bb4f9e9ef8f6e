"""Queries compiled for the tables of one kind of works, and the statements that they are asked by."""

from collections.abc import Callable, Sequence
from functools import cached_property, lru_cache
from typing import Any

from sqlalchemy import (
    ARRAY,
    BigInteger,
    ColumnElement,
    Double,
    Select,
    String,
    Table,
    Text,
    and_,
    any_,
    bindparam,
    cast,
    func,
    literal,
    not_,
    select,
    true,
    type_coerce,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Session
from sqlalchemy.sql.selectable import FromClause

from entrepot.works import document as documents
from entrepot.works.order import Order
from entrepot.works.query import ColumnSpec, MultikeySpec, Plan, compile_query, parse, register_sqlite_functions
from entrepot.works.query.sqlite import json_list
from entrepot.works.storing import Storage

#: The longest queries, as JSON, whose statements are kept.
LONGEST_REMEMBERED = 4096

_MANY = 100
_FEW = ("id", "config.parent", "event")


def plan_for(
    storage: Storage,
    dialect: str,
    query: Any,
    table: FromClause,
    *,
    opaque: bool = True,
    bodies: bool = True,
    live: tuple[str, ...] = (),
) -> Plan:
    """Return the plan of a query, as decoded from JSON, on the table or an alias of it.

    Parameters
    ----------
    opaque
        Whether it is to find opaque documents too.
    bodies
        Whether bodies may be read for it.
    live
        The columns that count in place of the document's own fields.

    Raises
    ------
    InvalidInput
        When the query is malformed, has an unknown operator or exceeds a bound.
    """
    tags, events = storage.tags, storage.events
    return compile_query(
        parse(query),
        dialect="sqlite" if dialect == "sqlite" else "postgresql",
        body=searched(table, dialect) if live else table.c.body,
        live=live,
        columns=_columns(table),
        multikey={
            "tags": MultikeySpec(_has(tags, table, Text(), dialect), "string", exact=True, flat=True),
            "event": MultikeySpec(_has(events, table, Double(), dialect), "number", exact=True, flat=True),
        },
        opaque=table.c.opaque if opaque else None,
        bodies=bodies,
    )


def searched(table: FromClause, dialect: str) -> ColumnElement[Any]:
    """Return the expression of what is searched of a document, in the queue or in the archive."""
    if dialect == "postgresql":
        return func.coalesce(type_coerce(table.c.body, JSONB), cast(table.c.document, JSONB), type_=JSONB())
    return func.coalesce(table.c.body, table.c.document, type_=Text())


def text_column(table: FromClause, dialect: str) -> ColumnElement[str]:
    """Return the expression of a document's text."""
    if dialect == "postgresql":
        return table.c.document.label("text")
    return func.coalesce(table.c.document, table.c.body, type_=Text()).label("text")


class Search:
    """A query compiled, with the statements that it was asked by: to build one costs more than most take to run."""

    def __init__(self, storage: Storage, live: tuple[str, ...], dialect: str, query: Any) -> None:
        self._storage, self._live, self._dialect, self._query = storage, live, dialect, query
        self._table = storage.table
        self.full = plan_for(storage, dialect, query, self._table, live=live)
        self._statements: dict[Any, Select[Any]] = {}

    @cached_property
    def _plain(self) -> Plan:
        """The plan for documents that are not opaque."""
        return plan_for(self._storage, self._dialect, self._query, self._table, opaque=False, live=self._live)

    @cached_property
    def where(self) -> ColumnElement[bool]:
        """The condition of those that match, where `is_exact`."""
        if self.full.residual is None:
            return self.full.where
        return and_(not_(self._table.c.opaque), self._plain.where)

    def is_exact(self, session: Session, organization_id: str) -> bool:
        """Tell whether SQL decides it alone: there is no opaque document, or none that it may be about."""
        if self.full.residual is None:
            return True
        if self._plain.residual is not None:
            return False
        found = session.connection().execute(self.statement("opaque"), {"owner": organization_id})
        return found.first() is None

    def statement(self, name: str, order: Order | None = None) -> Select[Any]:
        """Return a statement for the owner ``owner``, once made."""
        key = (name, order)
        if key not in self._statements:
            self._statements[key] = self._made(name, order).where(
                self._table.c.organization_id == bindparam("owner", type_=String())
            )
        return self._statements[key]

    def _made(self, name: str, order: Order | None) -> Select[Any]:
        table, unsure = self._table, self.full.needs_residual
        match name:
            case "count":
                return select(func.count()).select_from(table).where(self.where)
            case "opaque":
                return select(table.c.number).where(table.c.opaque, self.full.where).limit(1)
            case "view" | "page":
                assert order
                # SQLite knows nothing of how many a condition finds, and would rather walk in the order of the page.
                looked_up = self._dialect == "sqlite" and _finds_few(self._query)
                rows = self._rows().where(self.where).order_by(*order.of(table, unindexed=looked_up))
                # Written out, so that the database plans for this very page.
                skip, most = (bindparam(part, type_=BigInteger(), literal_execute=True) for part in ("skip", "most"))
                return rows if name == "view" else rows.offset(skip).limit(most)
            case "all":
                assert order
                rows = self._rows() if unsure is None else self._rows().add_columns(unsure.label("untested"))
                return rows.where(self.full.where).order_by(*order.of(table))
        assert unsure is not None
        if name == "count both":
            counts: list[Any] = [func.count().filter(not_(unsure)), func.count().filter(unsure)]
            return select(*counts).select_from(table).where(self.full.where)
        return self._rows().add_columns(true().label("untested")).where(self.full.where, unsure)

    def _rows(self) -> Select[Any]:
        table = self._table
        live = [table.c[name] for name in self._live]
        return select(table.c.number, table.c.id, table.c.pipeline, text_column(table, self._dialect), *live)


def search_of(storage: Storage, live: tuple[str, ...], dialect: str, text: str) -> Search:
    """Return the search of a query, as JSON; of those that are short, the one that was made when it was first asked."""
    made = _search_of if len(text) <= LONGEST_REMEMBERED else _search_of.__wrapped__
    return made(storage, live, dialect, text)


@lru_cache(maxsize=256)
def _search_of(storage: Storage, live: tuple[str, ...], dialect: str, text: str) -> Search:
    return Search(storage, live, dialect, documents.loads(text))


def make_ready(session: Session) -> None:
    """Give the session's connection the functions that compiled queries use."""
    if dialect_of(session) == "sqlite":
        connection = session.connection()
        if "regexp" not in connection.info:
            register_sqlite_functions(connection.connection.dbapi_connection)
            connection.info["regexp"] = True


def among(dialect: str, column: ColumnElement[Any], numbers: Sequence[int]) -> ColumnElement[bool]:
    """Return the condition that a number is one of many, which are one parameter."""
    if dialect == "sqlite":
        return column.in_(json_list(list(numbers)))
    return column == any_(literal(list(numbers), ARRAY(BigInteger())))


def dialect_of(session: Session) -> str:
    """Return the name of the session's database."""
    return session.get_bind().dialect.name


def _columns(table: FromClause) -> dict[str, ColumnSpec]:
    strings = {name: ColumnSpec(table.c[name], "string", "never") for name in ("id", "pipeline", "status")}
    maybe = {name: ColumnSpec(table.c[name], "string", "empty") for name in ("site", "user")}
    numbers = {
        name: ColumnSpec(table.c[name], "number", "never")
        for name in ("attempt", "retries", "priority", "timeout", "creation")
    }
    instants = {name: ColumnSpec(table.c[name], "number", "empty") for name in ("start", "stop")}
    return {
        **strings, **maybe, **numbers, **instants,
        "config.parent": ColumnSpec(table.c.parent, "string", "empty"),
        "results.locked": ColumnSpec(table.c.locked, "flag", "never"),
    }  # fmt: skip


def _finds_few(query: Any) -> bool:
    """Tell whether a query names values of a field by which few documents are found, whatever else it asks for."""
    asked = [query[name] for name in _FEW if name in query] if isinstance(query, dict) else []
    return any(list(test) in (["$in"], ["$eq"]) if isinstance(test, dict) else test is not None for test in asked)


def _has(side: Table, table: FromClause, kind: Any, dialect: str) -> Callable[[Sequence[Any]], ColumnElement[bool]]:
    def has(values: Sequence[Any]) -> ColumnElement[bool]:
        if len(values) <= _MANY:
            listed: ColumnElement[bool] = side.c.value.in_(values)
        elif dialect == "sqlite":
            listed = side.c.value.in_(json_list(list(values)))
        else:
            listed = side.c.value == any_(literal(list(values), ARRAY(kind)))
        return table.c.number.in_(select(side.c.number).where(listed))

    return has
