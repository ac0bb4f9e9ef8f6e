"""Ports for servers that are told one."""

import os
import random
import socket

#: Below those that the system gives to whoever connects: it would give them away between our look and the start.
_FIRST, _LAST, _WORKERS = 12_000, 32_000, 8


def free_port() -> int:
    """Return a port of which nobody makes use, and which no other process of the tests is given."""
    number = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")) % _WORKERS
    each = (_LAST - _FIRST) // _WORKERS
    while True:
        port = _FIRST + number * each + random.randrange(each)
        try:
            socket.create_server(("127.0.0.1", port)).close()
        except OSError:
            continue
        return port
