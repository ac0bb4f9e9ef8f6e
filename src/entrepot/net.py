"""Requests to addresses that users name, which must not lead into the operator's own network.

A name is resolved once, every address it stands for is checked, and the connection goes to the very address that was
checked: a name that answers differently the second time gains nothing. Redirects are not followed and no proxy is used.
"""

import socket
import ssl
import time
from collections.abc import Iterable, Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Any
from urllib.parse import urlsplit

import httpcore
import httpx

from entrepot.errors import InvalidInput

Network = IPv4Network | IPv6Network
Address = IPv4Address | IPv6Address

#: What Python counts as global, yet leads elsewhere: IPv4 addresses in IPv6 ones, and clouds' own services.
_TUNNELS = (ip_network("64:ff9b::/96"), ip_network("64:ff9b:1::/48"), ip_network("2002::/16"), ip_network("2001::/32"))
_SPECIAL = (ip_network("168.63.129.16/32"), ip_network("192.88.99.0/24"))


class Refused(InvalidInput):
    """The address leads inside, and the operator does not allow that."""


def is_allowed(address: Address, allowed: Iterable[Network] = ()) -> bool:
    """Tell whether users may have the server connect to an address: a public one, or one of the allowed networks."""
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    if any(address in network for network in allowed):
        return True
    if not address.is_global or address.is_multicast or address.is_reserved:
        return False
    return not any(address in network for network in (*_TUNNELS, *_SPECIAL))


def resolve(host: str, port: int, allowed: Iterable[Network] = ()) -> list[str]:
    """Return the addresses of a host, having checked every one of them.

    Raises
    ------
    Refused
        One of them leads inside.
    OSError
        The name is not known.
    """
    allowed = tuple(allowed)
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    addresses = list(dict.fromkeys(str(entry[4][0]).partition("%")[0] for entry in found))
    for address in addresses:
        if not is_allowed(ip_address(address), allowed):
            raise Refused.field("url", f"{host} leads to {address}, which is not a public address.")
    return addresses


def connect(host: str, port: int, allowed: Iterable[Network] = (), *, seconds: float = 10.0) -> socket.socket:
    """Return a connection to a host, made to the very address that was checked.

    Parameters
    ----------
    seconds
        Longest that connecting, and each operation on the connection, may take.

    Raises
    ------
    Refused
        The host leads inside.
    OSError
        The name is not known, or nobody answers.
    """
    problem: OSError | None = None
    for address in resolve(host, port, allowed):
        try:
            return socket.create_connection((address, port), seconds)
        except OSError as error:
            problem = error
    raise problem or OSError(f"{host} has no address")


def check_url(url: str, allowed: Iterable[Network] = (), *, field: str = "url") -> str:
    """Return a URL of users, checked as far as it can be before it is used; a name that is unknown yet may come later.

    Raises
    ------
    InvalidInput
        It is no HTTP URL, or leads inside.
    """
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        raise InvalidInput.field(field, "This is not a URL.") from None
    if parts.scheme not in ("http", "https") or not host:
        raise InvalidInput.field(field, "This must be an http or https URL.")
    if parts.username is not None or parts.password is not None:
        raise InvalidInput.field(field, "Credentials do not belong into a URL.")
    if any(ord(character) <= 32 or ord(character) == 127 for character in url):
        raise InvalidInput.field(field, "There are spaces or control characters in this URL.")
    try:
        resolve(host, port or 443, allowed)
    except Refused as error:
        raise InvalidInput.field(field, error.fields["url"][0]) from None
    except (OSError, UnicodeError):
        pass
    return url


def client(
    allowed: Sequence[Network] = (), *, seconds: float = 10.0, trust: ssl.SSLContext | None = None, **options: Any
) -> httpx.Client:
    """Return an HTTP client that connects to public addresses, and to the allowed networks, only.

    Parameters
    ----------
    seconds
        Longest that a connection may take from its beginning to the last byte of the answer.
    trust
        Whose certificates to accept; None: the system's.
    options
        Those of ``httpx.Client``, apart from redirects, proxies and the transport. ``timeout`` is by default `seconds`.
    """
    transport = _Transport(tuple(allowed), seconds, trust or ssl.create_default_context())
    return httpx.Client(transport=transport, follow_redirects=False, trust_env=False, **{"timeout": seconds, **options})


class _Transport(httpx.HTTPTransport):
    def __init__(self, allowed: tuple[Network, ...], seconds: float, trust: ssl.SSLContext) -> None:
        super().__init__(verify=trust, trust_env=False)
        self._pool.close()
        # One request a connection: the deadline is the connection's.
        self._pool = httpcore.ConnectionPool(
            ssl_context=trust,
            max_connections=100,
            max_keepalive_connections=0,
            network_backend=_Backend(allowed, seconds),
        )


class _Backend(httpcore.NetworkBackend):
    def __init__(self, allowed: tuple[Network, ...], seconds: float) -> None:
        self._allowed = allowed
        self._seconds = seconds
        self._inner = httpcore.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Any = None,
    ) -> httpcore.NetworkStream:
        end = time.monotonic() + self._seconds
        try:
            addresses = resolve(host, port, self._allowed)
        except (OSError, UnicodeError) as error:
            raise httpcore.ConnectError(f"{host} is not known: {error}") from error
        problem: Exception | None = None
        for address in addresses:
            try:
                left = _left(end, timeout, httpcore.ConnectTimeout)
                stream = self._inner.connect_tcp(address, port, left, local_address, socket_options)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                problem = error
            else:
                return _Stream(stream, end)
        raise problem or httpcore.ConnectError(f"{host} has no address")

    def connect_unix_socket(
        self, path: str, timeout: float | None = None, socket_options: Any = None
    ) -> httpcore.NetworkStream:
        raise httpcore.ConnectError("Sockets of this machine are not for users.")


class _Stream(httpcore.NetworkStream):
    """A stream that ends at a deadline, however slowly the other side drips."""

    def __init__(self, inner: httpcore.NetworkStream, end: float) -> None:
        self._inner = inner
        self._end = end

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._inner.read(max_bytes, _left(self._end, timeout, httpcore.ReadTimeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._inner.write(buffer, _left(self._end, timeout, httpcore.WriteTimeout))

    def close(self) -> None:
        self._inner.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        left = _left(self._end, timeout, httpcore.ConnectTimeout)
        return _Stream(self._inner.start_tls(ssl_context, server_hostname, left), self._end)

    def get_extra_info(self, info: str) -> Any:
        return self._inner.get_extra_info(info)


def _left(end: float, timeout: float | None, error: type[Exception]) -> float:
    left = end - time.monotonic()
    if left <= 0:
        raise error("The time for this request is over.")
    return left if timeout is None else min(left, timeout)
