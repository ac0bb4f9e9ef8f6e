"""Every route and method, walked as nobody, as a stranger of another organization, as a reader and as a writer."""

import itertools
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fastapi import FastAPI
from sqlalchemy import func, select
from starlette.routing import BaseRoute, Mount
from starlette.testclient import TestClient

from entrepot import jobs
from entrepot.db import Base, Database, now
from entrepot.engines.models import RemoteCall
from entrepot.events import emit, notifications
from entrepot.files import storages
from entrepot.files.models import PublishedFile
from entrepot.identity import Organization, Project, Role, User, Vault, ftp, keys, projects, users
from entrepot.identity.reach import NARROW
from entrepot.lineage import begin_run, end_run, made, read
from entrepot.pipeline.analyses import configuration as analyses
from entrepot.pipeline.cleaning import configuration as cleaners
from entrepot.pipeline.feeders import configuration as feeders
from entrepot.pipeline.gates import configuration as gates
from entrepot.pipeline.importing import configuration as importers
from entrepot.pipeline.runs import freshness as silence
from entrepot.series import store
from entrepot.series.models import Series
from entrepot.server.auth import principal_of
from entrepot.server.run.app import create_app
from entrepot.server.services import Services
from entrepot.settings import Settings

DEEP = os.environ.get("HYPOTHESIS_PROFILE") == "deep"
#: In every name and text of the walked organization, and never to be seen by others.
SECRET = "zanzibar"
#: What may be asked by anybody: nothing of anybody's is in there.
JSON = {"content-type": "application/json"}
OPEN = {"/health", "/health/live", "/health/ready", "/metrics", "/docs", "/docs/", "/api/v1/openapi.json"}


class Named(str):
    """An id, and the words by which paths speak of what it names."""

    __slots__ = ("words",)

    words: tuple[str, ...]

    @classmethod
    def of(cls, id_: object, *words: str) -> "Named":
        named = cls(id_)
        named.words = words
        return named


@dataclass
class Walked:
    """An application with one organization full of things, and four callers."""

    app: FastAPI
    database: Database
    tokens: dict[str, str] = field(default_factory=dict)
    ids: list[Named] = field(default_factory=list)

    def client(self, caller: str) -> TestClient:
        headers = {"authorization": f"Token {self.tokens[caller]}"} if caller in self.tokens else {}
        return TestClient(self.app, headers=headers, raise_server_exceptions=False, follow_redirects=False)

    def rows(self) -> dict[str, int]:
        with self.database.read() as session:
            tables = Base.metadata.sorted_tables
            return {table.name: session.scalar(select(func.count()).select_from(table)) or 0 for table in tables}


@pytest.fixture
def database_kind() -> str:
    """Rights do not depend on the database, and the walk is long."""
    return "sqlite"


@pytest.fixture
def walked(database: Database, tmp_path: Path) -> Walked:
    settings = Settings(data_dir=tmp_path / "data")
    settings.data_dir.mkdir()
    Vault.create(settings.secret_key_file)
    services = Services(settings, database)
    walked = Walked(create_app(services), database)
    with database.write() as session:
        own, other = (users.create_organization(session, name) for name in (f"{SECRET} org", "others"))
        for caller, organization, role in (
            ("admin", own, Role.ADMIN), ("writer", own, Role.WRITER), ("reader", own, Role.READER),
            ("stranger", other, Role.ADMIN),
        ):  # fmt: skip
            user, _ = users.create_user(session, caller)
            users.set_member(session, user, organization, role)
            key, walked.tokens[caller] = keys.create_key(
                session, user.id, organization.id, name=f"{organization.name} key"
            )
            if organization is own:
                walked.ids += [Named.of(user.id, "user"), Named.of(key.id, "key")]
        walked.ids += _fill(session, services, own)
        key, walked.tokens["neighbour"] = keys.create_key(
            session,
            session.scalars(select(User.id).where(User.login == "admin")).one(),
            own.id,
            projects=[_project(session, own, "neighbour").id],
        )
    return walked


def _project(session: Any, organization: Organization, name: str) -> Project:
    principal = principal_of(session, session.scalars(select(User).where(User.login == "admin")).one())
    return projects.create_project(session, principal, organization.id, name)


