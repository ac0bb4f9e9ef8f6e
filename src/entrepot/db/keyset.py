"""Lists by keyset: each page costs what the first one does, and none is missed while others insert and delete."""

import base64
import binascii
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import orjson
from sqlalchemy import ColumnElement, Index, Select, literal_column, text, tuple_
from sqlalchemy.orm import InstrumentedAttribute, Session

from entrepot.db.partial import partial
from entrepot.errors import InvalidInput

MOST = 1000


def along(column: InstrumentedAttribute[Any]) -> ColumnElement[Any]:
    """Return a number of the whole table's as lists of what is somebody's go by it: along :func:`listed`, and no other.

    Ordered by the bare number, a database may hold it to be cheaper to walk the table's own key, through all that is of
    others.
    """
    return column + literal_column("0")


def listed(table: str, *columns: str, where: str | None = None) -> Index:
    """Return the index that gives a page of a list in the order of its last column, of what the first ones say.

    With `where`, it holds only rows of which that is so, and only lists that say the same go by it.
    """
    *owners, number = columns
    name, along_it = f"ix_{table}_along", text(f"({number} + 0)")
    return Index(name, *owners, along_it) if where is None else partial(name, *owners, along_it, where=where)


def page(
    session: Session,
    query: Select[Any],
    order: Sequence[InstrumentedAttribute[Any]],
    *,
    limit: int,
    cursor: str | None = None,
    newest_first: bool = False,
) -> tuple[list[Any], str | None]:
    """Return a page of a query's first entity, and the cursor of the next page; None where there is none.

    Parameters
    ----------
    order
        Columns of the entity that order the list, the last of them unique; an index on them makes each page cost the
        same (where the only one is the table's key: :func:`listed`). What they hold is in the cursor, which is no
        secret: give none that is.
    newest_first
        Whether the order is reversed.

    Raises
    ------
    InvalidInput
        The cursor is none that this list gave.
    """
    columns = [along(order[0])] if _is_number(order) else [*order]
    if cursor is not None:
        after, values = tuple_(*columns), _read(cursor, order)
        query = query.where(after < values if newest_first else after > values)
    query = query.order_by(*(column.desc() if newest_first else column for column in columns))
    found = list(session.scalars(query.limit(limit + 1)))
    if len(found) <= limit:
        return found, None
    last = found[limit - 1]
    return found[:limit], _write([getattr(last, column.key) for column in order])


def _is_number(order: Sequence[InstrumentedAttribute[Any]]) -> bool:
    """Tell whether a list goes by the number of its table alone."""
    column = order[0].property.columns[0]
    return len(order) == 1 and [*column.table.primary_key] == [column]


def _write(values: list[Any]) -> str:
    return base64.urlsafe_b64encode(orjson.dumps(values)).rstrip(b"=").decode()


def _read(cursor: str, order: Sequence[InstrumentedAttribute[Any]]) -> tuple[Any, ...]:
    try:
        values = orjson.loads(base64.b64decode(cursor + "=" * (-len(cursor) % 4), b"-_", validate=True))
        if not isinstance(values, list) or len(values) != len(order):
            raise ValueError
        return tuple(_typed(value, column.type.python_type) for value, column in zip(values, order, strict=True))
    except (binascii.Error, ValueError, TypeError, OverflowError):
        raise InvalidInput.field("cursor", "This is no cursor of this list: leave it out to begin anew.") from None


def _typed(value: Any, kind: type) -> Any:
    if kind is datetime and isinstance(value, str):
        found = datetime.fromisoformat(value)
        return found if found.tzinfo else found.replace(tzinfo=UTC)
    if type(value) is not kind or (isinstance(value, int) and abs(value) >= 2**63) or "\0" in str(value):
        raise ValueError
    return value
