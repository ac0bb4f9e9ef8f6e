"""The proxy for libraries that look names up by themselves."""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from ipaddress import ip_network
from urllib.parse import urlsplit

import pytest

from entrepot.net.proxy import Proxy

LOOPBACK = [ip_network("127.0.0.1/32")]


@contextmanager
def _upstream(answer: Callable[[socket.socket], object]) -> Iterator[int]:
    """A server of one connection after the other, on a port of the loopback interface."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            while True:
                try:
                    connection, _ = server.accept()
                except OSError:
                    return
                with connection:
                    answer(connection)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        try:
            yield server.getsockname()[1]
        finally:
            server.shutdown(socket.SHUT_RDWR)
            thread.join(10)


@contextmanager
def _proxy(seconds: float = 10.0) -> Iterator[Proxy]:
    proxy = Proxy(LOOPBACK, seconds)
    try:
        yield proxy
    finally:
        proxy.close()


def _connected(proxy: Proxy) -> socket.socket:
    at = urlsplit(proxy.url)
    assert at.hostname
    assert at.port
    return socket.create_connection((at.hostname, at.port), 10)


def _all(connection: socket.socket) -> bytes:
    return b"".join(iter(lambda: connection.recv(65536), b""))


def _tunnel(proxy: Proxy, port: int) -> socket.socket:
    connection = _connected(proxy)
    connection.sendall(f"CONNECT 127.0.0.1:{port} HTTP/1.1\r\n\r\n".encode())
    assert connection.recv(100).startswith(b"HTTP/1.1 200 ")
    return connection


def test_it_tells_why_it_refused() -> None:
    with _proxy() as proxy, _connected(proxy) as connection:
        connection.sendall(b"GET http://10.0.0.1/x HTTP/1.1\r\nhost: 10.0.0.1\r\n\r\n")
        assert _all(connection).startswith(b"HTTP/1.1 403 ")
        assert proxy.refused is not None
        assert "10.0.0.1" in proxy.refused


@pytest.mark.parametrize("head", [b"nonsense\r\n\r\n", b"GET ftp://x/ HTTP/1.1\r\n\r\n", b"CONNECT x HTTP/1.1\r\n\r\n"])
def test_what_is_no_request_is_refused(head: bytes) -> None:
    with _proxy() as proxy, _connected(proxy) as connection:
        connection.sendall(head)
        assert _all(connection).startswith(b"HTTP/1.1 403 ")
        assert proxy.refused is None, "it was not the address"


def test_a_plain_connection_carries_one_request() -> None:
    seen: list[bytes] = []

    def answer(connection: socket.socket) -> None:
        seen.append(connection.recv(65536))
        connection.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")

    with _upstream(answer) as port, _proxy() as proxy, _connected(proxy) as connection:
        connection.sendall(f"GET http://127.0.0.1:{port}/a?b HTTP/1.1\r\nconnection: keep-alive\r\n\r\n".encode())
        assert _all(connection).startswith(b"HTTP/1.1 200 ")
    assert seen == [b"GET /a?b HTTP/1.1\r\nconnection: close\r\n\r\n"]


def test_one_side_may_be_silent_as_long_as_the_other_is_not() -> None:
    def answer(connection: socket.socket) -> None:
        for _ in range(8):
            time.sleep(0.3)
            connection.sendall(b"x")

    with _upstream(answer) as port, _proxy(seconds=1.5) as proxy, _tunnel(proxy, port) as connection:
        assert _all(connection) == b"x" * 8


def test_two_silent_sides_are_parted() -> None:
    over = threading.Event()

    with _upstream(lambda _: over.wait(10)) as port, _proxy(seconds=0.2) as proxy:
        with _tunnel(proxy, port) as connection:
            assert _all(connection) == b""
        over.set()


def test_no_more_comes_than_is_allowed() -> None:
    with _upstream(lambda connection: connection.sendall(b"x" * 1000)) as port, _proxy() as proxy:
        proxy.allowance = 999
        with _tunnel(proxy, port) as connection:
            assert _all(connection) == b""
        assert proxy.is_used_up


def test_what_goes_on_can_be_broken_off() -> None:
    over = threading.Event()
    with _upstream(lambda _: over.wait(10)) as port, _proxy(seconds=60) as proxy:
        with _tunnel(proxy, port) as connection:
            proxy.abort()
            assert _all(connection) == b""
        over.set()
