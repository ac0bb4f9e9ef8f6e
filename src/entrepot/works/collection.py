"""A table of documents with its side tables: kept, and found by MongoDB queries."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    ARRAY,
    ColumnElement,
    Double,
    Row,
    RowMapping,
    Select,
    Table,
    Text,
    any_,
    delete,
    func,
    insert,
    literal,
    not_,
    select,
)
from sqlalchemy.orm import Session
from sqlalchemy.sql.selectable import FromClause

from entrepot.errors import InvalidInput
from entrepot.works import document as documents
from entrepot.works.document import Document
from entrepot.works.models import Archived, ArchivedEvent, ArchivedTag, Work, WorkEvent, WorkTag
from entrepot.works.query import (
    ColumnSpec,
    MultikeySpec,
    Plan,
    compile_query,
    parse,
    parse_projection,
    register_sqlite_functions,
)
from entrepot.works.query.sqlite import json_list

#: The most that one query may have tested document by document, for what SQL cannot say exactly.
MAX_TESTED = 500_000
MAX_SECONDS = 60.0

_MANY = 100
_CHUNK = 200


@dataclass(frozen=True)
class Order:
    """An order of documents: columns, each ascending or not."""

    columns: tuple[tuple[str, bool], ...]

    def of(self, table: FromClause) -> list[ColumnElement[Any]]:
        """Return the ORDER BY of a table."""
        return [table.c[name].asc() if ascending else table.c[name].desc() for name, ascending in self.columns]


#: The fields that documents can be sorted by.
SORTABLE = ("id", "pipeline", "status", "site", "user", "priority", "creation", "start", "stop", "attempt")


class Collection:
    """The documents of one table.

    Parameters
    ----------
    model, tags, events
        Its tables.
    order
        In which documents are returned when nothing else is asked for.
    live
        The columns that count in place of the document's own fields.
    """

    def __init__(self, model: Any, tags: Any, events: Any, order: Order, live: tuple[str, ...] = ()) -> None:
        self.table: Table = model.__table__
        self.order = order
        self.live = live
        self._tags: Table = tags.__table__
        self._events: Table = events.__table__

    def add(self, session: Session, organization_id: str, new: Sequence[Document]) -> None:
        """Store documents that were completed and checked."""
        if not new:
            return
        dialect = dialect_of(session)
        rows = [{"organization_id": organization_id, **documents.columns_of(one, dialect)} for one in new]
        statement = insert(self.table).returning(self.table.c.number, sort_by_parameter_order=True)
        numbers = session.execute(statement, rows).scalars().all()
        self._add_sides(session, list(zip(numbers, new, strict=True)))

    def replace_sides(self, session: Session, number: int, new: Document) -> None:
        """Have a document found by its new tags and events, not by those that it had."""
        for side in (self._tags, self._events):
            session.execute(delete(side).where(side.c.number == number))
        self._add_sides(session, [(number, new)])

    def plan(self, session: Session, query: Any) -> Plan:
        """Return the plan of a query, as decoded from JSON, which the session's connection is made ready for.

        Raises
        ------
        InvalidInput
            When it is malformed, has an unknown operator or exceeds a bound.
        """
        make_ready(session)
        return self.plan_for(dialect_of(session), query, self.table)

    def plan_for(self, dialect: str, query: Any, table: FromClause) -> Plan:
        """Return the plan of a query on the table or an alias of it; raises as :meth:`plan` does."""
        return compile_query(
            parse(query),
            dialect="sqlite" if dialect == "sqlite" else "postgresql",
            body=table.c.body,
            columns=_columns(table),
            multikey={
                "tags": MultikeySpec(_has(self._tags, table, Text(), dialect), "string", exact=True, flat=True),
                "event": MultikeySpec(_has(self._events, table, Double(), dialect), "number", exact=True, flat=True),
            },
            opaque=table.c.opaque,
        )

    def view(
        self,
        session: Session,
        organization_id: str,
        query: Any,
        projection: Any = None,
        *,
        skip: int = 0,
        limit: int | None = None,
        order: Order | None = None,
    ) -> list[Document]:
        """Return documents that match, with the fields asked for."""
        project = parse_projection(projection)
        found = self.find(session, organization_id, query, skip=skip, limit=limit, order=order)
        return [project(self.document_of(row)) for row in found]

    def texts(
        self, session: Session, organization_id: str, query: Any, *, skip: int = 0, limit: int | None = None
    ) -> list[str]:
        """Return the JSON of documents that match, whole and as stored, without decoding it."""
        found = self.find(session, organization_id, query, skip=skip, limit=limit)
        return [documents.dumps(self.document_of(row)) if self.live else row.text for row in found]

    def count(self, session: Session, organization_id: str, query: Any) -> int:
        """Return how many documents match."""
        plan = self.plan(session, query)
        base = select(func.count()).select_from(self.table)
        base = base.where(self.table.c.organization_id == organization_id, plan.where)
        if plan.needs_residual is None:
            return int(session.scalar(base) or 0)
        certain = int(session.scalar(base.where(not_(plan.needs_residual))) or 0)
        rows = self._rows(session, organization_id, plan, plan.needs_residual)
        return certain + sum(1 for _ in self._tested(session, rows, plan, skip=0, limit=None))

    def find(
        self,
        session: Session,
        organization_id: str,
        query: Any,
        *condition: ColumnElement[bool],
        skip: int = 0,
        limit: int | None = None,
        order: Order | None = None,
    ) -> Iterator[Row[Any]]:
        """Return the rows of documents that match: ``number``, ``text``, the ``live`` columns."""
        plan = self.plan(session, query)
        rows = self._rows(session, organization_id, plan, *condition).order_by(*(order or self.order).of(self.table))
        if plan.residual is not None:
            return self._tested(session, rows, plan, skip, limit)
        return iter(session.execute(rows.offset(skip or None).limit(limit)))

    def explain(self, session: Session, query: Any) -> dict[str, Any]:
        """Return what of a query the database decides, and by what."""
        return self.plan(session, query).explain()

    def document_of(self, row: Row[Any]) -> Document:
        """Return the document of a row that was found."""
        mapping = row._mapping  # noqa: SLF001 - the public name of a row's mapping
        return self.overlaid(mapping["text"], mapping)

    def overlaid(self, text: str, columns: RowMapping | Mapping[str, Any]) -> Document:
        """Return the document of a text, with what its columns say."""
        document: Document = documents.loads(text)
        for name in self.live:
            document[name] = columns[name]
        return document

    def text_column(self, session: Session) -> ColumnElement[str]:
        """Return the expression of a document's text."""
        table = self.table
        if dialect_of(session) == "postgresql":
            return table.c.document.label("text")
        return func.coalesce(table.c.document, table.c.body, type_=Text()).label("text")

    def _rows(self, session: Session, organization_id: str, plan: Plan, *condition: ColumnElement[bool]) -> Select[Any]:
        table = self.table
        columns = [table.c.number, table.c.id, table.c.pipeline, self.text_column(session)]
        columns += [table.c[name] for name in self.live]
        if plan.needs_residual is not None:
            columns.append(plan.needs_residual.label("untested"))
        return select(*columns).where(table.c.organization_id == organization_id, plan.where, *condition)

    def _tested(
        self, session: Session, rows: Select[Any], plan: Plan, skip: int, limit: int | None
    ) -> Iterator[Row[Any]]:
        """Pass on the rows whose documents match, testing those that SQL could not decide."""
        assert plan.residual
        tested, began = 0, time.monotonic()
        with session.execute(rows.execution_options(yield_per=_CHUNK)) as found:
            for row in found:
                if limit is not None and limit <= 0:
                    return
                if row.untested:
                    tested += 1
                    if tested > MAX_TESTED or time.monotonic() - began > MAX_SECONDS:
                        reason = f"needs more than {tested - 1} documents tested one by one; narrow it"
                        raise InvalidInput.field("query", reason)
                    if not plan.residual(self.document_of(row)):
                        continue
                if skip > 0:
                    skip -= 1
                    continue
                if limit is not None:
                    limit -= 1
                yield row

    def _add_sides(self, session: Session, new: Sequence[tuple[int, Document]]) -> None:
        sides = ((self._tags, documents.tags_of), (self._events, documents.events_of))
        for side, values_of in sides:
            rows = [{"number": number, "value": value} for number, one in new for value in values_of(one)]
            if rows:
                session.execute(insert(side), rows)


