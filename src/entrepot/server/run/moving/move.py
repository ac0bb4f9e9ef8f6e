"""The move itself: rounds while the server serves, a moment in which nothing is written, and the switch."""

import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from sqlalchemy import Column, MetaData, String, Table, Text, insert, inspect, literal, make_url, select, update

from entrepot import clouds
from entrepot.db import Database, guard, journal
from entrepot.db.vacuum import vacuum_postgresql
from entrepot.errors import Conflict, InvalidInput, NotFound, ReadOnly, Unavailable
from entrepot.files.models import Storage
from entrepot.files.storages import FILES
from entrepot.keeping import KEY_FILE
from entrepot.objects import standstill
from entrepot.objects.own import own_bucket
from entrepot.objects.stores import BucketStore
from entrepot.server import recognise
from entrepot.server.run import tables
from entrepot.server.run.moving.files import Files
from entrepot.server.run.moving.places import HOMES, InBucket, InFolder, Place, Stays
from entrepot.server.run.moving.rows import Rows
from entrepot.server.run.moving.target import Target, highest
from entrepot.server.services import Services
from entrepot.settings import Settings

#: In a source: to where its move goes, and by which token the target knows it.
_UNDER_WAY = Table("moving_to", MetaData(), Column("token", String(64), primary_key=True), Column("place", Text))
#: In the folder, or the bucket, of a target: by which token it is whose.
_MARK = ".moving"
#: Rows of files of homes, and of objects that nothing refers to: they are made anew for a place of another kind.
_OF_BUCKETS = ("stored_file", "loose_object")
#: How other tables of a server are called: those of moves, of migrations and of SQLite.
_OURS = (journal.PREFIX, "alembic_version", "sqlite_", "_litestream_")
_MOST_ATTEMPTS, _MOST_ROUNDS = 5, 20
#: A round that takes no longer than this share of the time in which nothing may be written can be one in it.
_SHARE = 0.2
_STILL = "The server is being moved, and takes nothing new for a moment; try again."


@dataclass(frozen=True)
class Done:
    """What a move did.

    Attributes
    ----------
    tables
        Each table with its rows and their hash, which is the same in both databases.
    read_only_seconds
        For how long nobody could write; None where that was when the move was cut short.
    """

    to: str
    tables: list[dict[str, Any]]
    files: int
    bytes: int
    files_hash: str
    rows_per_second: float
    read_only_seconds: float | None


def settings_of(source: Settings, to: str, storage: str | None, folder: Path | None) -> Settings:
    """Return the settings of the server that everything goes to.

    Raises
    ------
    InvalidInput
        They do not say where the database, or files, go.
    """
    split = urlsplit(to)
    given: dict[str, Any] = {"storage_url": None, "database_pooler": None}
    if split.scheme == "sqlite":
        path = Path(make_url(to).database or "")
        if path.name != "entrepot.db" or (folder is not None and folder.absolute() != path.parent.absolute()):
            raise InvalidInput.field("to", "Write sqlite:///FOLDER/entrepot.db, with the new server's data folder.")
        folder, given["database_url"] = path.parent, None
    elif split.scheme in ("postgresql", "postgresql+psycopg"):
        given["database_url"] = to
    else:
        raise InvalidInput.field("to", "Write postgresql://user:password@host/name or sqlite:///FOLDER/entrepot.db.")
    if storage is not None:
        try:
            given["storage_url"] = clouds.checked(storage)
        except ValueError as error:
            raise InvalidInput.field("storage", str(error)) from None
    elif folder is None:
        raise InvalidInput.field("storage", "Say where files go: --storage s3://BUCKET, or --folder for a data folder.")
    if folder is not None:
        given["data_dir"] = folder.absolute()
        if source.keeps_key:
            given["secret_key_file"] = folder.absolute() / KEY_FILE
    target = source.model_copy(update=given)
    if target.url == source.url:
        raise InvalidInput.field("to", "This is the database that the server has.")
    if storage is None and target.data_dir == source.data_dir.absolute():
        raise InvalidInput.field("folder", "This is the folder that the server has.")
    return target


def give_up(services: Services) -> None:
    """Have a server go on as if no move had begun; what is at the other place is left there.

    Raises
    ------
    Conflict
        It was moved already: what was written at the new place since would be lost.
    """
    if said := _moved(services.database):
        raise Conflict(said)
    guard.remove(services.database)
    _end(services.database)
    for folder in _home_folders(services.settings):
        standstill.resume(folder)


