"""Names of hosts in the settings that nobody resolves: said at the start, and no reason not to start."""

import multiprocessing
import socket
import threading
from urllib.parse import urlsplit

import structlog
from sqlalchemy import make_url
from starlette.datastructures import URL

from entrepot.settings import Settings

_SECONDS = 3.0

log = structlog.get_logger("entrepot.names")


def warn_of_unresolved(settings: Settings) -> None:
    """Look the names up, and log those that lead nowhere; beside the server, which a slow resolver would keep waiting.

    In a process of its own: the supervisor, which forks, may have no threads.
    """
    if names := named(settings):
        multiprocessing.get_context("fork").Process(target=_warn, args=(names,), daemon=True).start()


def named(settings: Settings) -> dict[str, str]:
    """Return the hosts by the settings that name them."""
    urls = {"public_url": settings.public_url, "slack_url": settings.slack_url}
    found = {
        "database_url": make_url(settings.url).host,
        "smtp_host": settings.smtp_host,
        "ftp_public_host": settings.ftp_public_host,
        **{name: urlsplit(url).hostname for name, url in urls.items() if url},
    }
    return {name: host for name, host in found.items() if host and not host.startswith("/")}


def _warn(names: dict[str, str]) -> None:
    unknown = dict(names)

    def look_up(name: str, host: str) -> None:
        try:
            socket.getaddrinfo(host, None)
            unknown.pop(name)
        except (OSError, UnicodeError):
            return

    threads = [threading.Thread(target=look_up, args=item, daemon=True) for item in names.items()]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(_SECONDS / len(threads))
    for name, host in list(unknown.items()):
        log.warning("a host in the settings does not resolve", setting=name, host=host)


def reached_at(settings: Settings, url: URL) -> str:
    """Return the address under which whoever asked for a URL reaches this server."""
    return settings.public_url or f"{url.scheme}://{url.netloc}"
