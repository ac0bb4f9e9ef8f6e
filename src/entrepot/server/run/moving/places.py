"""Where a server keeps its files, in a folder or in a bucket, under names that are the same in both.

``gates/`` and ``users/`` with an id and a path (with ``.parts`` after the id: what came of uploads that broke off),
``files/`` with an organization and a path, ``uploads/`` with an organization and an id, ``trials/`` and ``damaged/``.
"""

import errno
import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from entrepot.db import Database, new_id
from entrepot.errors import NotFound
from entrepot.files import damage
from entrepot.files.models import PublishedFile, Storage, Upload
from entrepot.files.pieces import UPLOADS
from entrepot.files.spool import SPOOL
from entrepot.files.storages import FILES
from entrepot.objects import loose
from entrepot.objects.folder import BLOCK
from entrepot.objects.stores import BucketStore
from entrepot.pipeline.gates import folders, trees
from entrepot.pipeline.gates.models import StoredFile
from entrepot.pipeline.gates.stored_home import PARTS, folder_of
from entrepot.pipeline.models import Gate
from entrepot.settings import Settings

HOMES = ("gates", "users")
#: What is neither a home nor known by records.
_OTHERS = ("trials", damage.FOLDER)
#: The mark of a folder.
_FOLDER = "folder"


@dataclass(frozen=True)
class Item:
    """A file, or a folder of a home.

    Attributes
    ----------
    mark
        What is another where the content is.
    key
        Where its bytes are; None of a folder.
    """

    name: str
    mark: str
    size: int = 0
    modified: float = 0.0
    key: str | None = None


class Place(Protocol):
    """Where files are."""

    def items(self, session: Session) -> Iterator[Item]:
        """Yield what is there, by the records that the database has of it."""

    def read(self, item: Item) -> Iterator[bytes]:
        """Yield the bytes of a file; FileNotFoundError or NotFound where it has gone."""

    def send(self, item: Item, content: Path) -> str:
        """Store the bytes of a file, and return where they are."""

    def keep(self, session: Session, item: Item, key: str | None) -> None:
        """Have what was sent be the file of a name; without a key, make a folder."""

    def remove(self, session: Session, item: Item) -> None:
        """Have a file, or a folder in which nothing is, be no more."""


class Stays:
    """The files of a server that go nowhere, for the bucket stays the same."""

    def items(self, session: Session) -> Iterator[Item]:
        """Yield nothing."""
        return iter(())

    def read(self, item: Item) -> Iterator[bytes]:
        """Do nothing: there is no item."""
        return iter(())

    def send(self, item: Item, content: Path) -> str:
        """Do nothing."""
        return item.name

    def keep(self, session: Session, item: Item, key: str | None) -> None:
        """Do nothing."""

    def remove(self, session: Session, item: Item) -> None:
        """Do nothing."""


class InFolder:
    """The files of a server without a bucket."""

    def __init__(self, settings: Settings) -> None:
        self._root = settings.data_dir.absolute()
        self._files = settings.files_dir.absolute()

    def items(self, session: Session) -> Iterator[Item]:
        """Yield what is there."""
        for kind in HOMES:
            for home in sorted((self._root / kind).iterdir()) if (self._root / kind).is_dir() else ():
                hidden = home.name.startswith(".")
                if home.is_dir() and (not hidden or home.name.endswith(PARTS)):
                    if not hidden:
                        yield Item(f"{kind}/{home.name}", _FOLDER)
                    yield from self._walked(home, f"{kind}/{home.name.removeprefix('.')}")
        for file, organization_id in _published(session):
            name = f"{FILES}/{organization_id}/{file.path}"
            yield Item(name, file.sha256, file.size, file.created_at.timestamp(), str(self._root / name))
        for upload in session.scalars(select(Upload)):
            path = self._files / SPOOL / upload.organization_id / upload.id
            with suppress(FileNotFoundError):
                yield _item(f"{UPLOADS}/{upload.organization_id}/{upload.id}", path, path.stat())
        for kind in _OTHERS:
            yield from self._walked(self._root / kind, kind)

    def read(self, item: Item) -> Iterator[bytes]:
        """Yield the bytes of a file."""
        with Path(str(item.key)).open("rb") as file:
            while block := file.read(BLOCK):
                yield block

    def send(self, item: Item, content: Path) -> str:
        """Store the bytes of a file."""
        path = self._path(item.name)
        path.parent.mkdir(mode=0o750, parents=True, exist_ok=True)
        with folders.replacing(path) as file, content.open("rb") as source:
            while block := source.read(BLOCK):
                file.write(block)
            file.flush()
            os.utime(file.fileno(), (item.modified, item.modified))
        return str(path)

    def keep(self, session: Session, item: Item, key: str | None) -> None:
        """Make a folder; a file is there once it was sent."""
        if key is None:
            self._path(item.name).mkdir(mode=0o750, parents=True, exist_ok=True)

    def remove(self, session: Session, item: Item) -> None:
        """Have a file or a folder be no more."""
        with suppress(FileNotFoundError):
            (self._path(item.name).unlink if item.key is not None else self._path(item.name).rmdir)()

    def _walked(self, root: Path, name: str) -> Iterator[Item]:
        for item in trees.walk(root, lambda one: not one.startswith(folders.HIDDEN_PREFIX) and folders.is_text(one)):
            # Nobody reads what no path can lead to.
            if folders.is_within_reach(root, item.path):
                if item.is_folder:
                    yield Item(f"{name}/{item.path}", _FOLDER, modified=item.status.st_mtime)
                elif item.is_file:
                    yield _item(f"{name}/{item.path}", root / item.path, item.status)

    def _path(self, name: str) -> Path:
        kind, _, rest = name.partition("/")
        home = rest.partition("/")[0]
        if kind in HOMES and home.endswith(PARTS):
            return self._root / kind / f".{rest}"
        return self._files / SPOOL / rest if kind == UPLOADS else self._root / name


