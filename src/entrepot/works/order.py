"""Orders in which documents are returned."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, UnaryExpression
from sqlalchemy.sql.operators import custom_op
from sqlalchemy.sql.selectable import FromClause

from entrepot.errors import InvalidInput

_PLUS: Any = custom_op("+")


@dataclass(frozen=True)
class Order:
    """An order of documents: columns, each ascending or not."""

    columns: tuple[tuple[str, bool], ...]

    def of(self, table: FromClause, *, unindexed: bool = False) -> list[ColumnElement[Any]]:
        """Return the ORDER BY of a table; on SQLite perhaps so that no index of it serves: ``+column`` is the same."""
        named: list[tuple[ColumnElement[Any], bool]] = [(table.c[name], up) for name, up in self.columns]
        if unindexed:
            named = [(UnaryExpression(column, operator=_PLUS), ascending) for column, ascending in named]
        return [column.asc() if ascending else column.desc() for column, ascending in named]


#: The fields that documents can be sorted by.
SORTABLE = ("id", "pipeline", "status", "site", "user", "priority", "creation", "start", "stop", "attempt")


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
