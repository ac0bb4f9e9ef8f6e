"""One process of a server, forked from the supervisor: what a part of each kind runs."""

import faulthandler
import importlib
import logging
import mmap
import os
import signal
import socket
import sys
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import structlog

from entrepot.errors import EntrepotError
from entrepot.server.child import Ready, end_with
from entrepot.server.handlers import HANDLERS, SCHEDULES, STYLES
from entrepot.server.logs import configure_logging
from entrepot.server.reload import reload_on_sighup
from entrepot.server.tally import Tally
from entrepot.settings import Settings

if TYPE_CHECKING:
    from entrepot.server.beats import Beats

#: At this signal a part writes to the log where each of its threads is.
TELL = signal.SIGUSR1
#: What the parts of each kind run.
_MODULES = {
    "web": ("entrepot.server.run.web", "argon2", "cryptography.fernet", "jinja2"),
    "ftp": ("entrepot.server.ftp.server", "argon2", "cryptography.fernet"),
    "scheduler": ("entrepot.server.run.scheduler", *SCHEDULES),
    "worker": ("entrepot.server.run.worker", *HANDLERS, *STYLES),
}


def preload(kinds: Iterable[str]) -> None:
    """Import what parts of these kinds run, so that they start, and start again, at once, and share what it takes.

    Nothing among it starts threads that a fork would miss, as Polars does, which is imported where it is first used,
    like what draws; pyarrow's allocator has one, and minds forks.
    """
    for module in sorted({each for kind in kinds for each in _MODULES[kind]}):
        importlib.import_module(module)


def forget_clouds() -> None:
    """Take the operator's own cloud settings out of the environment: stores of users would be reached with them."""
    for name in [name for name in os.environ if name.upper().startswith(("AWS_", "AZURE_", "GOOGLE_"))]:
        del os.environ[name]


class ToStructlog(logging.Handler):
    """Writes what libraries log to the log of the server."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write a record."""
        error = record.exc_info if record.exc_info and record.exc_info[0] else None
        structlog.get_logger(record.name).log(record.levelno, record.getMessage(), exc_info=error)


def run_part(
    name: str,
    kind: str,
    parent: int,
    settings: Settings,
    descriptor: int,
    listening: socket.socket | None,
    slots: Sequence[mmap.mmap],
    own: int,
) -> None:
    """Run a part until the supervisor, whose process is `parent`, ends it; it counts in its `own` of the slots."""
    signal.set_wakeup_fd(-1)
    for number in (signal.SIGTERM, signal.SIGCHLD):
        signal.signal(number, signal.SIG_DFL)
    faulthandler.register(TELL)
    end_with(parent, name)
    forget_clouds()
    configure_logging(settings.log_level, settings.log_format)
    logging.basicConfig(handlers=[ToStructlog()], level=logging.WARNING, force=True)
    structlog.contextvars.bind_contextvars(part=name)
    reload_on_sighup(settings)
    ready = Ready(descriptor)
    ready.begin()
    from entrepot.server.beats import Beats

    if settings.storage_url is not None:
        _require_bucket(settings)
    tally = Tally(slots, own)
    tally.begin()
    with Beats(settings, name) as beats:
        _run(kind, settings, ready, listening, beats, tally)


def _require_bucket(settings: Settings) -> None:
    """End unless the bucket is the one in which the database's files are; asked here, where nobody forks any more."""
    from entrepot.server.recognise import recognise
    from entrepot.server.services import Services

    services = Services.open(settings)
    try:
        recognise(services)
    except EntrepotError as error:
        structlog.get_logger("entrepot.process").error("the bucket cannot be used", error=error.message)
        sys.exit(1)
    finally:
        services.close()


def _run(
    kind: str, settings: Settings, ready: Ready, listening: socket.socket | None, beats: "Beats", tally: Tally
) -> None:
    match kind:
        case "web":
            from entrepot.server.run import web

            assert listening is not None
            web.run(settings, ready, listening, beats, tally)
        case "ftp":
            from entrepot.server.ftp import server as ftp

            assert listening is not None
            ftp.run(settings, ready, listening)
        case "scheduler":
            from entrepot.server.run import scheduler

            scheduler.run(settings, ready)
        case "worker":
            from entrepot.server.run import worker

            worker.run(settings, ready)
