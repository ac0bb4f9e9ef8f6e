"""Backups at a place, a folder or a bucket, where what does not change is kept once, however many backups hold it.

Such a backup is the tar that :mod:`entrepot.server.backup` writes into a file, as :mod:`entrepot.server.blocks`, and a
manifest that names them in their order. Files that are as the last backup found them are not even read. The manifest is
written last: without it there is no backup, only blocks that the next one finds. Its name ends with the beginning of
its own SHA-256. One server has a place for itself.
"""

import fcntl
import io
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, cast
from zlib import crc32

import orjson
from sqlalchemy import text

import entrepot
from entrepot.db import now
from entrepot.errors import Conflict, InvalidInput, NotFound
from entrepot.pipeline.gates.folders import hidden_folder
from entrepot.server import backup as files
from entrepot.server import blocks, state
from entrepot.server.contents import contents, take
from entrepot.server.places import Place, open_place
from entrepot.server.services import Services
from entrepot.settings import Settings

_MANIFESTS = "manifests"
_FORMAT = 1
_TURN = crc32(b"backups at a place")


@dataclass(frozen=True)
class Manifest:
    """A backup at a place."""

    name: str
    at: datetime
    version: str
    groups: list[blocks.Group]

    @property
    def bytes(self) -> int:
        """How much it is, restored."""
        return sum(group.bytes for group in self.groups)

    @property
    def blocks(self) -> list[str]:
        """The names of its blocks, in their order."""
        return [block for group in self.groups for block in group.blocks]


@dataclass(frozen=True)
class Done:
    """What a backup wrote: its address, its bytes, and how many of them were not at the place before."""

    backup: str
    bytes: int
    new_bytes: int


def backup(services: Services, address: str) -> Done:
    """Write a backup to a place; what it holds is what is in a file (:func:`entrepot.server.backup.backup`)."""
    place, settings = open_place(address), services.settings
    settings.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    with _turn(services, alone=False) as require_turn, hidden_folder(settings.data_dir.absolute()) as taken:
        began = now()
        last: dict[str, blocks.Group] = {}
        with suppress(NotFound, InvalidInput):  # without one, or with a damaged one, all is read
            last = {group.mark: group for group in _read(place, _names(place, address)[-1]).groups if group.mark}
        take(services, taken, files=True)
        with ThreadPoolExecutor(blocks.AT_ONCE) as pool:
            writer = blocks.Writer(place, last, pool)
            writer.write(contents(settings, taken, files=True))
        said = {
            "format": _FORMAT,
            "version": entrepot.__version__,
            "at": began,
            "groups": [[group.mark, group.bytes, group.blocks] for group in writer.groups],
        }
        content = orjson.dumps(said)
        name = f"{began:%Y-%m-%dT%H-%M-%S.%f}-{blocks.digest(content)[:16]}.json"
        require_turn()
        place.put(f"{_MANIFESTS}/{name}", content)
    whole = sum(group.bytes for group in writer.groups)
    return Done(f"{address.rstrip('/')}/{_MANIFESTS}/{name}", whole, writer.new_bytes)


def prune(services: Services, address: str, *, keep: int | None, days: float | None) -> tuple[int, int]:
    """Remove old backups, and what no other one holds; return how many backups, and how many blocks, that were.

    Parameters
    ----------
    keep, days
        How many of the last backups, and those of how many days, stay: what one of them says is enough, and the last
        backup stays in any case.

    Raises
    ------
    Conflict
        A backup is being made.
    InvalidInput
        A manifest is damaged: nothing is removed.
    """
    place = open_place(address)
    with _turn(services, alone=True), ThreadPoolExecutor(blocks.AT_ONCE) as pool:
        found = [_read(place, name) for name in _names(place, address)]
        since = None if days is None else now() - timedelta(days=days)
        old = {one.name for one in found[: -(keep or 1)] if since is None or one.at < since}
        used = {block for one in found if one.name not in old for block in one.blocks}
        for name in old:
            place.delete(f"{_MANIFESTS}/{name}")
        unused = blocks.present(place) - used
        deque(blocks.ahead(pool, lambda block: place.delete(blocks.path_of(block)), unused), 0)
    return len(old), len(unused)


