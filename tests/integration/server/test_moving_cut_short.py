"""What a move refuses, what is left of one that was cut short or given up, and that nothing is taken on trust."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from entrepot.cli.moving import _name
from entrepot.db import Base, Database, guard, journal
from entrepot.errors import Conflict, InvalidInput, Moved, ReadOnly, Unavailable
from entrepot.objects import standstill
from entrepot.server import backup
from entrepot.server.recognise import require_usable
from entrepot.server.run.moving import move
from entrepot.server.run.moving.rows import Differs, Rows
from entrepot.server.services import Services
from entrepot.settings import Settings
from tests.support import s3
from tests.support.deadline import eventually
from tests.support.examples import Farm
from tests.support.interface import Api, interface
from tests.support.postgres import Cluster

TABLES = Base.metadata.sorted_tables


class World:
    """A server on a folder, and where it may be moved to."""

    def __init__(self, api: Api, to: str, folder: Path) -> None:
        self.api, self.to, self.folder = api, to, folder
        self.told: list[str] = []

    def move(self, *, storage: str | None = None, seconds: float = 30.0, to: str | None = None) -> move.Move:
        folder = None if storage is not None or (to or self.to).startswith("sqlite") else self.folder
        settings = move.settings_of(self.api.services.settings, to or self.to, storage, folder)
        return move.Move(self.api.services, settings, name="https://new", seconds=seconds, tell=self.told.append)

    def arrived(self, storage: str | None = None) -> Api:
        """Return the server that everything went to."""
        settings = move.settings_of(self.api.services.settings, self.to, storage, self.folder)
        require_usable(settings)
        return Api(Database(settings.url), settings, self.api.token)

    def write(self) -> None:
        self.api.ask("POST", "/projects", 201, json={"name": f"new {len(self.told)} {id(object())}"})


@pytest.fixture
def world(database: Database, database_kind: str, postgres: Cluster, tmp_path: Path) -> Iterator[World]:
    """One that is moved to the other kind of database."""
    api = interface(database, tmp_path)
    settings = api.settings.model_copy(update={"database_url": database.url})
    world = World(Api(database, settings, api.token), "", tmp_path / "there")
    world.to = f"sqlite:///{tmp_path}/there/entrepot.db"
    if database_kind == "sqlite":
        world.to = postgres.url(postgres.create()).replace("+psycopg", "")
    yield world
    guard.remove(database)
    journal.end(database)


@pytest.mark.turns
def test_everything_arrives_as_it_was(world: World) -> None:
    Farm(world.api)
    strange: dict[str, Any] = {"b": 1e16, "a": [1e22, -0.0, 1e-7, 2.0, 2**62, "1e16", None], "é": {"ü": True}}
    work = {"pipeline": "p", "site": "local", "user": "a"}
    for path, one in (("works", work), ("archive", work | {"status": "success"})):
        for results in (strange, {"a": "\0"}, {"long": 10**30}):
            world.api.ask("POST", f"/{path}", json=[one | {"results": results}])
    paths = ("/series", "/files", "/gates", "/importers", "/runs", "/events", "/result-sets")
    before = {path: rows(world.api, path) for path in paths}
    viewed = {path: world.api.ask("POST", path, json={"query": {}}) for path in ("/works/view", "/archive/view")}
    done = world.move().run()
    assert done is not None
    assert {row["table"] for row in done.tables} == {table.name for table in TABLES}
    assert done.files == 4
    new = world.arrived()
    assert {path: rows(new, path) for path in paths} == before
    assert {path: new.ask("POST", path, json={"query": {}}) for path in viewed} == viewed
    # Numbers go on where they were, and files are where the records say.
    new.ask("POST", "/projects", 201, json={"name": "next"})
    new.ask("POST", "/works", json=[work])
    for file in before["/files"]:
        assert new.client.get(f"/api/v1/files/{file['id']}/download").content == b"1"
    assert new.settings.secret_key_file.read_bytes() == world.api.settings.secret_key_file.read_bytes()
    new.database.close()


def rows(api: Api, path: str) -> list[dict[str, Any]]:
    """Return the rows of a list but for where files are, which is another place."""
    items = api.ask("GET", path)["items"]
    return [{name: value for name, value in one.items() if name not in ("storage", "url")} for one in items]


@pytest.mark.turns
def test_rows_that_change_places_while_they_are_copied_arrive(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between two batches, a name that must be unique goes from one row to another, and rows come and go."""
    ids = [world.api.ask("POST", "/projects", 201, json={"name": f"p{number}"})["id"] for number in range(4)]
    copy = Rows._copy

    def changing(rows: Rows, form: Any) -> None:
        copy(rows, form)
        if form.name == "project":
            for id_, name in ((ids[0], "aside"), (ids[1], "p0"), (ids[0], "p1")):
                world.api.ask("PATCH", f"/projects/{id_}", json={"name": name})
            world.api.ask("DELETE", f"/projects/{ids[2]}", 204)
            world.api.work()
            world.write()

    monkeypatch.setattr(Rows, "_copy", changing)
    assert world.move().run() is not None
    new = world.arrived()
    assert new.ask("GET", "/projects") == world.api.ask("GET", "/projects")
    new.database.close()


