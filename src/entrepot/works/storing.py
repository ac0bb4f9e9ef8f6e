"""Writing documents to a collection: on PostgreSQL many in one statement, with their events; on SQLite one by one."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import islice
from typing import Any

import orjson
from sqlalchemy import (
    CTE,
    BigInteger,
    Boolean,
    ColumnElement,
    Double,
    Executable,
    String,
    Table,
    Text,
    and_,
    bindparam,
    case,
    cast,
    column,
    delete,
    func,
    insert,
    literal_column,
    select,
    true,
    type_coerce,
    update,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.orm import Session
from sqlalchemy.sql.base import ReadOnlyColumnCollection

from entrepot.db import wire
from entrepot.db.driver import add_rows, fetch, fetch_named, word
from entrepot.db.types import Body
from entrepot.events.journal import Journal
from entrepot.identity import Principal
from entrepot.lineage.ended import recorded as runs_recorded
from entrepot.works import document as documents
from entrepot.works import lineage, sides
from entrepot.works.document import FINISHED, Document
from entrepot.works.sides import Sides

_AT_ONCE = 1000
_ARRAYS = {Text: wire.Texts, BigInteger: wire.Integers, Double: wire.Doubles, Boolean: wire.Booleans}
_COPIES = {"organization_id", "number", "fence", "lease_until"}
Columns = Mapping[str, ColumnElement[Any]] | ReadOnlyColumnCollection[str, Any]


@dataclass(frozen=True, eq=False)
class Storage:
    """The tables of one kind of works, and how they are written.

    Attributes
    ----------
    table, tags, events
        The documents', and the side tables' of what their arrays hold.
    journal
        Where changes are recorded.
    added
        The action that an added document's event tells of.
    key
        The columns that say which document is replaced, within an organization.
    replaceable
        Tells from the stored columns and the new ones whether one may replace the other.
    replaced
        The action that a replacement's event tells of, from the table's columns.
    searched_apart
        Whether the body is stored only where it is another text than the document's.
    """

    table: Table
    tags: Table
    events: Table
    journal: Journal
    added: str
    key: tuple[str, ...]
    replaceable: Callable[[Columns, Columns], ColumnElement[bool]]
    replaced: Callable[[Columns], ColumnElement[str]]
    searched_apart: bool = False

    def add(
        self,
        session: Session,
        principal: Principal,
        new: Sequence[Document],
        *,
        ended: bool = False,
        last: bool = False,
    ) -> None:
        """Store documents that were completed and checked.

        Parameters
        ----------
        ended
            Whether their runs are stored, too.
        last
            Whether a unit of work does nothing after it.
        """
        dialect = session.get_bind().dialect.name
        owner, user_id = principal.organization_id, principal.user_id
        for part in _parts(new):
            if dialect == "postgresql":
                given = {"owner": owner, **self._given(part)}
                if ended:
                    given |= lineage.parameters_of(principal, part)
                kept = ("id", *self.journal.data)
                added = [
                    {"action": self.added, "organization_id": owner, **{name: one[name] for name in kept}}
                    for one in part
                ]
                statement = _adding(self, len(part) == 1, ended, _has_arrays(part))
                kinds = added if last and len(part) == len(new) else None
                self.journal.enter(session, statement, given, user_id=user_id, known=added, last=kinds)
                continue
            rows = [self._row(one, dialect) for one in part]
            numbers = [fetch(session, _inserting(self), row | {"owner": owner})[0][0] for row in rows]
            self._add_sides(session, list(zip(numbers, part, strict=True)))
            entries = [row | {"action": self.added, "organization_id": owner} for row in rows]
            self.journal.add(session, entries, user_id=user_id)
            if ended:
                lineage.record(session, principal, part)

    def replace(
        self,
        session: Session,
        principal: Principal,
        new: Sequence[Document],
        *,
        action: str | None = None,
        last: bool = False,
    ) -> dict[tuple[Any, ...], Document]:
        """Replace documents by new ones, of different keys, where they may be, and return those that did, by key.

        Parameters
        ----------
        action
            What the events tell of. None: what they report, and the runs of those that have ended are recorded, too.
        last
            Whether a unit of work does nothing after it.
        """
        dialect = session.get_bind().dialect.name
        by_key = {self._key_of(one): one for one in new}
        done: dict[tuple[Any, ...], Document] = {}
        # In one order, lest two callers wait for each other.
        for part in _parts([by_key[key] for key in sorted(by_key)]):
            ended = _ended(part) if action is None else []
            common = {"owner": principal.organization_id, "done": action}
            if dialect == "postgresql":
                given = common | self._given(part) | (lineage.parameters_of(principal, ended) if ended else {})
                statement = _replacing(self, len(part) == 1, bool(ended), _has_arrays(part))
                kinds = [_kind(one) for one in part] if last and len(part) == len(by_key) else None
                rows = self.journal.enter(session, statement, given, user_id=principal.user_id, last=kinds)
                done |= {(key := self._key_of(row)): by_key[key] for row in rows}
                continue
            for one in part:
                rows = fetch_named(session, _replacing_one(self), self._lone(one, dialect) | common)
                self.journal.add(session, rows, user_id=principal.user_id)
                for row in rows:
                    done[self._key_of(row)] = one
                    if (_listed(row["had_tags"]), _listed(row["had_events"])) != _arrays(one):
                        self._replace_sides(session, row["number"], one)
            lineage.record(session, principal, [one for one in ended if self._key_of(one) in done])
        return done

    @property
    def sides(self) -> Sides:
        """The side tables, and the names of the arrays whose values they hold."""
        return (self.tags, "tags"), (self.events, "event")

    def _key_of(self, one: Mapping[str, Any]) -> tuple[Any, ...]:
        return tuple(one[name] for name in self.key)

    def _row(self, document: Document, dialect: str) -> dict[str, Any]:
        in_body = dialect == "sqlite" and not self.searched_apart
        row = documents.columns_of(document, dialect, in_body=in_body)
        return row | {"unlocks": (document["results"] or {}).get("locked") is False}

    def _lone(self, document: Document, dialect: str) -> dict[str, Any]:
        """Return the parameters of a statement about one document."""
        return {f"new_{name}": value for name, value in self._row(document, dialect).items()}

    def _given(self, part: Sequence[Document]) -> dict[str, Any]:
        """Return the parameters of a statement about documents (PostgreSQL)."""
        if len(part) > 1:
            return self._columns(part)
        tags, events = _arrays(part[0])
        return self._lone(part[0], "postgresql") | {"new_tags": [*tags], "new_event": [*events]}

    def _columns(self, new: Sequence[Document]) -> dict[str, Any]:
        """Return the parameters of a statement about several documents: an array each, as `_given` has them."""
        rows = [self._row(one, "postgresql") for one in new]
        given: dict[str, Any] = {}
        for name, type_ in _types(self.table).items():
            given[f"all_{name}"] = _ARRAYS[type(type_)]([row[name] for row in rows])
        if _has_arrays(new):
            for name, values_of in (("tags", documents.tags_of), ("event", documents.events_of)):
                given[f"all_{name}"] = wire.Texts([orjson.dumps([*values_of(one)]).decode() for one in new])
        return given

    def _replace_sides(self, session: Session, number: int, document: Document) -> None:
        for side in (self.tags, self.events):
            session.execute(delete(side).where(side.c.number == number))
        self._add_sides(session, [(number, document)])

    def _add_sides(self, session: Session, new: Sequence[tuple[int, Document]]) -> None:
        for side, values_of in ((self.tags, documents.tags_of), (self.events, documents.events_of)):
            add_rows(
                session, side, [{"number": number, "value": value} for number, one in new for value in values_of(one)]
            )


@cache
def _inserting(storage: Storage) -> Executable:
    """Return the statement that adds a document (SQLite)."""
    table, names = storage.table, _stored(storage.table)
    values: dict[str, Any] = {name: bindparam(name, type_=table.c[name].type) for name in names}
    values["organization_id"] = bindparam("owner", type_=String())
    if "fence" in table.c:
        values["fence"] = literal_column("0")
    return (
        insert(table).from_select([*values], select(*values.values()), include_defaults=False).returning(table.c.number)
    )


@cache
def _adding(storage: Storage, lone: bool, ended: bool, arrays: bool) -> Executable:
    """Return the statement that adds documents, or one alone (PostgreSQL).

    Parameters
    ----------
    ended
        Whether it records their runs, too.
    arrays
        Whether their arrays hold anything.
    """
    table, given = storage.table, _given(storage.table, arrays)
    names = _stored(table)
    new = _searched(storage, _bound(table) if lone else given.c)
    preset: dict[str, ColumnElement[Any]] = {"organization_id": bindparam("owner", type_=String())}
    if "fence" in table.c:
        preset["fence"] = literal_column("0", BigInteger())
    chosen = select(*preset.values(), *(new[name] for name in names))
    if not lone:
        chosen = chosen.order_by(given.c.position)
    put = insert(table).from_select([*preset, *names], chosen, include_defaults=False)
    kept = dict.fromkeys(("number", "id", "organization_id", *storage.key, *storage.journal.data))
    put = put.returning(*(table.c[name] for name in kept), word(storage.added).label("action"))
    changed = put.cte("changed")
    others = sides.added(storage.sides, changed, None if lone else given) if arrays else []
    others += runs_recorded(changed) if ended else ()
    return storage.journal.entered("postgresql", changed, *others, told=False)


@cache
def _replacing(storage: Storage, lone: bool, ended: bool, arrays: bool) -> Executable:
    """Return the statement that replaces documents, or one alone, with what their arrays hold (PostgreSQL).

    Parameters
    ----------
    ended
        Whether it records runs, too.
    arrays
        Whether the arrays hold anything.
    """
    table, held = storage.table, None if lone else _held(storage, arrays)
    new = _searched(storage, _bound(table) if held is None else held.c)
    meant = _meant(storage, table.c, new) if held is None else table.c.number == held.c.held_number
    change = _replacement(storage, new).where(meant, storage.replaceable(table.c, new))
    changed = change.cte("changed")
    others = sides.dropped(storage.sides, changed, held, arrays)
    others += sides.added(storage.sides, changed, held) if arrays else []
    others += runs_recorded(changed) if ended else ()
    return storage.journal.entered("postgresql", changed, *others)


@cache
def _replacing_one(storage: Storage) -> Executable:
    """Return the statement that replaces a document and tells what its arrays held (SQLite)."""
    table, new = storage.table, _bound(storage.table)
    had = [
        select(func.json_group_array(side.c.value))
        .where(side.c.number == table.c.number)
        .correlate(table)
        .scalar_subquery()
        .label(label)
        for side, label in ((storage.tags, "had_tags"), (storage.events, "had_events"))
    ]
    change = _replacement(storage, new, *had)
    statement: Executable = change.where(_meant(storage, table.c, new), storage.replaceable(table.c, new))
    return statement


def _replacement(storage: Storage, new: Columns, *told: ColumnElement[Any]) -> Any:
    table = storage.table
    kept = dict.fromkeys(("number", "id", "organization_id", *storage.key, *storage.journal.data))
    action = func.coalesce(bindparam("done", type_=String()), storage.replaced(table.c)).label("action")
    change = update(table).values({name: new[name] for name in _stored(table)})
    return change.returning(*(table.c[name] for name in kept), action, *told)


def _meant(storage: Storage, columns: Columns, new: Columns) -> ColumnElement[bool]:
    owner = bindparam("owner", type_=String())
    return and_(columns["organization_id"] == owner, *(columns[name] == new[name] for name in storage.key))


def _held(storage: Storage, arrays: bool) -> CTE:
    """Return what is given, with the numbers of the rows that it is about, which are locked in the order given.

    One by one, by their index: the database does not know how few are given, and would rather read all that there are.
    """
    given, table = _given(storage.table, arrays), storage.table.alias("one")
    one = select(table.c.number).where(_meant(storage, table.c, given.c)).with_for_update().lateral("locked")
    held = select(*given.c, one.c.number.label("held_number")).join_from(given, one, true())
    return held.cte("held").prefix_with("MATERIALIZED")


def reported(columns: Columns) -> ColumnElement[str]:
    """Return the action of a work that was reported: how it ended, if it did."""
    return case((columns["status"].in_(map(word, FINISHED)), columns["status"]), else_=word("updated"))


def locked_or_updated(columns: Columns) -> ColumnElement[str]:
    """Return the action of an archived work that was replaced."""
    return case((columns["locked"], word("locked")), else_=word("updated"))


def _given(table: Table, arrays: bool) -> CTE:
    """Return what `Storage` gives of several documents as a table, with their ``position``."""
    types = _types(table) | ({"tags": Text(), "event": Text()} if arrays else {})
    rows = func.unnest(*(bindparam(f"all_{name}", type_=ARRAY(type_)) for name, type_ in types.items()))
    typed = [column(name, type_) for name, type_ in types.items()]
    given = rows.table_valued(*typed, with_ordinality="position", name="documents").render_derived()
    return select(*given.c).cte("given")


@cache
def _types(table: Table) -> dict[str, Any]:
    """Return the types of what is given of documents, by column: those of the driver."""
    kinds = {name: table.c[name].type for name in _stored(table)}
    plain: dict[str, Any] = {name: Text() if isinstance(kind, Body | Text) else kind for name, kind in kinds.items()}
    return {"unlocks": Boolean(), **plain}


def _bound(table: Table) -> dict[str, ColumnElement[Any]]:
    """Return the parameters that `Storage` gives of one document."""
    types = {"unlocks": Boolean()} | {name: table.c[name].type for name in _stored(table)}
    return {name: bindparam(f"new_{name}", type_=type_) for name, type_ in types.items()}


def _searched(storage: Storage, given: Columns) -> dict[str, ColumnElement[Any]]:
    columns: dict[str, ColumnElement[Any]] = dict(given.items())
    body, document = (type_coerce(columns[name], Text()) for name in ("body", "document"))
    return columns | {"body": cast(body if storage.searched_apart else func.coalesce(body, document), JSONB)}


def _stored(table: Table) -> list[str]:
    return [each.name for each in table.c if each.name not in _COPIES]


def _kind(document: Document) -> dict[str, Any]:
    """Return what the event of a work that is reported tells."""
    status = document["status"]
    action = status if status in FINISHED else "updated"
    return {"action": action, "pipeline": document["pipeline"], "status": status}


def _has_arrays(part: Sequence[Document]) -> bool:
    return any(tags or events for tags, events in map(_arrays, part))


def _ended(new: Sequence[Document]) -> list[Document]:
    return [one for one in new if one["status"] in FINISHED]


def _arrays(document: Document) -> tuple[set[str], set[float]]:
    return documents.tags_of(document), documents.events_of(document)


def _listed(found: Any) -> set[Any]:
    return set(orjson.loads(found) if isinstance(found, str) else found or ())


def _parts(new: Sequence[Document]) -> list[list[Document]]:
    remaining = iter(new)
    return [list(islice(remaining, _AT_ONCE)) for _ in range(0, len(new), _AT_ONCE)]
