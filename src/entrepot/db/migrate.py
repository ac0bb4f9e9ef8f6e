"""Migrations of the database: upgrade, say where it stands, refuse one that is stale."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.ddl.sqlite import SQLiteImpl
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util.sqla_compat import is_expression_index
from sqlalchemy import Connection, Index, text
from sqlalchemy.orm import Session

from entrepot.db.engine import Database, advisory_lock
from entrepot.errors import Unavailable

MIGRATIONS = Path(__file__).parent / "migrations"
LOCK_TIMEOUT = "30s"
_NEWER = "The database was made by a newer version of Entrepot, or by one from before 0.1: use that one."


class _SqliteWithExpressions(SQLiteImpl):
    """Alembic's knowledge of SQLite, but indexes on expressions are created too.

    Alembic leaves them out of every revision, since it cannot read them back; their names can be read, and suffice.
    """

    __dialect__ = "sqlite"

    def correct_for_autogen_constraints(
        self, _unique: object, reflected: set[Index], _metadata_unique: object, metadata_indexes: set[Index]
    ) -> None:
        assert self.connection is not None
        existing = set(self.connection.exec_driver_sql("SELECT name FROM sqlite_master WHERE type = 'index'").scalars())
        known = {index for index in metadata_indexes if is_expression_index(index) and index.name in existing}
        metadata_indexes -= known
        reflected -= {index for index in reflected if index.name in {expression.name for expression in known}}


class StaleDatabase(Unavailable):
    """The database's tables are not those that this version works with."""

    code = "stale-database"


def head() -> str | None:
    """Return the revision that this version works with; None when no migration exists."""
    return _scripts().get_current_head()


def current(database: Database) -> str | None:
    """Return the revision of a database; None when it has no tables yet."""
    with database.read() as session:
        return MigrationContext.configure(session.connection()).get_current_revision()


def require_current(database: Database, data_dir: Path | None = None) -> None:
    """Raise :class:`StaleDatabase`, with the command that helps, unless the database is at :func:`head`."""
    found, wanted = current(database), head()
    if found == wanted:
        return
    if found is not None and found not in revisions():
        raise StaleDatabase(_NEWER)
    folder = data_dir or "DATA_DIR"
    raise StaleDatabase(f"The database must be upgraded first: entrepot db upgrade --data-dir {folder}")


def upgrade(database: Database, to: str = "head") -> None:
    """Bring the tables to a revision, in one transaction; processes that do it at the same time take turns."""
    with _exclusive(database) as connection:
        config = _config()
        config.attributes["connection"] = connection
        command.upgrade(config, to)


def pending(database: Database) -> list[str]:
    """Return what each migration does that :func:`upgrade` would run, in their order.

    Raises
    ------
    StaleDatabase
        The database was made by a newer version.
    """
    found = current(database)
    if found is not None and found not in revisions():
        raise StaleDatabase(_NEWER)
    steps = _scripts().iterate_revisions("head", found or "base")
    return [(script.doc or script.revision).strip().rstrip(".") for script in reversed(list(steps))]


def revisions() -> set[str]:
    """Return all revisions that this version knows."""
    return {script.revision for script in _scripts().walk_revisions()}


def revision(message: str) -> Path:
    """Write the migration from :func:`head` to the tables of the models that are imported, and return its file."""
    with tempfile.TemporaryDirectory() as folder:
        database = Database(f"sqlite:///{folder}/entrepot.db")
        upgrade(database)
        config = _config()
        with database.engine.begin() as connection:
            config.attributes["connection"] = connection
            script = command.revision(config, message, autogenerate=True)
        database.close()
    if script is None or isinstance(script, list):
        raise RuntimeError("one revision was expected")
    return Path(script.path)


@contextmanager
def _exclusive(database: Database) -> Iterator[Connection]:
    with database.engine.connect() as connection:
        if database.dialect == "sqlite":
            # Batch mode replaces tables: with foreign keys on, dropping the old one would delete what refers to it.
            driver = connection.connection.driver_connection
            assert driver is not None
            driver.execute("PRAGMA foreign_keys=OFF")
            try:
                with connection.begin():
                    yield connection
                    if broken := connection.exec_driver_sql("PRAGMA foreign_key_check").all():
                        raise RuntimeError(f"the migration would break foreign keys: {broken[:10]}")
            finally:
                driver.execute("PRAGMA foreign_keys=ON")
        else:
            with connection.begin():
                advisory_lock(Session(connection), "migrations")
                # A migration that waits for a table makes everybody else wait behind it.
                connection.execute(text("SELECT set_config('lock_timeout', :timeout, true)"), {"timeout": LOCK_TIMEOUT})
                yield connection


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.set_main_option("file_template", "%%(year)d_%%(month).2d_%%(day).2d_%%(slug)s")
    config.set_section_option("post_write_hooks", "hooks", "format, imports")
    for hook, options in {"format": "format", "imports": "check --select I --fix"}.items():
        config.set_section_option("post_write_hooks", f"{hook}.type", "module")
        config.set_section_option("post_write_hooks", f"{hook}.module", "ruff")
        config.set_section_option("post_write_hooks", f"{hook}.options", f"{options} --quiet REVISION_SCRIPT_FILENAME")
    return config


def _scripts() -> ScriptDirectory:
    return ScriptDirectory.from_config(_config())
