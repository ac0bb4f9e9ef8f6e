"""Archived works of a status that have a tag are counted by indexes, without reading the works."""

from collections.abc import Callable
from typing import Any

from sqlalchemy import text

from entrepot.db import Database
from entrepot.identity import Principal
from entrepot.works import archive
from entrepot.works import document as documents
from entrepot.works.collection import ARCHIVE
from entrepot.works.search import search_of

WORKS = 1500


def test_a_tag_with_a_status_is_counted_by_indexes(
    database: Database, writer: Principal, make_work: Callable[..., dict[str, Any]]
) -> None:
    works = [
        make_work(
            f"p{number % 20}",
            status="failure" if number % 10 == 0 else "success",
            tags=[f"tag{number % 7}", f"more{number % 11}"],
            parameters={"text": "x" * 500},
        )
        for number in range(WORKS)
    ]
    with database.write() as session:
        archive.deposit(session, writer, works)
    query = {"tags": "tag3", "status": "failure"}
    with database.read() as session:
        assert archive.count(session, writer, query) == sum(n % 7 == 3 and n % 10 == 0 for n in range(WORKS))
    statement = search_of(ARCHIVE.storage, ARCHIVE.live, database.dialect, documents.dumps(query)).statement("count")
    compiled = statement.params(owner=writer.organization_id).compile(
        database.engine, compile_kwargs={"literal_binds": True}
    )
    if database.dialect == "sqlite":
        with database.read() as session:
            lines = [row.detail for row in session.execute(text(f"EXPLAIN QUERY PLAN {compiled}"))]
        assert any("COVERING INDEX ix_archived_work_status" in line for line in lines), lines
        assert not any(line.startswith("SCAN archived_work") for line in lines), lines
        return
    with database.engine.connect() as connection:
        connection = connection.execution_options(isolation_level="AUTOCOMMIT")
        connection.execute(text("VACUUM ANALYZE archived_work, archived_work_tag"))
        lines = [row[0] for row in connection.execute(text(f"EXPLAIN {compiled}"))]
    assert any("Index Only Scan using ix_archived_work_status" in line for line in lines), lines
    assert not any("Seq Scan" in line for line in lines), lines
