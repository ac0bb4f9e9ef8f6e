"""Fixtures of every test: databases by name, SQLite and PostgreSQL, made by the migrations."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from entrepot.db import Database, migrate
from tests.support.postgres import Cluster
from tests.support.server import ServerProcess


@pytest.fixture(scope="session")
def postgres() -> Iterator[Cluster]:
    """A private PostgreSQL cluster, one a pytest process, started when first asked for."""
    cluster = Cluster()
    yield cluster
    cluster.stop()


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A SQLite file with every table and no row."""
    file = tmp_path_factory.mktemp("template") / "entrepot.db"
    _make_tables(f"sqlite:///{file}")
    return file


@pytest.fixture(scope="session")
def postgres_template(postgres: Cluster) -> str:
    """Name of a PostgreSQL database with every table and no row."""
    name = postgres.create()
    _make_tables(postgres.url(name))
    return name


@pytest.fixture(params=["sqlite", "postgresql"])
def database_kind(request: pytest.FixtureRequest) -> str:
    """The databases by name: whatever asks for this, or for a fixture below, runs once on each."""
    return str(request.param)


@pytest.fixture
def database(database_kind: str, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    """A fresh database with every table."""
    if database_kind == "sqlite":
        shutil.copy(request.getfixturevalue("sqlite_template"), tmp_path / "entrepot.db")
        database = Database(f"sqlite:///{tmp_path / 'entrepot.db'}")
        yield database
        database.close()
        return
    cluster: Cluster = request.getfixturevalue("postgres")
    name = cluster.create(request.getfixturevalue("postgres_template"))
    database = Database(cluster.url(name))
    yield database
    database.close()
    cluster.drop(name)


@pytest.fixture
def database_url(database_kind: str, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """URL of an empty database, without tables: for tests of `init`, of the migrations and of whole servers."""
    if database_kind == "sqlite":
        yield f"sqlite:///{tmp_path / 'empty.db'}"
        return
    cluster: Cluster = request.getfixturevalue("postgres")
    name = cluster.create()
    yield cluster.url(name)
    cluster.drop(name)


@pytest.fixture
def live_server(database_kind: str, database_url: str, tmp_path: Path) -> Iterator[ServerProcess]:
    """A fresh server, running; for tests that kill or restart it, or need an empty one."""
    with ServerProcess(tmp_path / "data", None if database_kind == "sqlite" else database_url) as server:
        yield server


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def shared_server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """A server that a module's tests share; each of them makes projects of its own."""
    url = None
    if request.param == "postgresql":
        cluster: Cluster = request.getfixturevalue("postgres")
        url = cluster.url(cluster.create())
    with ServerProcess(tmp_path_factory.mktemp("shared") / "data", url) as server:
        yield server


def _make_tables(url: str) -> None:
    database = Database(url)
    migrate.upgrade(database)
    database.close()