class InBucket:
    """The files of a server with a bucket.

    Parameters
    ----------
    database
        The one that has, or gets, the names of homes' files; None where their rows are copied as they are, and so are
        the keys of their objects.
    """

    def __init__(self, bucket: BucketStore, database: Database | None) -> None:
        self._bucket, self._database = bucket, database

    def items(self, session: Session) -> Iterator[Item]:
        """Yield what is there."""
        for row in session.scalars(select(StoredFile)):
            modified = row.modified_at.timestamp()
            if self._database is None:
                if row.key is not None:
                    yield Item(row.key, "object", row.size, modified, row.key)
            else:
                yield Item(f"{row.home}/{row.path}", row.key or _FOLDER, row.size, modified, row.key)
        # A folder is there where nothing is in it, too.
        for gate in session.scalars(select(Gate.id)) if self._database is not None else ():
            yield Item(f"gates/{gate}", _FOLDER)
        for file, organization_id in _published(session):
            path = f"{FILES}/{organization_id}/{file.path}"
            yield Item(path, file.sha256, file.size, file.created_at.timestamp(), path)
        for upload in session.scalars(select(Upload)):
            name = f"{UPLOADS}/{upload.organization_id}/{upload.id}"
            if pieces := self._pieces(name):
                size = sum(size for _, size in pieces)
                yield Item(name, f"{len(pieces)}:{size}", size, upload.touched_at.timestamp(), name)
        for kind in _OTHERS:
            for one in self._bucket.list(kind):
                modified = one.modified.timestamp()
                yield Item(one.path, f"{one.size}:{modified}", one.size, modified, one.path)

    def read(self, item: Item) -> Iterator[bytes]:
        """Yield the bytes of a file."""
        key = str(item.key)
        for path in [path for path, _ in self._pieces(key)] if key.startswith(f"{UPLOADS}/") else [key]:
            yield from self._bucket.read(path)

    def send(self, item: Item, content: Path) -> str:
        """Store the bytes of a file."""
        kind, _, rest = item.name.partition("/")
        key = item.name
        if kind in HOMES and self._database is not None:
            key = f"{kind}/{rest.partition('/')[0].removesuffix(PARTS)}/{new_id()}"
            loose.put(self._database, self._bucket, key, content)
            return key
        if kind == UPLOADS:
            for path, _ in self._pieces(key):
                self._bucket.delete(path)
        self._bucket.put(f"{key}/{0:020}" if kind == UPLOADS else key, content)
        return key

    def keep(self, session: Session, item: Item, key: str | None) -> None:
        """Have what was sent be the file of a name, or make a folder."""
        if (named := self._named(item)) is None:
            return
        home, path = named
        if key is not None:
            loose.hold(session, key)
        self._forget(session, home, path)
        modified = datetime.fromtimestamp(item.modified, UTC)
        session.add(
            StoredFile(home=home, path=path, folder=folder_of(path), key=key, size=item.size, modified_at=modified)
        )
        session.flush()

    def remove(self, session: Session, item: Item) -> None:
        """Have a file or a folder be no more."""
        if (named := self._named(item)) is not None:
            self._forget(session, *named)
        elif item.key is not None:
            pieces = self._pieces(item.key) if item.name.startswith(f"{UPLOADS}/") else [(item.key, 0)]
            for path, _ in pieces:
                self._bucket.delete(path)

    def _forget(self, session: Session, home: str, path: str) -> None:
        gone = delete(StoredFile).where(StoredFile.home == home, StoredFile.path == path).returning(StoredFile.key)
        loose.let_go(session, [key for key in session.scalars(gone) if key is not None])

    def _named(self, item: Item) -> tuple[str, str] | None:
        kind, _, rest = item.name.partition("/")
        if kind not in HOMES or self._database is None:
            return None
        home, _, path = rest.partition("/")
        return (f"{kind}/{home}", path) if path else None

    def _pieces(self, name: str) -> list[tuple[str, int]]:
        """Return the pieces of an upload, as far as one follows on the other."""
        found, end = [], 0
        for one in self._bucket.list(name):
            if int(one.path.rpartition("/")[2]) == end:
                found.append((one.path, one.size))
                end += one.size
        return found


def require(item: Item, found: str, sent: str) -> None:
    """Raise unless the bytes that are there are those that were sent."""
    if found != sent:
        raise OSError(errno.EIO, os.strerror(errno.EIO), item.name)


#: What a file is that has gone.
GONE = (FileNotFoundError, NotFound)


def _published(session: Session) -> Iterator[tuple[PublishedFile, str]]:
    query = (
        select(PublishedFile, Storage.organization_id)
        .join(Storage, Storage.id == PublishedFile.storage_id)
        .where(Storage.own, PublishedFile.status != "expired")
    )
    rows: Any = session.execute(query.execution_options(yield_per=1000))
    yield from rows


def _item(name: str, path: Path, status: os.stat_result) -> Item:
    mark = f"{status.st_size}-{status.st_mtime_ns}-{status.st_ctime_ns}-{status.st_ino}"
    return Item(name, mark, status.st_size, status.st_mtime, str(path))