def _fill(session: Any, services: Services, organization: Organization) -> list[Named]:
    """Make one of everything that the first slice knows and return the ids."""
    principal = principal_of(session, session.scalars(select(User).where(User.login == "admin")).one())
    project = projects.create_project(session, principal, organization.id, f"{SECRET} project")
    gate = gates.create_gate(session, principal, services.vault, project.id, f"{SECRET} gate")
    feeder = feeders.create_feeder(session, principal, {"gate": gate.id})
    importer = importers.create_importer(session, principal, {"project": project.id, "name": f"{SECRET} importer"})
    channel = cleaners.create_channel(
        session, principal, {"cleaner": importer.cleaner.id, "raw": "p", "name": f"{SECRET} p"}
    )
    analysis = analyses.create_analysis(session, principal, {"project": project.id, "name": f"{SECRET} analysis"})
    column = {
        "analysis": analysis.id,
        "generator_id": importer.cleaner.id,
        "series_name": f"{SECRET} p",
    }
    analysis_input = analyses.create_input(session, principal, {**column, "column": "p"})
    output = analyses.create_output(session, principal, {"analysis": analysis.id, "name": f"{SECRET} out"})
    config = {"analysis": analysis.id, "input_step": "1H", "step": "1H", "script": f"# {SECRET}"}
    owned: dict[str, Any] = {"organization_id": organization.id, "project_id": project.id}
    series = store.create_series(session, generator_kind="direct", generator_id=None, name=f"{SECRET} series", **owned)
    store.append(session, series.number, np.arange(10), np.arange(10.0))
    file = _file(session, services, project)
    begin_run(session, "walked-run", "importer", importer.id, **owned)
    read(session, "walked-run", "file", "walked-in")
    made(session, "walked-run", "file", file.id)
    end_run(session, "walked-run", "finished", {"note": SECRET})
    job = jobs.enqueue(session, "importer.run", {"id": importer.id, "note": SECRET}, **owned)
    watch = silence.watch(session, principal, importer.id, "1H")
    notice = notifications.notify(session, f"{SECRET} notice", "", generator_id=analysis.id, **owned)
    account = ftp.find_account(session, home=f"gates/{gate.id}")
    call = RemoteCall(
        organization_id=organization.id, limits={}, size=0, kept_until=now() + timedelta(days=1), status="claimed",
        fence=1, worker=SECRET, lease_until=now() + timedelta(days=1),
    )  # fmt: skip
    session.add(call)
    session.flush()
    named: dict[str, Any] = {
        "organization": organization, "project": project, "gate": gate, "feeder": feeder, "importer": importer,
        "cleaner": importer.cleaner, "unitcleaner": channel, "analys": analysis, "analysis_input": analysis_input,
        "analysis_output": output, "analysis_config": analyses.create_config(session, principal, config),
        "series": series, "notification": notice, "ftp_account": account, "file": file, "job": job, "task": job,
        "watch": watch, "call": call,
    }  # fmt: skip
    return [Named.of(record.id, word) for word, record in named.items()] + [Named.of(series.number, "series")]


def _file(session: Any, services: Services, project: Project) -> PublishedFile:
    storage = storages.own_storage(session, services.settings, project.organization_id)
    digest = {"size": 0, "md5": "0" * 32, "sha256": "0" * 64}
    file = PublishedFile(
        organization_id=project.organization_id, project_id=project.id, storage_id=storage.id,
        identifier=SECRET, name=SECRET, path="no/where", request_id="", step_id="", **digest,
    )  # fmt: skip
    session.add(file)
    session.flush()
    emit(session, "file", "published", file.id, organization_id=project.organization_id, project_id=project.id,
         data={"identifier": SECRET})  # fmt: skip
    return file


def routes(found: list[BaseRoute], prefix: str = "") -> Iterator[tuple[str, str, Any]]:
    """Yield path, method and declared access of every route."""
    for route in found:
        if isinstance(route, Mount):
            yield from routes(list(route.routes), prefix + route.path)
        else:
            access = getattr(route, "entrepot", None) or getattr(getattr(route, "endpoint", None), "entrepot", None)
            for method in sorted(getattr(route, "methods", None) or {"GET"}):
                yield prefix + route.path, method, access  # type: ignore[attr-defined]


def filled(path: str, ids: list[Named]) -> Iterator[str]:
    """Yield the path with ids in the place of its parameters: those of the things that it is about, and two others."""
    parts = path.split("/")
    holes = [index for index, part in enumerate(parts) if part.startswith("{")]
    if not holes:
        yield path
        return
    if ":int}" in path:
        ids = [Named.of(number) for number in range(1, 4)]
    fitting = [each for each in ids if any(word in path for word in each.words)] + ids[: max(2, len(holes))]
    for chosen in itertools.islice(itertools.permutations(fitting, len(holes)), 6 if len(holes) > 1 else None):
        for hole, value in zip(holes, chosen, strict=True):
            parts[hole] = value
        yield "/".join(parts)