@pytest.mark.turns
def test_a_row_that_is_another_one_is_found_and_the_server_goes_on(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.write()
    compare = Rows.compare

    def damaged(rows: Rows) -> None:
        with rows._target.database.write() as session:
            session.execute(text("UPDATE project SET name = 'another'"))
        compare(rows)

    with monkeypatch.context() as patched:
        patched.setattr(Rows, "compare", damaged)
        with pytest.raises(Differs, match="project: the row"):
            world.move().run()
    world.write()
    with pytest.raises(Differs, match="project: the row"):
        world.move().run()
    move.give_up(world.api.services)
    world.write()


@pytest.mark.turns
@pytest.mark.parametrize("where", ["switched", "settled"])
def test_a_move_that_is_killed_after_the_switch_is_ended_by_the_next(
    world: World, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    Farm(world.api)

    def dies(*_: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(*{"switched": (move.Move, "_finish"), "settled": (move, "_end")}[where], dies)
        with pytest.raises(KeyboardInterrupt):
            world.move().run()
    answer = world.api.client.post("/api/v1/projects", json={"name": "late"})
    assert (answer.status_code, answer.json()["type"]) == (503, "/docs#problem-moved")
    assert answer.json()["detail"].startswith("The server was moved to https://new:")
    with pytest.raises(Conflict, match="was moved to"):
        move.give_up(world.api.services)
    if where == "switched":
        with pytest.raises(Conflict, match="has not ended"):
            world.arrived()
    done = world.move().run()
    assert (done is None) == (where == "settled")
    new = world.arrived()
    assert new.ask("GET", "/series") == world.api.ask("GET", "/series")
    new.ask("POST", "/projects", 201, json={"name": "late"})
    new.database.close()
    with pytest.raises(Conflict, match="was moved to https://new"):
        world.move().run()


@pytest.mark.turns
def test_what_does_not_arrive_in_time_is_tried_again_and_the_server_serves(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(move, "_MOST_ATTEMPTS", 2)
    world.write()
    with pytest.raises(Unavailable, match="--read-only-seconds"):
        world.move(seconds=0.0).run()
    assert sum("takes what is new again" in one for one in world.told) == 2
    world.write()
    world.api.ask(
        "POST", "/gates", 201, json={"project": world.api.ask("GET", "/projects")["items"][0]["id"], "name": "g"}
    )
    assert world.move().run() is not None


@pytest.mark.turns
def test_a_target_with_something_in_it_is_refused(world: World) -> None:
    api = world.api.services
    with s3.running() as store:
        api.settings.cloud.update({name.lower(): value for name, value in store.environment.items()})
        bucket = store.bucket("full")
        store.open(bucket).put("something", b"x")
        with pytest.raises(Conflict, match="is not empty"):
            world.move(storage=bucket).run()
        api.settings.cloud.clear()
    move.give_up(api)
    shutil.rmtree(world.folder, ignore_errors=True)
    world.folder.mkdir()
    (world.folder / "something").touch()
    with pytest.raises(Conflict, match="is not empty"):
        world.move().run()
    (world.folder / "something").unlink()
    move.give_up(api)
    database = Database(move.settings_of(api.settings, world.to, None, world.folder).url)
    with database.write() as session:
        session.execute(text("CREATE TABLE something (a integer)"))
    database.close()
    if not world.to.startswith("sqlite"):
        with pytest.raises(Conflict, match="it has something"):
            world.move().run()
    world.write()


@pytest.mark.turns
def test_one_move_at_a_time_and_one_that_is_given_up_leaves_nothing(
    world: World, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def dies(*_: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(Rows, "compare", dies)
        with pytest.raises(KeyboardInterrupt):
            world.move().run()
    with pytest.raises(Conflict, match="is under way"):
        world.move(to=f"sqlite:///{tmp_path}/elsewhere/entrepot.db").run()
    copy = tmp_path / "backup.tar.gz"
    backup.backup(world.api.services, copy)  # of one that is being moved
    move.give_up(world.api.services)
    world.write()
    query = "SELECT name FROM sqlite_master" if world.api.database.dialect == "sqlite" else (
        "SELECT tgname FROM pg_trigger WHERE NOT tgisinternal UNION SELECT relname FROM pg_class"
    )  # fmt: skip
    with world.api.database.read() as session:
        left = [name for name in session.scalars(text(query)) if "moving" in name or "guard" in name]
    assert left == []


def test_a_backup_of_a_server_that_was_moved_can_be_written_to(sqlite_template: Path, tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path / "data")
    (tmp_path / "first.db").write_bytes(sqlite_template.read_bytes())
    first = Database(f"sqlite:///{tmp_path / 'first.db'}")
    api = interface(first, tmp_path)
    Farm(api)
    with first.write() as session:
        session.execute(text("CREATE TABLE _litestream_lock (id INTEGER)"))  # of what followed it: is left out
    first.close()
    (tmp_path / "first.db").rename(tmp_path / "data" / "entrepot.db")
    services = Services.open(settings)
    there = move.settings_of(settings, f"sqlite:///{tmp_path}/there/entrepot.db", None, None)
    assert move.Move(services, there, name="there", seconds=30, tell=lambda _: None).run() is not None
    backup.backup(services, tmp_path / "backup.tar.gz")
    services.close()
    restored = backup.restore(tmp_path / "backup.tar.gz", tmp_path / "restored")
    again = Api(Database(restored.url), restored, api.token)
    again.ask("POST", "/projects", 201, json={"name": "late"})
    gate = again.ask("GET", "/gates")["items"][0]["id"]
    again.ask("PUT", f"/gates/{gate}/files/b.csv", 201, content=b"1")
    again.database.close()


@pytest.mark.parametrize(
    ("to", "storage", "folder", "field"),
    [
        ("mysql://x/y", None, None, "to"),
        ("sqlite:///there/other.db", None, None, "to"),
        ("sqlite:///there/entrepot.db", None, "elsewhere", "to"),
        ("postgresql://x/y", None, None, "storage"),
        ("postgresql://x/y", "http://x", None, "storage"),
        ("postgresql://x/y", None, "here", "folder"),
        ("sqlite:///here/entrepot.db", None, None, "to"),
    ],
)
def test_a_place_that_makes_no_sense_is_refused(
    to: str, storage: str | None, folder: str | None, field: str, tmp_path: Path
) -> None:
    def path(name: str | None) -> Path | None:
        return None if name is None else tmp_path / name

    settings = Settings(data_dir=tmp_path / "here")
    with pytest.raises(InvalidInput) as refused:
        move.settings_of(settings, to.replace("sqlite:///", f"sqlite:///{tmp_path}/"), storage, path(folder))
    assert list(refused.value.fields) == [field]


def test_nobody_is_told_a_password_or_a_path() -> None:
    assert _name("postgresql://ada:secret@db:5432/entrepot?sslmode=require") == "postgresql://db:5432/entrepot"
    assert _name("sqlite:////srv/entrepot/entrepot.db") == "a SQLite database"


@pytest.mark.turns
def test_a_guard_refuses_at_every_way_to_write_and_ends_by_itself(database: Database) -> None:
    names = [table.name for table in TABLES]
    insert = text("INSERT INTO lease (name, holder, until) VALUES (:name, '', '2026-01-01')")
    guard.close(database, names, "It's shut.", 2.0)

    def by_session() -> None:
        with database.write() as session:
            session.execute(insert, {"name": "a"})

    def together() -> None:
        database.together(lambda session: session.execute(insert, {"name": "b"}))

    for write in (by_session, together):
        with pytest.raises(ReadOnly, match="It's shut") as refused:
            write()
        assert refused.value.retry_after == 5
    with pytest.raises(ReadOnly, match="It's shut"):
        guard.moved(database)
    eventually(lambda: _passes(by_session), 10)
    guard.close(database, names, "It moved.")
    with pytest.raises(Moved, match="It moved"):
        together()
    assert guard.moved(database) == "It moved."
    guard.open_(database)
    together()
    guard.remove(database)


def _passes(write: Callable[[], None]) -> bool:
    try:
        write()
    except ReadOnly:
        return False
    return True


def test_a_standstill_waits_for_changes_and_refuses_new_ones(tmp_path: Path) -> None:
    with standstill.changing(tmp_path / "gates"):
        pass
    standstill.stop(tmp_path / "gates", "Wait.", 0.5)
    with pytest.raises(ReadOnly, match="Wait"), standstill.changing(tmp_path / "gates"):
        pass

    def passes() -> bool:
        try:
            with standstill.changing(tmp_path / "gates"):
                return True
        except ReadOnly:
            return False

    eventually(passes, 10)
    standstill.stop(tmp_path / "gates", "Elsewhere.")
    with pytest.raises(Moved, match="Elsewhere"), standstill.changing(tmp_path / "gates"):
        pass
    standstill.resume(tmp_path / "gates")
    assert passes()


@pytest.mark.turns
def test_what_changes_is_noted_by_its_key_cascades_included(database: Database) -> None:
    journal.begin(database, TABLES)
    journal.begin(database, TABLES)
    with database.write() as session:
        for number in (1, 2):
            session.execute(
                text(
                    "INSERT INTO series (number, organization_id, project_id, id, generator_kind, name, unit, title,"
                    " day_begins, rule, pushed, locked, created_at)"
                    " VALUES (:n, 'o', 'p', CAST(:n AS varchar), 'k', CAST(:n AS varchar), '', '', 0, 'mean', false,"
                    " false, '2026-01-01')"
                ),
                {"n": number},
            )
        session.execute(text("INSERT INTO series_label (series, key, value) VALUES (1, 'k''', 'v')"))
    with database.snapshot() as connection:
        numbers, keys = journal.noted(connection, TABLES)
    assert keys == {"series": {(1,), (2,)}, "series_label": {(1, "k'")}}
    with database.write() as session:
        journal.take(session, numbers)
        session.execute(text("DELETE FROM series WHERE number = 1"))
        session.execute(text("UPDATE series SET number = 3 WHERE number = 2"))
    with database.snapshot() as connection:
        assert journal.noted(connection, TABLES)[1] == {"series": {(1,), (2,), (3,)}, "series_label": {(1, "k'")}}
    journal.end(database)
    with database.write() as session:
        session.execute(text("DELETE FROM series"))


@pytest.mark.turns
def test_a_target_of_another_kind_gets_its_foreign_keys_back(world: World) -> None:
    assert world.move().run() is not None
    new = world.arrived()
    if new.database.dialect == "postgresql":
        with new.database.read() as session:
            lost = text("SELECT count(*) FROM pg_constraint WHERE contype = 'f' AND NOT convalidated")
            assert session.scalar(lost) == 0
            there = session.scalar(text("SELECT count(*) FROM pg_constraint WHERE contype = 'f'"))
            assert there == sum(len(table.foreign_key_constraints) for table in TABLES)
    assert not journal.is_target(new.database)
    new.database.close()
