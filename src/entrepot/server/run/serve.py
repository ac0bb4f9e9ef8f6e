"""``entrepot serve`` and ``entrepot worker``: what is checked before the parts start, and which they are."""

import contextlib
import fcntl
import os
import socket
import time
from collections.abc import Collection, Iterator, Mapping
from importlib.util import find_spec
from pathlib import Path

import structlog

from entrepot.db import guard, installation
from entrepot.errors import Conflict, InvalidInput, ReadOnly
from entrepot.files import spool
from entrepot.loopback import is_loopback
from entrepot.pipeline.gates import trees
from entrepot.scripts import Level, cgroup, level
from entrepot.server import state
from entrepot.server.connections import raise_descriptors
from entrepot.server.ftp import uploads
from entrepot.server.logs import configure_logging
from entrepot.server.names import warn_of_unresolved
from entrepot.server.private import keep_private, tighten
from entrepot.server.recognise import require_usable
from entrepot.server.run.supervisor import Part, Supervisor
from entrepot.server.services import Services
from entrepot.settings import Settings

log = structlog.get_logger("entrepot.serve")


KINDS = ("web", "ftp", "scheduler", "worker")
#: What of a server can do its work without writing.
_READING = ("web", "ftp")
_STILL_SECONDS = 0.5


def serve(settings: Settings, only: Collection[str] = KINDS) -> int:
    """Run a server until SIGTERM or SIGINT; return the exit code.

    Parameters
    ----------
    only
        The kinds of its parts that run here; others run elsewhere, on the same database and bucket.

    Raises
    ------
    InvalidInput
        The settings are not safe, or do not fit together.
    NotFound, Unavailable
        The data folder is not one of ``entrepot init``, the database is stale or does not answer.
    Conflict
        Another server runs on this data folder, or listens on a port.
    """
    configure_logging(settings.log_level, settings.log_format)
    keep_private()
    raise_descriptors()
    _require_safe(settings)
    require_usable(settings)
    apart = require_scripts(settings)
    _tell_quiet(settings)
    if _is_moved(settings):
        only = [kind for kind in only if kind in _READING]
    settings.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    with contextlib.ExitStack() as stack:
        stack.enter_context(alone(settings.data_dir))
        tighten(settings.data_dir)
        _clear(settings)
        settings, parts = _parts(settings, stack, only)
        _begin_scripts(apart)
        warn_of_unresolved(settings)

        def changed(ready: Mapping[str, bool]) -> None:
            try:
                state.write_parts(settings.data_dir, ready)
            except OSError as error:  # a full disk ends no supervisor; what it could not write, beats say
                log.warning("cannot write which parts are ready", exc_info=error)
            if all(ready.values()) and not announced:
                here = {part.kind for part in parts}
                ftp_port = settings.ftp_port if "ftp" in here else None
                state.announce(settings.data_dir, os.getpid(), settings.port if "web" in here else 0, ftp_port)
                announced.append(True)
                url = _url(settings) if "web" in here else None
                log.info("serving", url=url, parts=sorted(here), ftp_port=ftp_port, data_dir=str(settings.data_dir))

        announced: list[bool] = []
        return Supervisor(parts, settings, changed, lambda: state.touch_parts(settings.data_dir)).run()


def work(settings: Settings) -> int:
    """Run workers alone until SIGTERM or SIGINT; return the exit code."""
    configure_logging(settings.log_level, settings.log_format)
    keep_private()
    raise_descriptors()
    require_usable(settings)
    apart = require_scripts(settings)
    _tell_quiet(settings)
    settings.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    _begin_scripts(apart)
    parts = [Part(f"worker-{number}", "worker") for number in range(1, max(settings.workers, 1) + 1)]
    return Supervisor(parts, settings).run()


def _clear(settings: Settings) -> None:
    """Remove what parts on this folder, which nobody runs any more, had under way and nobody goes on with."""
    trees.remove(settings.data_dir / uploads.HTTP_STAGING)
    if settings.storage_url is not None:
        spool.sweep(settings)


def _tell_quiet(settings: Settings) -> None:
    services = Services.open(settings)
    with services.database.read() as session:
        quiet = installation.is_quiet(session)
    services.close()
    if quiet:
        log.warning("a restored copy: it calls no webhook, mail or feeder until entrepot resume")


def _is_moved(settings: Settings) -> bool:
    """Tell whether the server was moved elsewhere, and say where."""
    services = Services.open(settings)
    while True:
        try:
            said = guard.moved(services.database)
            break
        except ReadOnly as error:  # some seconds, in which no part could begin
            log.info("waits", reason=error.message)
            time.sleep(_STILL_SECONDS)
    services.close()
    if said is not None:
        log.warning("moved", error=said)
    return said is not None


