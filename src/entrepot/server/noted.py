"""What requests leave behind by the way: when a key was used and a session seen, and who fetched a file.

It is gathered in memory and written together, every few seconds: nobody waits for it, and a server that is killed
forgets the last of it.
"""

import threading
import time
from dataclasses import dataclass, field
from datetime import datetime

from entrepot.db import Database, now
from entrepot.files import fetches
from entrepot.files.fetches import Fetched
from entrepot.identity import seen

#: To within so much it is known when keys were used and sessions seen.
_SECONDS = 60.0
_MOST = 10_000


@dataclass
class _Book:
    keys: dict[str, tuple[datetime, str]] = field(default_factory=dict)
    sessions: dict[str, datetime] = field(default_factory=dict)
    fetched: dict[tuple[str, str], Fetched] = field(default_factory=dict)


class Noted:
    """What is to be written of the requests of a process."""

    def __init__(self) -> None:
        self._book = _Book()
        #: When (monotonic) what is known of a key or a session is too old.
        self._next: dict[str, float] = {}
        self._lock = threading.Lock()

    def key(self, key_id: str | None, address: str) -> None:
        """Note that a request came with a key, if it did."""
        if key_id is not None and self._is_due(key_id):
            with self._lock:
                self._book.keys[key_id] = now(), address

    def session(self, token_sha256: str) -> None:
        """Note that somebody who signed in asked for a page, by what is stored of the session's token."""
        if self._is_due(token_sha256):
            with self._lock:
                self._book.sessions[token_sha256] = now()

    def fetched(self, file_id: str, reader: str, address: str) -> None:
        """Note that somebody began to fetch a file."""
        instant, one = now(), (file_id, reader)
        fetched = Fetched(1, instant, instant, address)
        with self._lock:
            known = self._book.fetched.get(one)
            if known is not None or len(self._book.fetched) < _MOST:
                self._book.fetched[one] = fetched if known is None else known.and_then(fetched)

    def write(self, database: Database) -> None:
        """Write what was noted; what cannot be written now is kept for the next time."""
        with self._lock:
            taken, self._book = self._book, _Book()
        if not (taken.keys or taken.sessions or taken.fetched):
            return
        try:
            with database.write() as session:
                seen.write(session, taken.keys, taken.sessions)
                fetches.write(session, taken.fetched)
        except BaseException:
            self._put_back(taken)
            raise

    def _put_back(self, taken: _Book) -> None:
        with self._lock:
            later = self._book
            taken.keys |= later.keys
            taken.sessions |= later.sessions
            for one, fetched in later.fetched.items():
                known = taken.fetched.get(one)
                taken.fetched[one] = fetched if known is None else known.and_then(fetched)
            self._book = taken

    def _is_due(self, of: str) -> bool:
        instant = time.monotonic()
        if self._next.get(of, 0.0) > instant:
            return False
        if len(self._next) >= _MOST:
            self._next.clear()
        self._next[of] = instant + _SECONDS
        return True
