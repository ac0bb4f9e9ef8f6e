"""A web process: uvicorn, which serves the application on a socket of the supervisor's."""

import gc
import socket
import time
from functools import partial
from typing import Any

import uvicorn
from fastapi import FastAPI

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
_ALIVE_TICKS = 10
_TICKS = 5  # of uvicorn's, of which there are ten a second, between two looks at the connections


class _Server(uvicorn.Server):
    def __init__(self, app: FastAPI, config: uvicorn.Config, ready: Ready, connections: Connections) -> None:
        super().__init__(config)
        self._app = app
        self._ready = ready
        self._connections = connections

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._ready()

    async def on_tick(self, counter: int) -> bool:
        if counter % _TICKS == 0:
            self._connections.look(time.monotonic())
        if counter % _ALIVE_TICKS == 0:
            self._ready.alive()
        return await super().on_tick(counter)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        # Streams of events, which have no end of their own, see it.
        self._app.state.stopping = True
        await super().shutdown(sockets)


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
    _Server(app, config, ready, connections).run(sockets=[listening])


def _read_certificate(config: uvicorn.Config) -> None:
    """Show new connections the certificate as it is now."""
    if config.ssl is not None and config.ssl_certfile is not None:
        config.ssl.load_cert_chain(config.ssl_certfile, config.ssl_keyfile)
