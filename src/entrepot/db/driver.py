"""Statements on the driver itself, where requests are many: compiled once, rows as the driver has them.

For statements of SQLAlchemy Core whose parameters and columns are numbers, texts and bytes, which no type converts.
What SQLAlchemy does around a statement takes several times as long as the statement.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from functools import lru_cache
from typing import Any

import orjson
from sqlalchemy import (
    ColumnElement,
    Connection,
    Dialect,
    Executable,
    Integer,
    String,
    Table,
    bindparam,
    func,
    insert,
    literal_column,
    select,
)
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.orm import InstrumentedAttribute, Session
from sqlalchemy.types import Boolean, Text, TypeEngine

from entrepot.db import wire
from entrepot.db.brief import Brief
from entrepot.db.faults import refused

BATCH = 500  # parameters of an IN list
Found = tuple[tuple[str, ...], list[tuple[Any, ...]]]


class Among(ColumnElement[bool]):
    """A column's value is one of a list: one parameter, however long it is, so that the statement stays the same.

    What it is a condition of has to name the table.
    """

    inherit_cache = False
    type = Boolean()

    def __init__(self, column: ColumnElement[Any] | InstrumentedAttribute[Any], name: str) -> None:
        self.column, self.name = column, name

    def self_group(self, against: Any = None) -> Any:
        """Stand in a condition as it is: to compare it with 1 would keep SQLite from its indexes."""
        return self


@compiles(Among, "sqlite")
def _among_sqlite(element: Among, compiler: Any, **options: Any) -> str:
    values = select(func.json_each(bindparam(element.name, type_=Text)).table_valued("value").c.value)
    return str(compiler.process(element.column.in_(values), **options))


@compiles(Among, "postgresql")
def _among_postgresql(element: Among, compiler: Any, **options: Any) -> str:
    kind: TypeEngine[Any] = ARRAY(element.column.type)
    return str(compiler.process(element.column == func.any(bindparam(element.name, type_=kind)), **options))


def word(text: str) -> ColumnElement[str]:
    """Return a word of our own as it stands in the statement.

    PostgreSQL makes one plan for all parameters of a statement that comes again: what is none of them tells it which
    index serves, such as one of the rows of a status.
    """
    assert text.replace(" ", "").replace("_", "").isalnum()
    return literal_column(f"'{text}'", String())


def whole(number: int) -> ColumnElement[int]:
    """Return a number as it stands in the statement, as :func:`word` does: such as how many rows are wanted."""
    return literal_column(str(int(number)), Integer())


def fetch(
    session: Session | Connection, statement: Executable, parameters: Mapping[str, Any], *, last: bool = False
) -> list[tuple[Any, ...]]:
    """Return all rows of a statement, in the transaction of a session; lists are for :class:`Among`.

    Parameters
    ----------
    last
        Whether the caller does nothing after it that has to be kept with it. Where nobody else does, either (see
        :meth:`entrepot.db.Database.at_once`), it is committed with the statement, in one round trip.
    """
    return _fetched(session, statement, parameters, last)[1]


def fetch_named(
    session: Session | Connection, statement: Executable, parameters: Mapping[str, Any], *, last: bool = False
) -> list[dict[str, Any]]:
    """Return all rows of a statement as :func:`fetch` does, by the names of its columns."""
    names, rows = _fetched(session, statement, parameters, last)
    return [dict(zip(names, row, strict=True)) for row in rows]


def _fetched(session: Session | Connection, statement: Executable, parameters: Mapping[str, Any], last: bool) -> Found:
    last = last and isinstance(session, Brief) and session.ends
    connection = session if isinstance(session, Connection) else _flushed(session)
    text, names, others = _compiled(statement, connection.dialect)
    given: Any = {**others, **parameters}
    if names is not None:
        given = [_listed(given[name]) for name in names]
    return _run(connection, text, given, last=last)


def add_rows(session: Session, table: Table, rows: Sequence[Mapping[str, Any]]) -> None:
    """Insert rows of the same columns, with values as the columns' types have them; what they leave out is NULL.

    Columns that the model gives a default have to be among them.
    """
    if not rows:
        return
    connection = _flushed(session)
    text, columns = _inserting(table, tuple(rows[0]), connection.dialect)
    given: Any = [[row[name] if kept is None else kept(row[name]) for name, kept in columns] for row in rows]
    if connection.dialect.positional:
        on_driver(connection, text, given, many=True)
    else:
        names = [name for name, _ in columns]
        on_driver(connection, text, [dict(zip(names, row, strict=True)) for row in given], many=True)


def given(value: Any, type_: TypeEngine[Any], dialect: Dialect) -> Any:
    """Return a value of a type as the driver takes it."""
    process = _giving(type_, dialect)
    return value if process is None else process(value)


@lru_cache(16)
def _giving(type_: TypeEngine[Any], dialect: Dialect) -> Any:
    return type_.dialect_impl(dialect).bind_processor(dialect)


def execute_many(
    session: Session, statement: Executable, rows: Sequence[Any], columns: list[str] | None = None
) -> None:
    """Execute a statement for each of the rows, which are mappings, or have these columns."""
    connection = _flushed(session)
    text, names, _ = _compiled(statement, connection.dialect)
    given: Any = rows
    if columns is not None and names != columns:
        given = [dict(zip(columns, row, strict=True)) for row in rows]
    if names is not None and names != columns:
        given = [tuple(row[name] for name in names) for row in given]
    on_driver(connection, text, given, many=True)


def on_driver(connection: Connection, text: str, parameters: Any = (), *, many: bool = False) -> list[tuple[Any, ...]]:
    """Execute SQL on the driver of a connection, with errors as SQLAlchemy raises them; return its rows, if any."""
    return _run(connection, text, parameters, many=many)[1]


def _run(connection: Connection, text: str, parameters: Any, *, many: bool = False, last: bool = False) -> Found:
    driver, dialect = connection.connection, connection.dialect
    cursor: Any = None
    try:
        if isinstance(parameters, dict) and dialect.name == "postgresql":
            own: Any = driver.driver_connection
            found = wire.execute(own, text, parameters, last=last)
            if found is not None:
                return found
        cursor = driver.cursor()
        # Closed here, whatever comes: one that an error held until it is collected would wait for the connection then,
        # with Python's own lock in its hand, while that waits for the lock of the database.
        with closing(cursor):
            if many:
                cursor.executemany(text, parameters)
            else:
                cursor.execute(text, parameters)
            if not cursor.description:
                return (), []
            return tuple(column[0] for column in cursor.description), cursor.fetchall()
    except dialect.loaded_dbapi.Error as error:
        if (guarded := refused(error)) is not None:
            raise guarded from error
        gone = dialect.is_disconnect(error, driver, cursor)
        if gone:
            connection.invalidate(error)
        raise DBAPIError.instance(
            text, None, error, dialect.loaded_dbapi.Error, connection_invalidated=gone, dialect=dialect
        ) from error


def _flushed(session: Session) -> Connection:
    session.flush()
    return session.connection()


@lru_cache(256)
def _compiled(statement: Executable, dialect: Dialect) -> tuple[str, list[str] | None, dict[str, Any]]:
    """Return the text of a statement, the order of its parameters if they have no names, and those that are its own."""
    compiled: Any = statement.compile(  # type: ignore[attr-defined]
        dialect=dialect, compile_kwargs={"render_postcompile": True}
    )
    own = {name: value for name, value in compiled.params.items() if value is not None}
    return compiled.string, compiled.positiontup, own


@lru_cache(256)
def _inserting(
    table: Table, names: tuple[str, ...], dialect: Dialect
) -> tuple[str, list[tuple[str, Callable[[Any], Any] | None]]]:
    """Return the text of an insertion, and its columns in order, each with what makes a value the driver's."""
    compiled: Any = insert(table).inline().compile(dialect=dialect, column_keys=list(names))
    return compiled.string, [
        (name, table.c[name].type.dialect_impl(dialect).bind_processor(dialect))
        for name in compiled.positiontup or names
    ]


def _listed(value: Any) -> Any:
    """Return a list as SQLite takes it."""
    return orjson.dumps(value).decode() if isinstance(value, list) else value
