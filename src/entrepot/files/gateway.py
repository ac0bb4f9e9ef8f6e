"""The way to buckets whose address a user named: a proxy within this process that connects to public addresses only.

The library for buckets looks up names and follows redirects by itself. Through here it gets nowhere that a user's URL
may not lead: every connection goes to an address that was checked.
"""

import os
import socket
import socketserver
import threading
from collections.abc import Sequence
from contextlib import suppress
from functools import cache
from urllib.parse import urlsplit

from entrepot import net

_MOST_HEAD = 64 * 1024
_BLOCK = 1 << 18
_CONNECT_SECONDS, _SILENT_SECONDS = 10.0, 600.0


def proxy_url(allowed: Sequence[net.Network]) -> str:
    """Return the address of a proxy that leads to public addresses, and to the allowed networks, only."""
    return _start(tuple(allowed), os.getpid())


@cache
def _start(allowed: tuple[net.Network, ...], _process: int) -> str:
    server = _Server(("127.0.0.1", 0), _Handler)
    server.allowed = allowed
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return f"http://127.0.0.1:{server.server_address[1]}"


class _Server(socketserver.ThreadingTCPServer):
    allowed: tuple[net.Network, ...]
    daemon_threads = True
    request_queue_size = 128


class _Handler(socketserver.BaseRequestHandler):
    server: _Server

    def handle(self) -> None:
        client: socket.socket = self.request
        client.settimeout(_SILENT_SECONDS)
        try:
            head, rest = _head(client)
            host, port, onward = _onward(head)
            remote = net.connect(host, port, self.server.allowed, seconds=_CONNECT_SECONDS)
        except (net.Refused, ValueError):
            client.sendall(b"HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
            return
        except (OSError, UnicodeError):
            client.sendall(b"HTTP/1.1 502 Bad Gateway\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
            return
        with remote:
            remote.settimeout(_SILENT_SECONDS)
            if onward is None:
                client.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
            remote.sendall((onward or b"") + rest)
            back = threading.Thread(target=_pump, args=(client, remote), daemon=True)
            back.start()
            _pump(remote, client)
            back.join()


def _head(client: socket.socket) -> tuple[bytes, bytes]:
    """Return the head of a request, and what came of its body."""
    received = b""
    while b"\r\n\r\n" not in received:
        part = client.recv(_BLOCK)
        if not part or len(received) > _MOST_HEAD:
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
    # One request a connection, so that the next one is looked at as well.
    onward = b"\r\n".join([f"{method} {path} {version}".encode("latin-1"), *kept, b"connection: close", b"", b""])
    return parts.hostname, parts.port or 80, onward


def _pump(source: socket.socket, sink: socket.socket) -> None:
    """Hand on what comes until the one end is reached or the other is gone."""
    with suppress(OSError):
        while block := source.recv(_BLOCK):
            sink.sendall(block)
    for end, how in ((sink, socket.SHUT_WR), (source, socket.SHUT_RD)):
        with suppress(OSError):
            end.shutdown(how)
