"""A page of the few works that an id, a parent or an event finds is sorted from these; SQLite would walk all works."""

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import text

from entrepot.db import Database
from entrepot.identity import Principal
from entrepot.works import archive
from entrepot.works import document as documents
from entrepot.works.collection import ARCHIVE
from entrepot.works.order import order_of
from entrepot.works.search import search_of

WORKS = 40


@pytest.fixture
def database_kind() -> str:
    """PostgreSQL knows how many a condition finds."""
    return "sqlite"


def test_a_page_of_few_is_looked_up(
    database: Database, writer: Principal, make_work: Callable[..., dict[str, Any]]
) -> None:
    works = [
        make_work("p", id=f"{n:02}", status="success", creation=n, event=[n], config={"parent": f"parent{n % 10}"})
        for n in range(WORKS)
    ]
    with database.write() as session:
        archive.deposit(session, writer, works)
    order = [("creation", -1)]
    for query, found in (
        ({"id": {"$in": ["03", "17", "05"]}}, ["17", "05", "03"]),
        ({"config.parent": "parent3", "status": "success"}, ["33", "23", "13", "03"]),
        ({"event": 7}, ["07"]),
    ):
        with database.read() as session:
            viewed = archive.view(session, writer, query, limit=100, sort=order)
            assert [one["id"] for one in viewed] == found
            search = search_of(ARCHIVE.storage, ARCHIVE.live, "sqlite", documents.dumps(query))
            page = search.statement("page", order_of(order)).params(owner=writer.organization_id, skip=0, most=100)
            compiled = page.compile(database.engine, compile_kwargs={"literal_binds": True})
            lines = [row.detail for row in session.execute(text(f"EXPLAIN QUERY PLAN {compiled}"))]
        assert "USE TEMP B-TREE FOR ORDER BY" in lines, lines
        assert not any("ix_archived_work_created" in line for line in lines), lines