def require_scripts(settings: Settings) -> Level:
    """Return how far users' scripts are kept apart, and raise where that has to be further, or none can be run."""
    if settings.engine == "dask" and find_spec("distributed") is None:
        raise InvalidInput.field("engine", "dask needs another package: pip install 'entrepot[dask]'.")
    found = level(wanted=settings.sandbox != "off")
    if settings.sandbox == "required" and found.name != "full":
        raise InvalidInput.field(
            "script_sandbox",
            f"Users' scripts cannot be kept apart on this machine, and lack {'; '.join(found.missing)}. Let processes "
            "make user namespaces, as docs/operating.md says, or accept the risk with script_sandbox = auto.",
        )
    return found


def _begin_scripts(apart: Level) -> None:
    """Make room for the groups of calls while this process is alone in its own, and say how far they are kept apart."""
    memory = "held by control groups" if cgroup.prepare() else "watched"
    told = log.info if apart.name == "full" else log.warning
    told("scripts", sandbox=apart.name, missing=list(apart.missing), run_as=apart.user, memory=memory)


def _parts(settings: Settings, stack: contextlib.ExitStack, only: Collection[str]) -> tuple[Settings, list[Part]]:
    """Return the parts of a server, with the settings in which port 0 has become the port that was picked."""
    parts, changes = list[Part](), dict[str, object]()
    web_processes = settings.web_processes
    if settings.url.startswith("sqlite") and web_processes > 1:
        log.warning("one web process: SQLite has one writer", asked=web_processes)
        web_processes = 1
    if "web" in only:
        http = stack.enter_context(_listen(settings.host, settings.port))
        changes["port"] = http.getsockname()[1]
        parts += [Part(f"web-{number}", "web", http) for number in range(1, web_processes + 1)]
    if settings.ftp and "ftp" in only:
        ftp = stack.enter_context(_listen(settings.ftp_host or settings.host, settings.ftp_port))
        changes["ftp_port"] = ftp.getsockname()[1]
        parts.append(Part("ftp", "ftp", ftp))
    if settings.scheduler and "scheduler" in only:
        parts.append(Part("scheduler", "scheduler"))
    if "worker" in only:
        parts += [Part(f"worker-{number}", "worker") for number in range(1, settings.workers + 1)]
    return settings.model_copy(update=changes), parts


@contextlib.contextmanager
def alone(data_dir: Path) -> Iterator[None]:
    """Hold the data folder: one server at a time, whatever became of the last one."""
    folder = data_dir / state.FOLDER
    folder.mkdir(exist_ok=True)
    with (folder / "lock").open("w") as lock:
        try:
            # Of this process alone, unlike flock: parts, forked from it, do not hold it a moment longer.
            fcntl.lockf(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except (BlockingIOError, PermissionError):
            raise Conflict(f"Another server runs on {data_dir}.") from None
        state.clear(data_dir)
        yield
        state.clear(data_dir)


def _listen(host: str, port: int) -> socket.socket:
    try:
        return socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
    except OSError as error:
        raise Conflict(f"Cannot listen on {host} port {port}: {error.strerror}.") from None


def _require_safe(settings: Settings) -> None:
    if (settings.tls_certificate is None) != (settings.tls_key is None):
        raise InvalidInput.field("tls_key", "A certificate and its key are given together.")
    for name in ("tls_certificate", "tls_key", "ftp_certificate"):
        file: Path | None = getattr(settings, name)
        if file is not None and not file.is_file():
            raise InvalidInput.field(name, f"There is no file {file}.")
    if settings.ftp_certificate is not None and find_spec("OpenSSL") is None:
        raise InvalidInput.field("ftp_certificate", "FTPS needs the package pyOpenSSL: pip install pyopenssl.")
    if settings.ftp_certificate is not None:
        from entrepot.server.ftp import secure

        secure.context(settings.ftp_certificate)
    elif settings.ftp_require_tls:
        raise InvalidInput.field("ftp_require_tls", "This needs a certificate: set ftp_certificate.")
    if settings.tls_certificate is None and not settings.insecure and not is_loopback(settings.host):
        raise InvalidInput.field(
            "host",
            f"{settings.host} can be reached by others: passwords would travel in clear. Give --tls-certificate and "
            "--tls-key, or --insecure where something in front of the server encrypts.",
        )


def _url(settings: Settings) -> str:
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    return f"http{'s' if settings.tls_certificate else ''}://{host}:{settings.port}"
