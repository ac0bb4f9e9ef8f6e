"""Parts on folders of their own, with one database and one bucket: whichever door a file comes by, all have it."""

import contextlib
import ftplib
import io
import socket
import tarfile
import threading
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest
from sqlalchemy import func, select, update

from entrepot.db import Database, now
from entrepot.db.installation import Installation
from entrepot.errors import Conflict
from entrepot.events.models import Event
from entrepot.files import lifecycle, spool
from entrepot.files.models import PublishedFile, Upload
from entrepot.identity import Vault, ftp
from entrepot.jobs.testing import run_pending
from entrepot.objects import loose
from entrepot.objects.models import LooseObject
from entrepot.objects.own import own_bucket
from entrepot.objects.stores import BucketStore
from entrepot.pipeline.gates.models import StoredFile
from entrepot.pipeline.gates.stored_home import PARTS
from entrepot.pipeline.runs.exports import FOLDER, user_home
from entrepot.scripts import ScriptError
from entrepot.server import backup, backups, recognise
from entrepot.server.ftp.server import Server
from entrepot.server.run import check, objects
from entrepot.server.services import Services
from entrepot.settings import Settings
from tests.support import s3
from tests.support.deadline import eventually
from tests.support.ftp import get, listing, put
from tests.support.interface import DAY, Api, farm_of, interface
from tests.support.pipeline_worker import InPlaceScripts

pytestmark = pytest.mark.turns


@pytest.fixture(scope="module")
def store() -> Iterator[s3.S3]:
    with s3.running() as store:
        yield store


class Scripts(InPlaceScripts):
    """What goes wrong in scripts is told as a runner tells it."""

    def parse(self, *given: Any, **named: Any) -> Any:
        try:
            return super().parse(*given, **named)
        except ValueError as error:
            raise ScriptError("raised", str(error)) from error


class World:
    """Web servers, an FTP server and a worker, each on a folder of its own."""

    def __init__(self, database: Database, url: str, key: str, tmp_path: Path) -> None:
        self.database, self.url, self._key, self._tmp = database, url, key, tmp_path
        self.api = interface(database, tmp_path / "first")
        self.web = [Api(database, self.settings(f"web-{number}"), self.api.token) for number in (1, 2)]
        self.worker = self.settings("worker")
        self.services = Services(self.worker, database)

    def settings(self, name: str) -> Settings:
        folder = self._tmp / name
        folder.mkdir(exist_ok=True)
        given: dict[str, Any] = {"data_dir": folder, "storage_url": self.url, "secret_key": self._key}
        return Settings(**given)

    @property
    def bucket(self) -> BucketStore:
        found = own_bucket(self.worker)
        assert found is not None
        return found

    def work(self) -> None:
        run_pending(self.database, self.worker, {"scripts": Scripts(), "vault": self.services.vault})

    @contextlib.contextmanager
    def ftp(self, name: str, home: str) -> Iterator[ftplib.FTP]:
        """Sign in to an FTP server on a folder of its own."""
        services = Services(self.settings(name), self.database)
        with self.database.write() as session:
            organization = self.api.organization(session)
            account = ftp.ensure_account(session, services.vault, organization.id, home)
            login = account.login, ftp.account_password(services.vault, account)
        server = Server(services, socket.create_server(("127.0.0.1", 0)))
        server.poll_timeout = 0.02
        thread = threading.Thread(target=server.serve_forever, args=(0.02,), kwargs={"handle_exit": False})
        thread.start()
        try:
            with ftplib.FTP(timeout=20) as client:
                client.connect("127.0.0.1", server.address[1])
                client.login(*login)
                yield client
        finally:
            server.ioloop.call_later(0, server.close_all)
            thread.join(20)

    def parts(self) -> int:
        """Return how many uploads broke off."""
        with self.database.read() as session:
            return session.scalar(select(func.count()).where(StoredFile.home.like(f"%{PARTS}"))) or 0

    def files(self) -> dict[str, list[str]]:
        """Return the files of this machine, by folder; databases and what is in ``run`` are no matter."""
        found: dict[str, list[str]] = {}
        for path in self._tmp.glob("*/**/*"):
            part = path.relative_to(self._tmp).parts
            if path.is_file() and part[0] != "first" and part[1] != "run":
                found.setdefault(part[0], []).append("/".join(part[1:]))
        return found

    def loose(self) -> int:
        """Let a day pass, sweep, and return how many objects no record speaks of."""
        with self.database.write() as session:
            session.execute(update(LooseObject).values(due_at=now()))
            session.execute(update(Upload).values(touched_at=now() - 2 * loose.PATIENCE))
        with self.database.write() as session:
            lifecycle.schedule(session)
        loose.sweep(self.database, self.bucket)
        with self.database.read() as session:
            known = set(session.scalars(select(StoredFile.key)))
            known |= {f"files/{one.organization_id}/{one.path}" for one in session.scalars(select(PublishedFile))}
        return sum(
            one.path not in known
            for folder in ("gates", "users", "files", "trials")
            for one in self.bucket.list(folder)
        )


