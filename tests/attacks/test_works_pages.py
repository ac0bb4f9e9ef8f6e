"""Attacks on the pages of works and of result sets compared: by what documents hold, by forms, and by queries."""

import json
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from sqlalchemy import select
from starlette.testclient import TestClient

from entrepot.db import Database
from entrepot.events import log
from entrepot.identity import User
from entrepot.rows import places, result_sets, results
from entrepot.rows.places import MODEL_DEFINITION, SITE
from entrepot.server.auth import principal_of
from entrepot.works import archive, queue
from entrepot.works.withdraw import withdraw
from tests.support.asgi import application
from tests.support.page_users import FORMULA, MARKUP, add_users, form_token, of_pages, signed_in

pytestmark = of_pages
ROW = {"name1": "hour", "unit1": "h", "values1": [0.0], "name2": MARKUP, "unit2": MARKUP, "values2": [3.0]}


@pytest.fixture
def app(database: Database, tmp_path: Path) -> FastAPI:
    """Works and result sets of one organization, of an administrator and a reader; eve has another one."""
    with database.write() as session:
        _, ada = add_users(session)
        work: dict[str, Any] = {
            "pipeline": "p", "site": MARKUP, "user": FORMULA, "tags": [MARKUP],
            "plots": ["javascript:alert(1)", MARKUP],
            "parameters": {MARKUP: {MARKUP: [{MARKUP: 1}]}}, "function": MARKUP,
        }  # fmt: skip
        queue.deposit(session, ada, [work, work])
        (taken,) = withdraw(session, ada, {})
        queue.update_documents(
            session, ada, [taken | {"status": "failure", "attempt": 2, "stop": 1.0, "results": {"error": MARKUP}}]
        )
        archive.deposit(session, ada, [work | {"id": "../../x?y#z", "status": "success"}])
        places.create(session, ada, SITE, {"id": 1, "name": MARKUP})
        places.create(session, ada, MODEL_DEFINITION, {"id": 1, "name": MARKUP, "site": 1})
        for extra in ({MARKUP: MARKUP}, {}):
            fields = {"name": MARKUP, "model_definition": 1, "description": FORMULA, "extra": extra}
            made = result_sets.create(session, ada, fields | {"made_at": f"2026-01-0{1 + len(extra)}T00:00Z"})
            results.create(session, ada, ROW | {"result_set": made["id"], "name": MARKUP})
    return application(database, tmp_path)


def failed(database: Database) -> str:
    with database.read() as session:
        ada = principal_of(session, session.query(User).filter_by(login="ada").one())
        return str(queue.view(session, ada, {"status": "failure"})[0]["id"])


def pages(database: Database) -> list[str]:
    return [f"/console/{path}" for path in (
        "works", "works/list", "works/list?where=archive", "works/facets", "works/failures", "works/fields",
        "works/cost?query=%7B%22%3Cscript%3Ealert(1)%22%3A1%7D", f"works/queue/{failed(database)}",
        "works/archive/..%2F..%2Fx%3Fy%23z?pipeline=p", "rows/compare?q=title",
        "rows/compare?result_set=1&result_set=2",
    )]  # fmt: skip


def test_nothing_that_a_document_holds_becomes_a_part_of_a_page(app: FastAPI, database: Database) -> None:
    ada, shown = signed_in(app, "ada"), 0
    for path in pages(database):
        answer = ada.get(path)
        assert answer.status_code == 200, path
        if answer.headers["content-type"].startswith("text/html"):
            assert "<script>alert" not in answer.text, path
            assert '" onload' not in answer.text, path
            assert 'href="javascript:' not in answer.text, path
            shown += "&lt;script&gt;alert(1)" in answer.text
    assert shown == 6
    for path in ("works?format=csv", "works/list?format=csv", "rows/compare?q=title&format=csv"):
        text = ada.get(f"/console/{path}").text
        assert "\n=cmd" not in text, path
        assert ",=cmd" not in text, path


