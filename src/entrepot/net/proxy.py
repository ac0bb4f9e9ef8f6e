"""A proxy within this process, for libraries that look names up and follow redirects by themselves.

Through here they get nowhere that a user's URL may not lead: every connection goes to an address that was checked.
It takes CONNECT (for TLS) and plain HTTP requests, of which it takes one a connection, so that the next one is looked
at as well.
"""

import os
import select
import socket
import socketserver
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from functools import cache
from typing import Self
from urllib.parse import urlsplit

from entrepot.net.addresses import Network, Refused, connect

_LONGEST_HEAD = 64 * 1024
_BLOCK = 64 * 1024
_MOST_CONNECT_SECONDS, _SILENT_SECONDS = 10.0, 600.0


def shared_url(allowed: Iterable[Network]) -> str:
    """Return the address of a proxy that leads to public addresses, and to the allowed networks, as long as we run."""
    return _shared(tuple(allowed), os.getpid()).url


@cache
def _shared(allowed: tuple[Network, ...], _process: int) -> "Proxy":
    return Proxy(allowed, _SILENT_SECONDS)


class Proxy(socketserver.ThreadingTCPServer):
    """The proxy, on a port of the loopback interface.

    Parameters
    ----------
    allowed
        Networks inside which the operator lets users reach.
    seconds
        How long both sides of a connection may be silent.
    """

    daemon_threads = True
    block_on_close = False
    allow_reuse_address = True
    request_queue_size = 128

    def __init__(self, allowed: Iterable[Network], seconds: float) -> None:
        super().__init__(("127.0.0.1", 0), _Connection)
        self.allowed, self.seconds = tuple(allowed), seconds
        #: Why a connection was refused last.
        self.refused: str | None = None
        #: How many bytes may yet come from upstream; None: any number.
        self.allowance: int | None = None
        self._open: set[socket.socket] = set()
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    def __enter__(self) -> Self:
        return self

    @property
    def url(self) -> str:
        """Its address."""
        return f"http://127.0.0.1:{self.server_address[1]}"

    def abort(self) -> None:
        """Break off all connections."""
        for connection in list(self._open):
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """End."""
        self.shutdown()
        self.server_close()
        self.abort()

    @property
    def is_used_up(self) -> bool:
        """Whether more came than was allowed."""
        return self.allowance is not None and self.allowance < 0

    @contextmanager
    def holding(self, *ends: socket.socket) -> Iterator[None]:
        """Know of connections, so that they can be broken off."""
        self._open |= {*ends}
        try:
            yield
        finally:
            self._open -= {*ends}


class _Link:
    """The two directions of a connection, of which either may be silent for as long as the other is not."""

    def __init__(self, proxy: Proxy) -> None:
        self._proxy = proxy
        self._heard = time.monotonic()

    def join(self, client: socket.socket, upstream: socket.socket) -> None:
        """Send on what comes from either side until upstream ends, or both are silent for too long."""
        onward = threading.Thread(target=self._pump, args=(client, upstream), daemon=True)
        onward.start()
        self._pump(upstream, client, counted=True)
        # Nobody is left to answer whatever the client may still have to say.
        for end in (client, upstream):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
        onward.join()

    def _pump(self, source: socket.socket, sink: socket.socket, *, counted: bool = False) -> None:
        """Hand on what comes until the one end is reached or the other is gone."""
        with suppress(OSError):
            while block := self._next(source):
                if counted and self._is_too_much(len(block)):
                    break
                sink.sendall(block)
        with suppress(OSError):
            sink.shutdown(socket.SHUT_WR)

    def _next(self, source: socket.socket) -> bytes:
        poll = select.poll()
        poll.register(source, select.POLLIN)
        while (left := self._heard + self._proxy.seconds - time.monotonic()) > 0:
            if poll.poll(left * 1000):
                self._heard = time.monotonic()
                return source.recv(_BLOCK)
        return b""

    def _is_too_much(self, size: int) -> bool:
        if self._proxy.allowance is not None:
            self._proxy.allowance -= size
        return self._proxy.is_used_up


class _Connection(socketserver.BaseRequestHandler):
    server: Proxy

    def handle(self) -> None:
        """Connect a client to whom it wants, if it may."""
        client: socket.socket = self.request
        client.settimeout(self.server.seconds)
        with suppress(OSError):
            try:
                head, rest = _head(client)
                host, port, onward = _onward(head)
            except ValueError:
                _refuse(client, "403 Forbidden")
                return
            try:
                upstream = self._connect(host, port)
            except Refused as error:
                self.server.refused = error.message
                _refuse(client, "403 Forbidden")
            except (OSError, UnicodeError):
                _refuse(client, "502 Bad Gateway")
            else:
                with upstream, self.server.holding(client, upstream):
                    if onward is None:
                        client.sendall(b"HTTP/1.1 200 Connected\r\n\r\n")
                    upstream.sendall((onward or b"") + rest)
                    _Link(self.server).join(client, upstream)

    def _connect(self, host: str, port: int) -> socket.socket:
        seconds = self.server.seconds
        upstream = connect(host, port, self.server.allowed, seconds=min(seconds, _MOST_CONNECT_SECONDS))
        upstream.settimeout(seconds)
        return upstream


def _refuse(client: socket.socket, status: str) -> None:
    client.sendall(f"HTTP/1.1 {status}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n".encode())


def _head(client: socket.socket) -> tuple[bytes, bytes]:
    """Return the head of a request, and what came of its body."""
    received = b""
    while b"\r\n\r\n" not in received:
        part = client.recv(_BLOCK)
        if not part or len(received) > _LONGEST_HEAD:
            raise ValueError("no request")
        received += part
    head, _, rest = received.partition(b"\r\n\r\n")
    return head, rest


def _onward(head: bytes) -> tuple[str, int, bytes | None]:
    """Return where a request leads, and its head as it is sent there; None for a tunnel."""
    line, *fields = head.split(b"\r\n")
    method, target, version = line.decode("latin-1").split(" ")
    if method == "CONNECT":
        parts = urlsplit(f"//{target}")
        if parts.hostname is None or parts.port is None:
            raise ValueError(target)
        return parts.hostname, parts.port, None
    parts = urlsplit(target)
    if parts.scheme != "http" or parts.hostname is None:
        raise ValueError(target)
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    hop = (b"connection:", b"proxy-")
    kept = [field for field in fields if not field.lower().startswith(hop)]
    onward = b"\r\n".join([f"{method} {path} {version}".encode("latin-1"), *kept, b"connection: close", b"", b""])
    return parts.hostname, parts.port or 80, onward
