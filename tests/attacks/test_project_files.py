"""Attacks by files of projects: on projects of others, on secrets, on the server by the size of what is asked."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from entrepot.cli import yaml_files
from entrepot.db import Database
from entrepot.errors import InvalidInput
from entrepot.identity import Role, User, keys, users
from tests.support.interface import Api, interface

FEEDER = {"from": "https://historian.example/", "secret": "historian"}
FILE: dict[str, Any] = {"project": "Farm", "gates": {"scada": {"feeder": FEEDER}}}
SECRETS = {"historian": {"login": "reader", "password": "swordfish-4711"}}


@pytest.fixture
def api(sqlite_template: Path, tmp_path: Path) -> Iterator[Api]:
    shutil.copy(sqlite_template, tmp_path / "entrepot.db")
    database = Database(f"sqlite:///{tmp_path / 'entrepot.db'}")
    yield interface(database, tmp_path)
    database.close()


@pytest.fixture
def project(api: Api) -> str:
    api.ask("POST", "/projects/apply", json={"file": FILE, "secrets": SECRETS})
    (found,) = api.ask("GET", "/projects")["items"]
    return str(found["id"])


def other(api: Api, role: Role, organization: str | None = None, scopes: list[str] | None = None) -> dict[str, str]:
    """Return the headers of somebody else."""
    with api.database.write() as session:
        user = User(login=f"mallory-{role}-{organization}", password_hash="")
        session.add(user)
        session.flush()
        own = api.organization(session) if organization is None else users.create_organization(session, organization)
        users.set_member(session, user, own, role)
        return {"authorization": f"Token {keys.create_key(session, user.id, own.id, scopes=scopes)[1]}"}


def test_a_stranger_sees_no_file_and_applies_to_a_project_of_their_own(api: Api, project: str) -> None:
    stranger = other(api, Role.ADMIN, "others")
    api.ask("GET", f"/projects/{project}/file", 404, headers=stranger)
    file = {"project": "Farm", "gates": {}}
    told = api.ask("POST", "/projects/apply", headers=stranger, json={"file": file})
    assert [one["action"] for one in told["changes"]] == ["made"], "one of theirs, of the same name"
    assert len(api.ask("GET", "/gates")["items"]) == 1


def test_a_reader_exports_and_can_neither_plan_nor_apply(api: Api, project: str) -> None:
    reader = other(api, Role.READER)
    assert api.ask("GET", f"/projects/{project}/file", headers=reader)["project"] == "Farm"
    for what in ("plan", "apply"):
        api.ask("POST", f"/projects/{what}", 403, headers=reader, json={"file": {"project": "Farm", "gates": {}}})
    assert len(api.ask("GET", "/gates")["items"]) == 1


def test_a_key_of_series_makes_no_sites_by_a_file(api: Api, project: str) -> None:
    narrow = other(api, Role.ADMIN, scopes=["series:write"])
    file = {"project": "Farm", "sites": {"Hill": {}}}
    api.ask("POST", "/projects/apply", 403, headers=narrow, json={"file": file})
    api.ask("GET", f"/projects/{project}/file", 403, headers=narrow)
    assert api.ask("GET", "/sites")["items"] == []


def test_secrets_are_in_no_export_plan_or_refusal(api: Api, project: str) -> None:
    exported = api.client.get(f"/api/v1/projects/{project}/file").text
    planned = api.client.post("/api/v1/projects/plan", json={"file": {**FILE, "gates": {}}, "secrets": SECRETS}).text
    wrong = {**FILE, "gates": {"scada": {"feeder": {**FEEDER, "schedule": "whenever"}}}}
    refused = api.client.post("/api/v1/projects/apply", json={"file": wrong, "secrets": SECRETS}).text
    assert "feeder scada: schedule" in refused
    assert all("swordfish" not in text for text in (exported, planned, refused))


def test_a_file_cannot_send_kept_secrets_elsewhere(api: Api, project: str) -> None:
    moved = {"project": "Farm", "gates": {"scada": {"feeder": {**FEEDER, "from": "https://mallory.example/"}}}}
    for what in ("plan", "apply"):
        api.ask("POST", f"/projects/{what}", 422, json={"file": moved})
    inside = {"project": "Farm", "gates": {"other": {"feeder": {"from": "http://169.254.169.254/"}}}}
    api.ask("POST", "/projects/apply", 422, json={"file": inside})


def test_a_plan_leaves_nothing_behind(api: Api, project: str) -> None:
    before = api.ask("GET", f"/projects/{project}/file")
    file = {"project": "Farm", "gates": {"second": {}}, "importers": {"a": {"gate": "second", "active": True}}}
    for _ in range(2):
        api.ask("POST", "/projects/plan", json={"file": file, "secrets": SECRETS})
    assert api.ask("GET", f"/projects/{project}/file") == before
    assert api.ask("GET", "/events")["items"] == api.ask("GET", "/events")["items"]


@pytest.mark.parametrize("path", ["../../etc/hosts.py", "/etc/hosts.py", "link.py"])
def test_a_file_takes_no_script_from_elsewhere(path: str, tmp_path: Path) -> None:
    folder = tmp_path / "farm"
    folder.mkdir()
    (tmp_path / "secret.py").write_text("SECRET = 1")
    (folder / "link.py").symlink_to(tmp_path / "secret.py")
    (folder / "farm.yaml").write_text(f"project: x\nimporters: {{a: {{parse: {path}}}}}\n")
    with pytest.raises(InvalidInput, match="not beside"):
        yaml_files.read(folder / "farm.yaml")


def test_aliases_of_aliases_do_not_fill_the_memory(tmp_path: Path) -> None:
    lines = ["a: &a [x, x, x, x, x, x, x, x, x, x]"]
    lines += [
        f"{name}: &{name} [{', '.join([f'*{old}'] * 10)}]" for old, name in zip("abcdefghij", "bcdefghijk", strict=True)
    ]
    (tmp_path / "bomb.yaml").write_text("\n".join(lines))
    with pytest.raises(InvalidInput, match="too large"):
        yaml_files.load(tmp_path / "bomb.yaml")
