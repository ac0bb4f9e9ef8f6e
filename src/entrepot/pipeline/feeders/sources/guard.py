"""A proxy of this process, through which a library that looks names up by itself reaches checked addresses only.

It takes CONNECT (for TLS) and plain HTTP requests, resolves the host once, checks the addresses, and connects to one of
those.
"""

import contextlib
import select
import socket
import socketserver
import threading
from collections.abc import Iterable
from typing import Self
from urllib.parse import urlsplit

from entrepot import net

_LONGEST_HEAD = 64 * 1024
_BLOCK = 64 * 1024


class Guard(socketserver.ThreadingTCPServer):
    """The proxy, on a port of the loopback interface.

    Parameters
    ----------
    allowed
        Networks inside which the operator lets feeders reach.
    seconds
        How long either side may be silent.
    """

    daemon_threads = True
    block_on_close = False
    allow_reuse_address = True

    def __init__(self, allowed: Iterable[net.Network], seconds: float) -> None:
        super().__init__(("127.0.0.1", 0), _Connection)
        self.allowed, self.seconds = tuple(allowed), seconds
        #: Why a connection was refused last.
        self.refused: str | None = None
        #: How many bytes may yet come from upstream; None: any number.
        self.allowance: int | None = None
        self._open: set[socket.socket] = set()
        self._thread = threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    @property
    def url(self) -> str:
        """Its address."""
        return f"http://127.0.0.1:{self.server_address[1]}"

    def abort(self) -> None:
        """Break off all connections."""
        for connection in list(self._open):
            with contextlib.suppress(OSError):
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

    def _is_too_much(self, size: int) -> bool:
        if self.allowance is not None:
            self.allowance -= size
        return self.is_used_up

    def join(self, one: socket.socket, other: socket.socket) -> None:
        """Send on what comes from either side until one of them ends, or both are silent for too long.

        Parameters
        ----------
        one, other
            The client, and what it wanted to be connected to.
        """
        ends = {one.fileno(): (one, other), other.fileno(): (other, one)}
        poll = select.poll()
        for number in ends:
            poll.register(number, select.POLLIN)
        self._open |= {one, other}
        try:
            while ready := poll.poll(self.seconds * 1000):
                for number, _ in ready:
                    source, target = ends[number]
                    if not (block := source.recv(_BLOCK)):
                        return
                    if source is other and self._is_too_much(len(block)):
                        return
                    target.sendall(block)
        except OSError:
            return
        finally:
            self._open -= {one, other}


class _Connection(socketserver.BaseRequestHandler):
    server: Guard

    def handle(self) -> None:
        """Connect a client to whom it wants, if it may."""
        client: socket.socket = self.request
        client.settimeout(self.server.seconds)
        head = b""
        while b"\r\n\r\n" not in head and len(head) < _LONGEST_HEAD:
            with contextlib.suppress(OSError):
                if piece := client.recv(_BLOCK):
                    head += piece
                    continue
            return
        method, target, *_ = head.split(b" ", 2)
        tunnel = method == b"CONNECT"
        try:
            wanted = urlsplit(f"//{target.decode()}" if tunnel else target.decode())
            upstream = net.connect(
                wanted.hostname or "", wanted.port or 80, self.server.allowed, seconds=self.server.seconds
            )
        except net.Refused as error:
            self.server.refused = error.message
            client.sendall(b"HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n")
        except (OSError, ValueError):
            client.sendall(b"HTTP/1.1 502 Bad Gateway\r\ncontent-length: 0\r\n\r\n")
        else:
            with upstream:
                if tunnel:
                    client.sendall(b"HTTP/1.1 200 Connected\r\n\r\n")
                else:
                    # What follows on this connection is for the same host: it goes through one connection pool of one.
                    upstream.sendall(head)
                self.server.join(client, upstream)
