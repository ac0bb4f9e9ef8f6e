"""Queries compiled to SQL: what the database decides, and what is left to the exact matcher."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from sqlalchemy import ColumnElement, and_, case, false, not_, or_, true

from entrepot.works.query import body, postgresql, sqlite
from entrepot.works.query.columns import (
    ColumnSpec,
    MultikeySpec,
    column_condition,
    expression_condition,
    multikey_condition,
)
from entrepot.works.query.match import matches
from entrepot.works.query.nodes import AllOf, AnyOf, Every, Expr, Field, Not, Query
from entrepot.works.query.searchable import Dialect
from entrepot.works.query.steps import Steps
from entrepot.works.query.tri import UNKNOWN, Tri, all_of, any_of, negation


@dataclass(frozen=True, slots=True)
class Plan:
    """A compiled query.

    Attributes
    ----------
    where
        The condition for SQL: holds for every document that matches, and, when `residual` is None, for no other.
    residual
        None, or the exact test of a decoded document, which counts its steps.
    needs_residual
        None, or the condition that a row of `where` must be tested by `residual`; the other rows of `where` match. To
        count: the rows of ``where and not needs_residual``, and those of ``where and needs_residual`` that pass.
    """

    where: ColumnElement[bool]
    residual: "Callable[[dict[str, Any], Steps | None], bool] | None"
    needs_residual: ColumnElement[bool] | None
    _conditions: tuple[dict[str, Any], ...]

    @property
    def quick(self) -> bool:
        """Whether no document is read to decide it: columns and side tables say all."""
        kept = {"column", "columns", "side table"}
        return self.residual is None and all(one["by"] in kept for one in self._conditions)

    def explain(self) -> dict[str, Any]:
        """Return, for JSON, who decides each condition: columns, side tables, the body in SQL, or the matcher."""
        return {"exact": self.residual is None, "conditions": list(self._conditions)}


def compile_query(
    query: Query,
    *,
    dialect: Dialect,
    body: ColumnElement[Any],
    columns: Mapping[str, ColumnSpec] | None = None,
    multikey: Mapping[str, MultikeySpec] | None = None,
    opaque: ColumnElement[bool] | None = None,
    bodies: bool = True,
    live: Collection[str] = (),
) -> Plan:
    """Compile a query.

    Parameters
    ----------
    query
        What `parse` returned.
    dialect
        ``sqlite`` or ``postgresql``. Connections of SQLite need `register_sqlite_functions`.
    body
        The column of what `searchable` made of the documents: JSON as text or JSONB in SQLite, ``jsonb`` in PostgreSQL.
    columns
        By path, the columns that hold a copy of the value.
    multikey
        By path, the side tables that hold a row a value.
    opaque
        The column of the flag that `searchable` returned. Without it there must be no opaque document.
    bodies
        Whether bodies may be read. Otherwise `where` is what is said without: of which documents they must be.
    live
        Fields of which the body does not know: what no column says of them, the matcher does.
    """
    compiler = _Compiler(dialect, body, columns or {}, multikey or {}, opaque, bodies, live)
    condition = compiler.compile(query, compiler.room)
    exact = condition.exact
    return Plan(
        where=condition.may,
        residual=None if exact else partial(matches, query),
        needs_residual=None if exact else not_(condition.must),
        _conditions=tuple(compiler.conditions),
    )


@dataclass
class _Compiler:
    dialect: Dialect
    column: ColumnElement[Any]
    columns: Mapping[str, ColumnSpec]
    multikey: Mapping[str, MultikeySpec]
    opaque: ColumnElement[bool] | None
    bodies: bool = True
    live: Collection[str] = ()
    conditions: list[dict[str, Any]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._columns_by_path = {tuple(name.split(".")): spec for name, spec in self.columns.items()}
        self.room = sqlite.ROOM if self.dialect == "sqlite" else postgresql.ROOM
        self._place: body.Place = (
            sqlite.SqlitePlace(self.column) if self.dialect == "sqlite" else postgresql.PostgresPlace(self.column)
        )

    def compile(self, query: Query, room: int) -> Tri:
        """Return the condition of a query; `room` is what is left of the SQL parser's stack."""
        if room < 0 or (isinstance(query, Field) and not self._place.budget.spend(query.test)):
            return self._explained(query, "matcher", UNKNOWN)
        match query:
            case AllOf(parts):
                return all_of([self.compile(part, room - body.JOIN_ROOM) for part in parts])
            case AnyOf(parts):
                return any_of([self.compile(part, room - body.JOIN_ROOM) for part in parts])
            case Not(part):
                return negation(self.compile(part, room - body.NOT_ROOM))
            case Field():
                return self._field(query, room)
            case Every():
                return body.every_condition(query, lambda field: self.compile(field, room - body.JOIN_ROOM))
            case Expr(expression):
                condition = expression_condition(expression, self._columns_by_path)
                return self._explained(query, "columns", condition)

    def _field(self, query: Field, room: int) -> Tri:
        spec = self.columns.get(query.name)
        told = column_condition(spec, query.test, self.dialect) if spec else None
        if spec and told:
            if spec.kind == "flag" or spec.null != "unknown":
                return self._explained(query, "column", told)
            unknown = Tri(spec.column.is_(None), spec.column.is_(None))
            return self._explained(
                query, "column or body", any_of([told, all_of([unknown, self._in_body(query, room - 6)])])
            )
        if query.name.partition(".")[0] in self.live:
            return self._explained(query, "matcher", UNKNOWN)
        side_table = self.multikey.get(query.name)
        listed = multikey_condition(side_table, query.test) if side_table else None
        if listed is None:
            return self._explained(query, "body", self._in_body(query, room))
        condition, exact = listed
        if exact:
            return self._explained(query, "side table", Tri(condition, condition))
        narrowed = self._in_body(query, room - 3).map(lambda bound: and_(condition, bound))
        return self._explained(query, "side table and body", narrowed)

    def _in_body(self, query: Field, room: int) -> Tri:
        if not self.bodies:
            return UNKNOWN
        condition = body.field_condition(self._place, query, room)
        if self.dialect == "postgresql":
            # PostgreSQL knows nothing of what bodies hold, and takes a bare condition for one that hardly any meets: to
            # find a page of them it would read all. Half of them is the estimate that costs the least when it is wrong.
            condition = condition.map(lambda bound: case((bound, true()), else_=false()))
        if self.opaque is None:
            return condition
        return Tri(or_(self.opaque, condition.may), and_(not_(self.opaque), condition.must))

    def _explained(self, query: Query, by: str, condition: Tri) -> Tri:
        if condition is UNKNOWN:
            by = "matcher"
        elif not condition.exact:
            by += " and matcher"
        name = query.name if isinstance(query, Field) else "$expr" if isinstance(query, Expr) else "nested query"
        test = type(query.test).__name__ if isinstance(query, Field) else type(query).__name__
        self.conditions.append({"path": name, "test": test, "by": by, "exact": condition.exact})
        return condition
