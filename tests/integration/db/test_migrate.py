"""Migrations make the tables that the models describe, and a database at another revision is refused."""

import shutil
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import inspect, or_, select, text

from entrepot.db import Base, Database, migrate
from entrepot.db.words import within
from entrepot.series.models import Series
from entrepot.server.run import tables  # noqa: F401 - all of them are compared


@pytest.fixture
def empty(database_url: str) -> Iterator[Database]:
    database = Database(database_url)
    yield database
    database.close()


@pytest.fixture(scope="module")
def everything(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Migrations of which the only one is made from today's models: where it is, two folders above."""
    folder = tmp_path_factory.mktemp("everything") / "migrations"
    shutil.copytree(migrate.MIGRATIONS, folder, ignore=shutil.ignore_patterns("2*.py", "__pycache__"))
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(migrate, "MIGRATIONS", folder)
        return migrate.revision("everything")


@pytest.fixture
def generated(everything: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Such migrations, to be changed."""
    folder = tmp_path / "migrations"
    shutil.copytree(everything.parents[1], folder, ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setattr(migrate, "MIGRATIONS", folder)
    return folder / everything.relative_to(everything.parents[1])


pytestmark = pytest.mark.filterwarnings("ignore:Skipped unsupported reflection of expression-based index")


def drift(database: Database) -> list[object]:
    with database.engine.connect() as connection:
        # Models do not know it: where PostgreSQL lacks an extension it is missing.
        known = {"include_name": lambda name, _kind, _parents: name != "ix_series_words"}
        context = MigrationContext.configure(connection, opts={"compare_type": True, **known})
        return compare_metadata(context, Base.metadata)


def test_shipped_migrations_make_the_tables_of_the_models(empty: Database) -> None:
    migrate.upgrade(empty)
    assert drift(empty) == []


def test_words_of_names_have_an_index_where_postgresql_can(empty: Database) -> None:
    migrate.upgrade(empty)
    if empty.dialect != "postgresql":
        return
    with empty.read() as session:
        session.execute(text("SET LOCAL enable_seqscan = off"))
        session.execute(text("SET LOCAL enable_indexscan = off"))
        asked = select(Series.unit).where(or_(within(Series.name, "turbine"), within(Series.title, "turbine")))
        statement = asked.compile(empty.engine)
        plan = session.connection().exec_driver_sql(f"EXPLAIN {statement}", statement.params).scalars().all()
    assert any("ix_series_words" in line for line in plan), plan


def test_a_generated_migration_makes_the_tables_of_the_models(generated: Path, empty: Database) -> None:
    migrate.upgrade(empty)
    assert drift(empty) == []
    assert migrate.current(empty) == migrate.head()
    assert "ruff" not in generated.read_text()


def test_drift_is_seen(generated: Path, empty: Database) -> None:
    migrate.upgrade(empty)
    with empty.write() as session:
        session.execute(text("ALTER TABLE job ADD COLUMN surplus INTEGER"))
    assert drift(empty) != []


def test_a_database_without_tables_is_refused_with_the_command(
    generated: Path, empty: Database, tmp_path: Path
) -> None:
    with pytest.raises(migrate.StaleDatabase, match=f"entrepot db upgrade --data-dir {tmp_path}"):
        migrate.require_current(empty, tmp_path)
    migrate.upgrade(empty)
    migrate.require_current(empty, tmp_path)


def test_a_database_one_revision_behind_is_refused(generated: Path, empty: Database) -> None:
    migrate.upgrade(empty)
    migrate.revision("nothing")
    with pytest.raises(migrate.StaleDatabase, match="must be upgraded"):
        migrate.require_current(empty)
    migrate.upgrade(empty)
    migrate.require_current(empty)


def test_a_database_of_a_newer_version_is_refused(generated: Path, empty: Database) -> None:
    migrate.upgrade(empty)
    with empty.write() as session:
        session.execute(text("UPDATE alembic_version SET version_num = 'of-the-future'"))
    with pytest.raises(migrate.StaleDatabase, match="The database was made by a newer version"):
        migrate.require_current(empty)


def test_a_failing_migration_leaves_nothing(generated: Path, empty: Database) -> None:
    script = generated.read_text()
    generated.write_text(script.replace("def downgrade", "    raise ZeroDivisionError\n\n\ndef downgrade", 1))
    with pytest.raises(ZeroDivisionError):
        migrate.upgrade(empty)
    assert inspect(empty.engine).get_table_names() == []


def test_two_that_upgrade_at_once_take_turns(generated: Path, empty: Database) -> None:
    failures: list[BaseException] = []

    def run() -> None:
        database = Database(empty.url)
        try:
            migrate.upgrade(database)
        except BaseException as failure:
            failures.append(failure)
        finally:
            database.close()

    threads = [threading.Thread(target=run) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert drift(empty) == []


def test_replacing_a_table_keeps_what_refers_to_it(generated: Path, empty: Database) -> None:
    """Batch mode on SQLite drops the old table; rows that refer to it with ON DELETE CASCADE must survive."""
    migrate.upgrade(empty)
    with empty.write() as session:
        session.execute(text("CREATE TABLE parent (id INTEGER PRIMARY KEY, name VARCHAR(10) NOT NULL)"))
        session.execute(
            text("CREATE TABLE child (id INTEGER PRIMARY KEY, parent INTEGER REFERENCES parent(id) ON DELETE CASCADE)")
        )
        session.execute(text("INSERT INTO parent VALUES (1, 'a')"))
        session.execute(text("INSERT INTO child VALUES (1, 1)"))
    # Autogenerate would drop the two tables: the migration is written by hand.
    script = migrate.revision("widen")
    body = 'with op.batch_alter_table("parent") as table:\n        table.alter_column("name", type_=sa.String(50))\n'
    script.write_text(script.read_text().replace("pass", body, 1))
    migrate.upgrade(empty)
    with empty.read() as session:
        assert session.execute(text("SELECT count(*) FROM child")).scalar() == 1


def test_chunks_are_stored_as_they_are_on_postgresql(database: Database) -> None:
    if database.dialect != "postgresql":
        pytest.skip("SQLite compresses nothing")
    with database.read() as session:
        storage = "SELECT attstorage FROM pg_attribute WHERE attrelid = 'series_chunk'::regclass AND attname = 'data'"
        assert session.scalar(text(storage)) == "e"
