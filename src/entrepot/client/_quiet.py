"""HTTP without a line in the log for each request, which `httpx` writes at INFO; of what others send it still tells."""

import logging
from contextvars import ContextVar
from typing import Any

import httpx

_ours: ContextVar[bool] = ContextVar("ours", default=False)


def _is_of_others(_record: logging.LogRecord) -> bool:
    return not _ours.get()


logging.getLogger("httpx").addFilter(_is_of_others)


class Client(httpx.Client):
    """An HTTP client that says nothing of each request."""

    def send(self, request: httpx.Request, **options: Any) -> httpx.Response:
        """Send a request."""
        token = _ours.set(True)
        try:
            return super().send(request, **options)
        finally:
            _ours.reset(token)
