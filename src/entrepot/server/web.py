"""A web process: uvicorn, which serves the application on a socket of the supervisor's."""

import gc
import socket

import httptools
import uvicorn
from fastapi import FastAPI
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from entrepot.server.app import create_app
from entrepot.server.child import Ready
from entrepot.server.services import Services
from entrepot.server.writers import PATIENCE_SECONDS
from entrepot.settings import Settings

_STOP_SECONDS = 8  # of the supervisor's ten
_KEEP_ALIVE_SECONDS = 75
#: Clients of the works' dialect send queries of a megabyte in the address.
_LONGEST_HEAD = 2**20 + 2**17
_LONGEST_PATH = 2**15


class Protocol(HttpToolsProtocol):
    """HTTP/1.1 with addresses of up to a megabyte, and an end to what a client may send before its body."""

    _head: int | None = None

    def data_received(self, data: bytes) -> None:
        """Take what came, unless the request's head has become too long."""
        if self._head is not None:
            self._head += len(data)
            if self._head > _LONGEST_HEAD:
                if not self.transport.is_closing():
                    self._refuse(431 if self.headers else 414)
                return
        super().data_received(data)

    def on_message_begin(self) -> None:
        """Begin to count a head."""
        self._head = 0
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """Start the request; its query does not pass through httptools, which ends at 64 KiB."""
        self._head = None
        self.url, _, query = self.url.partition(b"?")
        if len(self.url) > _LONGEST_PATH:
            raise httptools.HttpParserInvalidURLError(self.url[:100])
        super().on_headers_complete()
        # The application starts in a later turn of the loop.
        self.scope["query_string"] = query

    def _refuse(self, status: int) -> None:
        head = STATUS_LINE[status] + b"content-length: 0\r\nconnection: close\r\n\r\n"
        self.transport.write(head)
        self.transport.close()


class _Server(uvicorn.Server):
    def __init__(self, app: FastAPI, config: uvicorn.Config, ready: Ready) -> None:
        super().__init__(config)
        self._app = app
        self._ready = ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._ready()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        # Streams of events, which have no end of their own, see it.
        self._app.state.stopping = True
        await super().shutdown(sockets)


def run(settings: Settings, ready: Ready, listening: socket.socket) -> None:
    """Serve until SIGTERM; requests under way are answered first."""
    app = create_app(Services.open(settings, patience=PATIENCE_SECONDS))
    # What is here now stays; a request with many rows makes a lot that lives until its end, and no rubbish.
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)
    config = uvicorn.Config(
        app,
        http=Protocol,
        ws="none",
        interface="asgi3",
        log_config=None,
        access_log=False,
        server_header=False,
        ssl_certfile=settings.tls_certificate,
        ssl_keyfile=settings.tls_key,
        timeout_keep_alive=_KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=_STOP_SECONDS,
    )
    _Server(app, config, ready).run(sockets=[listening])
