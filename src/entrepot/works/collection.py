"""A table of documents with its side tables: kept, and found by MongoDB queries."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

from sqlalchemy import (
    ARRAY,
    BigInteger,
    ColumnElement,
    Double,
    Result,
    Row,
    RowMapping,
    Select,
    String,
    Table,
    Text,
    and_,
    any_,
    bindparam,
    func,
    literal,
    not_,
    or_,
    select,
    true,
    tuple_,
)
from sqlalchemy.orm import Session
from sqlalchemy.sql.selectable import FromClause

from entrepot.errors import InvalidInput
from entrepot.events.journal import Journal
from entrepot.works import cursors
from entrepot.works import document as documents
from entrepot.works.document import Document
from entrepot.works.limits import limited
from entrepot.works.models import Archived, ArchivedEvent, ArchivedTag, Work, WorkEvent, WorkTag
from entrepot.works.query import (
    ColumnSpec,
    MultikeySpec,
    Plan,
    Steps,
    compile_query,
    parse,
    parse_projection,
    register_sqlite_functions,
)
from entrepot.works.query.sqlite import json_list
from entrepot.works.storing import Storage, locked_or_updated, reported

#: The most that one query may have tested document by document, for what SQL cannot say exactly.
MAX_TESTED = 500_000

#: The longest queries, as JSON, whose statements are kept.
LONGEST_REMEMBERED = 4096

_MANY = 100
_CHUNK = 200
_ALL = 2**62


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
    storage
        Its tables, and how they are written.
    order
        In which documents are returned when nothing else is asked for.
    live
        The columns that count in place of the document's own fields.
    walked
        The columns that tell one document from all others, in whose order they are walked.
    """

    def __init__(
        self, storage: Storage, order: Order, live: tuple[str, ...] = (), walked: tuple[str, ...] = ("id",)
    ) -> None:
        self.storage = storage
        self.walked = walked
        self.table = storage.table
        self.order = order
        self.live = live

    def plan_for(self, dialect: str, query: Any, table: FromClause, *, opaque: bool = True) -> Plan:
        """Return the plan of a query, as decoded from JSON, on the table or an alias of it.

        Parameters
        ----------
        opaque
            Whether it is to find opaque documents too.

        Raises
        ------
        InvalidInput
            When the query is malformed, has an unknown operator or exceeds a bound.
        """
        tags, events = self.storage.tags, self.storage.events
        return compile_query(
            parse(query),
            dialect="sqlite" if dialect == "sqlite" else "postgresql",
            body=table.c.body,
            columns=_columns(table),
            multikey={
                "tags": MultikeySpec(_has(tags, table, Text(), dialect), "string", exact=True, flat=True),
                "event": MultikeySpec(_has(events, table, Double(), dialect), "number", exact=True, flat=True),
            },
            opaque=table.c.opaque if opaque else None,
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
        project = parse_projection(projection, parse(query))
        found = self.find(session, organization_id, query, skip=skip, limit=limit, order=order)
        return [project(self.document_of(row)) for row in found]

    def walk(
        self,
        session: Session,
        organization_id: str,
        query: Any,
        projection: Any = None,
        *,
        after: str | None = None,
        limit: int = 100,
    ) -> tuple[list[Document], str | None]:
        """Return a page of documents that match, in the order of their ids, and the cursor of the next page.

        Documents that are there from the first page to the last are met once each, whatever is added or deleted
        meanwhile.

        Raises
        ------
        InvalidInput
            The cursor is none that was handed out.
        """
        project = parse_projection(projection, parse(query))
        place = tuple_(*(self.table.c[name] for name in self.walked))
        later = [] if after is None else [place > tuple_(*map(literal, cursors.read(after, len(self.walked))))]
        order = Order(tuple((name, True) for name in self.walked))
        found = self.find(session, organization_id, query, true(), *later, limit=limit, order=order)
        rows = list(found)
        ended = len(rows) < limit
        following = None if ended else cursors.write(*(getattr(rows[-1], name) for name in self.walked))
        return [project(self.document_of(row)) for row in rows], following

    def texts(
        self,
        session: Session,
        organization_id: str,
        query: Any,
        *,
        skip: int = 0,
        limit: int | None = None,
        order: Order | None = None,
    ) -> list[str]:
        """Return the JSON of documents that match, whole and as stored, without decoding it."""
        found = self.find(session, organization_id, query, skip=skip, limit=limit, order=order)
        return [documents.dumps(self.document_of(row)) if self.live else row.text for row in found]

    def count(self, session: Session, organization_id: str, query: Any) -> int:
        """Return how many documents match."""
        search = self._search(session, query)
        connection, owner = session.connection(), {"owner": organization_id}
        with self._limited(session, search) as steps:
            if search.is_exact(session, organization_id):
                return int(connection.scalar(search.statement("count"), owner) or 0)
            certain, unsure = connection.execute(search.statement("count both"), owner).one()
            if not unsure:
                return int(certain)
            rows = connection.execute(search.statement("unsure"), owner, execution_options={"yield_per": _CHUNK})
            return int(certain) + sum(1 for _ in self._tested(rows, search.full, steps, skip=0, limit=None))

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
        """Return the rows of documents that match: ``number``, ``id``, ``pipeline``, ``text``, the ``live`` columns."""
        search = self._search(session, query)
        order, owner = order or self.order, {"owner": organization_id}
        connection = session.connection()
        with self._limited(session, search) as steps:
            if not condition and search.is_exact(session, organization_id):
                paged = "page" if skip or limit is not None else "view"
                page = {"skip": skip, "most": _ALL if limit is None else limit} if paged == "page" else {}
                yield from connection.execute(search.statement(paged, order), owner | page)
                return
            statement = search.statement("all", order)
            if condition:
                statement = statement.where(*condition)
                if search.full.residual is None and limit is not None:
                    statement = statement.limit(skip + limit)
            rows = connection.execute(statement, owner, execution_options={"yield_per": _CHUNK})
            yield from self._tested(rows, search.full, steps, skip, limit)

    def is_quick(self, dialect: str, query: Any) -> bool:
        """Tell whether columns and side tables decide a query, and it is short enough to be remembered."""
        text = documents.query_text(query)
        return len(text) <= LONGEST_REMEMBERED and _search_of(self, dialect, text).full.quick

    def _limited(self, session: Session, search: "_Search") -> AbstractContextManager[Steps]:
        return limited(session, search.full.quick)

    def explain(self, query: Any, dialect: str) -> dict[str, Any]:
        """Return what of a query the database decides, and by what."""
        return self.plan_for(dialect, query, self.table).explain()

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

    def text_column(self, dialect: str) -> ColumnElement[str]:
        """Return the expression of a document's text."""
        table = self.table
        if dialect == "postgresql":
            return table.c.document.label("text")
        return func.coalesce(table.c.document, table.c.body, type_=Text()).label("text")

    def _search(self, session: Session, query: Any) -> "_Search":
        make_ready(session)
        text = documents.query_text(query)
        found = _search_of if len(text) <= LONGEST_REMEMBERED else _search_of.__wrapped__
        return found(self, dialect_of(session), text)

    def _tested(self, rows: Result[Any], plan: Plan, steps: Steps, skip: int, limit: int | None) -> Iterator[Row[Any]]:
        """Pass on the rows whose documents match, testing those that SQL could not decide."""
        tested = 0
        with rows:
            for row in rows:
                if limit is not None and limit <= 0:
                    return
                if plan.residual is not None and row.untested:
                    tested += 1
                    if tested > MAX_TESTED:
                        reason = f"needs more than {tested - 1} documents tested one by one; narrow it"
                        raise InvalidInput.field("query", reason)
                    if not plan.residual(self.document_of(row), steps):
                        continue
                if skip > 0:
                    skip -= 1
                    continue
                if limit is not None:
                    limit -= 1
                yield row


class _Search:
    """A query compiled, with the statements that it was asked by: to build one costs more than most take to run."""

    def __init__(self, collection: Collection, dialect: str, query: Any) -> None:
        self._collection, self._dialect, self._query = collection, dialect, query
        self._table = collection.table
        self.full = collection.plan_for(dialect, query, self._table)
        self._statements: dict[Any, Select[Any]] = {}

    @cached_property
    def _plain(self) -> Plan:
        """The plan for documents that are not opaque."""
        return self._collection.plan_for(self._dialect, self._query, self._table, opaque=False)

    @cached_property
    def _where(self) -> ColumnElement[bool]:
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
                return select(func.count()).select_from(table).where(self._where)
            case "opaque":
                return select(table.c.number).where(table.c.opaque, self.full.where).limit(1)
            case "view" | "page":
                assert order
                rows = self._rows().where(self._where).order_by(*order.of(table))
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
        table, collection = self._table, self._collection
        live = [table.c[name] for name in collection.live]
        return select(table.c.number, table.c.id, table.c.pipeline, collection.text_column(self._dialect), *live)


@lru_cache(maxsize=256)
def _search_of(collection: Collection, dialect: str, text: str) -> _Search:
    return _Search(collection, dialect, documents.loads(text))


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


def _tables(*models: Any) -> tuple[Any, Any, Any]:
    main, tags, events = (model.__table__ for model in models)
    return main, tags, events


QUEUE = Collection(
    Storage(
        *_tables(Work, WorkTag, WorkEvent),
        journal=Journal("work", ("pipeline", "status")),
        added="deposited",
        key=("id",),
        replaceable=lambda stored, new: stored["attempt"] <= new["attempt"],
        replaced=reported,
    ),
    Order((("number", True),)),
    live=("status", "start", "stop", "attempt"),
)
ARCHIVE = Collection(
    Storage(
        *_tables(Archived, ArchivedTag, ArchivedEvent),
        journal=Journal("archived work", ("pipeline", "status")),
        added="archived",
        key=("pipeline", "id"),
        replaceable=lambda stored, new: or_(not_(stored["locked"]), new["unlocks"]),
        replaced=locked_or_updated,
    ),
    Order((("id", False), ("pipeline", True))),
    walked=("id", "pipeline"),
)
