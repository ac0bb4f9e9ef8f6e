"""Orders in which documents are returned."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement
from sqlalchemy.sql.selectable import FromClause

from entrepot.errors import InvalidInput


@dataclass(frozen=True)
class Order:
    """An order of documents: columns, each ascending or not."""

    columns: tuple[tuple[str, bool], ...]

    def of(self, table: FromClause) -> list[ColumnElement[Any]]:
        """Return the ORDER BY of a table."""
        return [table.c[name].asc() if ascending else table.c[name].desc() for name, ascending in self.columns]


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
