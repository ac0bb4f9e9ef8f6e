"""One process of a server: ``python -m entrepot.server.process KIND PARENT READY [SOCKET]``.

Its settings come as JSON on standard input. PARENT is the supervisor's process, with which this one ends; on the
descriptor READY it writes a byte once it is ready; SOCKET is a listening socket's descriptor, for those that need one.
"""

import logging
import socket
import sys

import orjson
import structlog

from entrepot.server.child import Ready, end_with
from entrepot.server.observe import configure_logging
from entrepot.settings import Settings


class ToStructlog(logging.Handler):
    """Writes what libraries log to the log of the server."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write a record."""
        error = record.exc_info if record.exc_info and record.exc_info[0] else None
        structlog.get_logger(record.name).log(record.levelno, record.getMessage(), exc_info=error)


def main() -> None:
    """Run the part that the arguments name until the supervisor ends it."""
    kind, parent, descriptor, *sockets = sys.argv[1:]
    end_with(int(parent))
    settings, ready = Settings(**orjson.loads(sys.stdin.buffer.read())), Ready(int(descriptor))
    configure_logging(settings.log_level, settings.log_format)
    logging.basicConfig(handlers=[ToStructlog()], level=logging.WARNING, force=True)
    structlog.contextvars.bind_contextvars(part=kind)
    match kind:
        case "web":
            from entrepot.server import web

            web.run(settings, ready)
        case "ftp":
            from entrepot.server import ftp

            ftp.run(settings, ready, socket.socket(fileno=int(sockets[0])))
        case "scheduler":
            from entrepot.server import work

            work.run_scheduler(settings, ready)
        case "worker":
            from entrepot.server import work

            work.run_worker(settings, ready)


if __name__ == "__main__":
    main()
