"""A backup of a whole server in one file, made while it runs, and the way back.

The file is a gzipped tar: ``manifest.json``, the data folder's key, settings, gates, what is on its way to them, users'
folders and files, and the database: SQLite as a file, PostgreSQL as one ``COPY`` a table. The database is taken first,
in one snapshot: what it speaks of is in the folders. Files in other stores (S3, ...) are not in it.
"""

import json
import os
import shutil
import tarfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO

from isal import igzip
from psycopg import sql
from sqlalchemy import MetaData, Table, func, make_url, select, text
from sqlalchemy.orm import Session

import entrepot
from entrepot.db import Database, installation, migrate
from entrepot.errors import Conflict, InvalidInput
from entrepot.pipeline.gates import trees
from entrepot.pipeline.gates.folders import HIDDEN_PREFIX, hidden_folder, is_within_reach, replacing
from entrepot.server import recognise
from entrepot.server.private import tighten
from entrepot.server.services import Services
from entrepot.settings import CONFIG_FILE, Settings, load

_MANIFEST = "manifest.json"
_TABLES = "tables"
_SQLITE = "entrepot.db"
_CHUNK = 1 << 20


def backup(services: Services, file: Path, *, files: bool = True) -> int:
    """Write a backup, which holds the secret key and can be read by its owner alone; return its size in bytes.

    Parameters
    ----------
    files
        False: without gates', users' and published files.

    Raises
    ------
    Conflict
        There is such a file already: a backup takes the place of none.
    """
    settings = services.settings
    if file.exists():
        raise Conflict(f"{file} exists: a backup overwrites nothing.")
    with hidden_folder(file.absolute().parent) as taken:
        before = settings.secret_key_file.read_bytes().split()
        manifest = {
            "version": entrepot.__version__,
            "revision": migrate.current(services.database),
            "database": services.database.dialect,
            "files": files,
            "tables": _take_database(services.database, taken),
        }
        (taken / _MANIFEST).write_text(json.dumps(manifest))
        # A rotation meanwhile: what the database holds was encrypted with one or the other.
        keys = dict.fromkeys([*settings.secret_key_file.read_bytes().split(), *before])
        (key := taken / settings.secret_key_file.name).write_bytes(b"\n".join(keys))
        key.chmod(0o600)
        with replacing(file.absolute()) as raw:
            os.fchmod(raw.fileno(), 0o600)
            with _packed(raw, "wb") as packed, tarfile.open(fileobj=packed, mode="w|") as tar:
                _add_folder(tar, taken, "")
                if (path := settings.data_dir / CONFIG_FILE).exists():
                    tar.add(path, path.name)
                # What is on its way to a gate meanwhile is in one of the two.
                for part in recognise.folders(settings) if files else ():
                    _add_folder(tar, part, part.name)
            if file.exists():
                raise Conflict(f"{file} was written meanwhile: a backup overwrites nothing.")
    return file.stat().st_size


def restore(file: Path, data_dir: Path) -> Settings:
    """Make a data folder, and fill its database, from a backup; return its settings.

    The copy is quiet: it calls nobody until ``entrepot resume``, since the server that it was made of may still run.

    Raises
    ------
    Conflict
        There is something in the folder or in the database already, or the backup is of another kind of database, or
        of a newer version.
    InvalidInput
        The file is no backup, or is damaged.
    """
    if data_dir.exists() and any(data_dir.iterdir()):
        raise Conflict(f"{data_dir} is not empty: a backup is restored into a new folder.")
    data_dir.parent.mkdir(parents=True, exist_ok=True)
    with hidden_folder(data_dir.parent) as folder:
        unpacked = folder / "data"
        unpacked.mkdir(mode=0o700)
        with _reading(file) as tar:
            tar.extractall(unpacked, members=_within_reach(tar, unpacked), filter="data")
        manifest = _read_manifest(unpacked)
        if manifest["revision"] not in migrate.revisions():
            raise Conflict(
                f"The backup is of Entrepot {manifest['version']}, which is newer: restore it with that one."
            )
        settings = load(data_dir=unpacked)
        if settings.url.partition(":")[0].partition("+")[0] != manifest["database"]:
            raise Conflict(f"The backup is of {manifest['database']}, the settings name another database.")
        if manifest["database"] == "sqlite":
            _put_sqlite(settings, unpacked)
        else:
            _fill_postgresql(settings, manifest, unpacked / _TABLES)
            shutil.rmtree(unpacked / _TABLES)
        _silence(settings)
        tighten(unpacked)
        if data_dir.exists():
            data_dir.rmdir()
        unpacked.rename(data_dir)
    return load(data_dir=data_dir)


def _take_database(database: Database, folder: Path) -> dict[str, list[str]]:
    """Write the database into a folder; return its tables and their columns, in the order in which to fill them."""
    if database.dialect == "sqlite":
        connection = database.engine.raw_connection()
        try:
            connection.cursor().execute("VACUUM INTO ?", (str(folder / _SQLITE),))
        finally:
            connection.close()
        return {}
    (folder / _TABLES).mkdir()
    with database.read() as session, _cursor(session) as cursor:
        tables = {table.name: [column.name for column in table.columns] for table in _tables(session)}
        for table, columns in tables.items():
            statement = sql.SQL("COPY {} ({}) TO STDOUT").format(
                sql.Identifier(table), sql.SQL(", ").join(map(sql.Identifier, columns))
            )
            with (folder / _TABLES / table).open("wb") as target, cursor.copy(statement) as rows:
                target.writelines(rows)
    return tables


