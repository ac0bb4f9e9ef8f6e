"""Checking passwords apart from all else: argon2 is slow on purpose, and whoever guesses would slow everybody."""

import threading
from concurrent.futures import ThreadPoolExecutor

from entrepot.errors import Unavailable
from entrepot.identity import User, users

#: Each takes a processor for some 50 ms.
_AT_ONCE = 2
#: Those who wait keep a thread of the web server's forty.
_MOST = 16
_MOST_OF_ADDRESS = 8


class PasswordChecks:
    """A few threads that check passwords, and a short queue in which no address has more than half of the places."""

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="password")
        self._waiting: dict[str, int] = {}
        self._lock = threading.Lock()

    def matches(self, user: User | None, password: str, address: str) -> bool:
        """Tell whether this is the user's password; takes as long for a user that does not exist.

        Raises
        ------
        Unavailable
            Too many others wait.
        """
        self._enter(address)
        try:
            return self._pool.submit(users.password_matches, user, password).result()
        finally:
            self._leave(address)

    def _enter(self, address: str) -> None:
        with self._lock:
            own = self._waiting.get(address, 0)
            if own >= _MOST_OF_ADDRESS or sum(self._waiting.values()) >= _MOST:
                raise Unavailable("Too many passwords are being checked; try again, or use an API key.", 1.0)
            self._waiting[address] = own + 1

    def _leave(self, address: str) -> None:
        with self._lock:
            self._waiting[address] -= 1
            if not self._waiting[address]:
                del self._waiting[address]