def test_works_of_others_are_neither_shown_counted_nor_changed(app: FastAPI, database: Database) -> None:
    eve, work_id = signed_in(app, "eve"), failed(database)
    for path in pages(database):
        answer = eve.get(path)
        theirs = any(part in path for part in ("works/queue/", "works/archive/", "result_set=1"))
        assert answer.status_code == (404 if theirs else 200), path
        assert "alert(1)" not in answer.text.replace("%3Cscript%3Ealert(1)", "").replace("<script>alert(1)", ""), path
    chosen = json.dumps([["p", work_id]])
    for fields in ({"of": chosen}, {"query": "{}"}):
        for action in ("retry", "cancel", "delete"):
            form = {"form_token": form_token(eve), "where": "queue", "action": action, "count": "0", "confirm": "0"}
            assert eve.post("/console/works/change", data=form | fields).status_code in (303, 400)
    assert "Delete 0 works" in eve.get(f"/console/works/change?action=delete&of={json.dumps(['p', work_id])}").text
    assert "2 works match" in signed_in(app, "ada").get("/console/works/facets").text
    assert failed(database) == work_id


def test_who_is_not_let_in_has_no_event_published(app: FastAPI, database: Database) -> None:
    def waiting() -> bool:
        with database.read() as session:
            return bool(session.scalar(select(log.is_unpublished())))

    ada, addresses = signed_in(app, "ada"), (f"/console/works/queue/{failed(database)}", "/console/events")
    nobody = TestClient(app, follow_redirects=False)
    assert waiting()
    for address in addresses:
        assert nobody.get(address).status_code == 401
        assert nobody.get(address, headers={"authorization": "Token of-nobody"}).status_code == 401
    assert waiting()
    for address in addresses:
        assert ada.get(address).status_code == 200
        assert not waiting()


def test_a_reader_sees_no_button_of_works_and_its_forms_are_refused(app: FastAPI, database: Database) -> None:
    ada, rea, work_id = signed_in(app, "ada"), signed_in(app, "rea"), failed(database)
    for path in ("works/list", f"works/queue/{work_id}", "works/list?where=archive"):
        assert "/console/works/change" in ada.get(f"/console/{path}").text
        text = rea.get(f"/console/{path}").text
        assert "/console/works/change" not in text
        assert 'name="of"' not in text
    chosen = {"where": "queue", "of": json.dumps([["p", work_id]]), "action": "retry", "count": "1"}
    assert rea.get("/console/works/change?action=retry&which=all").status_code == 403
    assert rea.post("/console/works/change", data=chosen | {"form_token": form_token(rea)}).status_code == 403
    assert ada.post("/console/works/change", data=chosen).status_code == 403, "no form of the console"
    assert failed(database) == work_id


def test_no_form_deletes_more_works_than_it_said(app: FastAPI, database: Database) -> None:
    ada = signed_in(app, "ada")
    form = {"form_token": form_token(ada), "where": "queue", "action": "delete", "query": "{}"}
    for told in ({}, {"count": "2"}, {"count": "2", "confirm": "1"}, {"count": "1", "confirm": "1"},
                 {"count": "", "confirm": ""}, {"count": "x", "confirm": "x"}):  # fmt: skip
        answer = ada.post("/console/works/change", data=form | told)
        assert (answer.status_code, "Delete 2 works" in answer.text) == (400, True), told
    for wrong in (
        {"of": "x"},
        {"of": "[1]"},
        {"of": '[["p"]]'},
        {"query": "{"},
        {"where": "attic"},
        {"action": "drop"},
    ):
        assert ada.post("/console/works/change", data=form | {"count": "2", "confirm": "2"} | wrong).status_code == 400
    done = ada.post("/console/works/change", data=form | {"count": "2", "confirm": "2"})
    assert done.status_code == 303
    assert "2 works were deleted." in ada.get(done.headers["location"]).text


def test_no_query_of_a_page_costs_more_than_the_interface_allows(app: FastAPI) -> None:
    ada = signed_in(app, "ada")
    deep = "[" * 5000
    for query in (deep, '{"$where": "1"}', '{"a": {"$regex": "(("}}', "{", "1", '{"a": 1e999}'):
        for path in ("list", "failures"):
            answer = ada.get(f"/console/works/{path}", params={"query": query})
            assert (answer.status_code, 'role="alert"' in answer.text) == (400, True), query[:20]
        assert ada.get("/console/works/facets", params={"query": query}).status_code == 200
        assert ada.get("/console/works/cost", params={"query": query}).json()["refusal"], query[:20]
        assert (
            ada.get("/console/works/change", params={"query": query, "action": "delete", "which": "all"}).status_code
            == 400
        )