def _put_sqlite(settings: Settings, unpacked: Path) -> None:
    target = Path(make_url(settings.url).database or "")
    if target == unpacked / _SQLITE:
        return
    if target.exists():
        raise Conflict(f"{target} exists: a backup is restored into a new database.")
    shutil.move(unpacked / _SQLITE, target)


def _fill_postgresql(settings: Settings, manifest: dict[str, Any], folder: Path) -> None:
    database = Database(settings.url)
    try:
        if migrate.current(database) is not None:
            raise Conflict("The database is not empty: a backup is restored into a new one.")
        migrate.upgrade(database, manifest["revision"])
        with database.write() as session, _cursor(session) as cursor:
            for table, columns in manifest["tables"].items():
                statement = sql.SQL("COPY {} ({}) FROM STDIN").format(
                    sql.Identifier(table), sql.SQL(", ").join(map(sql.Identifier, columns))
                )
                with (folder / table).open("rb") as source, cursor.copy(statement) as rows:
                    while chunk := source.read(_CHUNK):
                        rows.write(chunk)
            _continue_sequences(session)
    finally:
        database.close()


def _silence(settings: Settings) -> None:
    """Have the copy, brought to this version, call nobody, and know its folders by a mark of its own."""
    for folder in recognise.folders(settings):
        (folder / recognise.STORE).unlink(missing_ok=True)
    database = Database(settings.url)
    try:
        migrate.upgrade(database)
        with database.write() as session:
            installation.silence(session)
    finally:
        database.close()


def _continue_sequences(session: Session) -> None:
    """Have new rows numbered after those that were filled in."""
    for table in _tables(session):
        for column in table.columns:
            found = select(func.pg_get_serial_sequence(f'"{table.name}"', column.name))
            if sequence := session.scalar(found):
                highest = session.scalar(select(func.max(column)))
                if highest is not None:
                    session.execute(text("SELECT setval(:name, :value)"), {"name": sequence, "value": highest})


def _tables(session: Session) -> list[Table]:
    """Return the tables of a database but that of its migrations; those that others refer to come first."""
    found = MetaData()
    found.reflect(session.connection())
    return [table for table in found.sorted_tables if table.name != "alembic_version"]


@contextmanager
def _cursor(session: Session) -> Iterator[Any]:
    driver = session.connection().connection.driver_connection
    assert driver is not None
    with driver.cursor() as cursor:
        yield cursor


def _add_folder(tar: tarfile.TarFile, folder: Path, name: str) -> None:
    """Add a folder's files and folders, at any depth; what is neither, or vanishes meanwhile, is left out."""
    for item in trees.walk(folder, lambda name: not name.startswith(HIDDEN_PREFIX)):
        if item.is_folder or item.is_file:
            _add(tar, item, f"{name}/{item.path}" if name else item.path)


def _add(tar: tarfile.TarFile, item: trees.Item, name: str) -> None:
    info = tarfile.TarInfo(name)
    info.mode, info.mtime = item.status.st_mode & 0o7777, item.status.st_mtime
    info.uid, info.gid = item.status.st_uid, item.status.st_gid
    if item.is_folder:
        info.type = tarfile.DIRTYPE
        tar.addfile(info)
        return
    with suppress(FileNotFoundError), os.fdopen(item.open(), "rb") as file:
        info.size = os.fstat(file.fileno()).st_size
        tar.addfile(info, file)


def _within_reach(tar: tarfile.TarFile, folder: Path) -> Iterator[tarfile.TarInfo]:
    """Yield the members that the library can unpack; unpack those itself to which no path could be given."""
    with ExitStack() as opened:
        last = ""  # the folder that is open: in a deep one, the next member mostly is one of its own
        inner = -1
        for member in tar:
            if is_within_reach(folder, member.name):
                yield member
                continue
            parent, _, name = member.name.rpartition("/")
            wanted = member.name if member.isdir() else parent
            if wanted != last:
                known = last == parent and inner >= 0
                found = trees.step(inner, name) if known else trees.make(folder, wanted)
                opened.close()
                opened.callback(os.close, found)
                last, inner = wanted, found
            if member.isreg() and (content := tar.extractfile(member)) is not None:
                descriptor = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, member.mode & 0o777, dir_fd=inner)
                with os.fdopen(descriptor, "wb") as file:
                    shutil.copyfileobj(content, file)
                os.utime(name, (member.mtime, member.mtime), dir_fd=inner)


@contextmanager
def _reading(file: Path) -> Iterator[tarfile.TarFile]:
    try:
        with _packed(file, "rb") as packed, tarfile.open(fileobj=packed, mode="r|") as tar:
            yield tar
    except (tarfile.TarError, igzip.BadGzipFile, EOFError) as error:
        raise InvalidInput(f"{file} is no backup, or is damaged: {error}") from None


def _read_manifest(folder: Path) -> dict[str, Any]:
    try:
        manifest: dict[str, Any] = json.loads((folder / _MANIFEST).read_text())
    except (FileNotFoundError, ValueError):
        raise InvalidInput("This is no backup: it has no manifest.") from None
    (folder / _MANIFEST).unlink()
    return manifest


def _packed(file: Path | BinaryIO, mode: str) -> Any:
    return igzip.open(file, mode)  # type: ignore[no-untyped-call]
