"""Attacks on the console's pages: by names, by addresses, by cookies, and by people with too few rights."""

import csv
import io
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient

from entrepot import jobs
from entrepot.db import Database
from entrepot.events import Notification, notifications
from entrepot.identity import Project, User, keys, projects
from entrepot.jobs import Job
from entrepot.pipeline.models import Channel, Gate, Importer
from entrepot.series import store
from entrepot.server.auth import principal_of
from tests.support.asgi import application
from tests.support.page_users import FORMULA, MARKUP, PASSWORD, add_users, form_token, of_pages, signed_in

pytestmark = of_pages


@pytest.fixture
def app(database: Database, tmp_path: Path) -> FastAPI:
    """One organization of an administrator and a reader, another of eve; a project, a run and a notification."""
    with database.write() as session:
        own, ada = add_users(session)
        project = projects.create_project(session, ada, own.id, MARKUP)
        owned: dict[str, Any] = {"organization_id": own.id, "project_id": project.id}
        for name in (FORMULA, MARKUP):
            store.create_series(session, generator_kind="direct", generator_id=None, name=name, unit=name, **owned)
        importer = Importer(name=MARKUP, **owned)
        session.add(importer)
        session.flush()
        job = jobs.enqueue(session, "importer.run", {"id": importer.id}, key=f"generator:{importer.id}", **owned)
        job.status, job.error = "failed", MARKUP
        notifications.notify(session, MARKUP, MARKUP, generator_kind="importer", generator_id=importer.id, **owned)
    return application(database, tmp_path)


def ids(database: Database) -> tuple[str, str, str]:
    models: tuple[Any, ...] = (Project, Job, Notification)
    with database.read() as session:
        return tuple(session.query(model).one().id for model in models)


def pages(database: Database) -> list[str]:
    project, job, notification = ids(database)
    return [f"/console/{path}" for path in (
        "", "projects", f"projects/{project}", "projects?q=script", f"projects/{project}?q=title&collapse=gate",
        "explorer", "explorer?q=title", "series", "runs", f"runs/{job}", "notifications",
        f"notifications?id={notification}", "quarantine", "find?q=title",
    )]  # fmt: skip


def test_no_name_becomes_a_part_of_a_page(app: FastAPI, database: Database) -> None:
    ada, shown = signed_in(app, "ada"), 0
    for path in pages(database):
        text = ada.get(path.rstrip("/")).text
        assert "<script>alert" not in text, path
        assert '" onload' not in text, path
        shown += "&lt;script&gt;alert(1)" in text
    assert shown > 8


def test_what_others_have_does_not_exist_on_any_page(app: FastAPI, database: Database) -> None:
    eve, known = signed_in(app, "eve"), ids(database)
    for path in pages(database):
        answer = eve.get(path.rstrip("/"))
        assert answer.status_code == (404 if any(id_ in path.partition("?")[0] for id_ in known) else 200), path
        assert "alert(1)" not in answer.text, path
    token = form_token(eve)
    project, job, notification = known
    for path in (f"runs/{job}/cancel", f"runs/{job}/again", f"notifications/{notification}/resolve"):
        assert eve.post(f"/console/{path}", data={"form_token": token}).status_code == 404, path
    assert eve.get(f"/console/runs?project={project}").status_code == 404


def test_a_reader_sees_no_button_and_is_refused_all_the_same(app: FastAPI, database: Database) -> None:
    _, job, notification = ids(database)
    ada, rea = signed_in(app, "ada"), signed_in(app, "rea")
    for path, button in ((f"runs/{job}", "Run again"), ("notifications", "Resolve")):
        assert button in ada.get(f"/console/{path}").text
        assert f"<button>{button}" not in rea.get(f"/console/{path}").text
    token = form_token(rea)
    for path in (f"runs/{job}/cancel", f"runs/{job}/again", f"notifications/{notification}/resolve"):
        assert rea.post(f"/console/{path}", data={"form_token": token}).status_code == 403, path
        assert ada.post(f"/console/{path}", data={}).status_code == 403, "no form of the console"
        assert ada.get(f"/console/{path}").status_code == 405
    again = ada.post(f"/console/runs/{job}/again", data={"form_token": form_token(ada)})
    assert again.status_code == 303
    assert "pending" in ada.get(again.headers["location"]).text
    stopped = f"{again.headers['location']}/cancel"
    assert ada.post(stopped, data={"form_token": form_token(ada)}).status_code == 303
    assert "cancelled" in ada.get(again.headers["location"]).text


