"""Who tries too many passwords is not heard for a while, even if the server is started again meanwhile."""

import threading
import time
from collections import deque
from datetime import datetime, timedelta
from ipaddress import IPv6Address, ip_address, ip_network

import structlog
from sqlalchemy.exc import SQLAlchemyError

from entrepot.db import Database, now
from entrepot.identity import bans

log = structlog.get_logger("entrepot.ftp")

_MOST_ADDRESSES = 10_000
#: A ban that the operator lifts ends at most so much later.
_REFRESH_SECONDS = 1.0


class Bans:
    """Addresses that failed to sign in too often of late.

    Failures are counted in memory, bans are rows.

    Parameters
    ----------
    most
        Failures within `seconds` before an address is banned, for as long.
    """

    def __init__(self, database: Database, most: int, seconds: float) -> None:
        self._database = database
        self._most, self._seconds = most, seconds
        self._failures: dict[str, deque[float]] = {}
        self._until: dict[str, datetime] = {}
        self._refreshed = -_REFRESH_SECONDS
        self._lock = threading.Lock()
        self._storing = threading.Lock()  # what is read and written meanwhile stays the same
        self._refresh()

    def add(self, address: str, login: str) -> None:
        """Note a failure; ban the address if it is one too many."""
        address = _key(address)
        with self._lock:
            failures = self._failures.pop(address, None) or deque(maxlen=self._most)
            failures.append(time.monotonic())
            if len(failures) < self._most or failures[-1] - failures[0] > self._seconds:
                self._failures[address] = failures  # at the end: the first is the one that failed longest ago
                if len(self._failures) > _MOST_ADDRESSES:
                    del self._failures[next(iter(self._failures))]
                return
        until = now() + timedelta(seconds=self._seconds)
        log.warning("address banned", address=address, login=login, until=until.isoformat())
        with self._storing:
            try:
                with self._database.write() as session:
                    bans.ban(session, address, login, until)
            except SQLAlchemyError:
                log.exception("cannot keep a ban")
            with self._lock:
                self._until[address] = until

    def banned(self, address: str) -> bool:
        """Tell whether an address is banned."""
        address = _key(address)
        with self._lock:
            if not self._holds(address):
                return False
        self._refresh()
        with self._lock:
            return self._holds(address)

    def _holds(self, address: str) -> bool:
        until = self._until.get(address)
        return until is not None and until > now()

    def _refresh(self) -> None:
        """Read the bans anew, now and then; those in memory hold while the database does not answer."""
        with self._storing:
            if time.monotonic() < self._refreshed + _REFRESH_SECONDS:
                return
            try:
                with self._database.read() as session:
                    until = {ban.address: ban.until for ban in bans.list_bans(session)}
            except SQLAlchemyError:
                log.exception("cannot read the bans")
                return
            with self._lock:
                self._until, self._refreshed = until, time.monotonic()


def _key(address: str) -> str:
    """Return what is banned of an address: of IPv6, the network that one customer has."""
    try:
        found = ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if isinstance(found, IPv6Address):
        return str(found.ipv4_mapped or ip_network((found, 64), strict=False))
    return str(found)
