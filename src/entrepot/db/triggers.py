"""What guards and journals have in common, which are triggers on every table."""

from sqlalchemy import Connection, text

from entrepot.db.driver import on_driver

#: How long one table is waited for, whose writers have yet to end (PostgreSQL).
_PATIENCE = "4s"


def wait_briefly(connection: Connection) -> None:
    """Have a transaction on PostgreSQL give up a lock that it does not get soon."""
    on_driver(connection, "SELECT set_config('lock_timeout', %s, true)", (_PATIENCE,))


def drop_sqlite(connection: Connection, prefix: str) -> None:
    """Drop all triggers whose names begin so, on SQLite."""
    names = text("SELECT name FROM sqlite_master WHERE type = 'trigger' AND name LIKE :name")
    for name in connection.scalars(names, {"name": f"{prefix}%"}).all():
        on_driver(connection, f'DROP TRIGGER "{name}"')
