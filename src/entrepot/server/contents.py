"""What a backup holds, one after the other.

That is ``manifest.json``, the data folder's key, settings, gates, what is on its way to them, users' folders and files,
and the database: SQLite as a file, PostgreSQL as one ``COPY`` a table. The database is taken first, in one snapshot:
what it speaks of is in the folders. Of a server that keeps its files in a bucket, its objects are in it, as far as
records speak of them. Files in storages of users (S3, ...) are not.
"""

import io
import json
import os
import tarfile
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

from psycopg import sql
from sqlalchemy import MetaData, Table
from sqlalchemy.orm import Session

import entrepot
from entrepot.db import Database, journal, migrate
from entrepot.errors import EntrepotError, NotFound
from entrepot.keeping import KEY_FILE
from entrepot.objects.own import own_bucket
from entrepot.objects.reader import ObjectReader
from entrepot.objects.stores import BucketStore
from entrepot.pipeline.gates import trees
from entrepot.pipeline.gates.folders import HIDDEN_PREFIX
from entrepot.server import recognise
from entrepot.server.services import Services
from entrepot.settings import CONFIG_FILE, Settings

MANIFEST = "manifest.json"
TABLES = "tables"
SQLITE = "entrepot.db"
#: Where in a backup objects of a bucket are, and which of them.
OBJECTS, _KEPT = "objects", ("gates", "users", "files")
BLOCK = 1 << 20
#: A file that changed so short a time ago may change again without its times telling.
_SETTLED_NANOSECONDS = 2 * 10**9


@dataclass(frozen=True)
class Content(AbstractContextManager["Content"]):
    """A file or a folder of a backup; a context manager that closes it.

    Attributes
    ----------
    info
        Its name in the backup, and what else a tar says of it.
    file
        Its bytes, as many as it says; None of a folder.
    mark
        What is the same, under the same name, as long as its bytes are; None where that cannot be told.
    """

    info: tarfile.TarInfo
    file: "io.BufferedReader[Any] | None"
    mark: str | None

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.file is not None:
            self.file.close()

    @property
    def is_there(self) -> bool:
        """Whether it can be read: an object may have vanished since it was listed."""
        try:
            return self.file is None or self.file.peek(1) is not None
        except NotFound:
            return False


def take(services: Services, folder: Path, *, files: bool) -> None:
    """Write into a folder what of a backup lies in none: the database, the key, and what says of what the backup is."""
    settings, before = services.settings, _keys(services.settings)
    manifest = {
        "version": entrepot.__version__,
        "revision": migrate.current(services.database),
        "database": services.database.dialect,
        "files": files,
        "tables": _take_database(services.database, folder),
    }
    (folder / MANIFEST).write_text(json.dumps(manifest))
    # A rotation meanwhile: what the database holds was encrypted with one or the other.
    if keys := dict.fromkeys([*_keys(settings), *before]):
        (key := folder / KEY_FILE).write_bytes(b"\n".join(keys))
        key.chmod(0o600)


def contents(settings: Settings, taken: Path, *, files: bool) -> Iterator[Content]:
    """Yield what a backup holds, to be closed by whoever asks: what was taken, settings, folders, objects."""
    yield from _of_folder(taken, "")
    with suppress(FileNotFoundError):
        yield _opened(CONFIG_FILE, (settings.data_dir / CONFIG_FILE).open("rb"))
    # What is on its way to a gate meanwhile is in one of the two.
    for part in recognise.folders(settings) if files else ():
        yield from _of_folder(part, part.name)
    if files and (bucket := own_bucket(settings)) is not None:
        yield from _objects(bucket)


def tables(session: Session) -> list[Table]:
    """Return the tables of a database but those of migrations and moves; those that others refer to come first."""
    found = MetaData()
    found.reflect(session.connection())
    others = ("alembic_version", journal.PREFIX)
    return [table for table in found.sorted_tables if not table.name.startswith(others)]


@contextmanager
def cursor_of(session: Session) -> Iterator[Any]:
    """Open a cursor of PostgreSQL's driver."""
    driver = session.connection().connection.driver_connection
    assert driver is not None
    with driver.cursor() as cursor:
        yield cursor


def _keys(settings: Settings) -> list[bytes]:
    """Return the keys that lie in the data folder: others are kept elsewhere, and are nothing for a backup."""
    return settings.secret_key_file.read_bytes().split() if settings.keeps_key else []


def _take_database(database: Database, folder: Path) -> dict[str, list[str]]:
    """Write the database into a folder; return its tables and their columns, in the order in which to fill them."""
    if database.dialect == "sqlite":
        _copy_sqlite(database, folder / SQLITE)
        return {}
    (folder / TABLES).mkdir()
    with database.read() as session, cursor_of(session) as cursor:
        found = {table.name: [column.name for column in table.columns] for table in tables(session)}
        for table, columns in found.items():
            statement = sql.SQL("COPY {} ({}) TO STDOUT").format(
                sql.Identifier(table), sql.SQL(", ").join(map(sql.Identifier, columns))
            )
            with (folder / TABLES / table).open("wb") as target, cursor.copy(statement) as rows:
                target.writelines(rows)
            os.utime(folder / TABLES / table, (0, 0))  # the same rows are the same bytes in every backup
    return found


def _copy_sqlite(database: Database, target: Path) -> None:
    """Copy a database, in one snapshot, page by page: what has not changed is where it was in the copy before."""
    connection = database.engine.raw_connection()
    try:
        driver: Any = connection.driver_connection
        with closing(type(driver)(str(target))) as copy:
            driver.backup(copy)
            (said,) = copy.execute("PRAGMA quick_check(1)").fetchone()
    finally:
        connection.close()
    if said != "ok":
        raise EntrepotError(f"The database is damaged ({said}): nothing was backed up. Run `entrepot check`.")


def _of_folder(folder: Path, name: str) -> Iterator[Content]:
    """Yield a folder's files and folders, at any depth; what is neither, or vanishes meanwhile, is left out."""
    for item in trees.walk(folder, lambda name: not name.startswith(HIDDEN_PREFIX)):
        path = f"{name}/{item.path}" if name else item.path
        if item.is_folder:
            yield _described(path, item.status, None)
        elif item.is_file:
            with suppress(FileNotFoundError):
                yield _opened(path, os.fdopen(item.open(), "rb"))


def _opened(name: str, file: "io.BufferedReader[Any]") -> Content:
    return _described(name, os.fstat(file.fileno()), file)


def _described(name: str, status: os.stat_result, file: "io.BufferedReader[Any] | None") -> Content:
    info = tarfile.TarInfo(name)
    info.mode, info.mtime = status.st_mode & 0o7777, status.st_mtime
    info.uid, info.gid = status.st_uid, status.st_gid
    if file is None:
        info.type = tarfile.DIRTYPE
    else:
        info.size = status.st_size
    # Whoever changes a file may set when it was modified, but not when that was set.
    mark = f"{status.st_ino} {status.st_size} {status.st_mtime_ns} {status.st_ctime_ns}"
    return Content(info, file, mark if time.time_ns() - status.st_ctime_ns > _SETTLED_NANOSECONDS else None)


def _objects(bucket: BucketStore) -> Iterator[Content]:
    for folder in _KEPT:
        for one in bucket.list(folder):
            info = tarfile.TarInfo(f"{OBJECTS}/{one.path}")
            info.mode, info.size, info.mtime = 0o600, one.size, int(one.modified.timestamp())
            # An object is written once and never changed.
            file = io.BufferedReader(ObjectReader(bucket, one.path, one.size), BLOCK)
            yield Content(info, file, f"{one.size} {one.modified.timestamp()}")
