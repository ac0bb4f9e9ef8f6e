"""Request ids, access log and metrics of every request."""

import re
import time
from collections.abc import Callable, Iterator
from functools import cache

import structlog
from prometheus_client import Counter, Histogram
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from entrepot.db import Database, new_id
from entrepot.identity import limits
from entrepot.measures import HTTP_REQUESTS, HTTP_SECONDS
from entrepot.server.heads import protect
from entrepot.server.logs import plainly

log = structlog.get_logger("entrepot.access")
#: Labels stay few, whatever clients make up.
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
#: Answers that tell of what an operator has to mend: many of them at once have one cause.
_OPERATORS = (503, 507)
_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")


class Observer:
    """The outermost layer: gives each request an id, answers its errors, counts it, and logs it when it is done.

    The id is the caller's ``X-Request-ID`` where it sends a harmless one; it is returned in the same header and bound
    to every log line. Each answer gets the headers that protect it. Headers, query strings and bodies are never
    logged: they carry secrets.

    Parameters
    ----------
    answer
        Makes the answer to a request that met an exception, and says whether that was one that may come; others are
        raised again for the web server, which logs them.
    """

    def __init__(self, app: ASGIApp, answer: Callable[[Request, Exception], tuple[Response, bool]]) -> None:
        self.app = app
        self._answer = answer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, with its id."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        request_id = _id_of(scope)
        started, status = time.perf_counter(), 0

        async def send_with_id(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = protect(scope, message.get("headers", ()))
                message["headers"].append((b"x-request-id", request_id.encode()))
                if scope["app"].state.stopping:
                    # The next request of this connection goes to a server that stays.
                    message["headers"].append((b"connection", b"close"))
            await send(message)

        # A request has a task of its own, and with it a context of its own.
        structlog.contextvars.bind_contextvars(request_id=request_id)
        try:
            await self.app(scope, receive, send_with_id)
        except Exception as error:
            if status:
                raise
            response, expected = self._answer(Request(scope), error)
            await response(scope, receive, send_with_id)
            if not expected:
                raise
        finally:
            _note(scope, status or 500, time.perf_counter() - started)


def _id_of(scope: Scope) -> str:
    for name, value in scope["headers"]:
        if name == b"x-request-id":
            given: str = value.decode("latin-1")
            if _REQUEST_ID.fullmatch(given):
                return given
    return new_id()


def _note(scope: Scope, status: int, seconds: float) -> None:
    """Count a request that is done, and log it."""
    method = scope["method"]
    count, measure = _children(door_of(scope["path"]), method if method in _METHODS else "other", status)
    count.inc()
    measure.observe(seconds)
    told = {"method": method, "path": scope["path"], "status": status, "ms": round(seconds * 1000, 1)}
    if status in _OPERATORS:
        log.info("request", **told, cause=f"status {status}")
    else:
        plainly(log, "request", told)


@cache
def _children(door: str, method: str, status: int) -> tuple[Counter, Histogram]:
    return HTTP_REQUESTS.labels(door, method, status), HTTP_SECONDS.labels(door, method)


class Limits(Collector):
    """What organizations that have limits may have, and have: measured at most once a minute."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def describe(self) -> list[Metric]:
        """Return nothing: to be asked at the start is too early for the database."""
        return []

    def collect(self) -> Iterator[Metric]:
        """Yield the gauges."""
        labels = ("organization", "limit")
        used = GaugeMetricFamily("entrepot_organization_use", "What an organization has.", labels=labels)
        most = GaugeMetricFamily("entrepot_organization_limit", "What an organization may have.", labels=labels)
        try:
            with self._database.read() as session:
                found = limits.limited(session)
        except Exception as error:  # noqa: BLE001 - the other metrics matter most when the database does not answer
            log.warning("limits cannot be measured", error=repr(error))
            return
        for one in found:
            # By id: whoever may read metrics need not know who the organizations are.
            used.add_metric((one.organization_id, one.name), one.used)
            most.add_metric((one.organization_id, one.name), one.most or 0)
        yield from (used, most)


def door_of(path: str) -> str:
    """Return which door a path belongs to, for labels that stay few."""
    first = path.lstrip("/").partition("/")[0]
    return first if first in {"api", "ovbp", "owi", "workflow", "ricloud", "console", "health", "metrics"} else "other"