def test_files_are_sent_by_forms_of_the_console_alone_and_not_by_readers(app: FastAPI, database: Database) -> None:
    project = ids(database)[0]
    with database.write() as session:
        owner = session.get_one(Project, project).organization_id
        gate = Gate(name=MARKUP, organization_id=owner, project_id=project)
        session.add(gate)
        session.flush()
        page = f"/console/gates/{gate.id}"
    ada, rea, eve = (signed_in(app, login) for login in ("ada", "rea", "eve"))
    assert "data-upload" in ada.get(page).text
    assert "data-upload" not in rea.get(page).text
    assert eve.get(page).status_code == 404
    for path in (f"{page}/files/a.csv", f"{page}/files/%2e%2e/%2e%2e/x", f"{page}/files/..%2fx"):
        assert ada.put(path, content=b"x").status_code == 403, "no form of the console"
        for one, status in ((rea, 403), (eve, 404)):
            assert one.put(path, content=b"x", headers={"x-form-token": form_token(one)}).status_code == status, path
    own = {"x-form-token": form_token(ada)}
    assert ada.put(f"{page}/files/a.csv", content=b"x", headers=own).status_code == 201
    assert ada.put(f"{page}/files/..%2fx", content=b"x", headers=own).status_code == 422
    assert (
        ada.put(f"{page}/files/b.csv", content=b"x", headers=own | {"sec-fetch-site": "cross-site"}).status_code == 403
    )
    text = ada.get(page).text
    assert ("a.csv" in text, "b.csv" in text, "<script>alert" in text) == (True, False, False)


def pipeline(app: FastAPI, ada: TestClient, project: str) -> dict[str, str]:
    """Make a gate, an importer, a channel and an analysis of strangers' names by the interface."""

    def made(path: str, **fields: Any) -> str:
        answer = ada.post(f"/api/v1{path}", json=fields, auth=("ada", PASSWORD))
        assert answer.status_code == 201, answer.text
        return str(answer.json()["id"])

    of = {"project": project, "name": MARKUP}
    gate = made("/gates", **of)
    importer = made("/importers", **{**of, "name": f"{MARKUP} 2"}, gate=gate, parse=f"# {MARKUP}")
    channel = made("/channels", importer=importer, raw=MARKUP, name=MARKUP)
    cleaner = ada.get(f"/api/v1/channels/{channel}", auth=("ada", PASSWORD)).json()["cleaner"]
    script = f"# {MARKUP}\ndef analyze(frame): return frame"
    inputs = [{"series": MARKUP, "column": MARKUP, "of": cleaner}]
    analysis = made("/analyses", **of, inputs=inputs, outputs=[MARKUP], script=script)
    return {
        "gates": gate, "importers": importer, "cleaners": cleaner, "channels": channel, "analyses": analysis,
    }  # fmt: skip


def test_forms_show_names_and_scripts_as_text_and_readers_no_button(app: FastAPI, database: Database) -> None:
    project = ids(database)[0]
    ada, rea, eve = (signed_in(app, login) for login in ("ada", "rea", "eve"))
    made = pipeline(app, ada, project)
    shown = [f"/console/{kinds}/{id_}" for kinds, id_ in made.items()]
    shown += [f"{shown[1]}/versions", f"{shown[4]}/versions"]
    for path in shown:
        text = ada.get(path).text
        assert "<script>alert" not in text, path
        assert '" onload' not in text, path
        assert "&lt;script&gt;alert(1)" in text, path
        seen = rea.get(path)
        assert seen.status_code == 200, path
        for button in (
            ">Save<",
            ">Try<",
            ">Run now<",
            ">Delete<",
            "Show the password",
            'class="button" href',
            "data-try",
        ):
            main = seen.text.partition("<main")[2].partition("</main")[0]
            assert button not in main, (path, button)
        assert eve.get(path).status_code == 404, path
    own = [f"/console/projects/{project}/settings", f"/console/projects/{project}/gates/new", "/console/projects/new",
           f"/console/projects/{project}/analyses/new", f"{shown[0]}/settings", f"{shown[0]}/feeder",
           f"{shown[0]}/importers/new"]  # fmt: skip
    for path in own:
        assert "<script>alert" not in ada.get(path).text, path
        assert rea.get(path).status_code == 403, path
        assert eve.get(path).status_code == (200 if path.endswith("projects/new") else 404), path