class Move:
    """A move from one server to another, as far as it has got.

    Parameters
    ----------
    name
        How the old server calls the new one.
    seconds
        For how long nothing may be written at most, before the server serves again and another round is made.
    tell
        Told what is done, in sentences.
    """

    def __init__(
        self, services: Services, settings: Settings, *, name: str, seconds: float, tell: Callable[[str], None]
    ) -> None:
        self._source, self._settings, self._seconds, self._tell = services, settings, seconds, tell
        self._name = name
        self._database = services.database
        self._convert = (settings.storage_url is None) != (services.settings.storage_url is None)
        every = tables.sorted_()
        self._every = [table.name for table in every]
        self._tables = [table for table in every if not (self._convert and table.name in _OF_BUCKETS)]
        self._moved = _moved(self._database) is not None

    def run(self) -> Done | None:
        """Do it, or go on with it; return what was done, None where nothing was left to do.

        Raises
        ------
        Conflict
            There is something at the target already, or the server was moved elsewhere.
        Unavailable
            So much is written that it cannot be brought over in the time in which nothing may be.
        Differs
            Something did not arrive as it is.
        """
        token = self._begin()
        database = Database(self._settings.url)
        try:
            target = Target(database)
            if self._moved and not journal.is_target(database):
                _end(self._database)
                return None
            self._prepare(target, token)
            if not self._moved:
                journal.begin(self._database, self._tables)
            rows = Rows(self._database, target, self._tables, self._tell)
            files = Files(self._database, target, self._places(database), self._settings.data_dir, self._tell)
            began = time.monotonic() if self._moved else self._bring(rows, files, target)
            return self._finish(rows, files, target, began)
        finally:
            database.close()

    def _begin(self) -> str:
        """Return the token of this move."""
        place = make_url(self._settings.url).render_as_string(hide_password=True)
        with self._database.engine.connect() as connection:
            there = set(inspect(connection).get_table_names())
        known = _UNDER_WAY.name in there
        if strange := sorted(name for name in there - set(self._every) if not name.startswith(_OURS)):
            raise Conflict(f"The database has tables that are not Entrepot's, and would be left behind: {strange[0]}.")
        if not known and self._moved:
            raise Conflict(str(_moved(self._database)))
        with self._database.write() as session:
            if not known:
                _UNDER_WAY.create(session.connection())
            if (row := session.execute(select(_UNDER_WAY)).first()) is None:
                token = secrets.token_hex(16)
                session.execute(insert(_UNDER_WAY).values(token=token, place=place))
                return token
        if row.place != place:
            raise Conflict(f"A move to {row.place} is under way: end it, or give it up with entrepot move --give-up.")
        return str(row.token)

    def _prepare(self, target: Target, token: str) -> None:
        """Make sure that database, folder and bucket are empty, or this move's own."""
        ours, theirs = self._source.settings, self._settings
        if theirs.data_dir != ours.data_dir:
            folder = theirs.data_dir
            mark = folder / _MARK
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            if not mark.exists() and any(folder.iterdir()):
                raise Conflict(f"{folder} is not empty: a server is moved into a new folder.")
            if mark.exists() and mark.read_text() != token:
                raise Conflict(f"{folder} is that of another move.")
            mark.write_text(token)
            _copy_key(ours, theirs)
        if (bucket := self._new_bucket()) is not None:
            if (known := _content(bucket, _MARK)) not in (None, token.encode()):
                raise Conflict(f"{theirs.storage_url} is that of another move.")
            if known is None and next(iter(bucket.list("")), None) is not None:
                raise Conflict(f"{theirs.storage_url} is not empty: a server is moved into a new bucket or prefix.")
            bucket.put(_MARK, token.encode())
        target.prepare(token)

    def _new_bucket(self) -> BucketStore | None:
        """Return the bucket of the target; None where it has none, or that which the server has."""
        return None if self._settings.storage_url == self._source.settings.storage_url else own_bucket(self._settings)

    def _places(self, database: Database) -> tuple[Place, Place]:
        ours, theirs = self._source.settings, self._settings
        if ours.storage_url is not None and ours.storage_url == theirs.storage_url:
            return Stays(), Stays()

        def place(settings: Settings, records: Database) -> Place:
            bucket = own_bucket(settings)
            return InFolder(settings) if bucket is None else InBucket(bucket, records if self._convert else None)

        return place(ours, self._database), place(theirs, database)

    def _bring(self, rows: Rows, files: Files, target: Target) -> float:
        """Bring everything over, and have the server write no more; return when (monotonic) it began not to."""
        rows.copy()
        self._tell(f"{rows.copied:,} rows copied in {rows.seconds:.1f} s")
        self._catch_up(rows, files)
        rows.compare()
        self._tell("rows compared")
        if target.database.dialect == "postgresql":
            vacuum_postgresql(target.database)
        for _ in range(_MOST_ATTEMPTS):
            self._catch_up(rows, files)
            began = time.monotonic()
            if self._attempt(rows, files, began):
                return began
            self._tell(f"not done within {self._seconds:g} s: the server takes what is new again, and so does the move")
        raise Unavailable(
            f"Nothing may be written for {self._seconds:g} s, in which what is new did not arrive: give the move "
            "longer (--read-only-seconds), and begin it again."
        )

    def _catch_up(self, rows: Rows, files: Files) -> None:
        """Make rounds until one is as short as one in which nothing may be written."""
        for number in range(1, _MOST_ROUNDS + 1):
            began = time.monotonic()
            brought = rows.round(), files.round()
            seconds = time.monotonic() - began
            self._tell(f"round {number}: {brought[0]:,} rows and {brought[1]:,} files in {seconds:.1f} s")
            if seconds < self._seconds * _SHARE:
                return

    def _attempt(self, rows: Rows, files: Files, began: float) -> bool:
        """Have the server take nothing new, bring the rest over, and tell whether that is all of it, for good."""
        try:
            self._close(_STILL, self._seconds)
            rows.round()
            files.round()
            rows.counts()
            if time.monotonic() - began < self._seconds:
                self._close(f"The server was moved to {self._name}: write there; here things can only be read.")
                # Had it taken longer than it seemed, somebody may have written in between.
                if self._is_all(files):
                    return True
        except Unavailable as error:
            self._open()
            self._tell(error.message)
            return False
        except BaseException:
            self._open()
            raise
        self._open()
        return False

    def _is_all(self, files: Files) -> bool:
        # Other files have records, or, as the bytes of uploads, are told to have come by what nobody may write now.
        with self._database.snapshot() as seen:
            return journal.is_empty(seen) and not files.round(*HOMES)

    def _close(self, sentence: str, seconds: float | None = None) -> None:
        guard.close(self._database, self._every, sentence, seconds)
        for folder in _home_folders(self._source.settings):
            standstill.stop(folder, sentence, seconds)

    def _open(self) -> None:
        guard.open_(self._database)
        for folder in _home_folders(self._source.settings):
            standstill.resume(folder)

    def _finish(self, rows: Rows, files: Files, target: Target, began: float) -> Done:
        """Make the target a server of its own, and leave nothing of the move but the sentence."""
        tables, total = rows.counts(), files.total()
        numbers = highest(self._database, self._tables)
        _copy_key(self._source.settings, self._settings)
        self._take_over(target)
        target.settle(numbers)
        seconds = time.monotonic() - began
        (self._settings.data_dir / _MARK).unlink(missing_ok=True)
        if (bucket := self._new_bucket()) is not None:
            bucket.delete(_MARK)
        _end(self._database)
        target.validate()
        return Done(
            to=self._name,
            tables=tables,
            files=total.files,
            bytes=total.bytes,
            files_hash=total.hash,
            rows_per_second=rows.copied / rows.seconds if rows.seconds else 0.0,
            read_only_seconds=None if self._moved else seconds,
        )

    def _take_over(self, target: Target) -> None:
        """Write into the target what differs there: where published files are, and by which mark folders are known."""
        place = self._settings.storage_url
        root = f"local://{self._settings.files_dir.absolute()}" if place is None else f"{place.rstrip('/')}/{FILES}"
        where = {"type": "local" if place is None else "s3", "url": literal(f"{root}/").concat(Storage.organization_id)}
        with target.database.write() as session:
            session.execute(update(Storage).where(Storage.own).values(where))
        if place is None or place != self._source.settings.storage_url:
            recognise.adopt(Services(self._settings, target.database))


def _moved(database: Database) -> str | None:
    """Return what the guard of a database that was moved says."""
    try:
        return guard.moved(database)
    except ReadOnly:  # of a move that was killed
        return None


def _end(database: Database) -> None:
    """Leave nothing of a move in its source."""
    journal.end(database)
    with database.write() as session:
        _UNDER_WAY.drop(session.connection(), checkfirst=True)


def _home_folders(settings: Settings) -> list[Path]:
    return [] if settings.storage_url is not None else [settings.data_dir.absolute() / kind for kind in HOMES]


def _copy_key(ours: Settings, theirs: Settings) -> None:
    if ours.keeps_key and theirs.secret_key_file != ours.secret_key_file:
        theirs.secret_key_file.touch(0o600)
        theirs.secret_key_file.write_bytes(ours.secret_key_file.read_bytes())


def _content(bucket: BucketStore, key: str) -> bytes | None:
    try:
        return b"".join(bucket.read(key))
    except NotFound:
        return None
