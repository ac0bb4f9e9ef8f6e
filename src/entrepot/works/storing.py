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
    Executable,
    RowMapping,
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
    literal,
    select,
    true,
    update,
)
from sqlalchemy.dialects.postgresql import JSON, JSONB
from sqlalchemy.orm import Session
from sqlalchemy.sql.base import ReadOnlyColumnCollection

from entrepot.db.types import Body
from entrepot.events.journal import Journal
from entrepot.works import document as documents
from entrepot.works.document import FINISHED, Document

_AT_ONCE = 1000
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
    """

    table: Table
    tags: Table
    events: Table
    journal: Journal
    added: str
    key: tuple[str, ...]
    replaceable: Callable[[Columns, Columns], ColumnElement[bool]]
    replaced: Callable[[Columns], ColumnElement[str]]

    def add(self, session: Session, organization_id: str, user_id: str, new: Sequence[Document]) -> None:
        """Store documents that were completed and checked."""
        dialect = session.get_bind().dialect.name
        for part in _parts(new):
            if dialect == "postgresql":
                given = {"documents": _json(part), "owner": organization_id}
                self.journal.enter(session, _adding(self), given, user_id=user_id)
                continue
            rows = [_row(one, dialect) | {"organization_id": organization_id} for one in part]
            statement = insert(self.table).returning(self.table.c.number, sort_by_parameter_order=True)
            values = [{name: row[name] for name in ("organization_id", *_stored(self.table))} for row in rows]
            numbers = session.connection().execute(statement, values).scalars().all()
            self._add_sides(session, list(zip(numbers, part, strict=True)))
            self.journal.add(session, [row | {"action": self.added} for row in rows], user_id=user_id)

    def replace(
        self,
        session: Session,
        organization_id: str,
        user_id: str,
        new: Sequence[Document],
        *,
        action: str | None = None,
    ) -> dict[tuple[Any, ...], Document]:
        """Replace documents by new ones, of different keys, where they may be, and return those that did, by key.

        Parameters
        ----------
        action
            What the events tell of, if not `replaced`.
        """
        dialect = session.get_bind().dialect.name
        by_key = {tuple(one[name] for name in self.key): one for one in new}
        done: dict[tuple[Any, ...], Document] = {}
        # In one order, lest two callers wait for each other.
        for part in _parts([by_key[key] for key in sorted(by_key)]):
            rows: list[RowMapping] = []
            given: list[dict[str, Any]]
            if dialect == "postgresql":
                given = [{"documents": _json(part)}]
            else:
                given = [{f"new_{name}": value for name, value in _row(one, dialect).items()} for one in part]
            statement = _replacing(self, dialect)
            for values in given:
                values |= {"owner": organization_id, "done": action}
                rows += self.journal.enter(session, statement, values, user_id=user_id)
            changed = []
            for row in rows:
                key = tuple(row[name] for name in self.key)
                done[key] = document = by_key[key]
                if (_listed(row["had_tags"]), _listed(row["had_events"])) != _arrays(document):
                    changed.append((row["number"], document))
            self._replace_sides(session, changed)
        return done

    def _replace_sides(self, session: Session, changed: Sequence[tuple[int, Document]]) -> None:
        numbers = [number for number, _ in changed]
        for side in (self.tags, self.events) if numbers else ():
            session.execute(delete(side).where(side.c.number.in_(numbers)))
        self._add_sides(session, changed)

    def _add_sides(self, session: Session, new: Sequence[tuple[int, Document]]) -> None:
        for side, values_of in ((self.tags, documents.tags_of), (self.events, documents.events_of)):
            rows = [{"number": number, "value": value} for number, one in new for value in values_of(one)]
            if rows:
                session.connection().execute(insert(side), rows)


@cache
def _adding(storage: Storage) -> Executable:
    """Return the statement that adds documents and what their arrays hold (PostgreSQL)."""
    table, given = storage.table, _given(storage.table)
    names = _stored(table)
    new = _searched(given)
    preset: dict[str, ColumnElement[Any]] = {"organization_id": bindparam("owner", type_=String())}
    if "fence" in table.c:
        preset["fence"] = literal(0)
    chosen = select(*preset.values(), *(new[name] for name in names)).order_by(given.c.position)
    put = insert(table).from_select([*preset, *names], chosen, include_defaults=False)
    kept = dict.fromkeys(("number", "id", "organization_id", *storage.key, *storage.journal.data))
    put = put.returning(*(table.c[name] for name in kept), literal(storage.added, String()).label("action"))
    changed = put.cte("changed")
    same = and_(*(changed.c[name] == given.c[name] for name in dict.fromkeys((*storage.key, "id"))))
    sides = []
    for side, name in ((storage.tags, "tags"), (storage.events, "event")):
        each = func.json_array_elements_text(given.c[name]).table_valued("value", name=f"each_{name}").lateral()
        listed = select(cast(each.c.value, side.c.value.type), changed.c.number)
        listed = listed.select_from(changed.join(given, same).join(each, true()))
        sides.append(insert(side).from_select(["value", "number"], listed).cte(f"add_{name}"))
    return storage.journal.entered("postgresql", changed, *sides)


@cache
def _replacing(storage: Storage, dialect: str) -> Executable:
    """Return the statement that replaces documents (PostgreSQL) or one (SQLite), and tells what their arrays held."""
    table = storage.table
    if dialect == "postgresql":
        given = _given(table)
        new: Columns = _searched(given) | {"unlocks": given.c.unlocks}
    else:
        types = {"unlocks": Boolean()} | {name: table.c[name].type for name in _stored(table)}
        new = {name: bindparam(f"new_{name}", type_=type_) for name, type_ in types.items()}
    meant = and_(
        table.c.organization_id == bindparam("owner", type_=String()),
        *(table.c[name] == new[name] for name in storage.key),
        storage.replaceable(table.c, new),
    )
    change = update(table).values({name: new[name] for name in _stored(table)}).where(meant)
    if dialect == "postgresql":
        held = select(table.c.number).join_from(given, table, meant).order_by(*(table.c[name] for name in storage.key))
        held_first = held.with_for_update(of=table).cte("held").prefix_with("MATERIALIZED")
        change = change.where(table.c.number == held_first.c.number)
    listing = func.json_agg if dialect == "postgresql" else func.json_group_array
    had = [
        select(listing(side.c.value))
        .where(side.c.number == table.c.number)
        .correlate(table)
        .scalar_subquery()
        .label(label)
        for side, label in ((storage.tags, "had_tags"), (storage.events, "had_events"))
    ]
    kept = dict.fromkeys(("number", "id", "organization_id", *storage.key, *storage.journal.data))
    action = func.coalesce(bindparam("done", type_=String()), storage.replaced(table.c)).label("action")
    change = change.returning(*(table.c[name] for name in kept), action, *had)
    return storage.journal.entered(dialect, change)


def reported(columns: Columns) -> ColumnElement[str]:
    """Return the action of a work that was reported: how it ended, if it did."""
    return case((columns["status"].in_(FINISHED), columns["status"]), else_=literal("updated", String()))


def locked_or_updated(columns: Columns) -> ColumnElement[str]:
    """Return the action of an archived work that was replaced."""
    return case((columns["locked"], literal("locked", String())), else_=literal("updated", String()))


def _given(table: Table) -> CTE:
    """Return the rows of the parameter ``documents``, what `_json` made, as a table."""
    typed = [column(name, Text() if isinstance(type_, Body) else type_) for name, type_ in _types(table).items()]
    rows = func.json_to_recordset(cast(bindparam("documents", type_=Text()), JSON))
    return select(*rows.table_valued(*typed, name="documents").render_derived(with_types=True).c).cte("given")


def _types(table: Table) -> dict[str, Any]:
    given = {"position": BigInteger(), "unlocks": Boolean(), "tags": JSON(), "event": JSON()}
    return given | {name: table.c[name].type for name in _stored(table)}


def _searched(given: CTE) -> dict[str, ColumnElement[Any]]:
    columns: dict[str, ColumnElement[Any]] = dict(given.c.items())
    return columns | {"body": cast(func.coalesce(given.c.body, given.c.document), JSONB)}


def _stored(table: Table) -> list[str]:
    return [each.name for each in table.c if each.name not in _COPIES]


def _row(document: Document, dialect: str) -> dict[str, Any]:
    row = documents.columns_of(document, dialect)
    return row | {"unlocks": (document["results"] or {}).get("locked") is False}


def _json(new: Sequence[Document]) -> str:
    rows = []
    for position, one in enumerate(new):
        tags, events = _arrays(one)
        rows.append(_row(one, "postgresql") | {"position": position, "tags": [*tags], "event": [*events]})
    return orjson.dumps(rows).decode()


def _arrays(document: Document) -> tuple[set[str], set[float]]:
    return documents.tags_of(document), documents.events_of(document)


def _listed(found: Any) -> set[Any]:
    return set(orjson.loads(found) if isinstance(found, str) else found or ())


def _parts(new: Sequence[Document]) -> list[list[Document]]:
    remaining = iter(new)
    return [list(islice(remaining, _AT_ONCE)) for _ in range(0, len(new), _AT_ONCE)]
