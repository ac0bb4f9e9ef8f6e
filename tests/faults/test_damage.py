"""Points and files that are damaged on the disk: told as people write them, repaired on demand, never handed out."""

import hashlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select, update

from entrepot.db import Database, now
from entrepot.events import Notification
from entrepot.events.models import Event
from entrepot.files import leaves as leaves_module
from entrepot.files.damage import DamagedFile, intact, intact_part
from entrepot.files.leaves import LEAF, Leaves, digest
from entrepot.files.models import PublishedFile
from entrepot.identity import Organization, Project
from entrepot.jobs.models import Schedule
from entrepot.objects.stores import FolderStore
from entrepot.series import folding, integrity, repair, store
from entrepot.series.heads import head_table
from entrepot.series.models import Series, SeriesChunk
from tests.conftest import MakeServer
from tests.faults.conftest import health, length, logged, metrics
from tests.support import warm
from tests.support.alerts import require_called
from tests.support.deadline import eventually
from tests.support.server import ServerProcess

DAY = 86_400_000_000
KILLED = """
import os, pathlib, signal
replace = pathlib.Path.replace

def until_damaged(path, target):
    return os.kill(os.getpid(), signal.SIGKILL) if target.parent.name == "damaged" else replace(path, target)

pathlib.Path.replace = until_damaged
from entrepot.__main__ import main
main()
"""


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
        store.append(session, series.number, [n * DAY for n in range(20_000)], [1.0] * 20_000)
        store.append(session, series.number, [DAY + 1], [5.0])
        first = session.scalars(select(SeriesChunk.bucket).order_by(SeriesChunk.bucket)).first()
        session.execute(update(SeriesChunk).where(SeriesChunk.bucket == first).values(data=b"\1broken"))
    return series.number


def test_damaged_points_are_named_as_people_write_them_and_dropped_on_demand(database: Database, pk: int) -> None:
    with database.read() as session:
        (told,) = integrity.check(session)
    assert told.startswith("series power of project Wind farm: what is stored from 1970-01-01T00:00:00+00:00 to ")
    assert "entrepot check --repair" in told
    with database.write() as session:
        (told,) = repair.repair(session, pk)
    with database.read() as session:
        assert integrity.check(session) == []
        left = store.read(session, pk)
        assert 5.0 in left.values, "what waited in the tail is kept"
        assert 0 < left.values.size < 20_001
        said = session.scalars(select(Notification.message).where(Notification.name == repair.NOTICE)).one()
        assert said == f"The points of series power {told.replace(': send', ' were damaged and are dropped: send')}."
        assert "repaired" in session.scalars(select(Event.action)).all()


def test_a_series_that_says_what_it_does_not_hold_is_counted_anew(database: Database, pk: int) -> None:
    with database.write() as session:
        repair.repair(session, pk)
        session.execute(update(head_table).values(count=7))
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


