"""Every route and method, walked as nobody, as a stranger of another organization, as a reader and as a writer."""

import itertools
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fastapi import FastAPI
from sqlalchemy import func, select
from starlette.routing import BaseRoute, Mount
from starlette.testclient import TestClient

from entrepot.db import Base, Database
from entrepot.events import notifications
from entrepot.identity import Organization, Role, User, Vault, ftp, keys, projects, users
from entrepot.pipeline import analyses, cleaners, feeders, gates, importers
from entrepot.series import store
from entrepot.server.app import create_app
from entrepot.server.auth import principal_of
from entrepot.server.services import Services
from entrepot.settings import Settings

#: In every name and text of the walked organization, and never to be seen by others.
SECRET = "zanzibar"
#: What may be asked by anybody: nothing of anybody's is in there.
OPEN = {"/health", "/metrics", "/docs", "/docs/", "/api/v1/openapi.json"}


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
    return walked


def _fill(session: Any, services: Services, organization: Organization) -> list[Named]:
    """Make one of everything that the first slice knows and return the ids."""
    principal = principal_of(session, session.scalars(select(User).where(User.login == "admin")).one())
    project = projects.create_project(session, principal, organization.id, f"{SECRET} project")
    gate = gates.create_gate(session, principal, services.vault, project.id, f"{SECRET} gate")
    feeder = feeders.create_feeder(session, principal, {"gate": gate.id})
    importer = importers.create_importer(session, principal, {"project": project.id, "name": f"{SECRET} importer"})
    unitcleaner = cleaners.create_unitcleaner(
        session, principal, {"cleaner": importer.cleaner.id, "external_name": "p", "name": f"{SECRET} p"}
    )
    analysis = analyses.create_analysis(session, principal, {"project": project.id, "name": f"{SECRET} analysis"})
    column = {
        "analysis": analysis.id,
        "input_series_generator": importer.cleaner.id,
        "input_series_name": f"{SECRET} p",
    }
    analysis_input = analyses.create_input(session, principal, {**column, "column_name": "p"})
    output = analyses.create_output(session, principal, {"analysis": analysis.id, "name": f"{SECRET} out"})
    config = {"analysis": analysis.id, "input_freq": "1H", "output_freq": "1H", "script": f"# {SECRET}"}
    owned = {"organization_id": organization.id, "project_id": project.id}
    series = store.create_series(session, generator_kind="direct", generator_id=None, name=f"{SECRET} series", **owned)
    store.append(session, series.pk, np.arange(10), np.arange(10.0))
    notice = notifications.notify(session, f"{SECRET} notice", "", generator_id=analysis.id, **owned)
    account = ftp.find_account(session, home=f"gates/{gate.id}")
    named = {
        "organization": organization, "project": project, "gate": gate, "feeder": feeder, "importer": importer,
        "cleaner": importer.cleaner, "unitcleaner": unitcleaner, "analys": analysis, "analysis_input": analysis_input,
        "analysis_output": output, "analysis_config": analyses.create_config(session, principal, config),
        "series": series, "notification": notice, "ftp_account": account,
    }  # fmt: skip
    return [Named.of(record.id, word) for word, record in named.items()] + [Named.of(series.pk, "series")]


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
        ids = [Named.of(number) for number in (1, 2)]
    fitting = [each for each in ids if any(word in path for word in each.words)] + ids[:2]
    for chosen in fitting if len(holes) == 1 else itertools.islice(itertools.permutations(fitting, len(holes)), 6):
        for hole, value in zip(holes, [chosen] if len(holes) == 1 else chosen, strict=True):
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
            response = client.request(method, url, content=b"{}" if method in ("POST", "PUT", "PATCH") else None)
            assert SECRET not in response.text, (method, url, response.text)
            assert response.status_code < 500, (method, url, response.text)
            if "{" in path and access_to_object(path):
                assert response.status_code in (400, 404, 405, 409), (method, url, response.status_code, response.text)
    after = walked.rows()
    assert {name: after[name] for name in before if name not in NOT_THEIRS} == {
        name: before[name] for name in before if name not in NOT_THEIRS
    }


#: What a stranger's walk may add for itself: its own keys and its own works, users, configs.
NOT_THEIRS: set[str] = {"api_key", "event", "ftp_account", "job", "poll", "poll_task", "upload", "work"}


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
            response = client.request(method, url, content=b"{}")
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
        if access is None or access.access == "open" or (access.area, access.right) == ("series", "read"):
            continue
        response = client.request(method, next(filled(path, walked.ids)), content=json.dumps({}))
        assert response.status_code == 403, (method, path, response.status_code)
