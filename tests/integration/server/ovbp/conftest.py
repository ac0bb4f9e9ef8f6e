"""A server's OVBP door, called in this process, with users of every kind."""

import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from httpx import Response

from entrepot import jobs
from entrepot.db import Database
from entrepot.identity import Organization, Role, User, Vault, keys, users
from entrepot.jobs import testing
from entrepot.scripts import ScriptRunner
from entrepot.server.handlers import HANDLERS
from entrepot.server.run.app import create_app
from entrepot.server.services import Services
from entrepot.settings import Settings

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # it would rather have a successor of httpx
    from starlette.testclient import TestClient

BASE = "http://testserver/ovbp/api/v2/"


@dataclass
class Door:
    """The door as a writer of the organization Openergy sees it."""

    services: Services
    organization: str
    runner: ScriptRunner
    client: TestClient
    others: dict[str, TestClient] = field(default_factory=dict)

    def call(self, method: str, path: str, body: Any = None, *, by: str = "writer", **params: Any) -> Response:
        client = self.client if by == "writer" else self.others[by]
        return client.request(method, path, json=body, params=params or None, follow_redirects=False)

    def get(self, path: str, **params: Any) -> Any:
        return self.ok(self.call("GET", path, **params))

    def rows(self, path: str, **params: Any) -> Any:
        return self.get(path, **params)["data"]

    def post(self, path: str, body: Any = None, **params: Any) -> Any:
        return self.ok(self.call("POST", path, body, **params))

    def patch(self, path: str, body: Any) -> Any:
        return self.ok(self.call("PATCH", path, body))

    def delete(self, path: str) -> None:
        response = self.call("DELETE", path)
        assert (response.status_code, response.content) == (204, b""), response.text

    def ok(self, response: Response) -> Any:
        assert response.is_success, f"{response.status_code}: {response.text}"
        return response.json() if response.content else None

    def work(self) -> list[jobs.Job]:
        """Do all that waits, as a worker would."""
        offered = {"scripts": self.runner, "settings": self.services.settings, "vault": self.services.vault}
        return testing.run_pending(self.services.database, self.services.settings, offered)

    def project(self, name: str = "project") -> str:
        body = {"organization": self.organization, "name": name, "comment": ""}
        return str(self.post("oteams/projects/", body)["odata"])

    def gate(self, project: str, name: str = "gate") -> dict[str, Any]:
        return dict(self.post("odata/gates/", {"project": project, "name": name, "comment": ""}))

    def importer(self, project: str, name: str = "importer-a", **fields: Any) -> dict[str, Any]:
        return dict(self.post("odata/importers/", {"project": project, "name": name, "comment": "", **fields}))

    def cleaner(self, importer: dict[str, Any]) -> str:
        (row,) = self.rows("odata/cleaners/", project=importer["project"], name=importer["name"])
        return str(row["id"])

    def put(self, gate: dict[str, Any], path: str, content: bytes) -> None:
        target = self.services.settings.data_dir / "gates" / gate["id"] / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)


@pytest.fixture(scope="session")
def script_runner() -> Iterator[ScriptRunner]:
    with ScriptRunner() as runner:
        yield runner


@pytest.fixture
def door(database: Database, tmp_path: Path, script_runner: ScriptRunner) -> Door:
    jobs.load(HANDLERS)
    settings = Settings(data_dir=tmp_path / "data", ftp_port=2121)
    settings.data_dir.mkdir()
    Vault.create(settings.secret_key_file)
    services = Services(settings, database)
    with database.write() as session:
        openergy = users.create_organization(session, "Openergy")
        elsewhere = users.create_organization(session, "Elsewhere")
        tokens = {
            "writer": _token(session, "writer", openergy, Role.WRITER),
            "reader": _token(session, "reader", openergy, Role.READER),
            "stranger": _token(session, "stranger", elsewhere, Role.ADMIN),
        }
    app = create_app(services)

    def client(headers: dict[str, str]) -> TestClient:
        return TestClient(app, base_url=BASE, headers=headers, raise_server_exceptions=False)

    clients = {name: client({"authorization": f"Token {token}"}) for name, token in tokens.items()}
    return Door(services, openergy.id, script_runner, clients.pop("writer"), clients | {"nobody": client({})})


def _token(session: Any, login: str, organization: Organization, role: Role) -> str:
    """Make a user and return a token, which is quicker to check than a password."""
    user = User(login=login, password_hash="")
    session.add(user)
    session.flush()
    users.set_member(session, user, organization, role)
    return keys.create_key(session, user.id, organization.id)[1]
