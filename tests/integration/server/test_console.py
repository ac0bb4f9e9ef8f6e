"""The console without a browser: who gets in, what is refused, what is shown and what is not."""

from pathlib import Path

import numpy as np
import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient

from entrepot import jobs
from entrepot.db import Database
from entrepot.identity import Role, User, Vault, projects, users
from entrepot.rows import analyses, places, results
from entrepot.rows.places import MODEL_DEFINITION, SITE
from entrepot.scripts import Level
from entrepot.series import store
from entrepot.server.auth import principal_of
from entrepot.server.run.app import create_app
from entrepot.server.services import Services
from entrepot.settings import Settings
from entrepot.works import queue

PASSWORD = "correct horse"
ROW = {"name_col1": "hour", "units_col1": "h", "value_col1": [0.0, 1.0], "name_col2": "load", "units_col2": "kW",
       "value_col2": [3.0, 4.0]}  # fmt: skip


@pytest.fixture
def database_kind() -> str:
    """What pages show does not depend on the database."""
    return "sqlite"


@pytest.fixture
def app(database: Database, tmp_path: Path) -> FastAPI:
    settings = Settings(data_dir=tmp_path)
    Vault.create(settings.secret_key_file)
    with database.write() as session:
        for name in ("ada", "eve"):
            organization = users.create_organization(session, f"Org of {name}")
            user, _ = users.create_user(session, name, PASSWORD)
            users.set_member(session, user, organization, Role.READER if name == "eve" else Role.ADMIN)
            if name == "ada":
                principal = principal_of(session, user)
                places.create(session, principal, SITE, {"id": 1, "title": "<b>Belwind</b>"})
                places.create(session, principal, MODEL_DEFINITION, {"id": 1, "title": "as-built", "project": 1})
                for title in ("<script>alert(1)</script>", "Other"):
                    made = analyses.create(session, principal, {"name": title, "model_definition": 1})
                    row = ROW | {"analysis": made["id"], "short_description": f"{title} load"}
                    results.create(session, principal, row)
    return create_app(Services(settings, database))


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
    ada = client(app)
    response = ada.post(
        "/console/login",
        data={"login": "ada", "password": PASSWORD},
        headers={"referer": "http://testserver/console/rows?analysis=1"},
    )
    assert (response.status_code, response.headers["location"]) == (303, "/console/rows?analysis=1")
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
    page = ada.get("/console/rows", params={"analysis": [1, 2]})
    assert page.status_code == 200
    assert "&lt;script&gt;alert(1)" in page.text
    assert "<script" not in page.text
    assert "://" not in page.text
    policy = page.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    figure = ada.get("/console/rows/plot", params={"analysis": 1})
    assert "<script>alert(1)" not in figure.text
    assert "sandbox allow-scripts" in figure.headers["content-security-policy"]
    png = ada.get("/console/rows/plot", params={"analysis": 1, "format": "png", "download": ""})
    assert png.content.startswith(b"\x89PNG")
    assert png.headers["content-disposition"] == 'attachment; filename="rows.png"'


def test_what_is_of_others_or_makes_no_sense_is_refused(app: FastAPI) -> None:
    eve, ada = client(app, "eve"), client(app, "ada")
    assert "Other" not in eve.get("/console/rows").text
    for path in ("/console/rows", "/console/rows/plot"):
        assert eve.get(path, params={"analysis": 1}).status_code == 404
        assert ada.get(path, params={"analysis": 99}).status_code == 404
        assert ada.get(path, params={"analysis": "x"}).status_code == 400
        assert ada.get(path, params={"analysis": 1, "unit": "m"}).status_code == 400
    refused = ada.get("/console/rows", params={"analysis": 1, "unit": "m"}).text
    assert "does not convert" in refused
    assert "iframe" not in refused
    assert "iframe" in ada.get("/console/rows", params={"analysis": 1, "unit": "MW"}).text


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
        owned = {"organization_id": ada.organization_id, "project_id": project.id}
        series = store.create_series(session, generator_kind="direct", generator_id=None, name="zanzibar power",
                                     unit="kW", **owned)  # fmt: skip
        store.append(session, series.pk, np.arange(50_000) * 1_000_000, np.arange(50_000.0))
        job = jobs.enqueue(session, "series.export", {"series": []}, **owned)
        for number in range(60):
            queue.deposit(session, ada, [{"pipeline": "zanzibar", "site": "s", "user": "u", "tags": [f"n{number}"]}])
        series_id, job_id = series.id, job.id
    ada, eve = client(app, "ada"), client(app, "eve")
    shown = {
        "/console": "works in the queue",
        "/console/series": "zanzibar power",
        f"/console/series/{series_id}": "50,000 points in kW",
        f"/console/series/{series_id}/plot": "means of 3 points",
        "/console/works": "zanzibar",
        "/console/works?where=archive": "There are none",
        "/console/files": "There are none",
        "/console/jobs": "series.export",
        f"/console/jobs/{job_id}": "pending",
        "/console/events?type=row.created": "Other load",
    }
    for path, text in shown.items():
        page = ada.get(path)
        assert (page.status_code, text in page.text) == (200, True), path
        others = eve.get(path)
        assert others.status_code == (404 if path.count("/") > 2 else 200), path
        assert "zanzibar" not in others.text, path
        assert client(app).get(path).status_code == 401, path
    first, second = ada.get("/console/works").text, ada.get("/console/works?page=2").text
    assert (first.count("<tr>"), second.count("<tr>")) == (51, 11)
    assert "page=2" in first
    assert "page=1" in second
    narrowed = ada.get("/console/works", params={"query": '{"tags": "n7"}'})
    assert narrowed.text.count("<tr>") == 2
    for wrong in ("{", '{"$where": "1"}', "[]"):
        refused = ada.get("/console/works", params={"query": wrong})
        assert (refused.status_code, 'role="alert"' in refused.text) == (400, True), wrong
    for path in ("/console/jobs?page=0", "/console/jobs?page=x", "/console/works?where=x", "/console/series?project=x"):
        assert ada.get(path).status_code in (400, 404), path