@pytest.mark.parametrize("known", [True, False], ids=["with leaves", "published before there were any"])
@pytest.mark.parametrize("span", [(0, 10), (LEAF - 5, LEAF + 5), (2 * LEAF + 1, 2 * LEAF + 100)])
@pytest.mark.parametrize("flipped", [3, LEAF, 2 * LEAF + 50, None])
def test_a_part_is_right_or_none(tmp_path: Path, *, known: bool, span: tuple[int, int], flipped: int | None) -> None:
    whole = bytearray(os.urandom(2 * LEAF + 100))
    leaves = Leaves()
    leaves.update(bytes(whole))
    file = PublishedFile(size=len(whole), sha256=hashlib.sha256(whole).hexdigest(), path="f")
    file.leaves = leaves.digests() if known else None
    right = bytes(whole[slice(*span)])
    if flipped is not None:
        whole[flipped] ^= 1
    (tmp_path / "f").write_bytes(whole)
    first, last = span[0] // LEAF, (span[1] - 1) // LEAF
    if flipped is None or (known and not first <= flipped // LEAF <= last):
        assert b"".join(intact_part(FolderStore(tmp_path), file, *span)) == right
        return
    came: list[bytes] = []
    with pytest.raises(DamagedFile):
        came.extend(intact_part(FolderStore(tmp_path), file, *span))
    found = b"".join(came)
    assert right.startswith(found), "what came before the damage was right"
    assert found != right


@given(st.lists(st.binary(max_size=3), max_size=8), st.integers(0, 30), st.integers(0, 30))
def test_leaves_are_those_of_the_whole_however_it_comes(blocks: list[bytes], start: int, stop: int) -> None:
    whole = b"".join(blocks)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(leaves_module, "LEAF", 4)
        leaves = Leaves()
        for block in blocks:
            leaves.update(block)
        assert leaves.digests() == b"".join(digest(whole[at : at + 4]) for at in range(0, len(whole), 4))
        first, last = leaves_module.around(start, stop, len(whole))
        found = list(leaves_module.checked(iter([whole[first:last]]), first, leaves.digests()))
        assert b"".join(leaf for leaf, _ in found) == whole[first:last]
        assert all(right for _, right in found)


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def server(
    request: pytest.FixtureRequest, make_server: MakeServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ServerProcess]:
    with make_server(request.param, tmp_path_factory.mktemp("damage") / "data") as made:
        yield made


def test_a_damaged_series_is_told_and_the_others_go_on(server: ServerProcess) -> None:
    since = length(server)
    with server.http(auth=None, headers={"authorization": f"Token {server.token}"}) as client:
        project = client.post("/api/v1/projects", json={"name": "farm"}).json()["id"]
        series = [
            client.post("/api/v1/series", json={"project": project, "name": name}).json()["id"]
            for name in ("bad", "good")
        ]
        times = [n * DAY for n in range(3000)]
        body = {one: {"time": times, "value": [1.0] * 3000} for one in series}
        client.post("/api/v1/points", json=body).raise_for_status()
        chunks, pk = keep_and_damage(server, series[0])
        body = {one: {"time": [DAY + 1], "value": [5.0]} for one in series}
        client.post("/api/v1/points", json=body).raise_for_status()
        damaged, well_ = (client.get(f"/api/v1/series/{one}/points") for one in series)
        assert (damaged.status_code, damaged.json()["type"]) == (500, "/docs#problem-damaged")
        assert "The points of series bad from 1970-01-01" in damaged.text
        assert len(well_.json()["time"]) == 3001
        asked = {"project": project, "resolved": False}
        found = lambda: client.get("/api/v1/notifications", params=asked).json()["items"]  # noqa: E731
        (notice,) = eventually(found, 15, every=0.2)
        assert (notice["name"], notice["origin"]) == ("Series damaged", "storage")
        assert notice["message"].startswith("The points of series bad from 1970-01-01T00:00:00")
        eventually(lambda: 'entrepot_notifications{name="Series damaged"} 1.0' in metrics(server), 20, every=0.5)
        require_called({"EntrepotDataDamaged"}, metrics(server))
        assert health(server)[0] == 200, "one bad thing breaks one thing"
        assert "series damaged" in logged(server, since)
        restore(server, pk, chunks)
        eventually(lambda: client.get(f"/api/v1/series/{series[0]}").json()["damage"] is None, 15, every=0.2)
        whole = client.get(f"/api/v1/series/{series[0]}/points").json()
        assert (len(whole["time"]), 5.0 in whole["value"]) == (3001, True), "what was written meanwhile is there"


def keep_and_damage(server: ServerProcess, series: str) -> tuple[list[tuple[int, bytes]], int]:
    database = Database(server.database_url)
    with database.write() as session:
        pk = session.scalars(select(Series.number).where(Series.id == series)).one()
        found = session.execute(select(SeriesChunk.bucket, SeriesChunk.data).where(SeriesChunk.series == pk)).all()
        assert found
        session.execute(update(SeriesChunk).where(SeriesChunk.series == pk).values(data=b"\1broken"))
    database.close()
    return [(bucket, data) for bucket, data in found], pk


def restore(server: ServerProcess, pk: int, chunks: list[tuple[int, bytes]]) -> None:
    """Bring the chunks back, as from a backup, and let the hour pass after which it is looked at them."""
    database = Database(server.database_url)
    with database.write() as session:
        for bucket, data in chunks:
            one = update(SeriesChunk).where(SeriesChunk.series == pk, SeriesChunk.bucket == bucket)
            session.execute(one.values(data=data))
        session.execute(update(Schedule).where(Schedule.name == folding.HEAL).values(next_at=now()))
    database.close()


def test_a_damaged_file_is_never_served_and_set_aside_on_demand(server: ServerProcess) -> None:
    with server.http(auth=None, headers={"authorization": f"Token {server.token}"}) as client:
        since, project = length(server), client.post("/api/v1/projects", json={"name": "files"}).json()["id"]
        good, flipped, short, large = (publish(client, os.urandom(size), project) for size in (10, 20, 30, 3 * 2**20))
        damage(server, flipped, b"x")
        stored(server, short).write_bytes(b"s")
        damage(server, large, b"x")
        assert download(client, good).status_code == 200
        for file in (flipped, short):
            answer = download(client, file)
            assert (answer.status_code, answer.json()["type"]) == (500, "/docs#problem-damaged"), answer.text
            part = client.get(f"/api/v1/files/{file}/download", headers={"range": "bytes=0-9"})
            assert (part.status_code, part.json()["type"]) == (500, "/docs#problem-damaged"), "nor is a part of it"
        assert client.get(f"/api/v1/files/{good}/download", headers={"range": "bytes=2-4"}).status_code == 206
        with pytest.raises(httpx.RemoteProtocolError):
            download(client, large)
        notices = client.get("/api/v1/notifications", params={"project": project, "resolved": False}).json()["items"]
        assert [one["name"] for one in notices] == ["File damaged"] * 3
        assert {one["subject"] for one in notices} == {flipped, short, large}
        assert "file damaged" in logged(server, since)
        assert health(server)[0] == 200
    checked = check(server)
    assert "4 problems" not in checked
    assert f"({short}) has 1 bytes instead of 30" in checked
    assert f"({flipped}) does not hold the bytes that were published" in checked
    assert f"({large}) does not hold" in checked
    assert "Another server runs" in check(server, "--repair")
    server.stop()
    server._process = None
    assert repair_until_killed(server) == -signal.SIGKILL
    (first,) = told_damaged(server)
    assert stored(server, first).exists(), "its owners were told, and nothing was moved"
    repaired = check(server, "--repair")
    assert repaired.count("set aside as") == 3
    assert "set aside" not in check(server, "--repair"), "what is done is not done again"
    assert (server.data_dir / "damaged" / large).stat().st_size == 3 * 2**20
    server.start()
    with server.http(auth=None, headers={"authorization": f"Token {server.token}"}) as client:
        assert download(client, good).status_code == 200
        assert download(client, large).status_code == 404
    assert sorted(told_damaged(server)) == sorted([first, flipped, short, large])


def told_damaged(server: ServerProcess) -> list[str]:
    """Return the ids of the files of which events tell that they are damaged."""
    database = Database(server.database_url)
    with database.read() as session:
        told = list(session.scalars(select(Event.object_id).where(Event.type == "file", Event.action == "damaged")))
    database.close()
    return told


def repair_until_killed(server: ServerProcess) -> int:
    """Repair, be killed before the first file is moved, and return how that ended."""
    arguments = ["check", "--data-dir", str(server.data_dir), "--repair"]
    run = subprocess.run([sys.executable, "-c", KILLED, *arguments], env=server._environment, check=False)
    return run.returncode


def publish(client: httpx.Client, content: bytes, project: str) -> str:
    answer = client.post("/api/v1/files", files={"file": ("a.bin", content)}, data={"project": project})
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
    command: list[str | Path] = [warm.program(), "check", "--data-dir", server.data_dir, "--files", *options]
    run = subprocess.run(command, env=server._environment, capture_output=True, check=False)
    return (run.stdout + run.stderr).decode()
