"""A gate with a feeder, and a source of each kind."""

import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from entrepot import jobs
from entrepot.db import Database
from entrepot.jobs import testing
from entrepot.lineage import Run
from entrepot.pipeline.feeders import configuration as feeders
from entrepot.pipeline.models import FedFile, Feeder
from entrepot.scripts import ScriptRunner
from tests.integration.pipeline.conftest import World, build_world
from tests.support import sources
from tests.support.sources import LOGIN, PASSWORD, Place, Served

KINDS = ("ftp", "ftps", "sftp", "http json", "http html", "s3")
ON_DISK = KINDS[:-1]
#: Quick, but otherwise as users have them.
OPTIONS: dict[str, Any] = {"settle_seconds": 0, "retries": 0, "retry_seconds": 0.01, "stall_seconds": 20}


@dataclass
class Site:
    """A gate whose feeder fetches when the test says so."""

    world: World
    feeder: str = ""
    child: str = ""
    model: str = feeders.ADDRESS

    def connect(self, place: Place, **parameters: Any) -> "Site":
        """Give the gate a feeder that fetches from a place."""
        fields = {
            "url": place.url,
            "parameters": {**OPTIONS, **place.parameters, **parameters},
            "credentials": place.credentials,
        }
        return self._make(feeders.ADDRESS, fields)

    def script(self, script: str, credentials: dict[str, str] | None = None, **parameters: Any) -> "Site":
        """Give the gate a feeder whose script fetches."""
        fields = {"script": script, "parameters": {**OPTIONS, **parameters}, "credentials": credentials}
        return self._make(feeders.SCRIPT, fields)

    def _make(self, model: str, fields: dict[str, Any]) -> "Site":
        world = self.world
        with world.database.write() as session:
            feeder = feeders.create_feeder(session, world.principal, {"gate": world.gate, "timezone": "UTC"})
            feeders.set_source(session, world.principal, world.vault, world.settings, feeder.id, model, fields)
            self.feeder, self.child, self.model = feeder.id, str(feeder.source_id), model
        return self

    def change(self, **fields: Any) -> None:
        """Change the feeder; it stays quick."""
        if "parameters" in fields:
            fields["parameters"] = {**OPTIONS, **fields["parameters"]}
        self.replace(**fields)

    def replace(self, **fields: Any) -> None:
        """Give the feeder just these."""
        world = self.world
        with world.database.write() as session:
            feeders.change_source(session, world.principal, world.vault, world.settings, self.model, self.child, fields)

    def feed(self, status: str = "finished", kind: Callable[..., jobs.Job] = feeders.start) -> dict[str, Any]:
        """Run the feeder and return its report."""
        with self.world.database.write() as session:
            job = kind(session, self.record(session))
        done = next(
            one
            for one in testing.run_pending(
                self.world.database, self.world.settings, {"scripts": self.world.runner, "vault": self.world.vault}
            )
            if one.id == job.id
        )
        self.job = done
        assert done.status == status, (done.status, done.error, done.traceback, done.output)
        return done.result if status == "finished" else {"error": done.error, **(done.error_details or {})}

    def record(self, session: Any) -> Feeder:
        return session.scalar(select(Feeder).where(Feeder.id == self.feeder))

    def files(self) -> dict[str, bytes]:
        """Return what importers see of the gate."""
        root = self.world.gate_dir
        return {
            path.relative_to(root).as_posix(): path.read_bytes()
            for path in sorted(root.rglob("*"))
            if path.is_file() and not path.name.startswith(".entrepot-")
        }

    def memory(self) -> dict[str, FedFile]:
        with self.world.database.read() as session:
            rows = session.scalars(select(FedFile).where(FedFile.feeder_id == self.feeder))
            return {row.path: row for row in rows}

    def runs(self) -> list[Run]:
        with self.world.database.read() as session:
            return list(session.scalars(select(Run).where(Run.generator_id == self.feeder).order_by(Run.started_at)))