def test_every_route_says_who_may_ask(walked: Walked) -> None:
    undeclared = [f"{method} {path}" for path, method, access in routes(walked.app.router.routes)
                  if access is None and path not in OPEN]  # fmt: skip
    assert undeclared == []


def test_nobody_gets_in(walked: Walked) -> None:
    client = walked.client("nobody")
    for path, method, access in routes(walked.app.router.routes):
        if path in OPEN or (access is not None and access.access == "open"):
            continue
        response = client.request(method, next(filled(path, walked.ids)))
        assert response.status_code == 401, (method, path, response.text)


def test_strangers_find_nothing_and_change_nothing(walked: Walked) -> None:
    client, before = walked.client("stranger"), walked.rows()
    for path, method, _ in routes(walked.app.router.routes):
        if path in OPEN or method == "HEAD":
            continue
        for url in filled(path, walked.ids):
            response = client.request(
                method, url, content=b"{}" if method in ("POST", "PUT", "PATCH") else None, headers=JSON
            )
            assert SECRET not in response.text, (method, url, response.text)
            assert response.status_code < 500, (method, url, response.text)
            if "{" in path and access_to_object(path):
                assert response.status_code in (400, 404, 405, 409, 422), (
                    method,
                    url,
                    response.status_code,
                    response.text,
                )
    after = walked.rows()
    assert {name: after[name] for name in before if name not in NOT_THEIRS} == {
        name: before[name] for name in before if name not in NOT_THEIRS
    }


#: What a key of one project may be told of where it is asked by id: its own user, and where notices go.
ABOUT_ITSELF = {"/ovbp/api/v2/oteams/users/{id}"}


def test_a_key_of_another_project_finds_nothing_and_changes_nothing(walked: Walked) -> None:
    """As a stranger: every door, every verb, lists and ids."""
    client, before, reached = walked.client("neighbour"), walked.rows(), set()
    for path, method, access in routes(walked.app.router.routes):
        if path in OPEN or method == "HEAD" or (access is not None and access.access == "open"):
            continue
        for url in filled(path, walked.ids):
            response = client.request(
                method, url, content=b"{}" if method in ("POST", "PUT", "PATCH") else None, headers=JSON
            )
            assert SECRET not in response.text.replace(f"{SECRET} org", ""), (method, url, response.text)
            assert response.status_code < 500, (method, url, response.text)
            if "{" in path and access_to_object(path) and response.status_code < 400:
                reached.add(path.rstrip("/"))
    assert reached <= ABOUT_ITSELF
    after = walked.rows()
    assert {name: after[name] for name in before if name not in NOT_THEIRS} == {
        name: before[name] for name in before if name not in NOT_THEIRS
    }


def test_a_key_of_a_project_reaches_what_is_in_it(walked: Walked) -> None:
    """The other way round: the walk above finds nothing because of the project, not because nothing works."""
    with walked.database.write() as session:
        project = session.scalars(select(Project).where(Project.name == f"{SECRET} project")).one()
        user = session.scalars(select(User).where(User.login == "writer")).one()
        _, token = keys.create_key(session, user.id, project.organization_id, projects=[project.id])
    walked.tokens["within"] = token
    client, found = walked.client("within"), set()
    for path, method, _ in routes(walked.app.router.routes):
        if method == "GET" and "{" in path and path.startswith("/api/v1"):
            found |= {path for url in filled(path, walked.ids) if client.get(url).status_code == 200}
    assert {
        "/api/v1/projects/{project_id}", "/api/v1/series/{series_id}", "/api/v1/series/{series_id}/points",
        "/api/v1/gates/{gate_id}", "/api/v1/feeders/{feeder_id}", "/api/v1/jobs/{job_id}", "/api/v1/files/{file_id}",
        "/api/v1/notifications/{notification_id}",
    } <= found  # fmt: skip
    for path in ("projects", "gates", "runs", "files", "events", "notifications"):
        assert SECRET in client.get(f"/api/v1/{path}").text, path
    for path in ("works/status", "archive/status", "webhooks", "storages"):
        response = client.get(f"/api/v1/{path}")
        assert (response.status_code, "bound to projects" in response.text) == (403, True), path


