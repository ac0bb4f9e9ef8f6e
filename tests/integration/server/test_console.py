"""The console without a browser: who gets in, what is refused, what is shown and what is not."""

import html
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient

from entrepot import jobs
from entrepot.db import Database
from entrepot.identity import Role, User, projects, users
from entrepot.rows import places, result_sets, results
from entrepot.rows.places import MODEL_DEFINITION, SITE
from entrepot.scripts import Level
from entrepot.series import store
from entrepot.server.auth import principal_of
from entrepot.server.services import Services
from entrepot.settings import Settings
from entrepot.works import queue
from tests.support.asgi import application
from tests.support.page_users import of_pages

pytestmark = of_pages
PASSWORD = "correct horse"
ROW = {"name1": "hour", "unit1": "h", "values1": [0.0, 1.0], "name2": "load", "unit2": "kW",
       "values2": [3.0, 4.0]}  # fmt: skip


@pytest.fixture
def app(database: Database, tmp_path: Path) -> FastAPI:
    with database.write() as session:
        for name in ("ada", "eve"):
            organization = users.create_organization(session, f"Org of {name}")
            user, _ = users.create_user(session, name, PASSWORD)
            users.set_member(session, user, organization, Role.READER if name == "eve" else Role.ADMIN)
            if name == "ada":
                principal = principal_of(session, user)
                places.create(session, principal, SITE, {"id": 1, "name": "<b>Belwind</b>"})
                places.create(session, principal, MODEL_DEFINITION, {"id": 1, "name": "as-built", "site": 1})
                for title in ("<script>alert(1)</script>", "Other"):
                    made = result_sets.create(session, principal, {"name": title, "model_definition": 1})
                    row = ROW | {"result_set": made["id"], "name": f"{title} load"}
                    results.create(session, principal, row)
    return application(database, tmp_path)


def client(app: FastAPI, login: str = "", password: str = PASSWORD) -> TestClient:
    client = TestClient(app, follow_redirects=False)
    if login:
        response = client.post("/console/login", data={"login": login, "password": password})
        assert response.status_code == 303, response.text
    return client


def token_of(page: str) -> str:
    return page.partition('name="form_token" value="')[2].partition('"')[0]


def test_a_session_is_for_who_knows_the_password_and_ends_with_it(app: FastAPI, database: Database) -> None:
    page = client(app).get("/console/rows")
    assert page.status_code == 401
    assert 'name="password"' in page.text
    assert "www-authenticate" not in page.headers
    wrong = client(app).post("/console/login", data={"login": "ada", "password": "wrong horse"})
    assert (wrong.status_code, "Invalid username/password" in wrong.text) == (401, True)
    assert "set-cookie" not in wrong.headers
    assert 'name="login" value="ada"' in wrong.text
    assert "wrong horse" not in wrong.text
    ada = client(app)
    response = ada.post(
        "/console/login",
        data={"login": "ada", "password": PASSWORD},
        headers={"referer": "http://testserver/console/rows?result_set=1"},
    )
    assert (response.status_code, response.headers["location"]) == (303, "/console/rows?result_set=1")
    assert all(part in response.headers["set-cookie"] for part in ("HttpOnly", "SameSite=lax", "Path=/console"))
    assert ada.get("/console/rows").status_code == 200
    assert ada.get("/api/v1/me").status_code == 401  # a session is a way into the console alone
    changed = ada.cookies["entrepot_session"].replace(".", "x.", 1)
    for cookie in (changed, "x", "x.y", ""):
        stranger = client(app)
        stranger.cookies.set("entrepot_session", cookie)
        assert stranger.get("/console/rows").status_code == 401
    with database.write() as session:
        users.set_password(session, session.query(User).filter_by(login="ada").one(), "another horse")
    assert ada.get("/console/rows").status_code == 401


@pytest.mark.parametrize(
    "wanted", ["https://elsewhere.example/", "//elsewhere.example/console/", "/api/v1/me", "/console/\\x"]
)
def test_nobody_is_sent_elsewhere_after_logging_in(app: FastAPI, wanted: str) -> None:
    response = client(app).post("/console/login", data={"login": "ada", "password": PASSWORD, "next": wanted})
    assert response.headers["location"] == "/console"


