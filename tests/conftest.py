"""Fixtures of every test: databases by name, SQLite and PostgreSQL, made by the migrations."""

import atexit
import contextlib
import functools
import gc
import importlib
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import anyio.from_thread
import argon2
import httpx
import httpx._transports.default
import pytest
import starlette.routing
import typer.testing
from starlette.testclient import TestClient

from entrepot.db import Database, migrate
from entrepot.identity import users
from tests.support import one_hop
from tests.support.postgres import Cluster
from tests.support.server import ServerProcess
from tests.support.statements import compile_once
from tests.support.turns import TURNS, left_out

MakeServer = Callable[..., ServerProcess]

# A thousand tests make users, applications and clients in this process: passwords are hashed cheaply there; statements,
# and the patterns of paths, of which Python's own cache holds less, are compiled once; certificates, of which loopback
# shows none, are read once; what commands there are is found out once. Servers in processes of their own do as always.
users._HASHER = argon2.PasswordHasher(time_cost=1, memory_cost=64, parallelism=1)
starlette.routing.compile_path = functools.cache(starlette.routing.compile_path)
typer.testing._get_command = functools.cache(typer.testing._get_command)  # type: ignore[attr-defined]
compile_once()
_https = httpx._transports.default
_https.create_ssl_context = functools.cache(_https.create_ssl_context)  # type: ignore[attr-defined]


class _OneLoop:
    """The event loop of all test clients that are not entered: one, in place of a thread and a loop a request."""

    def __get__(self, client: TestClient | None, owner: type[TestClient]) -> anyio.from_thread.BlockingPortal:
        return self._started()

    @staticmethod
    @functools.cache
    def _started() -> anyio.from_thread.BlockingPortal:
        return _RUNNING.enter_context(anyio.from_thread.start_blocking_portal())


# A process of the tests has half a million objects that stay: to look through them for rubbish took a fifth of a run.
gc.disable()
gc.set_threshold(200_000, 10, 10)


def pytest_collection_finish() -> None:
    """Look for rubbish from now on, and never among what was imported; make the routes of applications once."""
    if served := sys.modules.get("entrepot.server.run.app"):
        for module in (served.console, *map(importlib.import_module, served.DOORS.values())):
            module.routes = functools.cache(module.routes)
    gc.collect()
    gc.freeze()
    gc.enable()


_RUNNING = contextlib.ExitStack()
atexit.register(_RUNNING.close)
TestClient.portal = _OneLoop()  # type: ignore[assignment]
one_hop.install()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Say on which database what takes turns begins."""
    parser.addoption("--turn", choices=TURNS, default="one", help="which database begins; both: all tests on each")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what is another database's turn."""
    if dropped := set(left_out(items, config.getoption("--turn"))):
        config.hook.pytest_deselected(items=list(dropped))
        items[:] = [item for item in items if item not in dropped]


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
def postgres_tables(postgres: Cluster) -> tuple[str, set[str]]:
    """Name of a PostgreSQL database with every table and no row, to be emptied after use; and its tables."""
    name = postgres.create()
    _make_tables(postgres.url(name))
    return name, postgres.tables(name)


@pytest.fixture(autouse=True)
def _umask() -> Iterator[None]:
    """Leave no test the umask of a command that another one ran in this process: files would be its own alone."""
    before = os.umask(0o022)
    os.umask(before)
    yield
    os.umask(before)


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
    name, tables = request.getfixturevalue("postgres_tables")
    database = Database(cluster.url(name))
    yield database
    database.close()
    cluster.empty(name, tables)


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


@pytest.fixture(scope="session")
def make_server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> MakeServer:
    """Make servers, each with a fresh database of a kind; ``entrepot init`` runs once a kind, and is copied."""

    @functools.cache
    def original(kind: str) -> tuple[ServerProcess, str]:
        folder = tmp_path_factory.mktemp("original") / "data"
        if kind == "sqlite":
            return ServerProcess(folder), ""
        cluster: Cluster = request.getfixturevalue("postgres")
        name = cluster.create()
        return ServerProcess(folder, cluster.url(name)), name

    def make(kind: str, data_dir: Path, **options: Any) -> ServerProcess:
        copied, name = original(kind)
        url = None
        if kind == "postgresql":
            cluster: Cluster = request.getfixturevalue("postgres")
            url = cluster.url(cluster.create(name))
        return ServerProcess(data_dir, url, original=copied, **options)

    return make


@pytest.fixture
def live_server(database_kind: str, make_server: MakeServer, tmp_path: Path) -> Iterator[ServerProcess]:
    """A fresh server, running; for tests that kill or restart it, or need an empty one."""
    with make_server(database_kind, tmp_path / "data") as server:
        yield server


@pytest.fixture(scope="session")
def running_server(
    make_server: MakeServer,
    postgres: Cluster,  # is stopped after the servers that need it
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Callable[[str], ServerProcess]]:
    """Return the server of a kind that runs as long as this process, started when first asked for."""
    with contextlib.ExitStack() as running:

        @functools.cache
        def of(kind: str) -> ServerProcess:
            return running.enter_context(make_server(kind, tmp_path_factory.mktemp("shared") / "data"))

        yield of


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def shared_server(request: pytest.FixtureRequest, running_server: Callable[[str], ServerProcess]) -> ServerProcess:
    """A server that many tests share; each of them makes projects of its own and leaves the rest as it was."""
    return running_server(request.param)


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def own_server(
    request: pytest.FixtureRequest, make_server: MakeServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ServerProcess]:
    """A server that a module has for itself: for what counts all that is there, or brings it in trouble."""
    with make_server(request.param, tmp_path_factory.mktemp("own") / "data") as server:
        yield server


def _make_tables(url: str) -> None:
    database = Database(url)
    migrate.upgrade(database)
    database.close()
