"""A backup of a whole server in one file, made while it runs, and the way back.

The file is a gzipped tar of what :mod:`entrepot.server.contents` says.
"""

import json
import os
import shutil
import tarfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from isal import igzip, igzip_lib
from psycopg import sql
from sqlalchemy import func, make_url, select, text
from sqlalchemy.orm import Session

from entrepot.db import Database, guard, installation, journal, migrate, now
from entrepot.errors import Conflict, InvalidInput, NotFound
from entrepot.objects import standstill
from entrepot.objects.own import own_bucket
from entrepot.objects.stores import BucketStore
from entrepot.pipeline.gates import trees
from entrepot.pipeline.gates.folders import hidden_folder, is_within_reach, replacing
from entrepot.server import recognise
from entrepot.server.contents import BLOCK, MANIFEST, OBJECTS, SQLITE, TABLES, contents, cursor_of, tables, take
from entrepot.server.private import tighten
from entrepot.server.services import Services
from entrepot.settings import Settings, load

BACKUPS = "backups"
_DAMAGE: Any = (tarfile.TarError, igzip.BadGzipFile, igzip_lib.IsalError, EOFError)


def backup(services: Services, file: Path, *, files: bool = True) -> int:
    """Write a backup, which holds the folder's secret key and can be read by its owner alone; return its size in bytes.

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
        take(services, taken, files=files)
        with replacing(file.absolute()) as raw:
            os.fchmod(raw.fileno(), 0o600)
            with _packed(raw, "wb") as packed, tarfile.open(fileobj=packed, mode="w|") as tar:
                for content in contents(settings, taken, files=files):
                    with content:
                        if content.is_there:
                            tar.addfile(content.info, content.file)
            if file.exists():
                raise Conflict(f"{file} was written meanwhile: a backup overwrites nothing.")
    return file.stat().st_size


def to_bucket(services: Services) -> tuple[str, int]:
    """Write a backup into the server's own bucket; return its address and its size in bytes.

    Raises
    ------
    InvalidInput
        The server has no bucket.
    """
    settings, bucket = services.settings, own_bucket(services.settings)
    if bucket is None or settings.storage_url is None:
        raise InvalidInput("Say into which file: without storage_url there is no bucket for it.")
    name = f"{BACKUPS}/{now():%Y-%m-%dT%H-%M-%S}.tar.gz"
    settings.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    with hidden_folder(settings.data_dir.absolute()) as folder:
        size = backup(services, folder / "backup.tar.gz")
        bucket.put(name, folder / "backup.tar.gz")
    return f"{settings.storage_url.rstrip('/')}/{name}", size


def restore_from_bucket(url: str, data_dir: Path) -> Settings:
    """Do what :func:`restore` does with a backup that :func:`to_bucket` wrote."""
    place, found, name = url.rpartition(f"/{BACKUPS}/")
    if not found:
        raise InvalidInput.field("file", f"Write s3://bucket/prefix/{BACKUPS}/NAME.tar.gz.")
    bucket = own_bucket(load(data_dir=data_dir, storage_url=place))
    assert bucket is not None
    data_dir.parent.mkdir(parents=True, exist_ok=True)
    with hidden_folder(data_dir.parent) as folder:
        file = folder / "backup.tar.gz"
        with file.open("wb") as copy:
            copy.writelines(bucket.read(f"{BACKUPS}/{name}"))
        return restore(file, data_dir)


def restore(file: Path, data_dir: Path) -> Settings:
    """Do what :func:`restore_tar` does with a backup that is a file."""
    with file.open("rb") as raw, _packed(raw, "rb") as packed:
        return restore_tar(packed, str(file), data_dir)


def restore_tar(backup: BinaryIO, name: str, data_dir: Path) -> Settings:
    """Make a data folder, and fill its database, from a backup; return its settings.

    The copy is quiet: it calls nobody until ``entrepot resume``, since the server that it was made of may still run.

    Raises
    ------
    Conflict
        There is something in the folder or in the database already, or the backup is of another kind of database, or
        of a newer version.
    InvalidInput
        It is no backup, or is damaged.
    """
    if data_dir.exists() and any(data_dir.iterdir()):
        raise Conflict(f"{data_dir} is not empty: a backup is restored into a new folder.")
    data_dir.parent.mkdir(parents=True, exist_ok=True)
    with hidden_folder(data_dir.parent) as folder:
        unpacked = folder / "data"
        unpacked.mkdir(mode=0o700)
        with _reading(backup, name) as tar:
            tar.extractall(unpacked, members=_within_reach(tar, unpacked), filter="data")
        manifest = _read_manifest(unpacked)
        if manifest["revision"] not in migrate.revisions():
            raise Conflict(
                f"The backup is of Entrepot {manifest['version']}, which is newer: restore it with that one."
            )
        settings = load(data_dir=unpacked)
        if settings.url.partition(":")[0].partition("+")[0] != manifest["database"]:
            raise Conflict(f"The backup is of {manifest['database']}, the settings name another database.")
        _put_objects(settings, unpacked / OBJECTS)
        if manifest["database"] == "sqlite":
            _put_sqlite(settings, unpacked)
        else:
            _fill_postgresql(settings, manifest, unpacked / TABLES)
            shutil.rmtree(unpacked / TABLES)
        _silence(settings)
        tighten(unpacked)
        if data_dir.exists():
            data_dir.rmdir()
        unpacked.rename(data_dir)
    return load(data_dir=data_dir)


def _put_sqlite(settings: Settings, unpacked: Path) -> None:
    target = Path(make_url(settings.url).database or "")
    if target == unpacked / SQLITE:
        return
    if target.exists():
        raise Conflict(f"{target} exists: a backup is restored into a new database.")
    shutil.move(unpacked / SQLITE, target)


def _fill_postgresql(settings: Settings, manifest: dict[str, Any], folder: Path) -> None:
    database = Database(settings.url)
    try:
        if migrate.current(database) is not None:
            raise Conflict("The database is not empty: a backup is restored into a new one.")
        migrate.upgrade(database, manifest["revision"])
        with database.write() as session, cursor_of(session) as cursor:
            for table, columns in manifest["tables"].items():
                statement = sql.SQL("COPY {} ({}) FROM STDIN").format(
                    sql.Identifier(table), sql.SQL(", ").join(map(sql.Identifier, columns))
                )
                with (folder / table).open("rb") as source, cursor.copy(statement) as rows:
                    while chunk := source.read(BLOCK):
                        rows.write(chunk)
            _continue_sequences(session)
    finally:
        database.close()


def _silence(settings: Settings) -> None:
    """Have the copy, brought to this version, call nobody, and know its folders by a mark of its own."""
    for folder in recognise.folders(settings):
        (folder / recognise.STORE).unlink(missing_ok=True)
        (folder / standstill.NAME).unlink(missing_ok=True)
    database = Database(settings.url)
    try:
        # Of a server that was being moved.
        guard.remove(database)
        journal.end(database)
        migrate.upgrade(database)
        with database.write() as session:
            installation.silence(session)
    finally:
        database.close()


def _continue_sequences(session: Session) -> None:
    """Have new rows numbered after those that were filled in."""
    for table in tables(session):
        for column in table.columns:
            found = select(func.pg_get_serial_sequence(f'"{table.name}"', column.name))
            if sequence := session.scalar(found):
                highest = session.scalar(select(func.max(column)))
                if highest is not None:
                    session.execute(text("SELECT setval(:name, :value)"), {"name": sequence, "value": highest})


def _put_objects(settings: Settings, folder: Path) -> None:
    """Bring the objects of a backup into the bucket of a server that begins."""
    bucket = own_bucket(settings)
    if bucket is None:
        if folder.exists():
            raise Conflict("The backup is of a server with a bucket: set storage_url to a new one.")
        return
    if _is_marked(bucket):
        raise Conflict(f"{settings.storage_url} is not empty: a backup is restored into a new bucket or prefix.")
    for item in trees.walk(folder):
        if item.is_file:
            bucket.put(item.path, folder / item.path)
    trees.remove(folder)


def _is_marked(bucket: BucketStore) -> bool:
    try:
        return bool(bucket.size(recognise.STORE))
    except NotFound:
        return False


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
def _reading(backup: BinaryIO, name: str) -> Iterator[tarfile.TarFile]:
    try:
        with tarfile.open(fileobj=backup, mode="r|") as tar:
            yield tar
    except _DAMAGE as error:
        raise InvalidInput(f"{name} is no backup, or is damaged: {error}") from None


def _read_manifest(folder: Path) -> dict[str, Any]:
    try:
        manifest: dict[str, Any] = json.loads((folder / MANIFEST).read_text())
    except (FileNotFoundError, ValueError):
        raise InvalidInput("This is no backup: it has no manifest.") from None
    (folder / MANIFEST).unlink()
    return manifest


def _packed(file: BinaryIO, mode: str) -> Any:
    return igzip.open(file, mode)  # type: ignore[no-untyped-call]
