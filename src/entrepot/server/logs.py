"""The log: structured lines on standard error, and few of them about one cause."""

import logging
import sys
import threading
import time
from datetime import UTC, datetime
from typing import Any

import orjson
import structlog
from structlog.tracebacks import ExceptionDictTransformer
from structlog.typing import EventDict

from entrepot.db.faults import named
from entrepot.errors import EntrepotError

_SECONDS = 1.0


class Causes:
    """A processor that tells of each cause once a second, with how often it was met since.

    A line has a cause when it says so, or when its exception is one that an operator has to mend: then it tells which,
    and no traceback, which would be of no use.
    """

    def __init__(self) -> None:
        self._told: dict[tuple[str, str], tuple[float, int]] = {}
        self._lock = threading.Lock()

    def __call__(self, _logger: Any, _method: str, line: EventDict) -> EventDict:
        """Return the line, or drop it."""
        error = line.get("exc_info")
        if error is True:
            error = sys.exc_info()[1]
        elif isinstance(error, tuple):
            error = error[1]
        if isinstance(error, BaseException) and (name := named(error)):
            del line["exc_info"]
            line["cause"] = name.code
            line["error"] = said(name, error)
        if (cause := line.get("cause")) is None:
            return line
        key, now = (line["event"], cause), time.monotonic()
        with self._lock:
            since, count = self._told.get(key, (0.0, 0))
            if now - since < _SECONDS and count:
                self._told[key] = since, count + 1
                raise structlog.DropEvent
            self._told[key] = now, 1
        if count > 1:
            line["count"] = count
        return line


def said(name: EntrepotError, error: BaseException) -> str:
    """Return what an error says to an operator: the product's words, and the first line of what is under it."""
    cause = error
    while cause.__cause__ is not None:
        cause = cause.__cause__
    cause = getattr(cause, "orig", None) or cause
    lines = str(cause).strip().splitlines()
    return name.message if cause is error or not lines or lines[0] == name.message else f"{name.message} ({lines[0]})"


#: Whether lines are JSON, and those of level info are wanted.
_plain = False


def plainly(log: Any, event: str, told: EventDict) -> None:
    """Log a line of level info that has neither cause nor exception; as JSON, without the processors of all others.

    Every request has such a line, and the processors take as long as the least of them.
    """
    if not _plain:
        log.info(event, **told)
        return
    instant = datetime.now(UTC).isoformat().replace("+00:00", "Z")
    line = {**told, "event": event, **structlog.contextvars.get_contextvars(), "level": "info", "timestamp": instant}
    sys.stderr.write(f"{orjson.dumps(line).decode()}\n")
    sys.stderr.flush()


def configure_logging(level: str, form: str) -> None:
    """Send structured log lines to standard error, as JSON or for people."""
    global _plain  # noqa: PLW0603 - as structlog's own configuration is
    number = logging.getLevelNamesMapping()[level.upper()]
    _plain = form == "json" and number <= logging.INFO
    processors: list[Any] = [
        Causes(),
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    if form == "json":
        # Without local variables: they hold passwords.
        tracebacks = structlog.processors.ExceptionRenderer(ExceptionDictTransformer(show_locals=False))
        processors += [tracebacks, structlog.processors.JSONRenderer()]
    else:
        plain = structlog.dev.plain_traceback
        processors.append(structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), exception_formatter=plain))
    structlog.configure(
        processors=processors,
        wrapper_class=structlog.make_filtering_bound_logger(number),
        # Looked up for each line: whoever replaces standard error is heard too.
        logger_factory=lambda *_: structlog.PrintLogger(sys.stderr),
        cache_logger_on_first_use=False,
    )
