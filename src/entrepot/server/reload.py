"""SIGHUP: settings and certificates are read again, in every process; nothing ends for it."""

import signal
from collections.abc import Callable

import structlog

from entrepot.errors import EntrepotError
from entrepot.server.logs import configure_logging
from entrepot.settings import Settings, load_again
from entrepot.signals import on_signals

log = structlog.get_logger("entrepot.reload")
_also: list[Callable[[], None]] = []


def on_reload(action: Callable[[], None]) -> None:
    """Have a function called, too, each time that this process reads its settings again."""
    _also.append(action)


def reload_on_sighup(settings: Settings) -> None:
    """Have this process read its settings again when it gets SIGHUP."""
    on_signals(lambda: reload(settings), signal.SIGHUP)


def reload(settings: Settings, *, tell: bool = False) -> bool:
    """Read settings again; False, and nothing changed, when they make no sense.

    Parameters
    ----------
    tell
        Log what changed, and what would change after a restart only.
    """
    try:
        changed, later = settings.take(load_again(settings))
        configure_logging(settings.log_level, settings.log_format)
        for action in _also:
            action()
    except (EntrepotError, OSError) as error:
        log.error("settings are left as they were", error=str(error))  # noqa: TRY400 - an operator's doing
        return False
    if tell:
        log.info("settings read again", changed=changed, after_a_restart=later)
    return True
