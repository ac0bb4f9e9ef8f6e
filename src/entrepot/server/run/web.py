"""A web process: uvicorn, which serves the application on a socket of the supervisor's."""

import asyncio
import gc
import signal
import socket
import threading
import time
from collections.abc import Iterator, Sequence
from functools import partial
from types import FrameType
from typing import Any

import uvicorn
from fastapi import FastAPI

from entrepot import units
from entrepot.server.beats import Beats
from entrepot.server.child import Ready
from entrepot.server.connections import Connections
from entrepot.server.protocol import HttpProtocol
from entrepot.server.reload import on_reload
from entrepot.server.run.app import create_app
from entrepot.server.services import Services
from entrepot.server.tally import Tally
from entrepot.server.writers import PATIENCE_SECONDS
from entrepot.settings import Settings

_STOP_SECONDS = 8  # of the supervisor's ten
_KEEP_ALIVE_SECONDS = 75
_LATE_SECONDS, _PAUSE = 1.5, 0.05
_ALIVE_TICKS = 10
_TICKS = 5  # of uvicorn's, of which there are ten a second, between two looks at the connections


class _Server(uvicorn.Server):
    def __init__(
        self, app: FastAPI, config: uvicorn.Config, ready: Ready, connections: Connections, settings: Settings
    ) -> None:
        super().__init__(config)
        self._app = app
        self._ready = ready
        self._connections = connections
        self._settings = settings
        self._drained_at: float | None = None

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Stop; where whoever sends requests is given time to see it, answer them until then."""
        if self._drained_at is None and self._settings.drain_seconds and sig == signal.SIGTERM:
            self._app.state.stopping = True
            self._drained_at = time.monotonic() + self._settings.drain_seconds
            return
        super().handle_exit(sig, frame)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._ready()
        threading.Thread(target=units.prepare, name="units", daemon=True).start()

    async def on_tick(self, counter: int) -> bool:
        if counter % _TICKS == 0:
            self._connections.look(time.monotonic())
        if counter % _ALIVE_TICKS == 0:
            self._ready.alive()
        if self._drained_at is not None and time.monotonic() >= self._drained_at and not self.should_exit:
            super().handle_exit(signal.SIGTERM, None)
        return await super().on_tick(counter)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        # Streams of events, which have no end of their own, see it.
        self._app.state.stopping = True
        if self._drained_at is not None:
            await self._leave(sockets or ())
        await super().shutdown(sockets)

    async def _leave(self, listening: Sequence[socket.socket]) -> None:
        """Refuse who comes, and answer those who are connected already, whose requests may still be on their way.

        A proxy asks another server where a connection is refused, but not where one ends on which it sent a request.
        """
        waiting = [connection for each in listening for connection in _queued(each)]
        for server in self.servers:
            server.close()
        loop = asyncio.get_running_loop()
        protocol: Any = self.config.http_protocol_class
        made = partial(protocol, config=self.config, server_state=self.server_state, app_state=self.lifespan.state)
        for connection in waiting:
            await loop.connect_accepted_socket(made, connection, ssl=self.config.ssl)
        end = time.monotonic() + _LATE_SECONDS
        while self.server_state.connections and time.monotonic() < end:  # noqa: ASYNC110  # uvicorn tells nobody
            await asyncio.sleep(_PAUSE)


def _queued(listening: socket.socket) -> Iterator[socket.socket]:
    """Take the connections that wait to be taken."""
    try:
        while True:
            yield listening.accept()[0]
    except BlockingIOError:
        return


def run(settings: Settings, ready: Ready, listening: socket.socket, beats: Beats, tally: Tally) -> None:
    """Serve until SIGTERM; requests under way are answered first."""
    app = create_app(Services.open(settings, patience=PATIENCE_SECONDS), beats, tally)
    # What is here now stays; a request with many rows makes a lot that lives until its end, and no rubbish.
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)
    connections = Connections(settings)
    protocol: Any = partial(HttpProtocol, connections)
    config = uvicorn.Config(
        app,
        http=protocol,
        ws="none",
        interface="asgi3",
        log_config=None,
        access_log=False,
        server_header=False,
        forwarded_allow_ips=[str(network) for network in settings.trusted_proxies],
        ssl_certfile=settings.tls_certificate,
        ssl_keyfile=settings.tls_key,
        timeout_keep_alive=_KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=_STOP_SECONDS,
    )
    on_reload(partial(_read_certificate, config))
    _Server(app, config, ready, connections, settings).run(sockets=[listening])


def _read_certificate(config: uvicorn.Config) -> None:
    """Show new connections the certificate as it is now."""
    if config.ssl is not None and config.ssl_certfile is not None:
        config.ssl.load_cert_chain(config.ssl_certfile, config.ssl_keyfile)
