"""Homes in a folder and in a bucket: the same files, whatever is done with them."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from stat import S_ISDIR

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from obstore.store import MemoryStore
from sqlalchemy import delete, func, select, update

from entrepot.db import Database, now
from entrepot.errors import InvalidInput, NotFound, Unavailable
from entrepot.objects import loose
from entrepot.objects.models import LooseObject
from entrepot.objects.stores import BucketStore
from entrepot.pipeline.gates import files, parts
from entrepot.pipeline.gates.folder_home import FolderHome
from entrepot.pipeline.gates.home import Home, Usage
from entrepot.pipeline.gates.models import StoredFile
from entrepot.pipeline.gates.stored_home import PARTS, StoredHome, sweep_parts

NAME = "gates/one"


@pytest.fixture
def bucket() -> BucketStore:
    return BucketStore(MemoryStore())  # type: ignore[arg-type]


@pytest.fixture
def stored(database: Database, bucket: BucketStore, tmp_path: Path) -> StoredHome:
    return StoredHome(database, bucket, NAME, tmp_path)


def put(home: Home, path: str, content: bytes) -> None:
    ready = home.prepare(content)
    with home.alone() as turn:
        turn.put(ready, path)


def tree(home: Home) -> dict[str, bytes | None]:
    found: dict[str, bytes | None] = {}
    waiting = [""]
    while waiting:
        for entry in home.listed(waiting.pop()):
            if entry.type == "directory":
                found[entry.path] = None
                waiting.append(entry.path)
            else:
                found[entry.path] = files.read(home, entry.path)
                assert entry.size == len(found[entry.path] or b"")
    return found


PATHS = st.sampled_from(["a", "b", "d", "d/a", "d/e", "d/e/a", "d0", "e/a"])
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("put"), PATHS, st.binary(max_size=3)),
        st.tuples(st.just("move"), PATHS, PATHS),
        st.tuples(st.just("remove"), PATHS),
        st.tuples(st.just("make_folder"), PATHS),
        st.tuples(st.just("remove_folder"), PATHS),
    ),
    max_size=12,
)


def do(home: Home, step: tuple[str, ...]) -> bool:
    verb, *arguments = step
    try:
        put(home, *arguments) if verb == "put" else getattr(home, verb)(*arguments)  # type: ignore[arg-type]
    except OSError:
        return False
    return True


@given(steps=STEPS)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_is_done_both_kinds_of_homes_hold_the_same(
    steps: list[tuple[str, ...]], both: Callable[[], tuple[Home, Home]]
) -> None:
    folder, stored = both()
    for step in steps:
        assert do(folder, step) == do(stored, step), step
        assert tree(folder) == tree(stored), step
    assert folder.usage() == stored.usage()
    assert folder.count() == stored.count()
    assert [one.path for one in folder.walked("d")] == [one.path for one in stored.walked("d")]
    for path in ("a", "d", "d/e", "x"):
        assert folder.height(path) == stored.height(path)
        assert folder.existing([path]) == stored.existing([path])
        assert files.is_folder(folder, path) == files.is_folder(stored, path)


@pytest.fixture
def both(tmp_path: Path, sqlite_template: Path) -> Callable[[], tuple[Home, Home]]:
    shutil.copy(sqlite_template, tmp_path / "both.db")
    database = Database(f"sqlite:///{tmp_path / 'both.db'}")

    def fresh() -> tuple[Home, Home]:
        shutil.rmtree(tmp_path / "gates", ignore_errors=True)
        (tmp_path / NAME).mkdir(parents=True)
        with database.write() as session:
            session.execute(delete(StoredFile))
            session.execute(delete(LooseObject))
        home = StoredHome(database, BucketStore(MemoryStore()), NAME, tmp_path)  # type: ignore[arg-type]
        return FolderHome(tmp_path / NAME), home

    return fresh


def test_a_file_keeps_its_time_and_bytes_wherever_it_is_moved(stored: StoredHome, tmp_path: Path) -> None:
    complete = tmp_path / "complete"
    complete.write_bytes(b"0123456789" * 1000)
    os.utime(complete, (1_700_000_000.25, 1_700_000_000.25))
    files.place(stored, complete, "in/a.csv", files.NO_QUOTA)
    (entry,) = stored.walked()
    assert (entry.path, entry.size, entry.modified) == ("in/a.csv", 10_000, 1_700_000_000.25)
    with stored.alone() as turn:
        files.move(turn, "in/a.csv", "imported/in/a.csv")
    assert files.is_same(stored, "imported/in/a.csv", 10_000, files.instant(1_700_000_000.25))
    with stored.open("imported/in/a.csv") as file:
        assert (file.seek(9_995), file.read(3), file.seek(0), file.read(4)) == (9_995, b"567", 0, b"0123")
    assert S_ISDIR(stored.status("imported/in").st_mode)


def _remove_and_fail(home: Home) -> None:
    home.remove("a")
    home.remove("a")


def test_what_is_cut_anywhere_leaves_no_object_for_good(
    stored: StoredHome, bucket: BucketStore, database: Database
) -> None:
    put(stored, "a", b"old")
    stored.prepare(b"killed before it appeared")
    put(stored, "a", b"new")
    with pytest.raises(FileNotFoundError), stored.alone() as turn:
        _remove_and_fail(turn)
    assert files.read(stored, "a") == b"new"
    assert len(list(bucket.list("gates"))) == 3
    with database.write() as session:
        assert session.scalar(select(func.count()).select_from(LooseObject)) == 2
        session.execute(update(LooseObject).values(due_at=now()))
    assert loose.sweep(database, bucket) == 2
    assert tree(stored) == {"a": b"new"}
    assert len(list(bucket.list("gates"))) == 1
    stored.destroy()
    with database.write() as session:
        session.execute(update(LooseObject).values(due_at=now()))
    loose.sweep(database, bucket)
    assert list(bucket.list("gates")) == []


def test_what_was_swept_before_it_was_placed_takes_the_place_of_nothing(
    stored: StoredHome, bucket: BucketStore, database: Database
) -> None:
    put(stored, "a", b"old")
    ready = stored.prepare(b"too late")
    with database.write() as session:
        session.execute(update(LooseObject).values(due_at=now()))
    loose.sweep(database, bucket)
    with pytest.raises(Unavailable), stored.alone() as turn:
        turn.put(ready, "a")
    assert tree(stored) == {"a": b"old"}


def test_a_part_goes_on_at_another_server_and_at_one_alone(
    stored: StoredHome, database: Database, bucket: BucketStore, tmp_path: Path
) -> None:
    broken_off = tmp_path / "broken"
    broken_off.write_bytes(b"12345")
    files.keep_part(stored, broken_off, "a.csv", files.NO_QUOTA)
    other = StoredHome(database, bucket, NAME, tmp_path)
    part = parts.name_of("a.csv")
    assert (other.part_size(part), other.part_usage()) == (5, Usage(5, 1))
    assert other.take_part(part, tmp_path / "one")
    assert not stored.take_part(part, tmp_path / "two")
    assert (tmp_path / "one").read_bytes() == b"12345"
    assert not (tmp_path / "two").exists()
    files.keep_part(stored, broken_off, "a.csv", files.NO_QUOTA)
    with database.write() as session:
        assert sweep_parts(session, 3600) == 0
        assert sweep_parts(session, -1) == 1
        assert session.scalar(select(func.count()).where(StoredFile.home == NAME + PARTS)) == 0


def test_paths_that_lead_out_are_refused(stored: StoredHome) -> None:
    for path in ("../x", "a/../../x", "a\n", ".entrepot-x"):
        with pytest.raises(InvalidInput):
            stored.resolve(path)
    assert stored.resolve("//a/./b") == "a/b"
    with pytest.raises(NotFound):
        stored.listed("missing")