def test_no_form_changes_anything_for_readers_strangers_or_other_sites(app: FastAPI, database: Database) -> None:
    project = ids(database)[0]
    ada, rea, eve = (signed_in(app, login) for login in ("ada", "rea", "eve"))
    made = pipeline(app, ada, project)
    gate = f"gates/{made['gates']}"
    without = {("cleaners", "try"), ("cleaners", "delete"), ("channels", "runs")}
    forms = [f"{kinds}/{id_}" for kinds, id_ in made.items() if kinds != "gates"]
    verbs = ("plan", "try", "runs", "delete")
    forms += [f"{one}/{verb}" for one in forms for verb in verbs if (one.partition("/")[0], verb) not in without]
    forms += [f"{gate}/{verb}" for verb in ("settings", "delete", "password", "feeder", "importers/new")]
    forms += [f"projects/{project}/{verb}" for verb in ("settings", "delete", "gates/new", "analyses/new")]
    typed = {"name": "changed", "confirm": MARKUP, "parse": "x", "deletes": "true", "channels": "raw\n"}
    with database.read() as session:
        before = session.query(Job).count()
    for path in forms:
        for one, status in ((rea, 403), (eve, 404)):
            answer = one.post(f"/console/{path}", data=typed | {"form_token": form_token(one)})
            assert answer.status_code == status, (path, answer.status_code)
        assert ada.post(f"/console/{path}", data=typed).status_code == 403, f"{path}: no form of the console"
        stolen = typed | {"form_token": form_token(ada)}
        answer = ada.post(f"/console/{path}", data=stolen, headers={"sec-fetch-site": "cross-site"})
        assert answer.status_code == 403, path
    with database.read() as session:
        assert session.query(Job).count() == before
        assert session.query(Gate).one().name == MARKUP


def test_a_plan_changes_nothing_and_a_test_of_a_feeder_reaches_no_address_inside(
    app: FastAPI, database: Database
) -> None:
    ada = signed_in(app, "ada")
    made = pipeline(app, ada, ids(database)[0])
    token = {"form_token": form_token(ada)}
    typed = token | {"channels": "raw\tname\nwind\tw\n", "deletes": "true"}
    answer = ada.post(f"/console/cleaners/{made['cleaners']}/plan", data=typed)
    assert "Made: w." in answer.text
    assert "Deleted, with their series" in answer.text
    with database.read() as session:
        assert [one.name for one in session.query(Channel)] == [MARKUP]
    for inside in ("http://127.0.0.1/x.csv", "http://169.254.169.254/latest", "file:///etc/passwd", "http://[::1]/"):
        answer = ada.post(f"/console/gates/{made['gates']}/feeder", data=token | {"from": inside, "then": "test"})
        assert answer.status_code == 400, (inside, answer.status_code)
        assert inside in answer.text, "what was typed comes back"


def test_an_export_is_had_by_who_asked_for_it_alone(app: FastAPI, database: Database, tmp_path: Path) -> None:
    with database.write() as session:
        project = session.query(Project).one()
        owner: dict[str, Any] = {"organization_id": project.organization_id, "project_id": project.id}
        ada = session.query(User).filter_by(login="ada").one()
        job = jobs.enqueue(session, "series.export", {}, user_id=ada.id, **owner)
        outside = jobs.enqueue(session, "series.export", {}, user_id=ada.id, **owner)
        job.status = outside.status = "finished"
        job.result, outside.result = {"path": "series_exports/a.zip"}, {"path": "../../secret.key"}
        home = tmp_path / "users" / ada.id / "series_exports"
        paths = [f"/console/exports/{one.id}" for one in (job, outside)]
    home.mkdir(parents=True)
    (home / "a.zip").write_bytes(b"PK")
    for login, statuses in (("ada", (200, 422)), ("rea", (404, 404)), ("eve", (404, 404))):
        answers = [signed_in(app, login).get(path) for path in paths]
        assert tuple(one.status_code for one in answers) == statuses, login


