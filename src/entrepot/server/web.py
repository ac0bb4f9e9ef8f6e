"""The web part: granian and its workers, which serve the application."""

import asyncio
import contextlib
import os
from functools import partial

from fastapi import FastAPI
from granian import Granian
from granian.constants import Interfaces, SSLProtocols
from granian.log import LogLevels

from entrepot.server.app import create_app
from entrepot.server.child import Ready, end_with
from entrepot.server.services import Services
from entrepot.settings import Settings

_STOP_SECONDS = 8  # of the supervisor's ten
_POLL_SECONDS = 0.02


def run(settings: Settings, ready: Ready) -> None:
    """Serve until SIGTERM; requests under way are answered first."""
    server = Granian(
        "entrepot",
        address=settings.host,
        port=settings.port,
        interface=Interfaces.ASGI,
        workers=settings.web_processes,
        respawn_failed_workers=True,
        workers_kill_timeout=_STOP_SECONDS,
        ssl_cert=settings.tls_certificate,
        ssl_key=settings.tls_key,
        ssl_protocol_min=SSLProtocols.tls12,
        websockets=False,
        log_level=LogLevels.warning,
        log_dictconfig={"handlers": {}, "loggers": {"_granian": {"propagate": True}}},
    )
    server.serve(target_loader=partial(_load, settings, ready, os.getpid()), wrap_loader=False)


def _load(settings: Settings, ready: Ready, parent: int) -> FastAPI:
    """Make the application of one worker, a process of its own."""
    end_with(parent, "web worker")
    app = create_app(Services.open(settings))
    app.state.announcement = asyncio.get_event_loop().create_task(_say_when_listening(settings, ready))
    return app


async def _say_when_listening(settings: Settings, ready: Ready) -> None:
    while True:
        with contextlib.suppress(OSError):
            _, writer = await asyncio.open_connection(settings.host, settings.port)
            writer.close()
            ready()
            return
        await asyncio.sleep(_POLL_SECONDS)