def test_forms_of_other_sites_are_refused(app: FastAPI) -> None:
    ada = client(app, "ada")
    token = token_of(ada.get("/console/rows").text)
    assert token
    for data, headers in (({}, {}), ({"form_token": token_of(client(app, "eve").get("/console/rows").text)}, {}),
                          ({"form_token": token}, {"sec-fetch-site": "cross-site"})):  # fmt: skip
        assert ada.post("/console/logout", data=data, headers=headers).status_code == 403
    login = {"login": "ada", "password": PASSWORD}
    assert client(app).post("/console/login", data=login, headers={"sec-fetch-site": "cross-site"}).status_code == 403
    assert ada.post("/console/logout", data={"form_token": token}).status_code == 303
    assert ada.get("/console/rows").status_code == 401


def test_pages_load_nothing_from_elsewhere_and_write_texts_as_texts(app: FastAPI) -> None:
    ada = client(app, "ada")
    page = ada.get("/console/rows", params={"result_set": [1, 2]})
    assert page.status_code == 200
    assert "&lt;script&gt;alert(1)" in page.text
    assert page.text.count("<script") == page.text.count('<script type="module" src="/console/static/console-') == 1
    assert not re.search(r"""\s(style|on[a-z]+)=["']""", page.text), "nothing of it is code or style"
    assert "://" not in page.text
    policy = page.headers["content-security-policy"]
    for part in ("default-src 'none'", "script-src 'self'", "style-src 'self'", "connect-src 'self'"):
        assert part in policy.split("; ")
    assert "unsafe" not in policy
    figure = ada.get("/console/rows/plot", params={"result_set": 1})
    assert "<script>alert(1)" not in figure.text
    assert "sandbox allow-scripts" in figure.headers["content-security-policy"]
    png = ada.get("/console/rows/plot", params={"result_set": 1, "format": "png", "download": ""})
    assert png.content.startswith(b"\x89PNG")
    assert png.headers["content-disposition"] == 'attachment; filename="rows.png"'


def test_what_is_of_others_or_makes_no_sense_is_refused(app: FastAPI) -> None:
    eve, ada = client(app, "eve"), client(app, "ada")
    assert "Other" not in eve.get("/console/rows").text
    for path in ("/console/rows", "/console/rows/plot"):
        assert eve.get(path, params={"result_set": 1}).status_code == 404
        assert ada.get(path, params={"result_set": 99}).status_code == 404
        assert ada.get(path, params={"result_set": "x"}).status_code == 400
        assert ada.get(path, params={"result_set": 1, "unit": "m"}).status_code == 400
    refused = ada.get("/console/rows", params={"result_set": 1, "unit": "m"}).text
    assert "does not convert" in refused
    assert "iframe" not in refused
    assert "iframe" in ada.get("/console/rows", params={"result_set": 1, "unit": "MW"}).text


@pytest.mark.parametrize(
    ("found", "said"),
    [
        (Level("full", (), "another user"), "kept apart: <b>full</b>. They run as another user."),
        (
            Level("partial", ("a <filter>",), "another"),
            "<b>partial</b>; missing: a &lt;filter&gt;. They run as another.",
        ),
        (
            Level("none", ("cells", "a filter"), "its own"),
            "<b>none</b>; missing: cells; a filter. They run as its own.",
        ),
    ],
)
def test_administrators_see_how_far_scripts_are_kept_apart(
    app: FastAPI, monkeypatch: pytest.MonkeyPatch, found: Level, said: str
) -> None:
    monkeypatch.setattr(Services, "script_level", lambda _services: found)
    assert said in client(app, "ada").get("/console").text
    reader = client(app, "eve").get("/console")
    assert (reader.status_code, "kept apart" in reader.text) == (200, False)


def test_the_console_says_of_the_sandbox_what_is_so(app: FastAPI) -> None:
    level = Services(Settings(data_dir=Path("/"), script_sandbox="off"), app.state.services.database).script_level()
    assert (level.name, level.missing) != ("full", ())
    assert f"<b>{app.state.services.script_level().name}</b>" in client(app, "ada").get("/console").text


