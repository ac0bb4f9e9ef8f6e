"""A home whose names are rows of the database, and whose bytes are objects of the server's bucket.

What is renamed, replaced or set aside is so in one transaction, whichever server asks; an object is written once, and
only read after. Bytes are sent before that transaction, and noted as nobody's before they are sent.
"""

import errno
import hashlib
import io
import os
import shutil
from collections.abc import Collection, Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from stat import S_IFDIR, S_IFREG
from typing import BinaryIO, Self

from sqlalchemy import ColumnElement, Select, delete, func, select
from sqlalchemy.orm import Session

from entrepot.db import Database, advisory_lock, new_id, now
from entrepot.errors import NotFound
from entrepot.objects import loose
from entrepot.objects.folder import BLOCK
from entrepot.objects.reader import ObjectReader
from entrepot.objects.stores import BucketStore
from entrepot.pipeline.gates import folders
from entrepot.pipeline.gates.folders import Entry
from entrepot.pipeline.gates.home import Ready, Usage
from entrepot.pipeline.gates.models import StoredFile

#: What is added to the name of a home for that of its parts.
PARTS = ".parts"
_NO_ROOT = Path("/")
_AT_ONCE = 500


class StoredHome:
    """Files by rows and objects. See :class:`.Home`.

    Parameters
    ----------
    at
        A database, of which each call has a unit of work of its own, or one that is open.
    folder
        A folder of this machine, for what is made there.
    """

    def __init__(self, at: Database | Session, bucket: BucketStore, name: str, folder: Path) -> None:
        self._at, self._bucket, self._folder = at, bucket, folder
        self.name = name

    def resolve(self, path: str) -> str:
        """Return a path that users wrote as it is kept."""
        found = folders.checked(_NO_ROOT, path).relative_to(_NO_ROOT).as_posix()
        return "" if found == "." else found

    def within(self, session: Session) -> Self:
        """Return the home as this unit of work sees and changes it."""
        return type(self)(session, self._bucket, self.name, self._folder)

    @contextmanager
    def alone(self) -> Iterator[Self]:
        """Be the only one who changes files of the home, in one transaction."""
        with self._writing() as session:
            advisory_lock(session, "home", self.name)
            yield self.within(session)

    def status(self, path: str) -> os.stat_result:
        """Return what is known of what lies at a path."""
        if not path:
            return _status(None)
        with self._reading() as session:
            return _status(self._need(session, path))

    def statuses(self, folder: str) -> dict[str, os.stat_result]:
        """Return those of what lies directly in a folder."""
        with self._reading() as session:
            return {row.path: _status(row) for row in session.scalars(self._inside(folder))}

    def listed(self, folder: str = "", *, after: str | None = None, most: int | None = None) -> list[Entry]:
        """Return what lies directly in a folder."""
        folder = self.resolve(folder)
        with self._reading() as session:
            row = self._find(session, folder) if folder else None
            if folder and (row is None or row.key is not None):
                raise NotFound(f"There is no folder {folder!r}.")
            part = self._inside(folder).where(StoredFile.path > (after or "")).order_by(StoredFile.path).limit(most)
            return [_entry(row) for row in session.scalars(part)]

    def walked(self, folder: str = "") -> list[Entry]:
        """Return the files below a folder."""
        with self._reading() as session:
            rows = session.scalars(
                select(StoredFile).where(*self._below(self.resolve(folder)), StoredFile.key.is_not(None))
            )
            return sorted((_entry(row) for row in rows), key=lambda entry: entry.path)

    def existing(self, paths: Collection[str]) -> set[str]:
        """Return those of the paths at which something lies."""
        every, found = list(paths), set[str]()
        with self._reading() as session:
            for start in range(0, len(every), _AT_ONCE):
                some = StoredFile.path.in_(every[start : start + _AT_ONCE])
                found.update(session.scalars(select(StoredFile.path).where(StoredFile.home == self.name, some)))
        return found

    def count(self) -> int:
        """Return how many files and folders there are."""
        with self._reading() as session:
            return session.scalar(select(func.count()).where(StoredFile.home == self.name)) or 0

    def usage(self) -> Usage:
        """Return what lies there."""
        return self._usage(self.name)

    def height(self, path: str) -> int:
        """Return how many folders lie in one another at a path."""
        with self._reading() as session:
            row = self._find(session, path)
            if row is None or row.key is not None:
                return 0
            below = select(StoredFile.path).where(*self._below(path), StoredFile.key.is_(None))
            return 1 + max((one.count("/") - path.count("/") for one in session.scalars(below)), default=0)

    def open(self, path: str) -> BinaryIO:
        """Open a file to read from; what has taken its place meanwhile is not seen."""
        with self._reading() as session:
            row = self._need(session, path)
        if row.key is None:
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), path)
        return io.BufferedReader(ObjectReader(self._bucket, row.key, row.size), BLOCK)

    def scratch(self) -> AbstractContextManager[Path]:
        """Make a folder for what becomes files of the home."""
        folders.remove_stale(self._folder)
        return folders.hidden_folder(self._folder)

    def make(self) -> None:
        """Do nothing: a home without a file has no row."""

    def prepare(self, source: Path | bytes) -> Ready:
        """Send the bytes."""
        key = f"{self.name}/{new_id()}"
        if not isinstance(self._at, Database):
            raise TypeError("bytes are sent before a unit of work, not within it")
        size, modified = len(source) if isinstance(source, bytes) else 0, now().timestamp()
        if isinstance(source, Path):
            found = source.stat()
            size, modified = found.st_size, found.st_mtime
        loose.put(self._at, self._bucket, key, source)
        return Ready(key, size, modified)

    def put(self, ready: Ready, path: str) -> None:
        """Have what is ready appear."""
        with self._writing() as session:
            loose.hold(session, str(ready.source))
            self._make_parents(session, path)
            self._vacate(session, path)
            self._add(session, self.name, path, ready)

    def move(self, path: str, target: str) -> None:
        """Give a file or folder another path."""
        with self._writing() as session:
            row = self._need(session, path)
            if path == target:
                return
            if f"{target}/".startswith(f"{path}/"):
                raise OSError(errno.EINVAL, os.strerror(errno.EINVAL), target)
            self._make_parents(session, target)
            self._vacate(session, target, folder=row.key is None)
            for one in session.scalars(select(StoredFile).where(*self._below(path))).all() if not row.key else ():
                one.path = target + one.path.removeprefix(path)
                one.folder = folder_of(one.path)
            row.path, row.folder = target, folder_of(target)
            session.flush()

    def remove(self, path: str) -> None:
        """Remove a file."""
        with self._writing() as session:
            row = self._need(session, path)
            if row.key is None:
                raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), path)
            self._drop(session, row)

    def make_folder(self, path: str) -> None:
        """Make a folder in one that is there."""
        with self._writing() as session:
            if not path or self._find(session, path) is not None:
                raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), path)
            if "/" in path and self._need(session, path.rpartition("/")[0]).key is not None:
                raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), path)
            self._add(session, self.name, path, None)

    def remove_folder(self, path: str) -> None:
        """Remove a folder in which nothing lies."""
        with self._writing() as session:
            row = self._need(session, path)
            if row.key is not None:
                raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), path)
            self._require_empty(session, path)
            session.delete(row)
            session.flush()

    def destroy(self) -> None:
        """Remove everything."""
        with self._writing() as session:
            for name in (self.name, self.name + PARTS):
                gone = delete(StoredFile).where(StoredFile.home == name).returning(StoredFile.key)
                loose.let_go(session, [key for key in session.scalars(gone) if key is not None])

    def part_size(self, part: str) -> int | None:
        """Return how many bytes came."""
        with self._reading() as session:
            row = self._find(session, part, PARTS)
            return None if row is None else row.size

    def part_usage(self) -> Usage:
        """Return how many parts there are, and how many bytes they have."""
        return self._usage(self.name + PARTS)

    def take_part(self, part: str, target: Path) -> bool:
        """Fetch a part to where it goes on."""
        with self._reading() as session:
            row = self._find(session, part, PARTS)
        if row is None or row.key is None:
            return False
        with target.open("xb") as file, io.BufferedReader(ObjectReader(self._bucket, row.key, row.size), BLOCK) as came:
            shutil.copyfileobj(came, file, BLOCK)
        with self._writing() as session:
            mine = delete(StoredFile).where(StoredFile.number == row.number).returning(StoredFile.number)
            if session.scalar(mine) is not None:
                loose.let_go(session, [row.key])
                return True
        target.unlink()
        return False

    def put_part(self, part: str, ready: Ready) -> None:
        """Keep what came."""
        with self._writing() as session:
            loose.hold(session, str(ready.source))
            self.within(session).drop_part(part)
            self._add(session, self.name + PARTS, part, ready)

    def drop_part(self, part: str) -> bool:
        """Remove a part."""
        with self._writing() as session:
            row = self._find(session, part, PARTS)
            if row is not None:
                self._drop(session, row)
            return row is not None

    # Units of work and rows

    @contextmanager
    def _reading(self) -> Iterator[Session]:
        if isinstance(self._at, Database):
            with self._at.read() as session:
                yield session
        else:
            yield self._at

    @contextmanager
    def _writing(self) -> Iterator[Session]:
        if isinstance(self._at, Database):
            with self._at.write() as session:
                yield session
        else:
            yield self._at

    def _find(self, session: Session, path: str, suffix: str = "") -> StoredFile | None:
        return session.scalar(select(StoredFile).where(StoredFile.home == self.name + suffix, StoredFile.path == path))

    def _need(self, session: Session, path: str) -> StoredFile:
        if (row := self._find(session, path)) is None:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), path)
        return row

    def _inside(self, folder: str) -> Select[StoredFile]:
        return select(StoredFile).where(StoredFile.home == self.name, StoredFile.folder == digest_of(folder))

    def _below(self, folder: str) -> tuple[ColumnElement[bool], ...]:
        home = StoredFile.home == self.name
        # Of "/", the next character is "0".
        return (home, StoredFile.path > f"{folder}/", StoredFile.path < f"{folder}0") if folder else (home,)

    def _usage(self, name: str) -> Usage:
        counted = select(func.coalesce(func.sum(StoredFile.size), 0), func.count()).where(
            StoredFile.home == name, StoredFile.key.is_not(None)
        )
        with self._reading() as session:
            size, files = session.execute(counted).one()
            return Usage(int(size), files)

    def _make_parents(self, session: Session, path: str) -> None:
        above = path.split("/")[:-1]
        for depth in range(1, len(above) + 1):
            folder = "/".join(above[:depth])
            row = self._find(session, folder)
            if row is None:
                self._add(session, self.name, folder, None)
            elif row.key is not None:
                raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), folder)

    def _vacate(self, session: Session, path: str, *, folder: bool = False) -> None:
        """Make room for a file, or for a folder, at a path."""
        row = self._find(session, path)
        if row is None:
            return
        if row.key is None and not folder:
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), path)
        if row.key is not None and folder:
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), path)
        if folder:
            self._require_empty(session, path)
        self._drop(session, row)

    def _require_empty(self, session: Session, path: str) -> None:
        inside = select(StoredFile.number).where(StoredFile.home == self.name, StoredFile.folder == digest_of(path))
        if session.scalar(inside.limit(1)) is not None:
            raise OSError(errno.ENOTEMPTY, os.strerror(errno.ENOTEMPTY), path)

    def _drop(self, session: Session, row: StoredFile) -> None:
        session.execute(delete(StoredFile).where(StoredFile.number == row.number))
        if row.key is not None:
            loose.let_go(session, [row.key])
        session.flush()

    def _add(self, session: Session, home: str, path: str, ready: Ready | None) -> None:
        key = None if ready is None else str(ready.source)
        session.add(
            StoredFile(
                home=home,
                path=path,
                folder=folder_of(path),
                key=key,
                size=0 if ready is None else ready.size,
                modified_at=now() if ready is None else datetime.fromtimestamp(ready.modified, UTC),
            )
        )
        session.flush()


