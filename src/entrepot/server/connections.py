"""The connections of a web process: how many there may be, and how long one may stand still."""

import errno
import resource
from collections import Counter
from collections.abc import Sequence
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from typing import Protocol

from entrepot.settings import Network, Settings

#: Bodies that come at all come at this rate, seen over `body_seconds`; slower ones hold a connection for its own sake.
LEAST_BYTES_PER_SECOND = 128
#: So long a client may go on sending what nobody waits for, before its connection ends.
LINGER_SECONDS = 5.0
NO_ROOM = frozenset((errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM))
#: Of a process' descriptors, this part is for connections; databases, files and scripts have the rest.
_SHARE = 0.75
_LONGEST_IPV6 = 64


class Timed(Protocol):
    """A connection as those see it that look after it."""

    def look(self, now: float) -> None:
        """End if it has stood still for too long."""


def raise_descriptors() -> int:
    """Let this process open as many files as it is allowed to, and return how many these are."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return descriptors()


def descriptors() -> int:
    """Return how many files this process may open."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return 2**20 if soft == resource.RLIM_INFINITY else soft


def place(host: str) -> str:
    """Return what counts as one address: of IPv6 a whole /64, which one customer has."""
    try:
        address = ip_address(host.partition("%")[0])
    except ValueError:
        return host
    if isinstance(address, IPv6Address):
        if address.ipv4_mapped:
            return str(address.ipv4_mapped)
        return str(IPv6Network((address, _LONGEST_IPV6), strict=False))
    return str(address)


def is_in(host: str, networks: Sequence[Network]) -> bool:
    """Tell whether an address is in one of these networks."""
    try:
        address: IPv4Address | IPv6Address = ip_address(host.partition("%")[0])
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None) or address
    return any(mapped in network for network in networks)


class Connections:
    """Counts connections, by address and in all, and ends those that stand still."""

    def __init__(self, settings: Settings) -> None:
        self.head_seconds = settings.head_seconds
        self.body_seconds = settings.body_seconds
        self._most_of_one = settings.max_connections_per_address
        self._most = int(descriptors() * _SHARE)
        self._trusted = settings.trusted_proxies
        self._all: set[Timed] = set()
        self._by_place: Counter[str] = Counter()

    def add(self, connection: Timed, host: str) -> bool:
        """Take a connection; false when there are too many."""
        here = place(host)
        limited = not is_in(host, self._trusted)
        if len(self._all) >= self._most or (limited and self._by_place[here] >= self._most_of_one):
            return False
        self._all.add(connection)
        self._by_place[here] += 1
        return True

    def remove(self, connection: Timed, host: str) -> None:
        """Forget a connection, if it was taken."""
        if connection in self._all:
            self._all.remove(connection)
            here = place(host)
            self._by_place[here] -= 1
            if not self._by_place[here]:
                del self._by_place[here]

    def look(self, now: float) -> None:
        """Have each connection look at the time."""
        for connection in list(self._all):
            connection.look(now)