def make_ready(session: Session) -> None:
    """Give the session's connection the functions that compiled queries use."""
    if dialect_of(session) == "sqlite":
        connection = session.connection()
        if "regexp" not in connection.info:
            register_sqlite_functions(connection.connection.dbapi_connection)
            connection.info["regexp"] = True


def dialect_of(session: Session) -> str:
    """Return the name of the session's database."""
    return session.get_bind().dialect.name


def order_of(sort: Sequence[tuple[str, int]]) -> Order:
    """Return the order that a caller asks for: fields with 1 or -1.

    Raises
    ------
    InvalidInput
        A field is not one of `SORTABLE`, or its direction neither 1 nor -1.
    """
    for name, direction in sort:
        if name not in SORTABLE:
            raise InvalidInput.field("sort", f"{name!r} is not one of {', '.join(SORTABLE)}")
        if direction not in (1, -1):
            raise InvalidInput.field("sort", "directions are 1 and -1")
    return Order((*((name, direction == 1) for name, direction in sort), ("number", True)))


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


QUEUE = Collection(Work, WorkTag, WorkEvent, Order((("number", True),)), live=("status", "start", "stop", "attempt"))
ARCHIVE = Collection(Archived, ArchivedTag, ArchivedEvent, Order((("id", False), ("pipeline", True))))
