"""How many sessions there may be: in all, of an address, of an account; who says nothing gives its place to others."""

import threading
import time
from collections.abc import Iterable
from typing import Protocol

from entrepot.server.connections import place
from entrepot.server.ftp.uploads import Upload

#: Who said something so long ago keeps its place.
_SPARED_SECONDS = 10.0
#: Whoever has sent nothing of a file for so long has to leave it to another session that goes on with it.
_STALLED_SECONDS = 3.0
_LONGEST_WAIT, _WAIT_OF_THE_LIVING, _PAUSE = 6.0, 0.3, 0.02


class Member(Protocol):
    """A session as those see it that need its place."""

    remote_ip: str
    home: str  #: of its account; empty until somebody has signed in
    retiring: bool  #: whether it ends as soon as it notices

    @property
    def under_way(self) -> Upload | None:
        """The file that comes in."""

    def idle_seconds(self) -> float:
        """Return how long nothing has been said or sent."""


class Sessions:
    """The sessions of a server.

    Where there is no room for another one, the session that has been silent for longest ends, those before others in
    which nobody has signed in: what loggers leave behind that never say QUIT shuts nobody out.

    Parameters
    ----------
    most, of_address, of_account
        Most sessions.
    """

    def __init__(self, most: int, of_address: int, of_account: int) -> None:
        self._most, self._of_address, self._of_account = most, of_address, of_account
        self._all: set[Member] = set()
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._all)

    def has_room(self, address: str) -> bool:
        """Tell whether there is room for a session from an address, making some where that can be."""
        with self._lock:
            here = place(address)
            return _make_room(self._all, self._most) and _make_room(
                (one for one in self._all if place(one.remote_ip) == here), self._of_address
            )

    def add(self, session: Member) -> None:
        """Count a session."""
        with self._lock:
            self._all.add(session)

    def sign_in(self, session: Member, home: str) -> bool:
        """Count a session as one of an account; false when there are too many of it."""
        with self._lock:
            others = (one for one in self._all if one.home == home and one is not session)
            if not _make_room(others, self._of_account):
                return False
            session.home = home
            return True

    def wait_for_part(self, session: Member, path: str) -> None:
        """Give another session that receives a file time to end, and end it where its client seems to be gone.

        A device that lost its network comes again before the server notices that its connection is dead.
        """
        began = time.monotonic()
        while (waited := time.monotonic() - began) < _LONGEST_WAIT and (others := self._receiving(session, path)):
            stalled = [one for one, upload in others if upload.stalled_seconds() > _STALLED_SECONDS]
            for one in stalled:
                one.retiring = True
            if not stalled and waited > _WAIT_OF_THE_LIVING:
                return
            time.sleep(_PAUSE)

    def _receiving(self, session: Member, path: str) -> list[tuple[Member, Upload]]:
        with self._lock:
            found = [(one, one.under_way) for one in self._all if one is not session]
        return [(one, upload) for one, upload in found if upload is not None and upload.name == path]

    def remove(self, session: Member) -> None:
        """Forget a session, if it was counted."""
        with self._lock:
            self._all.discard(session)


def _make_room(sessions: Iterable[Member], most: int) -> bool:
    staying = [one for one in sessions if not one.retiring]
    if len(staying) < most:
        return True
    silent = [one for one in staying if one.idle_seconds() >= _SPARED_SECONDS]
    if silent:
        max(silent, key=lambda one: (not one.home, one.idle_seconds())).retiring = True
    return bool(silent)
