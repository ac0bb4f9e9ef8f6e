"""The interface of a server in this process, as an administrator sees it."""

from pathlib import Path
from typing import Any

import httpx
from starlette.testclient import TestClient

from entrepot.db import Database
from entrepot.identity import Role, User, Vault, keys, users
from entrepot.jobs.testing import run_pending
from entrepot.server.run.app import create_app
from entrepot.server.services import Services
from entrepot.settings import Settings
from tests.support.pipeline_worker import InPlaceScripts


class Api:
    """A server in this process with an organization, asked by its administrator."""

    def __init__(self, database: Database, folder: Path) -> None:
        settings = Settings(data_dir=folder)
        settings.data_dir.mkdir()
        Vault.create(settings.secret_key_file)
        with database.write() as session:
            own = users.create_organization(session, "own")
            user = User(login="ada", password_hash="")
            session.add(user)
            session.flush()
            users.set_member(session, user, own, Role.ADMIN)
            token = keys.create_key(session, user.id, own.id)[1]
        self.database, self.settings = database, settings
        self.services = Services(settings, database)
        self.client = TestClient(create_app(self.services), raise_server_exceptions=False)
        self.client.headers["authorization"] = f"Token {token}"

    def ask(self, method: str, path: str, status: int = 200, **options: Any) -> Any:
        answer: httpx.Response = self.client.request(method, f"/api/v1{path}", **options)
        assert answer.status_code == status, answer.text
        return answer.json() if answer.content else None

    def put(self, gate_id: str, path: str, content: bytes) -> None:
        self.client.put(f"/api/v1/gates/{gate_id}/files/{path}", content=content).raise_for_status()

    def work(self) -> None:
        run_pending(self.database, self.settings, {"scripts": InPlaceScripts(), "vault": self.services.vault})

    def run(self, kinds: str, maker_id: str) -> dict[str, Any]:
        """Run a generator and what follows, and return its run."""
        run = self.ask("POST", f"/{kinds}/{maker_id}/runs", 202, json={})
        self.work()
        ended: dict[str, Any] = self.ask("GET", f"/runs/{run['id']}")
        assert ended["status"] == "finished", ended
        return ended

    def points(self, project: str) -> dict[str, bytes]:
        """Return the points of all series of a project, by name, as they are on the wire."""
        found = self.ask("GET", "/series", params={"project": project, "limit": 1000})["items"]
        path = "/api/v1/series/{}/points?format=arrow"
        return {one["name"]: self.client.get(path.format(one["id"])).content for one in found}
