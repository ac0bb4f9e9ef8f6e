"""The database that everything goes to: whose it is, how far it has got, and what makes it one that can be served."""

from collections.abc import Mapping, Sequence

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Connection,
    MetaData,
    String,
    Table,
    Text,
    delete,
    event,
    func,
    insert,
    inspect,
    select,
    text,
    update,
)

from entrepot.db import Database, Json, journal, migrate, real
from entrepot.db.driver import on_driver
from entrepot.errors import Conflict

_tables = MetaData()
#: Whose target this is; as long as there is one, no server starts on the database.
MARK = Table(journal.MARK, _tables, Column("token", String(64), primary_key=True))
#: How far each table is: the last key that was copied, and the hash of all rows once they were compared.
PROGRESS = Table(
    "moving_table",
    _tables,
    Column("name", String(100), primary_key=True),
    Column("after", Json),
    Column("copied", Boolean, default=False, nullable=False),
    Column("digest", String(32)),
)
#: The files that are there.
FILES = Table(
    "moving_file",
    _tables,
    Column("name", Text, primary_key=True),
    Column("mark", Text, nullable=False),
    Column("key", Text),
    Column("size", BigInteger, nullable=False),
    Column("sha256", String(64)),
)
#: Foreign keys that wait for the rows that they refer to.
_FOREIGN = Table(
    "moving_foreign_key",
    _tables,
    Column("relation", String(100), primary_key=True),
    Column("name", String(100), primary_key=True),
    Column("definition", Text, nullable=False),
)
_FOREIGN_KEYS = """
SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid) FROM pg_constraint
WHERE contype = 'f' AND conparentid = 0 AND connamespace = current_schema()::regnamespace
"""


class Target:
    """A database on its way to become the other's equal."""

    def __init__(self, database: Database) -> None:
        self.database = database
        if database.dialect == "sqlite":
            # Rows come before those that they refer to; all are there at the end.
            event.listen(database.engine, "connect", _without_foreign_keys)

    def prepare(self, token: str) -> None:
        """Make the tables of a database that is empty, or go on with what the same move began.

        Raises
        ------
        Conflict
            Something else is in it.
        """
        database = self.database
        if not journal.is_target(database):
            with database.engine.connect() as connection:
                if found := inspect(connection).get_table_names():
                    raise Conflict(f"The database that everything is to go to is not empty: it has {found[0]}.")
            real.require_real(database)
        with database.write() as session:
            connection = session.connection()
            _tables.create_all(connection)
            if (known := session.scalar(select(MARK.c.token))) is None:
                session.execute(insert(MARK).values(token=token))
            elif known != token:
                raise Conflict("The database that everything is to go to is that of another move.")
        revision = migrate.current(database)
        if revision is None:
            migrate.upgrade(database)
        elif revision != migrate.head():
            raise Conflict("The move was begun by another version: give it up (--give-up), and begin it anew.")
        database.close()  # the connection that did it looks at foreign keys from now on
        if database.dialect == "postgresql":
            self._lay_foreign_keys_aside()

    def progress(self, names: Sequence[str]) -> dict[str, Mapping[str, object]]:
        """Return how far each table is."""
        with self.database.write() as session:
            known = {row["name"]: dict(row) for row in session.execute(select(PROGRESS)).mappings()}
            for name in names:
                if name not in known:
                    session.execute(insert(PROGRESS).values(name=name, copied=False))
                    known[name] = {"name": name, "after": None, "copied": False, "digest": None}
        return dict(known)

    def settle(self, highest: Mapping[tuple[str, str], int]) -> None:
        """Have numbers go on after the highest ones, and rows refer to others again; it can be served then.

        Parameters
        ----------
        highest
            The highest number that was ever given, by table and column.
        """
        with self.database.write() as session:
            connection = session.connection()
            for (table, column), number in highest.items():
                (_number_sqlite if self.database.dialect == "sqlite" else _number_postgresql)(
                    connection, table, column, number
                )
            for relation, name, definition in session.execute(select(_FOREIGN)).all():
                # Rows that are there are looked at afterwards, while the server serves.
                partitioned = session.scalar(
                    text("SELECT relkind = 'p' FROM pg_class WHERE oid = CAST(:name AS regclass)"), {"name": relation}
                )
                later = "" if partitioned else " NOT VALID"
                on_driver(connection, f'ALTER TABLE {relation} ADD CONSTRAINT "{name}" {definition}{later}')
            _tables.drop_all(connection)

    def validate(self) -> None:
        """Have PostgreSQL make sure that all rows refer to rows that are there, while everybody goes on."""
        if self.database.dialect != "postgresql":
            return
        with self.database.read() as session:
            found = session.execute(text(_FOREIGN_KEYS.strip() + " AND NOT convalidated")).all()
        for relation, name, _ in found:
            with self.database.write() as session:
                on_driver(session.connection(), f'ALTER TABLE {relation} VALIDATE CONSTRAINT "{name}"')

    def _lay_foreign_keys_aside(self) -> None:
        with self.database.write() as session:
            connection = session.connection()
            for relation, name, definition in session.execute(text(_FOREIGN_KEYS)).all():
                session.execute(insert(_FOREIGN).values(relation=relation, name=name, definition=definition))
                on_driver(connection, f'ALTER TABLE {relation} DROP CONSTRAINT "{name}"')


def record(connection: Connection, name: str, **values: object) -> None:
    """Note how far a table is."""
    connection.execute(update(PROGRESS).where(PROGRESS.c.name == name).values(values))


def note_file(connection: Connection, **values: object) -> None:
    """Note that a file is there."""
    forget_file(connection, str(values["name"]))
    connection.execute(insert(FILES).values(values))


def forget_file(connection: Connection, name: str) -> None:
    """Note that a file is there no longer."""
    connection.execute(delete(FILES).where(FILES.c.name == name))


def highest(database: Database, tables: Sequence[Table]) -> dict[tuple[str, str], int]:
    """Return the highest number that was ever given in each column that numbers rows."""
    found: dict[tuple[str, str], int] = {}
    with database.read() as session:
        given = dict[str, int]()
        if database.dialect == "sqlite":
            given |= {row.name: row.seq for row in session.execute(text("SELECT name, seq FROM sqlite_sequence"))}
        for table in tables:
            column = table.autoincrement_column
            if column is None:
                continue
            number = session.scalar(select(func.max(column))) or 0
            if database.dialect == "postgresql":
                sequence = session.scalar(select(func.pg_get_serial_sequence(f'"{table.name}"', column.name)))
                if sequence is not None:
                    last = text(f"SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM {sequence}")  # noqa: S608
                    given[table.name] = session.scalar(last) or 0
            found[table.name, column.name] = max(number, given.get(table.name, 0))
    return {place: number for place, number in found.items() if number > 0}


def _number_sqlite(connection: Connection, table: str, _column: str, number: int) -> None:
    if "AUTOINCREMENT" in on_driver(connection, "SELECT sql FROM sqlite_master WHERE name = ?", (table,))[0][0].upper():
        on_driver(connection, "DELETE FROM sqlite_sequence WHERE name = ?", (table,))
        on_driver(connection, "INSERT INTO sqlite_sequence (name, seq) VALUES (?, ?)", (table, number))


def _number_postgresql(connection: Connection, table: str, column: str, number: int) -> None:
    on_driver(
        connection,
        "SELECT setval(pg_get_serial_sequence(%s, %s), %s)",
        (f'"{table}"', column, number),
    )


def _without_foreign_keys(connection: object, _record: object) -> None:
    connection.execute("PRAGMA foreign_keys=OFF")  # type: ignore[attr-defined]