@pytest.fixture
def world(
    database: Database, store: s3.S3, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> World:
    for name, value in store.environment.items():
        monkeypatch.setenv(name, value)
    return world_with(database, store.bucket(f"b{abs(hash(request.node.name)) % 10**9}"), tmp_path)


def world_with(database: Database, url: str, tmp_path: Path) -> World:
    (tmp_path / "first").mkdir()
    key = tmp_path / "key"
    Vault.create(key)
    return World(database, url, key.read_text().strip(), tmp_path)


def test_a_file_that_comes_by_ftp_is_imported_elsewhere_and_seen_by_all(world: World) -> None:
    one, two = world.web
    farm = farm_of(one)
    gate = f"/gates/{farm['gate']['id']}"
    with world.ftp("ftp-1", f"gates/{farm['gate']['id']}") as client:
        client.mkd("t1")
        put(client, "t1/2024.csv", DAY.encode())
        put(client, "bad.csv", b"no table\n1,2,3,4\n\x00")
        put(client, "part.csv.tmp", b"x" * 10)
        client.rename("part.csv.tmp", "late.csv")
        client.delete("late.csv")
        assert sorted(name for name, _ in client.mlsd()) == ["bad.csv", "t1"]
        assert any("2024.csv" in line and str(len(DAY)) in line for line in listing(client, "LIST t1"))
    two.ask("POST", f"/importers/{farm['importer']['id']}/runs", 202, json={})
    world.work()
    series = {one["name"]: one for one in two.ask("GET", "/series?project=Farm")["items"]}
    assert series["T1 wind"]["count"] == 22
    (aside,) = two.ask("GET", f"{gate}/quarantine")["items"]
    assert aside["path"] == "bad.csv"
    listed = one.ask("GET", f"{gate}/files")["items"]
    assert [(item["path"], item["type"]) for item in listed] == [("quarantine", "directory"), ("t1", "directory")]
    with world.ftp("ftp-2", f"gates/{farm['gate']['id']}") as client:
        assert get(client, "t1/2024.csv") == DAY.encode()
        assert b"bad.csv" in get(client, "quarantine/bad.csv.reason.txt")
        client.voidcmd("TYPE I")
        rest = io.BytesIO()
        client.retrbinary("RETR t1/2024.csv", rest.write, rest=100)
        assert rest.getvalue() == DAY.encode()[100:]
    two.ask("POST", f"{gate}/quarantine/remove", json={})
    assert one.ask("GET", f"{gate}/quarantine")["items"] == []
    assert world.loose() == 0
    one.ask("DELETE", gate, 204)
    world.work()
    assert world.loose() == 0
    assert list(world.bucket.list("gates")) == []
    assert world.files() == {}


def test_an_upload_goes_on_at_another_server_and_one_publishes_it(world: World) -> None:
    one, two = world.web
    content = bytes(range(256)) * 50_000
    upload = one.ask("POST", "/uploads", 201, json={"name": "data.bin", "size": len(content)})
    where, middle = f"/uploads/{upload['id']}", 9_000_001
    headers = {"upload-offset": "0"}
    assert one.ask("PATCH", where, headers=headers, content=content[:middle])["offset"] == middle
    assert two.ask("GET", where)["offset"] == middle
    two.ask("PATCH", where, 409, headers=headers, content=content[:5])
    two.ask("PATCH", where, headers={"upload-offset": str(middle)}, content=content[middle:])
    published = one.ask("POST", f"{where}/publish", 201)
    assert two.ask("POST", f"{where}/publish", 201)["id"] == published["id"]
    answer = two.client.get(f"/api/v1/files/{published['id']}/download")
    assert answer.content == content
    part = two.client.get(f"/api/v1/files/{published['id']}/download", headers={"range": "bytes=100-199"})
    assert (part.status_code, part.content) == (206, content[100:200])
    assert list(world.bucket.list("uploads")) == []
    whole = two.client.post("/api/v1/files", files={"file": ("small.txt", b"small")}).json()
    assert one.client.get(f"/api/v1/files/{whole['id']}/download").content == b"small"
    assert world.loose() == 0
    assert world.files() == {}


def test_of_two_servers_that_take_one_part_of_an_upload_one_has_it(world: World) -> None:
    one, two = world.web
    upload = one.ask("POST", "/uploads", 201, json={"name": "a"})["id"]
    with world.database.read() as session:
        row = session.scalars(select(Upload).where(Upload.id == upload)).one()
    from entrepot.files.pieces import coming

    both = [coming(each.settings, row.organization_id, upload) for each in (one, two)]
    for each, content in zip(both, (b"first", b"second"), strict=True):
        each.append(0, [content])
    both[0].settle()
    with pytest.raises(Conflict):
        both[1].settle()
    assert both[1].size() == 5


def test_an_upload_that_is_cut_leaves_nothing(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    (one, _) = world.web
    upload = one.ask("POST", "/uploads", 201, json={"name": "a"})["id"]
    one.ask("PATCH", f"/uploads/{upload}", headers={"upload-offset": "0"}, content=b"came")

    def cut(*_: object) -> None:
        raise SystemError("killed")

    with monkeypatch.context() as patch:
        patch.setattr("entrepot.files.publish.objects.hold", cut)
        one.ask("POST", f"/uploads/{upload}/publish", 500)
    assert one.ask("GET", f"/uploads/{upload}")["offset"] == 4
    one.ask("POST", f"/uploads/{upload}/publish", 201)
    other = one.ask("POST", "/uploads", 201, json={"name": "b"})["id"]
    one.ask("PATCH", f"/uploads/{other}", headers={"upload-offset": "0"}, content=b"given up")
    assert world.loose() == 0
    with world.database.write() as session:
        lifecycle.schedule(session)
    from entrepot import jobs

    with world.database.write() as session:
        jobs.enqueue(session, lifecycle.SWEEP, {})
    world.work()
    assert list(world.bucket.list("uploads")) == []
    spool.sweep(one.settings)
    assert world.files() == {}


def test_an_export_is_made_by_one_part_and_fetched_at_another(world: World) -> None:
    one, two = world.web
    farm = farm_of(one)
    one.client.put(f"/api/v1/gates/{farm['gate']['id']}/files/a.csv", content=DAY.encode())
    one.ask("POST", f"/importers/{farm['importer']['id']}/runs", 202, json={})
    world.work()
    series = [s["id"] for s in one.ask("GET", "/series")["items"]]
    job = one.ask("POST", "/exports", 202, json={"series": series, "publish": {"name": "all.zip"}})
    world.work()
    result = two.ask("GET", f"/runs/{job['id']}")
    assert result["status"] == "finished", result
    with world.ftp("ftp-1", user_home(one.principal.user_id)) as client:
        (name,) = client.nlst(FOLDER)
        archive = get(client, f"{FOLDER}/{name.rpartition('/')[2]}")
    (file,) = two.ask("GET", "/files")["items"]
    assert two.client.get(f"/api/v1/files/{file['id']}/download").content == archive
    assert archive[:2] == b"PK"
    assert world.loose() == 0
    assert world.files() == {}


def test_a_trial_reads_files_of_the_gate_and_those_that_are_sent_along(world: World) -> None:
    one, two = world.web
    farm = farm_of(one)
    one.client.put(f"/api/v1/gates/{farm['gate']['id']}/files/a.csv", content=DAY.encode())
    sent = {"path": "b.csv", "content": "dCx3aW5kCjIwMjQtMDEtMDFUMDA6MDA6MDBaLDEK"}
    asked = {"importer": farm["importer"]["id"], "paths": ["a.csv"], "files": [sent]}
    job = one.ask("POST", "/importers/try", 202, json=asked)
    assert [one.path.rpartition("/")[2] for one in world.bucket.list("trials")] == ["0"]
    world.work()
    found = two.ask("GET", f"/runs/{job['id']}")["result"]["files"]
    assert [(one["path"], one.get("rows")) for one in found] == [("a.csv", 144), ("b.csv", 1)]
    assert list(world.bucket.list("trials")) == []


@pytest.mark.parametrize("cut_at", ["prepare", "put"])
def test_an_upload_by_ftp_that_is_cut_is_not_there_and_goes_on(
    world: World, cut_at: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    farm = farm_of(world.web[0])
    home = f"gates/{farm['gate']['id']}"
    with world.ftp("ftp-1", home) as client:
        put(client, "a.csv", b"old")

        def cut(*_: object) -> None:
            raise OSError(5, "Input/output error")

        with monkeypatch.context() as patch:
            patch.setattr(f"entrepot.pipeline.gates.stored_home.StoredHome.{cut_at}", cut)
            with pytest.raises(ftplib.Error):
                put(client, "a.csv", b"new")
        assert get(client, "a.csv") == b"old"
        put(client, "a.csv", b"new")
    with world.ftp("ftp-2", home) as client:
        assert get(client, "a.csv") == b"new"
        client.storbinary("APPE a.csv", io.BytesIO(b"er"))
        assert get(client, "a.csv") == b"newer"
    assert world.loose() == 0


def test_a_part_of_an_upload_goes_on_at_another_ftp_server(world: World, tmp_path: Path) -> None:
    farm = farm_of(world.web[0])
    home = f"gates/{farm['gate']['id']}"
    with world.ftp("ftp-1", home) as client:
        client.voidcmd("TYPE I")
        data = client.transfercmd("STOR big.csv")
        data.sendall(b"12345")
        eventually(lambda: [p.stat().st_size for p in (tmp_path / "ftp-1" / "uploads").iterdir()] == [5], 20)
        # A device that loses its network.
        client.sock.shutdown(socket.SHUT_RDWR)
        data.close()
        eventually(lambda: world.parts() == 1, 20)
    with world.ftp("ftp-2", home) as client:
        assert client.size("big.csv") == 5
        client.storbinary("STOR big.csv", io.BytesIO(b"67"), rest=5)
        assert get(client, "big.csv") == b"1234567"
    assert world.loose() == 0


def test_a_backup_holds_the_objects_and_is_restored_into_another_bucket(
    world: World, store: s3.S3, tmp_path: Path, database_kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    (one, _) = world.web
    farm = farm_of(one)
    one.client.put(f"/api/v1/gates/{farm['gate']['id']}/files/a.csv", content=DAY.encode())
    file = one.client.post("/api/v1/files", files={"file": ("small.txt", b"small")}).json()
    url, size = backup.to_bucket(world.services)
    assert url.startswith(f"{world.url}/backups/")
    name = url.removeprefix(f"{world.url}/")
    assert world.bucket.size(name) == size
    packed = tmp_path / "backup.tar.gz"
    packed.write_bytes(b"".join(world.bucket.read(name)))
    with tarfile.open(packed) as tar:
        assert sum(member.name.startswith("objects/") for member in tar) == 2
    place = str(tmp_path / "place")
    backups.backup(world.services, place)
    with monkeypatch.context() as away:
        away.setattr(BucketStore, "read", lambda *_: pytest.fail("an object that has not changed is fetched again"))
        backups.backup(world.services, place)
    assert backups.check(place) == []
    if database_kind == "postgresql":
        return
    assert file["size"] == 5


def test_a_bucket_of_another_server_is_refused(world: World, store: s3.S3) -> None:
    recognise.recognise(world.services)
    recognise.recognise(Services(world.settings("later"), world.database))
    with world.database.read() as session:
        assert session.scalars(select(Installation.store)).one() == b"".join(world.bucket.read(".store")).decode()
    other = world.settings("other").model_copy(update={"storage_url": store.bucket("another")})
    with pytest.raises(Conflict, match="storage_url"):
        recognise.recognise(Services(other, world.database))


def test_a_bucket_that_is_away_is_told_and_what_is_not_in_it_goes_on(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with s3.running() as store:
        for name, value in store.environment.items():
            monkeypatch.setenv(name, value)
        world = world_with(database, store.bucket("away"), tmp_path)
        recognise.recognise(world.services)
        (one, _) = world.web
        assert one.client.get("/health").status_code == 200

    def told() -> dict[str, Any]:
        said: dict[str, Any] = one.client.get("/health").json()
        return said

    assert eventually(lambda: "storage" in told().get("down", []), 10)
    assert "storage_url" in told()["why"]["storage"]
    assert store.url not in str(told()), "the address is not everybody's to know"
    assert one.client.get("/health/ready").status_code == 200
    assert one.client.post("/api/v1/projects", json={"name": "goes on"}).status_code == 201


def test_objects_that_are_nobodys_and_files_without_one_are_told_and_repaired(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    (one, _) = world.web
    farm = farm_of(one)
    one.client.put(f"/api/v1/gates/{farm['gate']['id']}/files/a.csv", content=DAY.encode())
    one.client.post("/api/v1/files", files={"file": ("small.txt", b"small")})
    assert objects.check(world.services) == []
    world.bucket.put("gates/x/of-an-older-database", b"x")
    assert objects.check(world.services) == [], "it may be on its way"
    monkeypatch.setattr(objects, "PATIENCE", -timedelta(days=1))
    (told,) = objects.check(world.services)
    assert "1 objects are nobody's, such as gates/x/of-an-older-database" in told
    assert objects.let_go(world.services) == 1
    assert loose.sweep(world.database, world.bucket) == 1
    assert objects.check(world.services) == []
    (key,) = [each.path for each in world.bucket.list("gates")]
    world.bucket.delete(key)
    (told,) = objects.check(world.services)
    assert f"gates/{farm['gate']['id']}/a.csv" in told


def test_a_damaged_object_is_told_and_set_aside_once_however_often_that_is_cut_short(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    (one, _) = world.web
    file = one.client.post("/api/v1/files", files={"file": ("small.txt", b"small")}).json()["id"]
    with world.database.read() as session:
        published = session.scalars(select(PublishedFile)).one()
    path = f"files/{published.organization_id}/{published.path}"
    world.bucket.put(path, b"other")

    def told() -> int:
        with world.database.read() as session:
            damaged = select(func.count()).where(Event.object_id == file, Event.action == "damaged")
            return session.scalar(damaged) or 0

    with monkeypatch.context() as patch:
        patch.setattr(BucketStore, "move", Mock(side_effect=KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            check.repair(world.services)
    assert (told(), world.bucket.size(path)) == (1, 5)
    assert check.repair(world.services) == [f"file small.txt ({file}): set aside as {world.url}/damaged/{file}"]
    assert (told(), world.bucket.size(f"damaged/{file}")) == (2, 5)
    assert check.repair(world.services) == []
    world.bucket.delete(f"damaged/{file}")
    assert check.repair(world.services) == [f"file small.txt ({file}): its owners were told that it is lost"]
