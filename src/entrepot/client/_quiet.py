"""Keeps the HTTP library from writing a line for each request into the logs of those who use the SDK."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import httpx

_log = logging.getLogger("httpx")
_ours: ContextVar[bool] = ContextVar("ours", default=False)


@contextmanager
def quiet() -> Iterator[None]:
    """Log requests of this block at DEBUG, not at INFO; what others do with the same library is logged as before."""
    token = _ours.set(True)
    try:
        yield
    finally:
        _ours.reset(token)


class Client(httpx.Client):
    """An HTTP client whose requests are quiet."""

    def send(self, request: httpx.Request, **options: Any) -> httpx.Response:
        """Send a request."""
        with quiet():
            return super().send(request, **options)


class AsyncClient(httpx.AsyncClient):
    """An async HTTP client whose requests are quiet."""

    async def send(self, request: httpx.Request, **options: Any) -> httpx.Response:
        """Send a request."""
        with quiet():
            return await super().send(request, **options)


def _is_wanted(record: logging.LogRecord) -> bool:
    return record.levelno > logging.INFO or not _ours.get() or _log.isEnabledFor(logging.DEBUG)


_log.addFilter(_is_wanted)
