"""The archives that `works.py` compares: Entrepot's, and what somebody would write with PostgreSQL alone."""

from typing import Any

import psycopg
from works_data import Query
from works_data import text as compact
from works_servers import Site

from entrepot.works import archive


class ByHand:
    """What somebody would write with PostgreSQL alone: JSONB, a GIN index, an index each for ids and creation."""

    def __init__(self, conninfo: str) -> None:
        self._connection = psycopg.connect(conninfo, autocommit=True)
        self._connection.execute(
            "CREATE TABLE doc (id text PRIMARY KEY, creation double precision, body jsonb COMPRESSION lz4);"
            "CREATE INDEX ON doc USING gin (body jsonb_path_ops); CREATE INDEX ON doc (creation)"
        )

    def deposit(self, batch: list[dict[str, Any]]) -> None:
        """Insert documents in one transaction."""
        rows = [(one["id"], one["creation"], compact(one)) for one in batch]
        with self._connection.transaction(), self._connection.cursor() as cursor:
            cursor.executemany("INSERT INTO doc VALUES (%s, %s, %s)", rows)

    def tidy(self) -> None:
        """Have the database know what it has."""
        self._connection.execute("VACUUM ANALYZE doc")

    def count(self, query: Query) -> int:
        """Count."""
        row = self._connection.execute(f"SELECT count(*) FROM doc WHERE {query.sql}").fetchone()
        assert row
        return int(row[0])

    def newest(self, query: Query) -> list[Any]:
        """Return the newest 100; what the GIN index finds is sorted after, not searched for by creation."""
        found = f"SELECT creation, body FROM doc WHERE {query.sql}"
        if query.by_gin:
            found = f"WITH m AS MATERIALIZED ({found}) SELECT * FROM m"
        return self._connection.execute(f"{found} ORDER BY creation DESC LIMIT 100").fetchall()

    def close(self) -> None:
        """Disconnect."""
        self._connection.close()


class Archive:
    """One of the ways into Entrepot's archive."""

    def __init__(self, site: Site, *, http: bool) -> None:
        self._site, self._http = site, http

    def deposit(self, batch: list[dict[str, Any]]) -> None:
        """Deposit documents in one transaction."""
        if self._http:
            self._site.post("/archive", batch)
            return
        with self._site.database.write() as session:
            archive.deposit(session, self._site.principal, batch)

    def count(self, query: Query) -> int:
        """Count."""
        if self._http:
            return int(self._site.post("/archive/count", {"query": query.mongo})["count"])
        with self._site.database.read() as session:
            return archive.count(session, self._site.principal, query.mongo)

    def newest(self, query: Query) -> list[Any]:
        """Return the newest 100."""
        if self._http:
            asked = {"query": query.mongo, "sort": [["creation", -1]], "limit": 100}
            found: list[Any] = self._site.post("/archive/view", asked)
            return found
        with self._site.database.read() as session:
            order = [("creation", -1)]
            return list(archive.view(session, self._site.principal, query.mongo, limit=100, sort=order))