class Servers:
    """The servers of a session, each started when it is first needed."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self.folder, self._stack = folder, stack
        self.served = Served()
        stack.callback(self.served.close)

    @cached_property
    def ftp(self) -> int:
        return self._stack.enter_context(sources.ftp_server(self.served.root))

    @cached_property
    def ftps(self) -> tuple[int, str]:
        certificate = sources.make_certificate(self.folder / "ftps.pem")
        return self._stack.enter_context(sources.ftp_server(self.served.root, self.folder / "ftps.pem")), certificate

    @cached_property
    def ssh(self) -> tuple[int, str, str]:
        folder = self.served.root / ".ssh"
        folder.mkdir()
        folder.chmod(0o755)
        return self._stack.enter_context(sources.ssh_server(folder))

    @cached_property
    def web(self) -> dict[str, int]:
        folder = self.served.root / ".nginx"
        folder.mkdir()
        folder.chmod(0o755)
        return self._stack.enter_context(sources.web_server(self.served.root, folder))

    @cached_property
    def s3(self) -> str:
        return self._stack.enter_context(sources.s3_server(self.folder / "moto.log"))

    def place(self, kind: str, name: str | None = None) -> Place:
        """Return a folder of its own on the server of a kind."""
        if kind == "s3":
            prefix = self.served.folder()
            return Place(
                kind,
                f"s3://source/{prefix}",
                credentials=dict(sources.S3_KEYS),
                parameters={"endpoint": self.s3},
                store=sources.bucket(self.s3),
                prefix=prefix,
            )
        name = name or self.served.folder()
        folder = self.served.root / name
        password = {"login": LOGIN, "password": PASSWORD}
        match kind:
            case "ftp":
                return Place(kind, f"ftp://127.0.0.1:{self.ftp}/{name}", folder, password)
            case "ftps":
                port, certificate = self.ftps
                return Place(kind, f"ftps://127.0.0.1:{port}/{name}", folder, password, {"certificate": certificate})
            case "sftp":
                port, login, key = self.ssh
                return Place(kind, f"sftp://127.0.0.1:{port}{folder}", folder, {"login": login, "private_key": key})
        return Place(kind, f"http://127.0.0.1:{self.web[kind.split()[1]]}/{name}/", folder)


@pytest.fixture(scope="session")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    with ExitStack() as stack:
        yield Servers(tmp_path_factory.mktemp("servers"), stack)


@pytest.fixture(params=KINDS)
def place(request: pytest.FixtureRequest, servers: Servers) -> Place:
    """A folder of a source, of each kind."""
    return servers.place(request.param)


@pytest.fixture(scope="session")
def script_runner() -> Iterator[ScriptRunner]:
    with ScriptRunner() as runner:
        yield runner


def make_site(database: Database, data_dir: Path, runner: Any, **settings: Any) -> Site:
    world = build_world(database, data_dir, runner)
    jobs.load(["entrepot.pipeline.feeders.feed_run"])
    allowed: Any = {"webhook_allowed_networks": ["127.0.0.1/32"], **settings}
    world.settings = type(world.settings)(data_dir=world.settings.data_dir, **allowed)
    return Site(world)


@pytest.fixture
def site(sqlite_template: Path, tmp_path: Path) -> Iterator[Site]:
    """A gate without a feeder yet, on SQLite: for what has to do with sources, not with the database."""
    shutil.copy(sqlite_template, tmp_path / "entrepot.db")
    database = Database(f"sqlite:///{tmp_path / 'entrepot.db'}")
    yield make_site(database, tmp_path / "data", None)
    database.close()


@pytest.fixture
def any_site(database: Database, tmp_path: Path, script_runner: ScriptRunner) -> Site:
    """A gate without a feeder yet, on both databases, where scripts run."""
    return make_site(database, tmp_path / "data", script_runner)
