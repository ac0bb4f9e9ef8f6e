"""Queries and projections on both databases: small inputs with their right values (``tests/cases``)."""

import importlib.util
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from entrepot.db import Database
from entrepot.errors import InvalidInput
from entrepot.identity import Principal
from entrepot.works import archive

CASES = Path(__file__).parents[2] / "cases"
#: What a query names of a work itself; all other fields are those of its results.
OWN = ("results", "tags", "start")

Make = Callable[..., dict[str, Any]]


def _read(case: str, name: str) -> Any:
    return json.loads((CASES / case / name).read_text())


def _of_works(query: Any) -> Any:
    """Return a query whose paths lead into the results of works."""
    if isinstance(query, list):
        return [_of_works(part) for part in query]
    return {
        name if name.startswith("$") or name.split(".")[0] in OWN else f"results.{name}": _of_works(value)
        if name in ("$and", "$or", "$nor")
        else value
        for name, value in query.items()
    }


def _archive(database: Database, writer: Principal, make_work: Make, documents: list[dict[str, Any]]) -> None:
    works = [
        make_work("case", status="success", id=str(number), results=document)
        for number, document in enumerate(documents)
    ]
    with database.write() as session:
        archive.deposit(session, writer, works)


def _found(database: Database, writer: Principal, query: Any) -> list[int]:
    with database.read() as session:
        found = archive.view(session, writer, query, {"id": 1})
        assert archive.count(session, writer, query) == len(found)
    return sorted(int(work["id"]) for work in found)


def test_elements_that_are_arrays(database: Database, writer: Principal, make_work: Make) -> None:
    case = "elements-that-are-arrays"
    _archive(database, writer, make_work, _read(case, "documents.json"))
    for query, expected in zip(_read(case, "queries.json"), _read(case, "expected.json"), strict=True):
        assert _found(database, writer, _of_works(query)) == expected, query


def test_bits(database: Database, writer: Principal, make_work: Make) -> None:
    bits = _read("parts-of-arrays-and-bits", "bits.json")
    _archive(database, writer, make_work, bits["documents"])
    for query, expected in zip(
        bits["queries"], _read("parts-of-arrays-and-bits", "expected.json")["bits"], strict=True
    ):
        assert _found(database, writer, _of_works(query)) == expected, query


def test_parts_of_arrays(database: Database, writer: Principal, make_work: Make) -> None:
    case = "parts-of-arrays-and-bits"
    works = [make_work("case", status="success", id="0", **fields) for fields in _read(case, "works.json")]
    with database.write() as session:
        archive.deposit(session, writer, works)
    for asked, expected in zip(
        _read(case, "projections.json"), _read(case, "expected.json")["projections"], strict=True
    ):
        with database.read() as session:
            if "status" in expected:
                with pytest.raises(InvalidInput):
                    archive.view(session, writer, asked["query"], asked["projection"])
                continue
            (work,) = archive.view(session, writer, asked["query"], asked["projection"])
        whole = [*asked["projection"].values()] and all("$slice" in str(one) for one in asked["projection"].values())
        assert ({name: work[name] for name in expected} if whole else work) == expected, asked


def test_queries_taken_and_refused(database: Database, writer: Principal, make_work: Make) -> None:
    case = "queries-taken-and-refused"
    queries, expected = _read(case, "queries.json"), _read(case, "expected.json")
    _archive(database, writer, make_work, _read(case, "documents.json"))
    for query, found in zip(queries["taken"], expected["taken"], strict=True):
        assert _found(database, writer, _of_works(query)) == found, query
    for query, refusal in zip(queries["refused"], expected["refused"], strict=True):
        with database.read() as session, pytest.raises(InvalidInput) as refused:
            archive.count(session, writer, query)
        assert (refused.value.status, list(refused.value.fields)) == (refusal["status"], [refusal["named"]])


@pytest.mark.flaky(reruns=1)  # seconds of a processor are longer where others use it as well
def test_long_arrays(database: Database, writer: Principal, make_work: Make) -> None:
    specification = importlib.util.spec_from_file_location("long_arrays", CASES / "long-arrays" / "documents.py")
    assert specification
    assert specification.loader
    case = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(case)
    expected = _read("long-arrays", "expected.json")
    size = max(expected["time"]["sizes"])
    _archive(database, writer, make_work, case.documents(size))
    for name, query in case.queries(size).items():
        began = time.process_time()
        assert _found(database, writer, _of_works(query)) == expected["found"][name], name
        # Found and counted; PostgreSQL's own time is not ours to measure here.
        assert time.process_time() - began < 2 * expected["time"]["seconds_at_most"], name


def test_a_walk_meets_each_work_once_whatever_comes_and_goes(
    database: Database, writer: Principal, make_work: Make
) -> None:
    ids = [f"{number:03}" for number in range(10, 40)]
    given = [make_work(pipeline, status="success", id=one, tags=["walked"]) for one in ids for pipeline in ("a", "b")]
    with database.write() as session:
        archive.deposit(session, writer, given)
    met, cursor, page = [], None, 0
    while True:
        with database.read() as session:
            # By columns and side tables, and by the matcher.
            query = {"tags": "walked"} if page % 2 else {"$expr": {"$in": ["walked", "$tags"]}}
            items, cursor = archive.walk(session, writer, query, {"id": 1, "pipeline": 1}, after=cursor, limit=7)
        met += [(one["id"], one["pipeline"]) for one in items]
        if cursor is None:
            break
        page += 1
        with database.write() as session:
            # Before, behind and at the place where the walk is.
            archive.deposit(session, writer, [make_work("a", status="success", id=f"000{page}", tags=["walked"])])
            archive.delete_ids(session, writer, "a", [met[-1][0], met[0][0]])
    assert len(met) == len(set(met))
    with database.read() as session:
        left = {(one["id"], one["pipeline"]) for one in archive.view(session, writer, {"tags": "walked"})}
    assert {one for one in left if not one[0].startswith("000")} <= set(met)
    assert met == sorted(met)
