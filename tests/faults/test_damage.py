"""Points and files that are damaged on the disk: told as people write them, repaired on demand, never handed out."""

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from sqlalchemy import select, update

from entrepot.db import Database
from entrepot.events import Notification
from entrepot.events.models import Event
from entrepot.files.damage import DamagedFile, intact
from entrepot.files.models import PublishedFile
from entrepot.identity import Organization, Project
from entrepot.series import integrity, repair, store
from entrepot.series.models import SeriesChunk
from tests.conftest import MakeServer
from tests.support.server import ENTREPOT, ServerProcess

DAY = 86_400_000_000


@pytest.fixture
def pk(database: Database) -> int:
    """A series with two chunks and a tail, of which the first chunk is damaged."""
    with database.write() as session:
        organization = Organization(name="O")
        session.add(organization)
        session.flush()
        project = Project(organization_id=organization.id, name="Wind farm")
        session.add(project)
        session.flush()
        series = store.create_series(
            session,
            organization_id=organization.id,
            project_id=project.id,
            generator_kind="direct",
            generator_id=None,
            name="power",
        )
        store.append(session, series.pk, [n * DAY for n in range(20_000)], [1.0] * 20_000)
        store.append(session, series.pk, [DAY + 1], [5.0])
        first = session.scalars(select(SeriesChunk.bucket).order_by(SeriesChunk.bucket)).first()
        session.execute(update(SeriesChunk).where(SeriesChunk.bucket == first).values(data=b"\1broken"))
    return series.pk


def test_damaged_points_are_named_as_people_write_them_and_dropped_on_demand(database: Database, pk: int) -> None:
    with database.read() as session:
        (told,) = integrity.check(session)
    assert told.startswith("series power of project Wind farm: what is stored from 1970-01-01T00:00:00+00:00 to ")
    assert "entrepot check --repair" in told
    with database.write() as session:
        (span,) = repair.repair(session, pk)
    with database.read() as session:
        assert integrity.check(session) == []
        left = store.read(session, pk)
        assert 5.0 in left.values, "what waited in the tail is kept"
        assert 0 < left.values.size < 20_001
        assert span in session.scalars(select(Notification.message).where(Notification.name == repair.NOTICE)).one()
        assert "repaired" in session.scalars(select(Event.action)).all()


def test_a_series_that_says_what_it_does_not_hold_is_counted_anew(database: Database, pk: int) -> None:
    with database.write() as session:
        repair.repair(session, pk)
        session.execute(update(store.series_table).values(count=7))
    with database.read() as session:
        (told,) = integrity.check(session)
        assert "it is said to hold 7 points from 1970-01-02T00:00:00.000001+00:00 to " in told
    with database.write() as session:
        assert repair.repair(session, pk) == []
        assert integrity.check(session) == []


@pytest.mark.parametrize("blocks", [[b""], [b"abc"], [b"abc", b"def"]])
def test_the_last_block_of_a_damaged_file_is_held_back(blocks: list[bytes]) -> None:
    whole = b"".join(blocks)
    file = PublishedFile(size=len(whole), sha256=hashlib.sha256(whole).hexdigest())
    assert b"".join(intact(iter(blocks), file)) == whole
    came = []
    with pytest.raises(DamagedFile):
        came += list(intact(iter([*blocks[:-1], b"xyz"]), file))
    assert b"xyz" not in came


@pytest.fixture(scope="module")
def server(make_server: MakeServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    with make_server("sqlite", tmp_path_factory.mktemp("damage") / "data") as made:
        yield made


def test_a_damaged_file_is_never_served_and_set_aside_on_demand(server: ServerProcess) -> None:
    with server.http(auth=None, headers={"authorization": f"Token {server.token}"}) as client:
        good, flipped, short, large = (publish(client, os.urandom(size)) for size in (10, 20, 30, 3 * 2**20))
        damage(server, flipped, b"x")
        stored(server, short).write_bytes(b"s")
        damage(server, large, b"x")
        assert download(client, good).status_code == 200
        for file in (flipped, short):
            answer = download(client, file)
            assert (answer.status_code, answer.json()["error"]) == (500, "damaged"), answer.text
        with pytest.raises(httpx.RemoteProtocolError):
            download(client, large)
    checked = check(server)
    assert "4 problems" not in checked
    assert f"({short}) has 1 bytes instead of 30" in checked
    assert f"({flipped}) does not hold the bytes that were published" in checked
    assert f"({large}) does not hold" in checked
    assert "Another server runs" in check(server, "--repair")
    server.stop()
    server._process = None
    repaired = check(server, "--repair")
    assert repaired.count("set aside as") == 3
    assert (server.data_dir / "damaged" / large).stat().st_size == 3 * 2**20
    server.start()
    with server.http(auth=None, headers={"authorization": f"Token {server.token}"}) as client:
        assert download(client, good).status_code == 200
        assert download(client, large).status_code == 404
    database = Database(server.database_url)
    with database.read() as session:
        told = set(session.scalars(select(Event.object_id).where(Event.action == "damaged")))
    database.close()
    assert told == {flipped, short, large}


def publish(client: httpx.Client, content: bytes) -> str:
    answer = client.post("/api/v1/files", files={"file": ("a.bin", content)})
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


def download(client: httpx.Client, file: str) -> httpx.Response:
    return client.get(f"/api/v1/files/{file}/download")


def stored(server: ServerProcess, file: str) -> Path:
    (path,) = (path for path in (server.data_dir / "files").glob(f"*/{file[:2]}/{file}") if path.is_file())
    return path


def damage(server: ServerProcess, file: str, byte: bytes) -> None:
    with stored(server, file).open("r+b") as opened:
        opened.seek(5)
        old = opened.read(1)
        opened.seek(5)
        opened.write(byte if byte != old else b"y")


def check(server: ServerProcess, *options: str) -> str:
    import subprocess

    command = [ENTREPOT, "check", "--data-dir", server.data_dir, "--files", *options]
    run = subprocess.run(command, env=server._environment, capture_output=True, check=False)
    return (run.stdout + run.stderr).decode()