def test_a_key_of_another_project_cannot_name_it(walked: Walked) -> None:
    """Ids of other projects in bodies and queries, and files of no project."""
    client = walked.client("neighbour")
    id_of = {word: str(id_) for id_ in walked.ids for word in id_.words}
    with walked.database.read() as session:
        series = session.scalars(select(Series).where(Series.name == f"{SECRET} series")).one()
        mine = session.scalars(select(Project.id).where(Project.name == "neighbour")).one()
    before = walked.rows()
    ovbp, api = "/ovbp/api/v2", "/api/v1"
    other = {"project": id_of["project"], "name": "mine", "comment": ""}
    for path, body in (
        (f"{api}/points", {series.id: {"time": [0], "value": [1.0]}}),
        (f"{api}/exports", {"series": [series.id]}),
        (f"{api}/series", {"project": id_of["project"], "name": "mine"}),
        (f"{api}/watches", {"of": id_of["importer"], "silent_for": "1H"}),
        (f"{api}/files/ack", {"ids": [id_of["file"]]}),
        (f"{api}/uploads", {"name": "x", "project": id_of["project"]}),
        (f"{api}/uploads", {"name": "x"}),
        (f"{api}/keys", {"series": [series.id]}),
        (f"{ovbp}/odata/gates/", other),
        (f"{ovbp}/odata/importers/", other),
        (f"{ovbp}/odata/analyses/", other),
        (f"{ovbp}/oteams/projects/", {"organization": id_of["organization"], "name": "mine", "comment": ""}),
    ):
        response = client.post(path, json=body)
        acked_nothing = path.endswith("ack") and response.json() == []
        assert 400 <= response.status_code < 500 or acked_nothing, (path, response.status_code, response.text)
        assert SECRET not in response.text
    for path in (
        f"points?project={id_of['project']}",
        f"points?series={series.id}",
    ):
        assert client.get(f"{api}/{path}").status_code == 404, path
    for kinds in ("series", "gates", "importers", "channels", "analyses", "runs"):
        answer = client.get(f"{api}/{kinds}?project={series.project_id}")
        assert (answer.status_code, list(answer.json()["fields"])) == (422, ["project"]), kinds
    form = {"project": id_of["project"]}
    assert client.post(f"{api}/files", data=form, files={"file": b"x"}).status_code == 422
    assert client.post(f"{api}/files", files={"file": b"x"}).status_code == 403
    assert walked.rows() == before
    with walked.database.read() as session:
        assert session.scalar(select(PublishedFile.status)) == "available"
    # In its own project all of it goes.
    made = client.post(f"{api}/series", json={"project": mine, "name": "mine"})
    assert made.status_code == 201
    assert client.post(f"{api}/points", json={made.json()["id"]: {"time": [0], "value": [1.0]}}).json()["added"] == 1
    assert client.post(f"{api}/files", data={"project": mine}, files={"file": b"x"}).status_code == 201
    assert [file["project"]["id"] for file in client.get(f"{api}/files").json()["items"]] == [mine]


def test_a_key_of_one_series_reaches_nothing_else(walked: Walked) -> None:
    wide = walked.client("admin")
    project = wide.get("/api/v1/projects?name=neighbour").json()["items"][0]["id"]
    one, two = (
        wide.post("/api/v1/series", json={"project": project, "name": name}).json()["id"] for name in ("one", "two")
    )
    made = wide.post("/api/v1/keys", json={"series": [one], "scopes": ["points:write", "series:read"]})
    walked.tokens["meter"] = made.json()["token"]
    meter = walked.client("meter")
    for id_, status in ((one, 200), (two, 404)):
        assert meter.post("/api/v1/points", json={id_: {"time": [0], "value": [1.0]}}).status_code == status
        assert meter.get(f"/api/v1/series/{id_}/points").status_code == status
    both = {id_: {"time": [1], "value": [1.0]} for id_ in (one, two)}
    assert meter.post("/api/v1/points", json=both).status_code == 404
    assert meter.get(f"/api/v1/projects/{project}").status_code == 404
    assert meter.get("/api/v1/projects").json()["items"] == []
    assert wide.get(f"/api/v1/series/{one}").json()["count"] == 1


#: Each narrow scope, and the only routes that it opens.
NARROWLY = {
    "points:write": {("POST", "/api/v1/points")},
    "gate:write": {("PUT", "/api/v1/gates/{gate_id}/files/{path:path}")},
    "calls:work": {
        ("POST", "/api/v1/calls/claim"),
        ("GET", "/api/v1/calls/{call_id}/request"),
        ("POST", "/api/v1/calls/{call_id}/renew"),
        ("PUT", "/api/v1/calls/{call_id}/answer"),
    },
    "works:deposit": {("POST", "/api/v1/works"), ("POST", "/workflow/buckets/work")},
    "works:work": {
        ("POST", "/api/v1/works/withdraw"),
        ("PUT", "/api/v1/works"),
        ("POST", "/api/v1/works/{work_id}/heartbeat"),
        ("POST", "/workflow/buckets/work/withdraw"),
        ("PUT", "/workflow/buckets/work"),
    },
    "files:publish": {
        ("POST", "/api/v1/files"),
        ("POST", "/api/v1/uploads"),
        ("GET", "/api/v1/uploads/{upload_id}"),
        ("PATCH", "/api/v1/uploads/{upload_id}"),
        ("DELETE", "/api/v1/uploads/{upload_id}"),
        ("POST", "/api/v1/uploads/{upload_id}/publish"),
    },
}