def test_a_narrow_key_sees_no_more_on_pages_than_on_the_interface(app: FastAPI, database: Database) -> None:
    with database.write() as session:
        ada = session.query(User).filter_by(login="ada").one()
        owner, project = session.query(Project.organization_id, Project.id).one()
        narrow = keys.create_key(session, ada.id, owner, scopes=["identity:read"])[1]
        bound = keys.create_key(session, ada.id, owner, projects=[project])[1]
        elsewhere = projects.create_project(session, principal_of(session, ada), owner, "elsewhere")
        other = keys.create_key(session, ada.id, owner, projects=[elsewhere.id])[1]
    for token, sees in ((narrow, False), (bound, True), (other, False)):
        one = TestClient(app, headers={"authorization": f"Token {token}"})
        for path in ("/console", "/console/find?q=title"):
            answer = one.get(path)
            assert (answer.status_code, "alert(1)" in answer.text) == (200, sees), (path, sees)
        for path in ("projects", "notifications", "runs", "series"):
            answer = one.get(f"/console/{path}")
            assert answer.status_code == (403 if token == narrow else 200), path
            assert ("alert(1)" in answer.text) == sees, path


def test_a_name_that_is_a_formula_is_text_in_the_csv_of_a_list(app: FastAPI) -> None:
    answer = signed_in(app, "ada").get("/console/series?format=csv&sort=-name")
    assert answer.headers["content-disposition"] == 'attachment; filename="series.csv"'
    rows = list(csv.reader(io.StringIO(answer.text, newline="")))
    assert rows[0][:3] == ["Name", "Project", "Unit"]
    assert [row[0] for row in rows[1:]] == [f"'{FORMULA}", MARKUP]


def test_nothing_is_served_as_a_script_but_what_was_built(app: FastAPI) -> None:
    anybody = TestClient(app)
    for name in (
        "manifest.json",
        "LICENSES.txt",
        "..%2fpage.py",
        "%2e%2e/page.py",
        "console.css",
        "console.js%00",
        "x",
    ):
        assert anybody.get(f"/console/static/{name}").status_code == 404, name


def test_what_was_built_is_kept_by_browsers_for_good_and_packed(app: FastAPI) -> None:
    anybody = TestClient(app)
    page = anybody.get("/console/login").text
    (script,) = (part.partition('"')[0] for part in page.split('src="')[1:])
    answer = anybody.get(script)
    assert (answer.status_code, answer.headers["content-encoding"]) == (200, "gzip")
    assert "immutable" in answer.headers["cache-control"]
    assert answer.headers["content-type"].startswith("text/javascript")
    plain = anybody.get(script, headers={"accept-encoding": "identity"})
    assert "content-encoding" not in plain.headers
    assert plain.content == answer.content


def test_a_cookie_that_is_no_time_zone_is_none(app: FastAPI) -> None:
    ada = signed_in(app, "ada")
    own = f"entrepot_session={ada.cookies['entrepot_session']}"
    ada.cookies.clear()
    for zone in ("../../etc/passwd", "Europe/../UTC", '"><script>', "x" * 3000, "Etc/GMT+5", "utc\x7f"):
        answer = ada.get(
            "/console/preferences", headers=[(b"cookie", f"{own}; entrepot_zone={zone}".encode("latin-1"))]
        )
        assert (answer.status_code, 'value="UTC"' in answer.text) == (200, True), zone


def test_preferences_are_none_but_those_that_there_are_and_lead_nowhere_else(app: FastAPI) -> None:
    ada = signed_in(app, "ada")
    token = form_token(ada)
    for wrong in ({"zone": "Mars/Olympus"}, {"theme": "pink"}, {"zone": "UTC\r\nset-cookie: x=y"}):
        assert ada.post("/console/preferences", data={"form_token": token} | wrong).status_code == 400, wrong
    for came in ("http://testserver//evil.example/", "http://evil.example/console/", "http://testserver/console/\\x"):
        answer = ada.post(
            "/console/preferences", data={"form_token": token, "theme": "dark"}, headers={"referer": came}
        )
        assert (answer.status_code, answer.headers["location"]) == (303, "/console"), came
    cookie = answer.headers["set-cookie"]
    assert all(part in cookie for part in ("entrepot_theme=dark", "HttpOnly", "SameSite=lax", "Path=/console"))
    assert 'data-theme="dark"' in ada.get("/console").text
