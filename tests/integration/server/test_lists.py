"""Every kind of list: nothing is missed, and nothing doubled, while others insert and delete."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from sqlalchemy import Engine, event

from entrepot.identity import users
from tests.support.examples import Farm
from tests.support.interface import Api
from tests.support.lists import Kind, common, delete, fill, kinds, lists, prepare, walk

_COUNT, _LIMIT = 24, 5
#: As many are of another organization, so that walking through these too would be told by the plan.
_OTHERS = 300
#: Lists that have one page: the organizations of a caller, of which a key has one, and what is bounded otherwise.
_SHORT = {"/organizations", "/lineage/{kind}/{result_id}", "/bans", "/files/{file_id}/fetches"}
#: What PostgreSQL has to do without, wherever it can: so that few rows are read as many would be.
_OFF = ("seqscan", "bitmapscan", "sort", "hashjoin")
#: The columns by which things are somebody's.
_OWNERS = ("organization_id", "gate_id", "importer_id", "generator_id", "webhook_id")


@pytest.fixture
def farm(api: Api) -> Farm:
    farm = Farm(api)
    prepare(farm)
    return farm


def test_every_list_of_the_interface_is_among_those_that_are_walked(farm: Farm) -> None:
    assert {kind.path for kind in kinds(farm)} == lists(farm).keys() - _SHORT


def test_lists_miss_and_double_nothing_while_others_insert_and_delete(farm: Farm) -> None:
    for kind in kinds(farm):
        path = kind.address(farm)
        own = set() if kind.beneath else {one for page in walk(farm, path, 1000) for one in map(kind.key, page)}
        with farm.api.database.write() as session:
            fill(session, kind, _COUNT)
            fill(session, kind, 3 if kind.beneath else 0, first=100)
        if kind.beneath:
            continue
        before = [one for page in walk(farm, path, 1000) for one in map(kind.key, page)]
        assert len(before) == len({*before}) == len(own) + _COUNT, kind.path
        seen: list[str] = []
        gone = ""
        for number, page in enumerate(walk(farm, path, _LIMIT)):
            assert len(page) <= _LIMIT
            seen += map(kind.key, page)
            if number == 1:
                with farm.api.database.write() as session:
                    fill(session, kind, 3, first=100)
                    gone = next(one for one in reversed(before) if one not in own)
                    for one in {gone, seen[2], seen[-1]} - own:  # to come, behind, and where the cursor is
                        delete(session, kind, one)
        assert len(seen) == len({*seen}), kind.path
        missed = {*before} - {*seen} - {gone}
        assert not missed, (kind.path, missed)


def test_pages_are_found_by_an_index_and_nothing_is_sorted_or_walked_for_them(farm: Farm) -> None:
    with farm.api.database.write() as session:
        other = users.create_organization(session, "other").id
    for kind in kinds(farm, 1000 + _OTHERS):
        with farm.api.database.write() as session:
            fill(session, kind, _COUNT)
            if kind.deposit is None and not kind.is_bound:
                fill(session, kind, _OTHERS, first=1000, owner=other)
    if farm.api.database.dialect == "postgresql":  # which does so by itself; SQLite does not
        with farm.api.database.write() as session:
            session.connection().exec_driver_sql("ANALYZE")
    filters, looked = lists(farm), {}
    for kind in kinds(farm):
        if not kind.beneath:
            item = next(walk(farm, kind.address(farm), _LIMIT))[-1]
            for query in ({}, *common(farm, item, filters[kind.path])):
                looked[kind.path, *query] = _looked_at_all(farm, kind, query)
    assert {path: why for path, why in looked.items() if why} == {}


def _looked_at_all(farm: Farm, kind: Kind, query: dict[str, str]) -> list[str]:
    """Return where the database sorts the whole list for its second page, or walks through what is of others."""
    client = farm.api.client
    first = client.get(kind.address(farm), params={"limit": _LIMIT, **query}).raise_for_status().json()
    assert len(first["items"]) == _LIMIT, (kind.path, query)
    second = first["next"]
    return _wasted(farm, second)


def test_the_events_of_the_console_are_found_by_an_index_past_nothing_of_others(farm: Farm) -> None:
    events = next(one for one in kinds(farm, 1000 + _OTHERS) if one.path == "/events")
    with farm.api.database.write() as session:
        other = users.create_organization(session, "other").id
        fill(session, events, _COUNT)
        fill(session, events, _OTHERS, first=1000, owner=other)
    if farm.api.database.dialect == "postgresql":
        with farm.api.database.write() as session:
            session.connection().exec_driver_sql("ANALYZE")
    for query in ("", "?page=2", "?sort=when"):
        assert _wasted(farm, f"/console/events{query}") == [], query


def _wasted(farm: Farm, address: str) -> list[str]:
    """Return where the database sorts all for a page, or walks through what is of others."""
    database = farm.api.database
    with _asked() as statements:
        farm.api.client.get(address).raise_for_status()
    with database.read() as session:
        driver: Any = session.connection().connection.driver_connection
        read = _sqlite if database.dialect == "sqlite" else _postgresql
        return [step for statement, given in statements for step in read(driver, statement, given)]


def _sqlite(driver: Any, statement: str, given: Any) -> list[str]:
    steps = [str(row[-1]) for row in driver.execute(f"EXPLAIN QUERY PLAN {statement}", given)]
    return [
        step
        for step in steps
        if step == "USE TEMP B-TREE FOR ORDER BY"
        or (step.startswith(("SCAN ", "SEARCH ")) and "=?" not in step and "ix_project_deleting" not in step)
    ]


def _postgresql(driver: Any, statement: str, given: Any) -> list[str]:
    for name in _OFF:
        driver.execute(f"SET LOCAL enable_{name} = off")
    ((told,),) = driver.execute(f"EXPLAIN (FORMAT JSON) {statement}", given).fetchall()
    found, nodes = [], [told[0]["Plan"]]
    while nodes:
        node = nodes.pop()
        nodes += node.get("Plans", ())
        kind = node["Node Type"]
        walks = any(owner in node.get("Filter", "") for owner in _OWNERS)
        if kind == "Sort" or walks:
            found.append(f"{kind} {node.get('Index Name') or node.get('Relation Name')} {node.get('Filter', '')}")
    return found


@contextmanager
def _asked() -> Iterator[list[tuple[str, Any]]]:
    statements: list[tuple[str, Any]] = []

    def note(_connection: Any, _cursor: Any, statement: str, given: Any, *_: Any) -> None:
        if statement.startswith("SELECT") and "LIMIT" in statement:  # what is shown of a page has none
            statements.append((statement, given))

    event.listen(Engine, "before_cursor_execute", note)
    try:
        yield statements
    finally:
        event.remove(Engine, "before_cursor_execute", note)
