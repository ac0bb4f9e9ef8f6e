"""What speaks PostgreSQL's protocol and keeps no locks is refused; other databases are imitated by what they do."""

import pytest
from sqlalchemy import text

from entrepot.db import Database, installation
from entrepot.db.real import require_real
from entrepot.errors import InvalidInput

#: Found before PostgreSQL's own, where the search path says so.
LIKE_COCKROACH = """
CREATE SCHEMA other;
CREATE FUNCTION other.pg_try_advisory_xact_lock(bigint) RETURNS boolean LANGUAGE sql AS 'SELECT true';
CREATE FUNCTION other.version() RETURNS text LANGUAGE sql AS $$SELECT 'CockroachDB CCL v25.4'$$;
"""


def test_a_real_one_is_taken(database: Database) -> None:
    require_real(database)
    with database.write() as session:
        installation.find_or_make(session)
        require_real(database)  # beside a server that begins at the same moment
    require_real(database)


def test_one_whose_locks_everybody_gets_is_refused(database: Database, database_kind: str) -> None:
    if database_kind == "sqlite":
        pytest.skip("there is one SQLite")
    with database.write() as session:
        session.execute(text(LIKE_COCKROACH))
    other = Database(f"{database.url}?options=-csearch_path%3Dother,public,pg_catalog")
    try:
        with pytest.raises(InvalidInput, match=r"no PostgreSQL \(CockroachDB CCL v25.4\): an advisory lock"):
            require_real(other)
    finally:
        other.close()


@pytest.mark.parametrize(("number", "is_taken"), [("130014", False), ("140000", True), ("", False)])
def test_an_old_one_is_refused(
    database: Database, database_kind: str, number: str, is_taken: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if database_kind == "sqlite":
        pytest.skip("SQLite comes with the installation")
    monkeypatch.setattr("entrepot.db.real._NUMBER", text(f"SELECT '{number}'"))
    if is_taken:
        require_real(database)
    else:
        with pytest.raises(InvalidInput, match="PostgreSQL 14 or newer is needed; this is PostgreSQL"):
            require_real(database)
