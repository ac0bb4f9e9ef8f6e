"""HTTP/1.1 on a connection: uvicorn's, with an end to what a client may send, and to how long it may take."""

import math
import time
from typing import Any

import httptools
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from entrepot.server.connections import LEAST_BYTES_PER_SECOND, LINGER_SECONDS, Connections

#: Clients of the works' dialect send queries of a megabyte in the address.
_LONGEST_HEAD = 2**20 + 2**17
_LONGEST_PATH = 2**15


class HttpProtocol(HttpToolsProtocol):
    """A connection; addresses may have up to a megabyte.

    Nothing is timed by a timer of its own: whoever has many connections asks each of them to :meth:`look` at the time.
    """

    def __init__(self, connections: Connections, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._others = connections
        self._host = ""
        self._head: int | None = None  #: bytes of the head that is coming in
        self._came = 0  #: bytes of the body since the deadline was set
        self._reading = False  #: whether a body is coming in
        self._deadline = math.inf

    def connection_made(self, transport: Any) -> None:
        """Begin, if there is room."""
        super().connection_made(transport)
        self._host = self.client[0] if self.client else ""
        if not self._others.add(self, self._host):
            self._refuse(503)
            return
        self._deadline = time.monotonic() + self._others.head_seconds

    def connection_lost(self, exc: Exception | None) -> None:
        """End."""
        self._others.remove(self, self._host)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take what came, unless the connection ends or the request's head has become too long."""
        if self.transport.is_closing():
            return
        if self._head is not None:
            self._head += len(data)
            if self._head > _LONGEST_HEAD:
                self._refuse(431 if self.headers else 414)
                return
        super().data_received(data)

    def on_message_begin(self) -> None:
        """Begin to count a head, and its time."""
        self._head = 0
        self._deadline = time.monotonic() + self._others.head_seconds
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """Start the request; its query does not pass through httptools, which ends at 64 KiB."""
        self._head, self._reading, self._came = None, True, 0
        self._deadline = time.monotonic() + self._others.body_seconds
        self.url, _, query = self.url.partition(b"?")
        if len(self.url) > _LONGEST_PATH:
            raise httptools.HttpParserInvalidURLError(self.url[:100])
        super().on_headers_complete()
        # The application starts in a later turn of the loop.
        self.scope["query_string"] = query

    def on_body(self, body: bytes) -> None:
        """Take a part of a body."""
        self._came += len(body)
        super().on_body(body)

    def on_message_complete(self) -> None:
        """End a body: from here on, the client waits for the server."""
        self._reading, self._deadline = False, math.inf
        super().on_message_complete()

    def on_response_complete(self) -> None:
        """Go on to the next request, soon: what is still coming of this one's body, nobody waits for."""
        if self._reading:
            self._deadline = min(self._deadline, time.monotonic() + LINGER_SECONDS)
        super().on_response_complete()

    def look(self, now: float) -> None:
        """End the connection of a client that has let its deadline pass."""
        if now < self._deadline or self.transport.is_closing():
            return
        answering = self.cycle is not None and not self.cycle.response_complete
        if self._reading and answering:
            slow = self._came < LEAST_BYTES_PER_SECOND * self._others.body_seconds
            if self.flow.read_paused or not slow:  # the server has had enough for now, or it comes
                self._came, self._deadline = 0, now + self._others.body_seconds
                return
            # Whoever waits for the body learns that there is no more.
            self.cycle.disconnected = True
            self.cycle.message_event.set()
            self._refuse(408, said=self.cycle.response_started)
        else:
            self._refuse(408, said=self._reading or self._head is None)

    def _refuse(self, status: int, *, said: bool = False) -> None:
        """Close the connection, with an answer unless there was one, or no question."""
        if not said:
            self.transport.write(STATUS_LINE[status] + b"content-length: 0\r\nconnection: close\r\n\r\n")
        self.transport.close()
