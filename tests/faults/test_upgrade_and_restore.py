"""An upgrade beside a running server is refused, makes a copy first; a restored copy calls nobody until told to."""

import tarfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from ipaddress import ip_network
from pathlib import Path

import orjson
import pytest
from sqlalchemy import select, text
from structlog.testing import capture_logs
from typer.testing import CliRunner, Result

from entrepot import jobs
from entrepot.cli import app
from entrepot.db import Database, installation, migrate
from entrepot.errors import Conflict
from entrepot.events import emit, webhooks
from entrepot.events.styles import STANDARD
from entrepot.identity import Organization, Principal, Role, User
from entrepot.jobs import registry
from entrepot.jobs.models import Job
from entrepot.jobs.worker import Worker
from entrepot.server import backup, contents, sealed
from entrepot.server.handlers import HANDLERS
from entrepot.server.recognise import require_usable
from entrepot.server.run import serve, upgrade
from entrepot.server.services import Services
from entrepot.server.setup import initialise
from entrepot.settings import Settings
from tests.support.deadline import eventually
from tests.support.load import Receiver


@pytest.fixture
def services(database: Database, tmp_path: Path) -> Iterator[Services]:
    """A server that was initialised."""
    settings = Settings(data_dir=tmp_path / "data", database_url=database.url)
    initialise(settings, "O", "ada", "password 1")
    opened = Services.open(settings)
    yield opened
    opened.close()


@pytest.fixture
def older(services: Services, newer_program: None) -> Iterator[Services]:
    """The same under a program that has one more migration."""
    before = migrate.current(services.database)
    yield services
    with services.database.write() as session:  # the tests' database is one for all of them
        session.execute(text("UPDATE alembic_version SET version_num = :before"), {"before": before})


def run(services: Services, *arguments: object) -> Result:
    given = [*map(str, arguments), "--data-dir", str(services.settings.data_dir)]
    services.close()
    return CliRunner().invoke(app, given, env={"ENTREPOT_DATABASE_URL": services.settings.database_url})


def test_an_upgrade_says_what_it_does_and_makes_a_copy_first(older: Services) -> None:
    said = run(older, "db", "upgrade", "--dry-run")
    assert said.exit_code == 0, said.output
    assert "MiB: about 1 min" in said.stdout
    with pytest.raises(migrate.StaleDatabase, match="entrepot db upgrade"):
        require_usable(older.settings)
    done = run(older, "db", "upgrade")
    assert done.exit_code == 0, done.output
    (copy,) = (older.settings.data_dir / upgrade.FOLDER).iterdir()
    assert f"the database as it was: {copy}" in done.stdout
    require_usable(older.settings)
    assert "already" in run(older, "db", "upgrade").stdout


def test_no_copy_is_made_where_none_is_wanted(older: Services) -> None:
    assert run(older, "db", "upgrade", "--no-backup").exit_code == 0
    assert not (older.settings.data_dir / upgrade.FOLDER).exists()