def test_each_narrow_scope_opens_its_routes_and_no_others(walked: Walked) -> None:
    assert set(NARROWLY) == set(NARROW)
    with walked.database.write() as session:
        user = session.scalars(select(User).where(User.login == "admin")).one()
        organization = session.scalars(select(Organization).where(Organization.name == f"{SECRET} org")).one()
        for scope in NARROW:
            _, walked.tokens[scope] = keys.create_key(session, user.id, organization.id, scopes=[scope])
    for scope, expected in NARROWLY.items():
        client, opened = walked.client(scope), set()
        for path, method, access in tried(walked, scope):
            response = client.request(method, next(filled(path, walked.ids)), content=b"{}", headers=JSON)
            if response.status_code != 403 or "lacks the scope" not in response.text:
                opened.add((method, path.rstrip("/")))
                assert (access.area, access.right, access.scope) == (*NARROW[scope], scope), (method, path)
        assert opened == expected, scope


def tried(walked: Walked, scope: str) -> Iterator[tuple[str, str, Any]]:
    """Yield the routes on which a narrow scope is tried: all, or of those that say the same who may ask, some.

    These are all of the scope's own area and right, of the others the first that says so at each door, and each other
    route with one of the scopes.
    """
    said = set[tuple[object, ...]]()
    for number, (path, method, access) in enumerate(routes(walked.app.router.routes)):
        if access is None or access.access == "open" or method == "HEAD":  # as GET, by the same endpoint
            continue
        says = (path.split("/")[1], access.access, access.area, access.right, access.scope)
        own = (access.area, access.right) == NARROW[scope] or access.scope == scope
        if DEEP or own or says not in said or number % len(NARROWLY) == [*NARROWLY].index(scope):
            yield path, method, access
        said.add(says)


#: What a stranger's walk may add for itself: its own keys and its own works, users, configs.
NOT_THEIRS: set[str] = {
    "api_key",
    "audit_entry",
    "event",
    "ftp_account",
    "job",
    "data_request",
    "request_step",
    "sign_ins",
    "upload",
    "work",
}


def access_to_object(path: str) -> bool:
    """Tell whether a path's parameter names an object: not a pipeline or days, which mean something to everybody."""
    return "{pipeline}" not in path and "{days}" not in path


@pytest.mark.parametrize("caller", ["reader", "writer"])
def test_readers_write_nothing_and_writers_do_not_administer(walked: Walked, caller: str) -> None:
    client, before = walked.client(caller), walked.rows()
    denied = ("write", "admin") if caller == "reader" else ("admin",)
    for path, method, access in routes(walked.app.router.routes):
        if path in OPEN or access is None or access.right not in denied or access.access != "member":
            continue
        for url in filled(path, walked.ids):
            response = client.request(method, url, content=b"{}", headers=JSON)
            assert 400 <= response.status_code < 500, (method, url, response.status_code, response.text)
    after = walked.rows()
    assert {name: count for name, count in after.items() if name not in NOT_THEIRS} == {
        name: count for name, count in before.items() if name not in NOT_THEIRS
    }


def test_a_key_is_confined_to_its_scopes(walked: Walked) -> None:
    with walked.database.write() as session:
        user = session.scalars(select(User).where(User.login == "admin")).one()
        organization = session.scalars(select(Organization).where(Organization.name == f"{SECRET} org")).one()
        _, token = keys.create_key(session, user.id, organization.id, scopes=["series:read"])
    client = TestClient(walked.app, headers={"x-access-token": token})
    assert client.get("/api/v1/projects").status_code == 200
    assert client.post("/api/v1/projects", json={"name": "no"}).status_code == 403
    for path, method, access in routes(walked.app.router.routes):
        if access is None or access.access == "open" or ("series" in access.area and access.right == "read"):
            continue
        response = client.request(method, next(filled(path, walked.ids)), content=json.dumps({}))
        assert response.status_code == 403, (method, path, response.status_code)
