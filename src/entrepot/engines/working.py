"""The remote worker: asks a server for calls, makes them on this machine, and sends their answers."""

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

import httpx

from entrepot.client._http import Connection
from entrepot.client.errors import (
    Conflict,
    Error,
    NoAnswer,
    NotFound,
    Refused,
    TooManyRequests,
    Unauthenticated,
    Unavailable,
)
from entrepot.scripts import Limits, ScriptError
from entrepot.scripts.answer import Answer
from entrepot.scripts.here import Here

_WAIT_SECONDS = 10.0
#: For so long nothing may wait before a worker that works until it is idle ends: a clean follows its import.
_IDLE_SECONDS = 5.0
_PAUSE_SECONDS = 2.0

T = TypeVar("T")


@dataclass
class _Claimed:
    """A call that this worker has, until the server says otherwise or has not answered for too long."""

    id: str
    fence: int
    limits: Limits
    lease_seconds: float
    size: int

    def __post_init__(self) -> None:
        self._lost = threading.Event()
        self._good_until = time.monotonic() + self.lease_seconds

    def lost(self) -> bool:
        """Tell whether another worker may have it by now, or nobody waits for it."""
        return self._lost.is_set() or time.monotonic() > self._good_until

    def renewed(self) -> None:
        """Say that the server has just prolonged the lease."""
        self._good_until = time.monotonic() + self.lease_seconds

    def lose(self) -> None:
        """Say that the server wants it no more."""
        self._lost.set()


class RemoteWorker:
    """Makes the calls of one organization's scripts, several at a time.

    Parameters
    ----------
    connection
        To the server, with a key of an administrator that has the scope ``calls:work``.
    here
        Where the calls are made.
    name
        What the server calls it.
    tell
        Told what went wrong, a line each time.
    fresh_headers
        Asked for other headers where the key is refused: it may have been rotated.
    """

    def __init__(
        self,
        connection: Connection,
        here: Here,
        name: str,
        tell: Callable[[str], None],
        fresh_headers: Callable[[], Mapping[str, str]] | None = None,
    ) -> None:
        self._connection = connection
        self._here = here
        self._name = name
        self._tell = tell
        self._fresh_headers = fresh_headers
        self._done = 0
        self._lock = threading.Lock()
        self._failure: Exception | None = None

    def run(self, stop: threading.Event, at_once: int = 1, *, until_idle: bool = False) -> int:
        """Work until told to stop, or until nothing waits; what runs is finished first. Return how many were made.

        Raises
        ------
        Error
            The server refuses the key.
        EntrepotError
            Scripts cannot be run here.
        """
        threads = [
            threading.Thread(target=self._work, args=(stop, until_idle), name=f"call-{number}", daemon=True)
            for number in range(at_once)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if self._failure is not None:
            raise self._failure
        return self._done

    def _work(self, stop: threading.Event, until_idle: bool) -> None:
        try:
            while not stop.is_set() and self._failure is None:
                found = self._claim(stop, _IDLE_SECONDS if until_idle else _WAIT_SECONDS)
                if found is not None:
                    self._make(found)
                elif until_idle:
                    return
        except Exception as error:  # noqa: BLE001 - raised where the worker was begun
            self._failure = error

    def _claim(self, stop: threading.Event, wait: float) -> _Claimed | None:
        """Return a call; None where none comes."""
        refused = False
        while not stop.is_set():
            try:
                found = self._ask(wait)
            except (NoAnswer, TooManyRequests, Unavailable) as error:
                self._tell(f"no call: {error}")
                stop.wait(getattr(error, "retry_after", None) or _PAUSE_SECONDS)
            except Unauthenticated:
                if self._fresh_headers is None or refused:
                    raise
                refused = True
                self._connection.set_headers(self._fresh_headers())
            else:
                return found
        return None

    def _ask(self, wait: float) -> _Claimed | None:
        params = {"wait": wait, "worker": self._name}
        response = self._connection.send("POST", "/api/v1/calls/claim", params=params)
        if response.status_code == 204:
            return None
        said = response.json()
        return _Claimed(said["id"], said["fence"], Limits(**said["limits"]), said["lease_seconds"], said["size"])

    def _make(self, call: _Claimed) -> None:
        over = threading.Event()
        renewing = threading.Thread(target=self._renew, args=(call, over), daemon=True)
        renewing.start()
        try:
            request = self._again(call, partial(self._fetch, call))
            if request is None:
                return
            answer = self._answer(call, request)
            if answer is None or call.lost():
                return
            if self._again(call, partial(self._send, call, b"".join(answer.pack()))) is not None:
                with self._lock:
                    self._done += 1
        except Refused as error:
            self._tell(f"call {call.id}: {error}")
        finally:
            over.set()
            renewing.join()

    def _answer(self, call: _Claimed, request: bytes) -> Answer | None:
        try:
            return self._here.make([request], call.limits, call.lost)
        except ScriptError as error:  # it could not begin
            return Answer(b"", b"", error.kind) if error.kind != "cancelled" else None

    def _fetch(self, call: _Claimed) -> bytes:
        found = bytearray()
        with self._connection.stream(f"/api/v1/calls/{call.id}/request?fence={call.fence}") as response:
            for block in response.iter_bytes():
                found += block
        if len(found) != call.size:
            raise NoAnswer(f"{len(found)} of {call.size} bytes came")
        return bytes(found)

    def _send(self, call: _Claimed, message: bytes) -> bool:
        path, kind = f"/api/v1/calls/{call.id}/answer", "application/octet-stream"
        self._connection.send("PUT", path, params={"fence": call.fence}, content=message, content_type=kind)
        return True

    def _again(self, call: _Claimed, ask: Callable[[], T]) -> T | None:
        """Return an answer of the server, which may be away for a while; None once the call is another's."""
        while not call.lost():
            try:
                return ask()
            except (NotFound, Conflict):
                call.lose()
            except (httpx.TransportError, TooManyRequests, Unavailable) as error:  # NoAnswer is of the first
                self._tell(f"call {call.id}: {error}")
                time.sleep(min(getattr(error, "retry_after", None) or _PAUSE_SECONDS, _PAUSE_SECONDS))
        return None

    def _renew(self, call: _Claimed, over: threading.Event) -> None:
        """Prolong the lease until the call is over."""
        while not over.wait(min(call.lease_seconds / 4, _PAUSE_SECONDS)) and not call.lost():
            path, params = f"/api/v1/calls/{call.id}/renew", {"fence": call.fence}
            try:
                self._connection.send("POST", path, params=params, timeout=call.lease_seconds)
            except (NotFound, Conflict):
                if not over.is_set():
                    call.lose()
            except (Error, OSError):
                continue
            else:
                call.renewed()
