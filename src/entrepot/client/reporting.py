"""Reports that are sent while the next works run: those of works that end meanwhile go together."""

import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

_Document = dict[str, Any]

#: Most reports in a request, and about the most bytes of their results.
MOST, MOST_BYTES = 100, 4_000_000


class Reports:
    """A thread that sends what is handed to it, as many at a time as have gathered.

    Parameters
    ----------
    send
        Sends some reports, however long that takes, and raises nothing that it could go on after.
    """

    def __init__(self, send: Callable[[list[_Document]], object]) -> None:
        self._send = send
        self._waiting: list[tuple[_Document, int, AbstractContextManager[Any]]] = []
        self._changed = threading.Condition()
        self._under_way = 0
        self._ended = False
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._work, daemon=True, name="reports")

    def __enter__(self) -> "Reports":
        """Begin to send."""
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        """Send what is left, and end."""
        with self._changed:
            self._ended = True
            self._changed.notify_all()
        self._thread.join()

    def add(self, work: _Document, size: int, held: AbstractContextManager[Any]) -> None:
        """Have a report sent, and what holds its work left once that is done."""
        with self._changed:
            self._waiting.append((work, size, held))
            self._changed.notify_all()

    def settle(self) -> None:
        """Wait until all that was added is sent, or given up; raise what kept it from being."""
        with self._changed:
            self._changed.wait_for(lambda: not self._waiting and not self._under_way)
            error, self._error = self._error, None
        if error is not None:
            raise error

    def _work(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting or self._ended)
                if not self._waiting:
                    return
                part = self._next()
                self._under_way = len(part)
            try:
                self._send([work for work, _, _ in part])
            except BaseException as error:  # noqa: BLE001 - it is raised where it can be told
                self._error = error
            for _, _, held in part:
                held.__exit__(None, None, None)
            with self._changed:
                self._under_way = 0
                self._changed.notify_all()

    def _next(self) -> list[tuple[_Document, int, AbstractContextManager[Any]]]:
        count = size = 0
        for _, bytes_, _ in self._waiting[:MOST]:
            if count and size + bytes_ > MOST_BYTES:
                break
            count, size = count + 1, size + bytes_
        part, self._waiting = self._waiting[:count], self._waiting[count:]
        return part
