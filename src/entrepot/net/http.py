"""HTTP requests to addresses that users name: redirects are not followed, and no proxy of the environment is used."""

import ssl
import time
from collections.abc import Sequence
from typing import Any

import httpcore
import httpx

from entrepot.net.addresses import Network, resolve


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