def folder_of(path: str) -> str:
    """Return by what those are found that lie in one folder with this path."""
    return digest_of(path.rpartition("/")[0])


def digest_of(folder: str) -> str:
    """Return by what is found what lies in a folder: of a length that fits an index, however long paths are."""
    return hashlib.blake2b(folder.encode(), digest_size=16).hexdigest()


def sweep_parts(session: Session, seconds: float) -> int:
    """Remove the parts that nobody has gone on with for so long, and return how many these were."""
    old = datetime.fromtimestamp(now().timestamp() - seconds, UTC)
    gone = delete(StoredFile).where(StoredFile.home.like(f"%{PARTS}"), StoredFile.modified_at < old)
    keys = [key for key in session.scalars(gone.returning(StoredFile.key)) if key is not None]
    loose.let_go(session, keys)
    return len(keys)


def _status(row: StoredFile | None) -> os.stat_result:
    if row is None:
        return os.stat_result((S_IFDIR | 0o700, 0, 0, 1, 0, 0, 0, 0, 0, 0))
    mode = S_IFDIR | 0o700 if row.key is None else S_IFREG | 0o600
    at = row.modified_at.timestamp()
    return os.stat_result((mode, row.number, 1, 1, 0, 0, row.size, int(at), int(at), int(at), at, at, at))


def _entry(row: StoredFile) -> Entry:
    return Entry(row.path, row.size, row.modified_at.timestamp(), "directory" if row.key is None else "file")
