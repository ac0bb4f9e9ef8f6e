"""Where the server says how far users' scripts are kept apart, and where it asks for more."""

import dataclasses
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from entrepot import scripts
from entrepot.db import Database
from entrepot.errors import InvalidInput
from entrepot.identity import Role, Vault, keys, users
from entrepot.scripts import Level
from entrepot.server.run import check, serve
from entrepot.server.run.app import create_app
from entrepot.server.services import Services
from entrepot.settings import Settings

PARTIAL = Level("partial", ("namespaces of its own for each call: unshare: Operation not permitted",), "another user")


@pytest.fixture
def database_kind() -> str:
    """What scripts may do does not depend on the database."""
    return "sqlite"


@pytest.fixture
def services(database: Database, tmp_path: Path) -> Services:
    settings = Settings(data_dir=tmp_path / "data")
    settings.data_dir.mkdir()
    Vault.create(settings.secret_key_file)
    return Services(settings, database)


def test_health_says_it_to_administrators_alone(services: Services) -> None:
    with services.database.write() as session:
        organization = users.create_organization(session, "lab")
        tokens = {}
        for role in (Role.ADMIN, Role.READER):
            user, password = users.create_user(session, role.value)
            users.set_member(session, user, organization, role)
            _, tokens[role] = keys.create_key(session, user.id, organization.id, name="key")
        narrow = keys.create_key(session, user.id, organization.id, name="narrow", scopes=["series:read"])[1]
    client = TestClient(create_app(services))
    anonymous = client.get("/health").json()
    assert set(anonymous) == {"status", "version"}
    told = client.get("/health", headers={"authorization": f"Token {tokens[Role.ADMIN]}"}).json()
    expected = dataclasses.asdict(scripts.level())
    assert told["scripts"] == expected | {"missing": list(expected["missing"])}
    assert set(told) == {"status", "version", "scripts", "parts", "jobs", "disk", "database", "key", "clock"}
    for token in (tokens[Role.READER], narrow, "wrong"):
        assert client.get("/health", headers={"x-access-token": token}).json() == anonymous
    assert client.get("/health", auth=("admin", password)).json() == anonymous


def test_check_says_it(services: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scripts, "level", lambda **_: PARTIAL)
    assert check.notes(services)["scripts"] == "partial: run as another user"
    (problem,) = check.CHECKS["scripts"](services)
    assert "namespaces of its own" in problem
    off = dataclasses.replace(services, settings=services.settings.model_copy(update={"script_sandbox": "off"}))
    assert check.CHECKS["scripts"](off) == []


@pytest.mark.parametrize(
    ("given", "refused"),
    [
        ({}, False),
        ({"host": "::1"}, False),
        ({"host": "0.0.0.0"}, True),
        ({"ftp_host": "192.0.2.1"}, True),
        ({"ftp_host": "192.0.2.1", "ftp": False}, False),
        ({"script_sandbox": "required"}, True),
        ({"host": "example.org", "script_sandbox": "auto"}, False),
        ({"host": "example.org", "script_sandbox": "off"}, False),
    ],
)
def test_a_server_beyond_loopback_wants_scripts_apart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, given: dict[str, object], refused: bool
) -> None:
    settings = Settings(data_dir=tmp_path, **given)  # type: ignore[arg-type]
    monkeypatch.setattr(serve, "level", lambda **_: PARTIAL)
    if not refused:
        serve.require_scripts(settings)
        return
    with pytest.raises(InvalidInput) as caught:
        serve.require_scripts(settings)
    (sentence,) = caught.value.fields["script_sandbox"]
    assert "unshare: Operation not permitted" in sentence
    assert "script_sandbox = auto" in sentence
    monkeypatch.setattr(serve, "level", lambda **_: Level("full", (), "another user"))
    serve.require_scripts(settings)


def test_no_part_starts_without_what_is_required(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def started(*_: object) -> None:
        pytest.fail("parts were made")

    monkeypatch.setattr(serve, "level", lambda **_: PARTIAL)
    monkeypatch.setattr(serve, "require_usable", lambda _: None)
    monkeypatch.setattr(serve, "_parts", started)
    with pytest.raises(InvalidInput):
        serve.serve(Settings(data_dir=tmp_path, script_sandbox="required"))
    with pytest.raises(InvalidInput):
        serve.work(Settings(data_dir=tmp_path, script_sandbox="required"))