def test_every_page_shows_what_is_the_callers_own(app: FastAPI, database: Database) -> None:
    with database.write() as session:
        ada = principal_of(session, session.query(User).filter_by(login="ada").one())
        project = projects.create_project(session, ada, ada.organization_id, "zanzibar")
        owned: dict[str, Any] = {"organization_id": ada.organization_id, "project_id": project.id}
        series = store.create_series(session, generator_kind="direct", generator_id=None, name="zanzibar power",
                                     unit="kW", **owned)  # fmt: skip
        store.append(session, series.number, np.arange(50_000) * 1_000_000, np.arange(50_000.0))
        job = jobs.enqueue(session, "series.export", {"series": []}, **owned)
        for number in range(60):
            (work_id,) = queue.deposit(
                session, ada, [{"pipeline": "zanzibar", "site": "s", "user": "u", "tags": [f"n{number}"]}]
            )
        series_id, job_id, project_id = series.id, job.id, project.id
    ada, eve = client(app, "ada"), client(app, "eve")
    shown = {
        "/console": "works in the queue",
        "/console/projects": "zanzibar",
        f"/console/projects/{project_id}": "zanzibar",
        "/console/explorer": "zanzibar power",
        "/console/series": "zanzibar power",
        f"/console/explorer?series={series_id}": "50,000",
        f"/console/explorer/table?series={series_id}": "zanzibar power",
        f"/console/explorer/points?series={series_id}&format=csv": "1970-01-01",
        f"/console/series/{series_id}/envelope?pixels=9": '"count":50000',
        f"/console/series/{series_id}/points?format=csv": "1970-01-01",
        "/console/works": "zanzibar",
        "/console/works?format=csv": "zanzibar,60,",
        "/console/works/list": "zanzibar",
        "/console/works/list?where=archive": "There are none",
        "/console/works/facets": "60 works match",
        "/console/works/failures": "No work failed",
        "/console/works/fields": "config.parent",
        "/console/works/cost?query={}": '"said"',
        "/console/works/change?which=all&action=cancel": "Cancel 60 works",
        f"/console/works/queue/{work_id}": "zanzibar",
        f"/console/works/queue/{work_id}?format=json": "zanzibar",
        "/console/files": "There are no files yet",
        "/console/runs": "series export",
        f"/console/runs/{job_id}": "pending",
        "/console/events?type=row.created": "Other load",
        "/console/notifications": "nobody needs to do anything",
        "/console/quarantine": "No file is set aside",
        "/console/events/webhooks": "There are no webhooks",
        "/console/find?q=zanz": "zanzibar power",
        "/console/preferences": "Time zone",
        "/console/lineage": "give the id of any result",
    }
    for path, text in shown.items():
        page = ada.get(path)
        assert (page.status_code, text in page.text) == (200, True), path
        others = eve.get(path)
        not_theirs = any(id_ in path for id_ in (series_id, job_id, project_id, work_id))
        # Eve reads alone.
        assert others.status_code == (404 if not_theirs else 403 if "/change" in path else 200), path
        assert "zanzibar" not in others.text.replace("q=zanz", ""), path
        assert client(app).get(path).status_code == 401, path
    assert ada.get(f"/console/series/{series_id}").headers["location"] == f"/console/explorer?series={series_id}"
    assert eve.get(f"/console/series/{series_id}").status_code == 404
    first = ada.get("/console/works/list").text
    following = re.search(r'href="([^"]*after=[^"]*)"', first)
    assert following
    second = ada.get(html.unescape(following[1])).text
    assert (first.count("<tr>"), second.count("<tr>")) == (51, 11)
    assert "after=" not in second
    narrowed = ada.get("/console/works/list", params={"query": '{"tags": "n7"}'})
    assert narrowed.text.count("<tr>") == 2
    for wrong in ("{", '{"$where": "1"}', "[]"):
        refused = ada.get("/console/works/list", params={"query": wrong})
        assert (refused.status_code, 'role="alert"' in refused.text) == (400, True), wrong
    for path in ("runs?page=0", "runs?page=x", "works/list?where=x", "works/list?after=x", "works/nowhere/x",
                 "works/change?which=all&action=x", "works/change?action=cancel", "explorer?project=x", "runs?sort=x",
                 "runs?since=x", "runs?hours=x", "runs?since=2024-02-02&until=2024-01-01", "explorer?from=2&to=1",
                 "files?sort=--name", f"series/{series_id}/envelope?pixels=0", "explorer/points?format=json",
                 "rows/compare?result_set=x", "rows/compare?result_set=999", "rows/compare?model=none",
                 "rows/compare?where=x", "rows/compare?q=a&page=0"):  # fmt: skip
        assert ada.get(f"/console/{path}").status_code in (400, 404, 422), path
