"""Whether a database that speaks PostgreSQL's protocol does what PostgreSQL does, and this relies on."""

from sqlalchemy import Connection, text

from entrepot.db.engine import Database
from entrepot.db.faults import naming
from entrepot.errors import InvalidInput

OLDEST = 14
#: A lock that nobody takes for anything else.
_LOCK = text("SELECT pg_try_advisory_xact_lock(4994576205)")
_NUMBER = text("SHOW server_version_num")
_ROW = text("SELECT 1 FROM installation LIMIT 1 FOR UPDATE SKIP LOCKED")


def require_real(database: Database) -> None:
    """Raise unless locks are locks: some databases take them in their grammar, and grant each to everybody.

    Who trusted them would run a job twice, fire a schedule twice, and lose the second of two changes.

    Raises
    ------
    InvalidInput
        It is older than what is needed, or another kind of database.
    """
    if database.dialect != "postgresql":
        return
    with naming(), database.engine.connect() as one, one.begin(), database.engine.connect() as other, other.begin():
        found = str(one.scalar(_NUMBER))
        if not found.isdigit() or int(found) < OLDEST * 10_000:
            raise InvalidInput.field(
                "database_url", f"PostgreSQL {OLDEST} or newer is needed; this is {_version(one)}."
            )
        if one.scalar(_LOCK) and other.scalar(_LOCK):
            raise _not_real(one, "an advisory lock (pg_try_advisory_xact_lock) was granted to two at once")
        if one.scalar(text("SELECT to_regclass('installation')")) is None:
            return
        if one.execute(_ROW).all() and other.execute(_ROW).all():
            raise _not_real(one, "SKIP LOCKED returned a row that another transaction had locked")


def _not_real(connection: Connection, why: str) -> InvalidInput:
    return InvalidInput.field("database_url", f"This is no PostgreSQL ({_version(connection)}): {why}.")


def _version(connection: Connection) -> str:
    return str(connection.scalar(text("SELECT version()")))[:80]
