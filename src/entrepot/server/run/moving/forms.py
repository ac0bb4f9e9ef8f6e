"""Rows of a table on their way: in which form the other database has them, and a hash that is the same in both."""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from hashlib import blake2b
from typing import Any

import orjson
from sqlalchemy import (
    ColumnElement,
    Connection,
    CursorResult,
    Double,
    Float,
    LargeBinary,
    Table,
    literal,
    select,
    tuple_,
)

from entrepot.db import Instant, Json
from entrepot.db.types import Body
from entrepot.works.carried import carried

Key = tuple[Any, ...]
#: Hashes of rows are added up, so that their order is no matter.
MODULUS = 2**128
_KEYS_AT_ONCE = 200
_OPTIONS = orjson.OPT_SORT_KEYS | orjson.OPT_NON_STR_KEYS
#: A number that was written with an exponent, if not a text that looks like one.
_EXPONENT = re.compile(rb"\d[eE][-+]?\d")
#: Integers from here on are read as floats everywhere.
_LARGE = 2.0**63


class Form:
    """What is to be known of a table.

    Parameters
    ----------
    dialect
        Of the database that its rows go to.
    """

    def __init__(self, table: Table, dialect: str) -> None:
        self.table, self.name, self._dialect = table, table.name, dialect
        self.key_columns = list(table.primary_key.columns)
        self._names = [column.name for column in table.columns]
        self._key_names = [column.name for column in self.key_columns]
        self._plain = [
            (column.name, plain) for column in table.columns if (plain := _plain_of(column.type)) is not None
        ]

    def carried(self, row: Mapping[str, Any]) -> dict[str, Any]:
        """Return a row as the target has it."""
        return carried(self.table, dict(row), self._dialect)

    def key(self, row: Mapping[str, Any]) -> Key:
        """Return the key of a row."""
        return tuple(row[name] for name in self._key_names)

    def digest(self, row: Mapping[str, Any]) -> int:
        """Return the hash of a row of the target, or of one that was :meth:`carried`."""
        values = dict(row)
        for name, plain in self._plain:
            if values[name] is not None:
                values[name] = plain(values[name])
        text = repr([values[name] for name in self._names])
        return int.from_bytes(blake2b(text.encode(errors="surrogatepass"), digest_size=16).digest())

    def digests(self, rows: Iterable[Mapping[str, Any]]) -> dict[Key, int]:
        """Return the hashes of rows by their keys."""
        return {self.key(row): self.digest(row) for row in rows}

    def after(self, connection: Connection, key: Sequence[Any] | None, most: int) -> list[Mapping[str, Any]]:
        """Return the rows that follow on a key."""
        query = select(self.table).order_by(*self.key_columns).limit(most)
        if key is not None:
            given = [literal(part, column.type) for part, column in zip(key, self.key_columns, strict=True)]
            own = self.key_columns
            query = query.where(own[0] > given[0] if len(own) == 1 else tuple_(*own) > tuple_(*given))
        return rows_of(connection.execute(query))

    def among(self, keys: Sequence[Key]) -> ColumnElement[bool]:
        """Return the condition that a row is one of those with these keys."""
        if len(self.key_columns) == 1:
            return self.key_columns[0].in_([key[0] for key in keys])
        return tuple_(*self.key_columns).in_(keys)

    def find(self, connection: Connection, keys: Sequence[Key]) -> list[Mapping[str, Any]]:
        """Return the rows with these keys, as far as there are any."""
        found = (connection.execute(select(self.table).where(self.among(some))) for some in parts(keys))
        return [row for result in found for row in rows_of(result)]


def parts(keys: Sequence[Key]) -> Iterable[Sequence[Key]]:
    """Return keys as many at a time as a statement takes."""
    return (keys[start : start + _KEYS_AT_ONCE] for start in range(0, len(keys), _KEYS_AT_ONCE))


def rows_of(result: CursorResult[Any]) -> list[Mapping[str, Any]]:
    """Return all rows of a result by the names of their columns."""
    rows: Any = result.mappings().all()
    return list(rows)


def _plain_of(type_: Any) -> Callable[[Any], Any] | None:
    """Return what makes values of a type the same, whichever database they come from."""
    match type_:
        case Instant():
            return lambda value: value.isoformat()
        case LargeBinary():
            return lambda value: blake2b(value, digest_size=16).digest()
        case Json():
            return _json
        case Body():
            return lambda value: _json(orjson.loads(value) if isinstance(value, str) else value)
        case Double() | Float():
            return lambda value: value + 0.0  # SQLite has no negative zero
    return None


def _json(value: Any) -> bytes:
    """Return JSON with its keys in order, and its numbers as they read: PostgreSQL keeps neither."""
    text = orjson.dumps(value, option=_OPTIONS)
    return orjson.dumps(_whole(value), option=_OPTIONS) if _EXPONENT.search(text) else text


def _whole(value: Any) -> Any:
    match value:
        case dict():
            return {name: _whole(one) for name, one in value.items()}
        case list():
            return [_whole(one) for one in value]
        case float() if value.is_integer() and abs(value) < _LARGE:
            return int(value)
    return value
