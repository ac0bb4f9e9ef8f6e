"""Backups at a place, a folder or a bucket: they write what is new, bring back all, and none is half there."""

import os
import random
import signal
import subprocess
import sys
import tarfile
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from io import BytesIO
from pathlib import Path

import pytest
from cryptography.fernet import Fernet
from sqlalchemy import func, insert, select

from entrepot.db import Database, now
from entrepot.errors import Conflict, EntrepotError, InvalidInput, NotFound
from entrepot.events.models import Event
from entrepot.identity import Organization, User
from entrepot.pipeline.gates import folders
from entrepot.server import backup, backups, blocks, contents, places
from entrepot.server.recognise import require_usable
from entrepot.server.services import Services
from entrepot.server.setup import initialise
from entrepot.settings import Settings
from tests.support import s3
from tests.support.deadline import eventually

Restore = Callable[[str], Services]


@pytest.fixture(scope="module")
def store() -> Iterator[s3.S3]:
    with s3.running() as store:
        yield store


@pytest.fixture
def folder(tmp_path: Path) -> str:
    """A place that is a folder."""
    return str(tmp_path / "place")


@pytest.fixture(params=["folder", "bucket"])
def place(request: pytest.FixtureRequest, folder: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A place of either kind."""
    if request.param == "folder":
        return folder
    store: s3.S3 = request.getfixturevalue("store")
    for name, value in store.environment.items():
        monkeypatch.setenv(name, value)
    return store.bucket(tmp_path.name.replace("_", "-").lower()[-40:].strip("-"))


@pytest.fixture
def services(database: Database, tmp_path: Path) -> Iterator[Services]:
    """A server with some MiB of rows and of files."""
    settings = Settings(data_dir=tmp_path / "data", database_url=database.url)
    initialise(settings, "O", "ada", "password 1")
    opened = Services.open(settings)
    add_events(opened, 5000)
    gate = settings.gates_dir / "g"
    gate.mkdir()
    for number in range(200):
        (gate / f"{number}.csv").write_text(f"{number}\n" * 100)
    (gate / "large.bin").write_bytes(random.Random(1).randbytes(3_000_001))
    yield opened
    opened.close()


def add_events(services: Services, count: int) -> None:
    with services.database.write() as session:
        organization = session.scalars(select(Organization.id)).one()
        noise = random.Random(count)
        rows = [
            {"organization_id": organization, "type": "file", "action": "published", "object_id": str(number),
             "data": {"noise": noise.randbytes(150).hex()}, "created_at": now()}
            for number in range(count)
        ]  # fmt: skip
        session.execute(insert(Event), rows)


@pytest.fixture
def restore(
    database_kind: str, request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Restore]:
    """Restores into a new folder, and a new database."""
    made: list[Services] = []

    def restore(address: str) -> Services:
        url = None
        if database_kind == "postgresql":
            cluster = request.getfixturevalue("postgres")
            url = cluster.url(cluster.create())
            monkeypatch.setenv("ENTREPOT_DATABASE_URL", url)
        settings = backups.restore(address, tmp_path / f"copy-{len(made)}")
        require_usable(settings)
        made.append(Services.open(settings))
        return made[-1]

    yield restore
    for one in made:
        one.close()


def events(services: Services) -> int:
    with services.database.read() as session:
        return session.scalar(select(func.count()).select_from(Event)) or 0


def files(services: Services) -> dict[str, bytes]:
    gate = services.settings.gates_dir / "g"
    return {path.name: path.read_bytes() for path in gate.iterdir()}


def kept(folder: str) -> list[Path]:
    return sorted(path for path in Path(folder, "blocks").rglob("*") if path.is_file())


@pytest.mark.pairs
def test_the_next_backup_writes_what_is_new_and_each_brings_its_own_back(
    services: Services, place: str, restore: Restore
) -> None:
    before, first_files = events(services), files(services)
    first = backups.backup(services, place)
    assert first.bytes > 5_000_000
    assert first.new_bytes > 0.99 * first.bytes
    (services.settings.gates_dir / "g" / "new.csv").write_bytes(b"new")
    with services.database.write() as session:
        session.scalars(select(User)).one().email = "grace@example.org"
    second = backups.backup(services, place)
    assert second.bytes >= first.bytes
    assert second.new_bytes < 0.15 * second.bytes
    add_events(services, 10)
    again = restore(first.backup)
    assert (events(again), files(again)) == (before, first_files)
    again = restore(place)
    assert events(again) == before
    assert files(again) == first_files | {"new.csv": b"new"}
    with again.database.read() as session:
        assert session.scalars(select(User.email)).one() == "grace@example.org"
    assert backups.check(place) == []
    assert [one.bytes for one in backups.list_backups(place)] == [first.bytes, second.bytes]


@pytest.mark.turns
def test_what_the_last_backup_found_is_not_read_again(
    services: Services, folder: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(contents, "_SETTLED_NANOSECONDS", -1)
    read: list[str] = []
    pieces = blocks._pieces

    def noted(group: list[contents.Content]) -> Iterator[bytes]:
        read.extend(content.info.name for content in group)
        return pieces(group)

    monkeypatch.setattr(blocks, "_pieces", noted)
    backups.backup(services, folder)
    assert "gates/g/large.bin" in read
    read.clear()
    changed = services.settings.gates_dir / "g" / "7.csv"
    status = changed.stat()
    changed.write_text("8\n" * 100)  # as long as before
    os.utime(changed, ns=(status.st_atime_ns, status.st_mtime_ns))
    backups.backup(services, folder)
    assert "gates/g/7.csv" in read
    assert "gates/g/large.bin" not in read
    assert sum(name.startswith("gates/g/") for name in read) < 200


@pytest.mark.turns
def test_a_backup_that_is_killed_leaves_none_and_what_it_wrote_is_used_by_the_next(
    services: Services, folder: str
) -> None:
    code = f"""
import os, signal
from pathlib import Path
from entrepot.server import backups, places
from entrepot.server.services import Services
from entrepot.settings import Settings
put, left = places.FolderPlace.put, iter(range(20))
def then_die(self, path, content):
    if next(left, None) is None:
        os.kill(os.getpid(), signal.SIGKILL)
    put(self, path, content)
places.FolderPlace.put = then_die
settings = Settings(data_dir=Path({str(services.settings.data_dir)!r}), database_url={services.settings.database_url!r})
backups.backup(Services.open(settings), {folder!r})
"""
    killed = subprocess.run([sys.executable, "-c", code], check=False)
    assert killed.returncode == -signal.SIGKILL
    with pytest.raises(NotFound, match="There is no backup"):
        backups.check(folder)
    left = kept(folder)
    assert len(left) >= 10
    done = backups.backup(services, folder)
    assert done.new_bytes < done.bytes - 10 * 60_000
    assert backups.check(folder) == []
    (old,) = services.settings.data_dir.glob(f"{folders.HIDDEN_PREFIX}*")
    os.utime(old, (0, 0))
    backups.backup(services, folder)
    assert not old.exists(), "the killed one's copy of the database stays for good"


@pytest.mark.turns
def test_a_damaged_block_is_named_refused_and_made_good_by_the_next_backup(
    services: Services, folder: str, restore: Restore, tmp_path: Path
) -> None:
    name = backups.backup(services, folder).backup.rpartition("/")[2]
    large = max(kept(folder), key=lambda path: path.stat().st_size)
    content = large.read_bytes()
    path = large.relative_to(folder)
    for wrong in (content[:-1], content[:1000] + bytes([content[1000] ^ 1]) + content[1001:], b"", b"x" * 1000):
        large.write_bytes(wrong)
        assert backups.check(folder) == [f"{path} is damaged: it is not what its name says. It is part of {name}."]
    with pytest.raises(InvalidInput, match=f"{path} is damaged"):
        restore(folder)
    assert not list(tmp_path.glob("copy*")), "something was restored"
    large.unlink()
    assert backups.check(folder) == [f"{path} is missing. It is part of {name}."]
    backups.backup(services, folder)
    assert backups.check(folder) == []
    assert large.read_bytes() == content


@pytest.mark.turns
def test_a_damaged_manifest_is_named_and_nothing_is_removed_beside_it(services: Services, folder: str) -> None:
    address = backups.backup(services, folder).backup
    Path(address).write_bytes(Path(address).read_bytes()[:-1])
    before = kept(folder)
    done = backups.backup(services, folder)
    assert done.new_bytes < 0.15 * done.bytes
    for refused in (lambda: backups.prune(services, folder, keep=1, days=None), lambda: backups.list_backups(folder)):
        with pytest.raises(InvalidInput, match="is damaged"):
            refused()
    assert set(kept(folder)) >= set(before)
    assert ["is damaged" in problem for problem in backups.check(folder)] == [True]
    Path(address).unlink()
    assert backups.prune(services, folder, keep=1, days=None)[0] == 0
    assert backups.check(folder) == []


@pytest.mark.pairs
def test_old_backups_go_with_what_no_other_one_holds(services: Services, place: str, restore: Restore) -> None:
    gone = services.settings.gates_dir / "g" / "large.bin"
    backups.backup(services, place)
    places.open_place(place).put(blocks.path_of("ab" * 32), b"of a backup that was killed")
    gone.unlink()
    middle = backups.backup(services, place)
    assert backups.prune(services, place, keep=2, days=None) == (0, 1)
    assert backups.prune(services, place, keep=1, days=1) == (0, 0)
    removed, count = backups.prune(services, place, keep=None, days=0)
    assert removed == 1
    assert count >= 1
    (left,) = backups.list_backups(place)
    assert middle.backup.endswith(left.name)
    assert blocks.present(places.open_place(place)) == set(left.blocks)
    assert backups.check(place) == []
    assert "large.bin" not in files(restore(place))


def test_two_backups_at_once_are_both_right_and_nothing_is_removed_beside_them(
    services: Services, folder: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    both, refused = threading.Barrier(2, timeout=30), threading.Event()
    take, done = contents.take, []

    def together(*given: object, files: bool) -> None:
        both.wait()
        take(*given, files=files)  # type: ignore[arg-type]
        assert refused.wait(30)

    monkeypatch.setattr(backups, "take", together)

    def make() -> None:
        with closing(Services.open(services.settings)) as own:
            done.append(backups.backup(own, folder))

    threads = [threading.Thread(target=make) for _ in range(2)]
    for thread in threads:
        thread.start()

    def is_refused() -> bool:
        try:
            backups.prune(services, folder, keep=1, days=None)
        except NotFound:
            return False  # none of them has begun
        except Conflict:
            return True
        return False

    eventually(is_refused, 30)
    refused.set()
    for thread in threads:
        thread.join()
    assert len({one.backup for one in done}) == 2
    assert backups.check(folder) == []
    assert backups.prune(services, folder, keep=1, days=None)[0] == 1


@pytest.mark.turns
def test_its_blocks_one_after_the_other_are_the_file_that_a_backup_otherwise_is(
    services: Services, folder: str, tmp_path: Path
) -> None:
    backups.backup(services, folder)
    (one,) = backups.list_backups(folder)
    joined = b"".join(Path(folder, blocks.path_of(block)).read_bytes() for block in one.blocks)
    backup.backup(services, tmp_path / "backup.tar.gz")
    with tarfile.open(fileobj=BytesIO(joined)) as here, tarfile.open(tmp_path / "backup.tar.gz") as there:
        assert here.getnames() == there.getnames()
        assert here.extractfile("gates/g/large.bin").read() == there.extractfile("gates/g/large.bin").read()
        assert here.extractfile("secret.key").read() == services.settings.secret_key_file.read_bytes()
        assert here.getmember("secret.key").mode & 0o777 == 0o600
    assert all(path.stat().st_mode & 0o077 == 0 for path in [*kept(folder), Path(folder)])


@pytest.mark.turns
def test_a_key_that_is_kept_elsewhere_is_in_no_block(database: Database, folder: str, tmp_path: Path) -> None:
    key = Fernet.generate_key().decode()
    settings = Settings(data_dir=tmp_path / "data", database_url=database.url, secret_key=key)
    initialise(settings, "O", "ada", "password 1")
    with closing(Services.open(settings)) as services:
        backups.backup(services, folder)
    (one,) = backups.list_backups(folder)
    held = b"".join(blocks.read(places.open_place(folder), block) for block in one.blocks)
    assert b"secret.key" not in held
    assert key.encode() not in held


@pytest.mark.turns
def test_a_file_that_becomes_shorter_ends_the_backup(
    services: Services, folder: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(blocks, "_is_alone", lambda content: content.info.name.endswith("large.bin"))
    members, large = blocks._members, services.settings.gates_dir / "g" / "large.bin"

    def cut(content: contents.Content) -> Iterator[bytes]:
        if content.info.name.endswith("large.bin"):
            os.truncate(large, 10)
        return members(content)

    monkeypatch.setattr(blocks, "_members", cut)
    with pytest.raises(EntrepotError, match=r"gates/g/large\.bin became shorter"):
        backups.backup(services, folder)
    with pytest.raises(NotFound):
        backups.list_backups(folder)


@pytest.mark.parametrize("address", ["s3://", "s3://bucket/a b", "s3://bucket/../x"])
def test_what_is_no_place_is_refused(address: str) -> None:
    with pytest.raises(InvalidInput, match="s3://bucket/prefix"):
        places.open_place(address)


def test_a_store_that_is_reached_in_clear_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://store.example")
    with pytest.raises(InvalidInput, match="https"):
        places.open_place("s3://bucket")
