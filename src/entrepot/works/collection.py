"""A table of documents with its side tables: kept, and found by MongoDB queries."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Executable,
    Result,
    Row,
    RowMapping,
    Select,
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
from entrepot.identity import Principal
from entrepot.works import cursors
from entrepot.works import document as documents
from entrepot.works.codec import decoded
from entrepot.works.document import Document
from entrepot.works.limits import limited
from entrepot.works.models import Archived, ArchivedEvent, ArchivedTag, Work, WorkEvent, WorkTag
from entrepot.works.order import Order, order_of
from entrepot.works.query import Plan, Steps, parse, parse_projection
from entrepot.works.search import (
    LONGEST_REMEMBERED,
    Search,
    among,
    dialect_of,
    make_ready,
    plan_for,
    search_of,
    text_column,
)
from entrepot.works.storing import Storage, locked_or_updated, reported

#: The most that one query may have tested document by document, for what SQL cannot say exactly.
MAX_TESTED = 500_000

#: Up to how many documents it is counted that a query must read.
MOST_COUNTED = 100_000

_CHUNK = 200
_ALL = 2**62


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

    def plan_for(self, dialect: str, query: Any, table: FromClause) -> Plan:
        """Return the plan of a query, as decoded from JSON, on the table or an alias of it."""
        return plan_for(self.storage, dialect, query, table, live=self.live)

    def view(
        self,
        session: Session,
        principal: Principal,
        query: Any,
        projection: Any = None,
        *,
        skip: int = 0,
        limit: int | None = None,
        sort: Sequence[tuple[str, int]] = (),
    ) -> list[Document]:
        """Return works that match, with the fields asked for; in the collection's order unless another is asked for."""
        found = self._viewed(session, principal, query, skip, limit, sort)
        project = parse_projection(projection, parse(query))
        return [project(self.document_of(row)) for row in found]

    def texts(
        self,
        session: Session,
        principal: Principal,
        query: Any,
        *,
        skip: int = 0,
        limit: int | None = None,
        sort: Sequence[tuple[str, int]] = (),
    ) -> list[str]:
        """Return the JSON of works that match, whole and as stored, without decoding it; in the order of a view."""
        found = self._viewed(session, principal, query, skip, limit, sort)
        return [documents.dumps(self.document_of(row)) if self.live else row.text for row in found]

    def _viewed(
        self,
        session: Session,
        principal: Principal,
        query: Any,
        skip: int,
        limit: int | None,
        sort: Sequence[tuple[str, int]],
    ) -> Iterator[Row[Any]]:
        principal.require("read")
        order = order_of(sort) if sort else None
        return self.find(session, principal.organization_id, query, skip=skip, limit=limit, order=order)

    def walk(
        self,
        session: Session,
        principal: Principal,
        query: Any,
        projection: Any = None,
        *,
        after: str | None,
        limit: int,
    ) -> tuple[list[Document], str | None]:
        """Return a page of works that match, in the order of their ids, and the cursor of the next, None at the end.

        Works that are there all the while are met once each, whatever is added or deleted meanwhile.

        Raises
        ------
        InvalidInput
            The cursor is none that was handed out.
        """
        principal.require("read")
        project = parse_projection(projection, parse(query))
        place = tuple_(*(self.table.c[name] for name in self.walked))
        later = [] if after is None else [place > tuple_(*map(literal, cursors.read(after, len(self.walked))))]
        order = Order(tuple((name, True) for name in self.walked))
        found = self.find(session, principal.organization_id, query, true(), *later, limit=limit, order=order)
        rows = list(found)
        ended = len(rows) < limit
        following = None if ended else cursors.write(*(getattr(rows[-1], name) for name in self.walked))
        return [project(self.document_of(row)) for row in rows], following

    def count(self, session: Session, principal: Principal, query: Any) -> int:
        """Return how many works match."""
        principal.require("read")
        search = self._search(session, query)
        connection, owner = session.connection(), {"owner": principal.organization_id}
        with self._limited(session, search) as steps:
            if search.is_exact(session, principal.organization_id):
                return int(connection.scalar(search.statement("count"), owner) or 0)
            certain, unsure = connection.execute(search.statement("count both"), owner).one()
            if not unsure:
                return int(certain)
            rows = connection.execute(search.statement("unsure"), owner, execution_options={"yield_per": _CHUNK})
            return int(certain) + sum(1 for _ in self._tested(rows, search.full, steps, skip=0, limit=None))

    def explain(self, session: Session, principal: Principal, query: Any) -> dict[str, Any]:
        """Return what of a query the database decides, and by what; and of how many documents it must read for that.

        These are counted up to a bound (``more`` says that there are).
        """
        principal.require("read")
        dialect = dialect_of(session)
        plan = self.plan_for(dialect, query, self.table)
        documents_read = 0 if plan.quick else self._read_for(session, principal.organization_id, query)
        more = documents_read > MOST_COUNTED
        return {**plan.explain(), "documents": min(documents_read, MOST_COUNTED), "more": more}

    def _read_for(self, session: Session, organization_id: str, query: Any) -> int:
        """Return of how many documents the columns and side tables say that they must be read, and one at most more."""
        make_ready(session)
        narrowed = plan_for(self.storage, dialect_of(session), query, self.table, bodies=False, live=self.live)
        some = select(self.table.c.number).where(self.table.c.organization_id == organization_id, narrowed.where)
        with limited(session, quick=True):
            counted = select(func.count()).select_from(some.limit(MOST_COUNTED + 1).subquery())
            return int(session.scalar(counted) or 0)

    def of_hits(
        self,
        session: Session,
        principal: Principal,
        query: Any,
        make: Callable[[Select[Any]], Executable],
        *condition: ColumnElement[bool],
        most: int,
    ) -> Sequence[Any]:
        """Return the rows of a statement made of another, which has the numbers of the works that match.

        Of more than `most`, it has the latest.
        """
        principal.require("read")
        search, owner = self._search(session, query), principal.organization_id
        latest = Order((("number", False),))
        hits = select(self.table.c.number).where(self.table.c.organization_id == owner)
        if search.is_exact(session, owner):
            hits = hits.where(search.where, *condition).order_by(*latest.of(self.table)).limit(most)
        else:
            found = self.find(session, owner, query, true(), *condition, limit=most, order=latest)
            hits = hits.where(among(dialect_of(session), self.table.c.number, [row.number for row in found]))
        with self._limited(session, search):
            return session.execute(make(hits)).all()

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
        return len(text) <= LONGEST_REMEMBERED and search_of(self.storage, self.live, dialect, text).full.quick

    def _limited(self, session: Session, search: Search) -> AbstractContextManager[Steps]:
        return limited(session, search.full.quick)

    def document_of(self, row: Row[Any]) -> Document:
        """Return the document of a row that was found."""
        mapping = row._mapping  # noqa: SLF001 - the public name of a row's mapping
        return self.overlaid(mapping["text"], mapping)

    def overlaid(self, text: str, columns: RowMapping | Mapping[str, Any]) -> Document:
        """Return the document of a text, with what its columns say."""
        document: Document = decoded(text)
        for name in self.live:
            document[name] = columns[name]
        return document

    def text_column(self, dialect: str) -> ColumnElement[str]:
        """Return the expression of a document's text."""
        return text_column(self.table, dialect)

    def _search(self, session: Session, query: Any) -> Search:
        make_ready(session)
        return search_of(self.storage, self.live, dialect_of(session), documents.query_text(query))

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
        searched_apart=True,
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