def restore(address: str, data_dir: Path) -> Settings:
    """Make a data folder from a backup at a place, or from its last one; see :func:`entrepot.server.backup.restore`.

    Parameters
    ----------
    address
        Of a manifest, or of the place.
    """
    where, name = _split(address)
    place = open_place(where)
    if name is None:
        name = _names(place, where)[-1]
    with ThreadPoolExecutor(blocks.AT_ONCE) as pool:
        found = blocks.ahead(pool, lambda block: blocks.read(place, block), _read(place, name).blocks)
        stream = io.BufferedReader(blocks.Joined(found))
        try:
            return files.restore_tar(cast("Any", stream), address, data_dir)
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def _split(address: str) -> tuple[str, str | None]:
    """Return the place, and the name of the manifest, if that is what an address is of."""
    where, found, name = address.rpartition(f"/{_MANIFESTS}/")
    return (where, name) if found else (address, None)


def list_backups(address: str) -> list[Manifest]:
    """Return the backups at a place, the oldest first; raise InvalidInput where the manifest of one is damaged."""
    place = open_place(address)
    return [_read(place, name) for name in _names(place, address)]


def check(address: str) -> list[str]:
    """Read every block of every backup at a place, and return what is wrong, in sentences."""
    place, problems = open_place(address), []
    holders: dict[str, list[str]] = {}
    for name in _names(place, address):
        try:
            for block in dict.fromkeys(_read(place, name).blocks):
                holders.setdefault(block, []).append(name)
        except InvalidInput as error:
            problems.append(error.message)

    def problem(block: str) -> str | None:
        try:
            blocks.read(place, block)
        except InvalidInput as error:
            return f"{error.message} It is part of {', '.join(holders[block])}."
        return None

    with ThreadPoolExecutor(blocks.AT_ONCE) as pool:
        return problems + [said for said in blocks.ahead(pool, problem, holders) if said is not None]


def _names(place: Place, address: str) -> list[str]:
    """Return the names of the manifests at a place, the oldest first; raise NotFound where there is none."""
    found = sorted(path.rpartition("/")[2] for path in place.list(_MANIFESTS) if path.endswith(".json"))
    if not found:
        raise NotFound(f"There is no backup at {address}.")
    return found


def _read(place: Place, name: str) -> Manifest:
    try:
        content = place.read(f"{_MANIFESTS}/{name}")
    except NotFound:
        raise NotFound(f"There is no backup {name}.") from None
    if not name.endswith(f"-{blocks.digest(content)[:16]}.json"):
        raise InvalidInput(f"{_MANIFESTS}/{name} is damaged: it is not what its name says. Remove it to go on without.")
    said = orjson.loads(content)
    if said["format"] != _FORMAT:
        raise Conflict(f"{name} is of Entrepot {said['version']}, which is newer: use that one.")
    return Manifest(
        name, datetime.fromisoformat(said["at"]), said["version"], [blocks.Group(*group) for group in said["groups"]]
    )


@contextmanager
def _turn(services: Services, *, alone: bool) -> Iterator[Callable[[], object]]:
    """Have backups wait for who removes old ones, which does not begin beside a backup; yield what raises if not so.

    Whoever is killed lets go of it.
    """
    if services.database.dialect == "sqlite":
        folder = services.settings.data_dir / state.FOLDER
        folder.mkdir(exist_ok=True)
        with (folder / "backup.lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB if alone else fcntl.LOCK_SH)
            except BlockingIOError:
                raise _busy() from None
            yield lambda: None
        return
    # A transaction keeps the lock behind a pooler, too; between its statements it holds no snapshot.
    with services.database.engine.connect() as connection, connection.begin():
        function = "pg_try_advisory_xact_lock" if alone else "pg_advisory_xact_lock_shared"
        if connection.scalar(text(f"SELECT {function}({_TURN})")) is False:
            raise _busy()
        yield lambda: connection.execute(text("SELECT 1"))


def _busy() -> Conflict:
    return Conflict("A backup is being made: nothing old was removed.")