@pytest.mark.parametrize("who", ["a server here", "a worker anywhere"])
def test_an_upgrade_beside_a_running_server_is_refused(
    older: Services, who: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(upgrade, "_PATIENCE_SECONDS", 0.3)
    ended, started = threading.Event(), threading.Event()

    def be_connected() -> None:
        database = Database(older.settings.url)
        with database.engine.connect() as connection:
            connection.execute(text("SELECT count(*) FROM job"))
            connection.rollback()
            started.set()
            ended.wait(60)
        database.close()

    if who == "a server here":
        monkeypatch.setattr(upgrade, "alone", refuse)
        started.set()
    thread = threading.Thread(target=be_connected if who != "a server here" else lambda: None)
    thread.start()
    try:
        assert started.wait(60)
        refused = run(older, "db", "upgrade")
    finally:
        ended.set()
        thread.join()
    assert refused.exit_code == 1
    said = "Another server runs on" if who == "a server here" else "The database is in use"
    assert said in refused.stderr
    assert migrate.current(older.database) != migrate.head()


def refuse(_: Path) -> None:
    raise Conflict("Another server runs on it.")


def test_a_newer_backup_is_refused_by_older_code(
    services: Services, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    backup.backup(services, tmp_path / "new.tar.gz")
    monkeypatch.setattr(migrate, "revisions", lambda: {"0123456789ab"})
    with pytest.raises(Conflict, match="is newer: restore it with that one"):
        backup.restore(tmp_path / "new.tar.gz", tmp_path / "copy")
    assert not (tmp_path / "copy").exists()


def test_a_backup_overwrites_nothing(services: Services, tmp_path: Path) -> None:
    (file := tmp_path / "kept").write_text("precious")
    with pytest.raises(Conflict, match="overwrites nothing"):
        backup.backup(services, file)
    assert file.read_text() == "precious"


def test_a_backup_beside_a_rotation_can_read_what_is_in_it(
    services: Services, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    take = contents._take_database

    def rotate_then_take(database: Database, folder: Path) -> dict[str, list[str]]:
        taken = take(database, folder)
        sealed.rotate(database, services.vault)
        return taken

    old = services.settings.secret_key_file.read_bytes()
    monkeypatch.setattr(contents, "_take_database", rotate_then_take)
    backup.backup(services, tmp_path / "file")
    new = services.settings.secret_key_file.read_bytes()
    with tarfile.open(tmp_path / "file") as tar:
        kept = tar.extractfile("secret.key")
        assert kept is not None
        assert kept.read().split() == [new, old]
        assert tar.getmember("secret.key").mode & 0o777 == 0o600


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    made = Receiver()
    yield made
    made.close()


def test_a_restored_copy_is_quiet_until_it_is_told_to_resume(
    services: Services, database_kind: str, request: pytest.FixtureRequest, tmp_path: Path, receiver: Receiver
) -> None:
    registry.load(HANDLERS)
    publish(services, receiver)
    with services.database.write() as session:
        jobs.enqueue(session, "faults.inside")
    backup.backup(services, tmp_path / "file")
    copy = restored(services, database_kind, request, tmp_path)
    with copy.database.read() as session:
        assert session.scalars(select(Organization.name)).one() == "O"
        assert installation.is_quiet(session)
    called: list[str] = []
    registry._tasks["faults.inside"] = registry.Task("faults.inside", lambda _: called.append("inside"))
    with capture_logs() as logged:
        serve._tell_quiet(copy.settings)
    assert logged[0]["event"] == "a restored copy: it calls no webhook, mail or feeder until entrepot resume"
    with working(services):
        eventually(lambda: receiver.came.total() == 1 and "inside" in called, 30)
    called.clear()
    with working(copy):
        eventually(lambda: "inside" in called, 30)
        assert receiver.came.total() == 1, "the copy called, too"
        assert webhooks.DELIVER in waiting(copy)
        with copy.database.write() as session:
            assert installation.resume(session)
        eventually(lambda: receiver.came.total() == 2, 30)
    assert len(receiver.came) == 1, "it takes the other's place: the same event"
    registry._tasks.pop("faults.inside")
    with services.database.read() as session:
        assert not installation.is_quiet(session), "the original was silenced"
    copy.close()


def publish(services: Services, receiver: Receiver) -> None:
    """Have a webhook, and an event of which it is to be told."""
    with services.database.write() as session:
        user, organization = session.scalars(select(User)).one(), session.scalars(select(Organization)).one()
        principal = Principal(user.id, user.login, organization.id, {organization.id: Role.ADMIN})
        settings = reaching(services.settings)
        webhooks.create_webhook(session, principal, settings, services.vault, url=receiver.url, style=STANDARD)
        emit(session, "file", "published", "f", organization_id=organization.id, data={})


def reaching(settings: Settings) -> Settings:
    return settings.model_copy(
        update={"job_lease_seconds": 2.0, "webhook_allowed_networks": [ip_network("127.0.0.0/8")]}
    )


@contextmanager
def working(services: Services) -> Iterator[None]:
    """Have a worker of a server do its jobs meanwhile."""
    settings, stop = reaching(services.settings), threading.Event()
    worker = Worker(services.database, settings, {"vault": services.vault, "settings": settings})
    thread = threading.Thread(target=worker.run, args=(stop,))
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def restored(services: Services, kind: str, request: pytest.FixtureRequest, tmp_path: Path) -> Services:
    """Restore the backup ``file``; on PostgreSQL its data folder names the new database."""
    folder = tmp_path / "copy"
    if kind == "postgresql":
        cluster = request.getfixturevalue("postgres")
        url = cluster.url(cluster.create())
    else:
        url = f"sqlite:///{tmp_path / 'copied.db'}"
    done = CliRunner().invoke(
        app,
        ["restore", str(tmp_path / "file"), "--data-dir", str(folder), "--json"],
        env={"ENTREPOT_DATABASE_URL": url},
    )
    assert done.exit_code == 0, done.output
    assert orjson.loads(done.stdout)["data_dir"] == str(folder)
    settings = Settings(data_dir=folder, database_url=url)
    require_usable(settings)
    return Services.open(settings)


def waiting(services: Services) -> list[str]:
    with services.database.read() as session:
        return list(session.scalars(select(Job.kind).where(Job.status == "pending")))


def test_what_calls_others_is_known_as_such() -> None:
    registry.load(HANDLERS)
    outward = set(registry.kinds()) - set(registry.kinds(quiet=True))
    assert {"feeder.feed", "feeder.test", "webhook.deliver", "mail.send", "files.sweep"} <= outward
    assert not {"importer.run", "cleaner.run", "files.expire", "series.fold"} & outward
