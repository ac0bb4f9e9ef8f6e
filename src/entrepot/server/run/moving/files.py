"""Files on their way: each is copied once, and again where it changed, and read where it arrived."""

import hashlib
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import select

from entrepot.db import Database
from entrepot.server.run.moving import target as targets
from entrepot.server.run.moving.places import GONE, Item, Place, require
from entrepot.server.run.moving.target import Target


@dataclass(frozen=True)
class Total:
    """All files that are there, with a hash of their names and contents."""

    files: int
    bytes: int
    hash: str


class Files:
    """The files of a server, from one place to another.

    Parameters
    ----------
    source
        The database that has the records of what is in the one place.
    scratch
        A folder of this machine.
    """

    def __init__(
        self,
        source: Database,
        target: Target,
        places: tuple[Place, Place],
        scratch: Path,
        tell: Callable[[str], None],
    ) -> None:
        self._source, self._target, self._scratch, self._tell = source, target, scratch, tell
        self._from, self._to = places
        self.copied = self.copied_bytes = 0

    def round(self, *kinds: str) -> int:
        """Bring over what is new or changed since the last time, and let go of what has gone; return how many.

        Parameters
        ----------
        *kinds
            With what names begin that count; by default, all do.
        """
        with self._source.read() as session:
            found = {item.name: item for item in self._from.items(session) if item.name.startswith(kinds or "")}
        with self._target.database.read() as session:
            known = {
                row.name: Item(row.name, row.mark, row.size, key=row.key)
                for row in session.execute(select(targets.FILES))
                if row.name.startswith(kinds or "")
            }
        # What has gone first, the deepest first: what is a file now may have been a folder.
        gone = [item for name, item in known.items() if name not in found or _other_kind(item, found[name])]
        for item in sorted(gone, key=lambda one: one.name, reverse=True):
            with self._target.database.write() as session:
                self._to.remove(session, item)
                targets.forget_file(session.connection(), item.name)
        new = [item for name, item in found.items() if name not in known or known[name].mark != item.mark]
        for item in sorted(new, key=lambda one: one.name):
            self._bring(item)
        return len(gone) + len(new)

    def total(self) -> Total:
        """Return what arrived."""
        files, size, names = 0, 0, hashlib.sha256()
        with self._target.database.read() as session:
            for row in session.execute(select(targets.FILES).order_by(targets.FILES.c.name)):
                if row.sha256 is not None:
                    files, size = files + 1, size + row.size
                    names.update(f"{row.sha256} {row.name}\n".encode())
        return Total(files, size, names.hexdigest()[:32])

    def _bring(self, item: Item) -> None:
        key = sha256 = None
        size = 0
        if item.key is not None:
            with tempfile.NamedTemporaryFile(dir=self._scratch, prefix=".entrepot-moving-") as file:
                try:
                    sha256, size = _hashed(self._from.read(item), file)
                except GONE:
                    self._tell(f"{item.name} has gone, or was not there: it is left out")
                    return
                file.flush()
                item = Item(item.name, item.mark, size, item.modified, item.key)
                key = self._to.send(item, Path(file.name))
            require(item, _hashed(self._to.read(Item(item.name, item.mark, size, key=key)))[0], sha256)
            self.copied, self.copied_bytes = self.copied + 1, self.copied_bytes + size
        with self._target.database.write() as session:
            self._to.keep(session, item, key)
            targets.note_file(session.connection(), name=item.name, mark=item.mark, key=key, size=size, sha256=sha256)


def _other_kind(one: Item, other: Item) -> bool:
    return (one.key is None) != (other.key is None)


def _hashed(blocks: Iterator[bytes], copy: Any = None) -> tuple[str, int]:
    digest, size = hashlib.sha256(), 0
    for block in blocks:
        digest.update(block)
        size += len(block)
        if copy is not None:
            copy.write(block)
    return digest.hexdigest(), size
