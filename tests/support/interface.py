"""The interface of a server in this process, and a farm made by it."""

from pathlib import Path
from typing import Any

import httpx
from sqlalchemy.orm import Session
from starlette.testclient import TestClient

from entrepot.db import Database
from entrepot.identity import Organization, Principal, Role, User, Vault, keys, users
from entrepot.jobs.testing import run_pending
from entrepot.server.run.app import create_app
from entrepot.server.services import Services
from entrepot.settings import Settings
from tests.support.pipeline_worker import InPlaceScripts

PARSE = """
import pandas as pd
def parse(content, path, **tools):
    return pd.read_csv(content, index_col=0, parse_dates=True)
"""
MEAN = """
import pandas as pd
def analyze(frame, **tools):
    return pd.DataFrame({"mean": frame.mean(axis=1)})
"""
DAY = "t,wind\n" + "".join(
    f"2024-03-01T{hour:02d}:{ten}0Z,{hour + ten / 10}\n" for hour in range(24) for ten in range(6)
)


class Api:
    """The interface of a server in this process, as an administrator sees it."""

    def __init__(self, database: Database, settings: Settings, token: str) -> None:
        self.database, self.settings, self.token = database, settings, token
        self.services = Services(settings, database)
        self.client = TestClient(create_app(self.services), raise_server_exceptions=False)
        self.client.headers["authorization"] = f"Token {token}"

    def ask(self, method: str, path: str, status: int = 200, **options: Any) -> Any:
        answer: httpx.Response = self.client.request(method, f"/api/v1{path}", **options)
        assert answer.status_code == status, answer.text
        return answer.json() if answer.content else None

    @property
    def principal(self) -> Principal:
        with self.database.read() as session:
            found = keys.find_principal(session, self.token)
        assert found is not None
        return found

    def organization(self, session: Session) -> Organization:
        return session.get_one(Organization, self.principal.organization_id)

    def work(self) -> None:
        run_pending(self.database, self.settings, {"scripts": InPlaceScripts(), "vault": self.services.vault})


def interface(database: Database, tmp_path: Path) -> Api:
    """Return the interface of a server that has an organization, as its administrator sees it."""
    settings = Settings(data_dir=tmp_path / "data")
    settings.data_dir.mkdir()
    Vault.create(settings.secret_key_file)
    with database.write() as session:
        own = users.create_organization(session, "own")
        user = User(login="ada", password_hash="")
        session.add(user)
        session.flush()
        users.set_member(session, user, own, Role.ADMIN)
        token = keys.create_key(session, user.id, own.id)[1]
    return Api(database, settings, token)


def farm_of(api: Api) -> dict[str, Any]:
    """A project with a gate, an importer, a channel and an analysis."""
    project = api.ask("POST", "/projects", 201, json={"name": "Farm"})
    gate = api.ask("POST", "/gates", 201, json={"project": "Farm", "name": "scada", "quarantine": True})
    given: dict[str, Any] = {"project": "Farm", "name": "scada", "gate": "scada", "parse": PARSE, "clock": "UTC"}
    importer = api.ask("POST", "/importers", 201, json=given)
    given = {"importer": "scada", "raw": "wind", "name": "T1 wind", "unit": "m/s", "kind": "mean", "maximum": 22.5,
             "clock": "UTC"}  # fmt: skip
    channel = api.ask("POST", "/channels", 201, json=given)
    given = {"project": "Farm", "name": "Mean", "inputs": ["T1 wind"], "outputs": ["mean"], "script": MEAN,
             "step": "3h"}  # fmt: skip
    analysis = api.ask("POST", "/analyses", 201, json=given)
    return {"project": project, "gate": gate, "importer": importer, "channel": channel, "analysis": analysis}
