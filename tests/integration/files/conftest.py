"""Storages of every kind that runs here, and callers."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import obstore
import pytest
from obstore.store import S3Store

from entrepot.db import Database
from entrepot.files.stores import open_store
from entrepot.identity import Principal, Role, Vault, users
from entrepot.objects.stores import Store
from entrepot.settings import Settings
from tests.support.sources import s3_server

CREDENTIALS = {"access_key_id": "test", "secret_access_key": "test", "region": "us-east-1"}


@pytest.fixture(scope="session")
def s3_endpoint(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server that speaks S3, with the bucket ``results``."""
    with s3_server(tmp_path_factory.mktemp("moto") / "log", "results") as endpoint:
        yield endpoint


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Settings of a server whose operator allows one folder and this machine."""
    (tmp_path / "data").mkdir()
    (tmp_path / "exports").mkdir()
    return Settings(
        data_dir=tmp_path / "data",
        file_local_roots=[tmp_path / "exports"],
        webhook_allowed_networks=["127.0.0.0/8"],
    )


@pytest.fixture
def vault(settings: Settings) -> Vault:
    """The server's secrets."""
    Vault.create(settings.secret_key_file)
    return Vault.open(settings.secret_key_file)


@pytest.fixture(params=["local", "s3"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> dict[str, Any]:
    """A storage's url and credentials, of each kind."""
    if request.param == "local":
        return {"url": f"local://{tmp_path / 'exports' / 'deep' / 'er'}", "credentials": None}
    endpoint = request.getfixturevalue("s3_endpoint")
    return {"url": f"s3://results/{tmp_path.name}/deep", "credentials": CREDENTIALS | {"endpoint": endpoint}}


@pytest.fixture
def storage(place: dict[str, Any], settings: Settings) -> Store:
    """A storage of each kind."""
    return open_store(settings, place["url"], place["credentials"], own=False)


@pytest.fixture
def make_principal(database: Database) -> Callable[..., Principal]:
    """Make callers: a user of a new organization, each."""

    def make(name: str = "Lab", role: Role = Role.ADMIN) -> Principal:
        with database.write() as session:
            found = users.create_organization(session, name)
            user, _ = users.create_user(session, f"{name}@example.org", "a long password")
            return Principal(user.id, user.login, found.id, {found.id: role})

    return make


def list_bucket(endpoint: str, prefix: str) -> list[str]:
    """Return the keys in the bucket."""
    config: Any = CREDENTIALS | {"endpoint": endpoint}
    store = S3Store("results", config=config, client_options={"allow_http": True})
    return [entry["path"] for part in obstore.list(store, prefix) for entry in part]
