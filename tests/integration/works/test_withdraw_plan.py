"""Withdrawing does not walk through what waits in other pipelines, nor through what comes later in its own."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from entrepot.db import Database
from entrepot.identity import Principal
from entrepot.works import document as documents
from entrepot.works import queue
from entrepot.works import withdraw as withdrawal

WORKS = 2000


@pytest.mark.parametrize(
    "query",
    [{"pipeline": "p1"}, {"pipeline": {"$in": ["p1", "p2", "none"]}}, {"pipeline": {"$in": ["none", "nothing"]}}],
    ids=["one", "several", "empty"],
)
def test_few_rows_are_looked_at(
    database: Database, writer: Principal, make_work: Callable[..., dict[str, Any]], query: dict[str, Any]
) -> None:
    with database.write() as session:
        queue.deposit(session, writer, [make_work(f"p{number % 4}") for number in range(WORKS)])
    text = documents.dumps(query)
    candidates = withdrawal._compiled(database.dialect, writer.organization_id, text, 1)
    assert candidates
    statement = (candidates.every if candidates.heads is None else candidates.heads).limit(1)
    compiled = statement.compile(database.engine, compile_kwargs={"render_postcompile": True})
    with database.read() as session:
        connection = session.connection()
        if database.dialect == "sqlite":
            parameters = tuple(compiled.params[name] for name in compiled.positiontup or ())
            lines = [row.detail for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {compiled}", parameters)]
            searched = [line for line in lines if line.startswith(("SEARCH", "SCAN")) and "anon" not in line]
            assert searched
            assert all("pipeline=?" in line or "INTEGER PRIMARY KEY (rowid=?)" in line for line in searched), lines
            return
        (plan,) = connection.exec_driver_sql(f"EXPLAIN (ANALYZE, FORMAT JSON) {compiled}", compiled.params).scalar_one()
    looked_at = [node["Actual Rows"] * node["Actual Loops"] for node in _nodes(plan["Plan"])]
    assert max(looked_at) < 100, plan


def _nodes(node: dict[str, Any]) -> Iterator[dict[str, Any]]:
    # What a filter removes was looked at too.
    yield node | {"Actual Rows": node["Actual Rows"] + node.get("Rows Removed by Filter", 0)}
    for child in node.get("Plans", ()):
        yield from _nodes(child)
