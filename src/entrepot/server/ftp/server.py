"""The server itself, and how it runs as a part of Entrepot."""

import contextlib
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable
from functools import partial
from typing import Any, cast

import structlog
from pyftpdlib.servers import ThreadedFTPServer

from entrepot.identity import records
from entrepot.measures import FTP_SESSIONS
from entrepot.pipeline.gates import homes
from entrepot.pipeline.gates.configuration import gate_home
from entrepot.pipeline.gates.home import Home
from entrepot.pipeline.models import Gate
from entrepot.server.child import Ready
from entrepot.server.connections import NO_ROOM, descriptors
from entrepot.server.ftp import uploads
from entrepot.server.ftp.bans import Bans
from entrepot.server.ftp.session import Session
from entrepot.server.ftp.sessions import Sessions
from entrepot.server.reload import on_reload
from entrepot.server.services import Services
from entrepot.settings import Settings
from entrepot.signals import stop_on

log = structlog.get_logger("entrepot.ftp")

_DESCRIPTORS_OF_A_SESSION = 8
_SWEEP_SECONDS = 600.0

UploadHook = Callable[[Services, str, str], None]
#: Called after each complete upload with the services, the account's home and the path in it.
on_upload: list[UploadHook] = []


class Server(ThreadedFTPServer):  # type: ignore[misc]
    """The FTP server of a data folder; a thread a session, so that a slow disk or database holds up one client alone.

    There are as many sessions as there are descriptors for, if no setting says fewer: one that transfers has a
    connection for commands, one for data, one that waits for it, a file, a selector, and perhaps a database.

    Parameters
    ----------
    listening
        A socket that listens.
    """

    max_cons = 0  # pyftpdlib's own limit; see `sessions`
    tick_seconds = 0.1

    def __init__(self, services: Services, listening: socket.socket) -> None:
        self._exit = threading.Event()  # pyftpdlib's own is shared by all servers of a process
        self.on_upload = on_upload
        settings = services.settings
        most = max(min(settings.ftp_max_sessions, descriptors() // _DESCRIPTORS_OF_A_SESSION), 1)
        of_address = min(settings.ftp_max_sessions_per_address, max(most // 2, 1))
        self.sessions = Sessions(most, of_address, settings.ftp_max_sessions_per_account)
        self._services = services
        self._spare = os.open(os.devnull, os.O_RDONLY)
        self._bans = Bans(
            services.database, settings.login_max_failures, settings.login_ban_seconds, settings.login_known_days
        )
        super().__init__(listening, _session_class(services, self._bans))
        self.ioloop.call_every(_SWEEP_SECONDS, self.sweep, _errback=self.handle_error)

    def serve(self, stop: threading.Event) -> None:
        """Serve until told to stop, and who is connected by then for `drain_seconds` more."""
        while not stop.is_set():
            self.serve_forever(self.tick_seconds, blocking=False, handle_exit=False)
        for _ in range(self.backlog):  # who waits to be taken would be cut off, in place of being refused
            self.handle_accept()
        self.close()
        end = time.monotonic() + self._services.settings.drain_seconds
        while len(self.sessions) and time.monotonic() < end:
            time.sleep(self.tick_seconds)
        self.close_all()

    def sweep(self) -> None:
        """Remove what came of uploads that nobody went on with in time."""
        settings = self._services.settings
        if removed := homes.sweep(settings, self._services.database, 3600 * settings.ftp_part_hours):
            log.info("removed parts of uploads that broke off", files=removed)

    def handle_accept(self) -> None:
        """Take a connection; where there is no descriptor for it, end it, for it would be tried for ever."""
        try:
            super().handle_accept()
        except OSError as error:
            if error.errno not in NO_ROOM:
                raise
            log.warning("no room for a connection", error=error.strerror)
            with contextlib.suppress(OSError):
                os.close(self._spare)
                self.accept()[0].close()
            self._spare = os.open(os.devnull, os.O_RDONLY)

    def handle_error(self) -> None:
        """Go on listening, whatever became of one connection."""
        log.error("a connection could not be taken", exc_info=sys.exc_info()[1])

    def _loop(self, handler: Session) -> None:
        try:
            super()._loop(handler)
        except OSError as error:
            log.warning("a session ended", error=str(error))
        finally:
            # What had no loop has nobody else who closes it.
            handler.close()

    def handle_accepted(self, sock: socket.socket, addr: tuple[str, int]) -> None:
        """Begin a session, unless the address failed to sign in too often or there is no room."""
        if self._bans.banned(addr[0]):
            refused = b"421 Too many failed logins; try again later.\r\n"
        elif not self.sessions.has_room(addr[0]):
            log.warning("too many sessions", address=addr[0])
            refused = b"421 Too many connections; try again later.\r\n"
        else:
            super().handle_accepted(sock, addr)
            return
        with sock, contextlib.suppress(OSError):
            sock.sendall(refused)


def run(settings: Settings, ready: Ready, listening: socket.socket) -> None:
    """Serve until SIGTERM; transfers that do not end within `drain_seconds` are broken off, and go on later."""
    stop = stop_on(signal.SIGTERM)
    services = Services.open(settings)
    server = Server(services, listening)
    FTP_SESSIONS.set_function(lambda: len(server.ip_map))
    ready()
    server.serve(stop)
    services.close()


def _session_class(services: Services, bans: Bans) -> type[Session]:
    """Return the class of a server's sessions: pyftpdlib keeps its settings there."""
    settings = services.settings
    staging = settings.data_dir / uploads.STAGING
    uploads.clean(staging, partial(_home_of, services))
    ports = settings.ftp_passive_ports
    attributes: dict[str, Any] = {
        "services": services,
        "bans": bans,
        "staging": staging,
        "passive_ports": range(ports[0], ports[1] + 1) if ports else None,
        "masquerade_address": _address(settings.ftp_public_host),
    }
    if settings.ftp_certificate is None:
        return type("Session", (Session,), attributes)
    from entrepot.server.ftp import secure

    attributes |= {
        "ssl_context": secure.context(settings.ftp_certificate),
        "tls_control_required": settings.ftp_require_tls,
        "tls_data_required": settings.ftp_require_tls,
    }
    made: Any = type("Session", (secure.SecureSession,), attributes)
    certificate = settings.ftp_certificate

    def read_certificate() -> None:
        made.ssl_context = secure.context(certificate)

    on_reload(read_certificate)
    return cast("type[Session]", made)


def _home_of(services: Services, gate_id: str) -> Home | None:
    with services.database.read() as session:
        if records.by_id(session, Gate, gate_id) is None:
            return None
    return homes.open_home(services.settings, services.database, gate_home(gate_id))


def _address(host: str | None) -> str | None:
    """Return the address that passive replies name; None for that of the connection."""
    if host is None:
        return None
    try:
        return socket.gethostbyname(host)
    except OSError as error:
        log.warning("cannot look up ftp_public_host", host=host, error=str(error))
        return None
