"""How much one request for points may take, and whether its client still waits."""

import time

from anyio import from_thread
from starlette.requests import Request

from entrepot.bounds.budget import Budget
from entrepot.errors import Unavailable
from entrepot.settings import Settings

_ASK_SECONDS = 0.25


def budget_of(settings: Settings, request: Request | None = None) -> Budget:
    """Return the budget of an answer.

    Parameters
    ----------
    request
        Where it is made in a worker thread before anything of it is sent: it is given up once the client has gone. An
        answer that is sent as it is made is broken off by the server.
    """
    stop = (lambda: None) if request is None else _Gone(request).check
    return Budget(settings.read_max_rows, settings.read_max_bytes, settings.read_max_seconds, "read", stop)


class _Gone:
    """Asks, now and then, whether a client has closed its connection."""

    def __init__(self, request: Request) -> None:
        self._request = request
        self._asked = time.monotonic()

    def check(self) -> None:
        """Raise Unavailable, which nobody will read, where the client has gone."""
        if time.monotonic() - self._asked < _ASK_SECONDS:
            return
        if from_thread.run(self._request.is_disconnected):
            raise Unavailable("The client has gone.")
        self._asked = time.monotonic()
