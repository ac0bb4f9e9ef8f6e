"""The keys of all rows that change, noted by triggers from :func:`begin` to :func:`end`.

What is noted is in the transaction of the change itself, so that it is missed by nobody, whoever wrote. There is no
order in it that could be trusted (on PostgreSQL, numbers become visible later than higher ones): who has seen to some
of it takes away those very entries.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from sqlalchemy import Connection, Table, inspect, text
from sqlalchemy.orm import Session

from entrepot.db import triggers
from entrepot.db.driver import on_driver
from entrepot.db.engine import Database

#: With this begin the names of all tables that a move makes for itself.
PREFIX = "moving_"
CHANGES, MARK = f"{PREFIX}change", f"{PREFIX}mark"
_NAME = "entrepot_moving"
_AT_ONCE = 500
_ALL, _ANY = f"SELECT * FROM {CHANGES}", f"SELECT 1 FROM {CHANGES} LIMIT 1"  # noqa: S608 - names of our own
_TAKE = f"DELETE FROM {CHANGES} WHERE number IN"  # noqa: S608
Key = tuple[Any, ...]


def begin(database: Database, tables: Sequence[Table]) -> None:
    """Have changes noted from now on; nothing happens where they are already."""
    parts = [f"k{number}" for number in range(max(len(table.primary_key.columns) for table in tables))]
    with database.write() as session:
        connection = session.connection()
        if database.dialect == "sqlite":
            # Without types, values stay what they are.
            columns = f"number INTEGER PRIMARY KEY, name TEXT NOT NULL, {', '.join(parts)}"
        else:
            columns = "number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, name text NOT NULL, "
            columns += ", ".join(f"{part} text" for part in parts)
        on_driver(connection, f"CREATE TABLE IF NOT EXISTS {CHANGES} ({columns})")
        if database.dialect == "sqlite":
            for table in tables:
                for statement in _sqlite(table):
                    on_driver(connection, statement)
            return
    for table in tables:
        # A transaction each; its lock waits for those that write to the table, so that the next change is noted.
        with database.write() as session:
            connection = session.connection()
            triggers.wait_briefly(connection)
            for statement in _postgresql(table):
                on_driver(connection, statement)


def end(database: Database) -> None:
    """Note changes no longer, and leave nothing of what was noted."""
    with database.write() as session:
        connection = session.connection()
        if database.dialect == "sqlite":
            triggers.drop_sqlite(connection, _NAME)
        else:
            functions = text("SELECT proname FROM pg_proc WHERE proname LIKE :name")
            for name in connection.scalars(functions, {"name": f"{_NAME}%"}).all():
                on_driver(connection, f'DROP FUNCTION "{name}"() CASCADE')
        on_driver(connection, f"DROP TABLE IF EXISTS {CHANGES}")


def noted(connection: Connection, tables: Iterable[Table]) -> tuple[list[int], dict[str, set[Key]]]:
    """Return what this snapshot sees noted: the numbers of the entries, and the keys by table."""
    read = {table.name: _readers(table, connection.dialect.name) for table in tables}
    numbers: list[int] = []
    keys: dict[str, set[Key]] = {}
    for number, name, *parts in on_driver(connection, _ALL):
        numbers.append(number)
        # A key has fewer parts than there are columns.
        keys.setdefault(name, set()).add(tuple(make(part) for make, part in zip(read[name], parts, strict=False)))
    return numbers, keys


def is_empty(connection: Connection) -> bool:
    """Tell whether nothing is noted."""
    return not on_driver(connection, _ANY)


def is_target(database: Database) -> bool:
    """Tell whether a move into a database has begun and not ended."""
    with database.engine.connect() as connection:
        return inspect(connection).has_table(MARK)


def take(session: Session, numbers: Sequence[int]) -> None:
    """Take away the entries that were seen to."""
    for start in range(0, len(numbers), _AT_ONCE):
        some = ", ".join(map(str, numbers[start : start + _AT_ONCE]))
        on_driver(session.connection(), f"{_TAKE} ({some})")


def _readers(table: Table, dialect: str) -> list[Callable[[Any], Any]]:
    columns = table.primary_key.columns
    return [column.type.python_type if dialect == "postgresql" else _as_it_is for column in columns]


def _as_it_is(value: Any) -> Any:
    return value


def _sqlite(table: Table) -> list[str]:
    keys = [f'"{column.name}"' for column in table.primary_key.columns]
    other = " OR ".join(f"OLD.{key} IS NOT NEW.{key}" for key in keys)
    old, new = (_noting(table, [f"{row}.{key}" for key in keys]) for row in ("OLD", "NEW"))
    bodies = {"insert": new, "update": f"{old} {_noting(table, [f'NEW.{key}' for key in keys], other)}", "delete": old}
    return [
        f'CREATE TRIGGER IF NOT EXISTS "{_NAME}_{event}_{table.name}" AFTER {event} ON "{table.name}" BEGIN {body} END'
        for event, body in bodies.items()
    ]


def _postgresql(table: Table) -> list[str]:
    keys = [f'"{column.name}"' for column in table.primary_key.columns]
    other = " OR ".join(f"OLD.{key} IS DISTINCT FROM NEW.{key}" for key in keys)
    old, new = (_noting(table, [f"{row}.{key}::text" for key in keys]) for row in ("OLD", "NEW"))
    name = f'"{_NAME}_{table.name}"'
    function = f"""
        CREATE OR REPLACE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS $noting$
        BEGIN
          IF TG_OP <> 'INSERT' THEN {old} END IF;
          IF TG_OP = 'INSERT' THEN {new} ELSIF TG_OP = 'UPDATE' THEN IF {other} THEN {new} END IF; END IF;
          RETURN NULL;
        END $noting$
        """
    trigger = f"""
        CREATE OR REPLACE TRIGGER {name} AFTER INSERT OR UPDATE OR DELETE ON "{table.name}"
        FOR EACH ROW EXECUTE FUNCTION {name}()
        """
    return [function, trigger]


def _noting(table: Table, values: Sequence[str], where: str | None = None) -> str:
    columns = ", ".join(f"k{number}" for number in range(len(values)))
    condition = "" if where is None else f" WHERE {where}"
    return f"INSERT INTO {CHANGES} (name, {columns}) SELECT '{table.name}', {', '.join(values)}{condition};"
