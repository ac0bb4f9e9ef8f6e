"""How a server stands, for Prometheus: what is found by looking, in the database and on the disk."""

import time
from collections.abc import Callable, Iterable, Iterator, Sequence

import structlog
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from sqlalchemy.orm import Session

from entrepot import jobs
from entrepot.db import clock, now
from entrepot.errors import Unavailable
from entrepot.events import standing as events
from entrepot.jobs import beats
from entrepot.series import standing as series
from entrepot.server import state
from entrepot.server.health import Health, size_of
from entrepot.settings import Settings

log = structlog.get_logger("entrepot.metrics")

#: What takes a look at many rows is looked at this seldom.
_FRESH_SECONDS = 15.0

Rows = Iterable[tuple[Sequence[str], float]]


class Standing(Collector):
    """Gauges of jobs, parts, deliveries, notices, series, disk and database."""

    def __init__(self, settings: Settings, health: Health) -> None:
        self._settings = settings
        self._health = health
        self._slow: tuple[float, list[Metric]] = (-_FRESH_SECONDS, [])

    def describe(self) -> list[Metric]:
        """Return nothing: to be asked at the start is too early for the database."""
        return []

    def collect(self) -> Iterator[Metric]:
        """Yield those that can be had; without the database, the others."""
        free, inodes = self._health.space.free()
        left = self._health.space.seconds_left()
        yield _gauge("entrepot_disk_free_bytes", "Free bytes on the disk of the data folder.", free)
        yield _gauge("entrepot_disk_free_inodes", "Files that can still be made there.", inodes)
        yield _gauge(
            "entrepot_disk_seconds_left", "For how long they last at the rate of the last day.", left or float("inf")
        )
        down = state.parts_down(self._settings.data_dir)
        yield _gauge("entrepot_parts_down", "Parts of the server that are not ready.", len(down))
        yield _gauge("entrepot_locked", "Whether others keep this part from writing.", float(self._health.locked))
        known = float(self._health.key() == "ok")
        yield _gauge("entrepot_key_known", "Whether the file of the secret key holds the key of this database.", known)
        try:
            yield from self._from_database()
        except Unavailable as error:
            log.warning("metrics are incomplete", exc_info=error)
            yield _gauge("entrepot_database_up", "Whether the database answers.", 0)
        else:
            yield _gauge("entrepot_database_up", "Whether the database answers.", 1)

    def _from_database(self) -> list[Metric]:
        database = self._health.database
        with database.read() as session:
            found = [*_jobs(session), _parts(session)]
            ahead = clock.skew(session).total_seconds()
            found.append(_gauge("entrepot_clock_ahead_seconds", "By how much this clock is ahead.", ahead))
            if time.monotonic() - self._slow[0] > _FRESH_SECONDS:
                self._slow = time.monotonic(), [*_events(session), *_series(session)]
        size = _gauge("entrepot_database_bytes", "Size of the database.", size_of(database))
        return [*found, *self._slow[1], size]


def _jobs(session: Session) -> Iterator[Metric]:
    backlog = jobs.backlog(session)
    tells: dict[str, tuple[str, Callable[[jobs.Backlog], float]]] = {
        "entrepot_jobs_waiting": ("Jobs that are due and wait, by kind.", lambda one: one.waiting),
        "entrepot_jobs_running": ("Jobs that run, by kind.", lambda one: one.running),
        "entrepot_jobs_oldest_seconds": ("For how long the oldest waits.", lambda one: one.oldest_seconds),
        "entrepot_jobs_failed": ("Jobs that failed within the last hour, by kind.", lambda one: one.failed),
    }
    idle = [((kind,), count) for kind, count in jobs.idle.counts(session).items()]
    yield _gauge("entrepot_jobs_idle", "Jobs that found nothing since the last that did, by kind.", idle, "kind")
    for name, (documentation, tell) in tells.items():
        yield _gauge(name, documentation, [((kind,), tell(one)) for kind, one in backlog.items()], "kind")


def _parts(session: Session) -> Metric:
    instant = now()
    rows = [((one.part, one.host), (instant - one.seen_at).total_seconds()) for one in beats.all_(session)]
    return _gauge("entrepot_part_silent_seconds", "Since when a part was not heard of.", rows, "part", "host")


def _events(session: Session) -> Iterator[Metric]:
    waiting, oldest = events.deliveries(session)
    yield _gauge("entrepot_deliveries_waiting", "Deliveries of webhooks that wait.", waiting)
    yield _gauge("entrepot_deliveries_oldest_seconds", "For how long the oldest waits.", oldest)
    hooks = [((status,), count) for status, count in events.webhooks(session).items()]
    yield _gauge("entrepot_webhooks", "Webhooks, by status.", hooks, "status")
    yield _gauge("entrepot_mails_waiting", "Mails that wait.", events.mails(session))
    notices = [((name,), count) for name, count in events.notices(session).items()]
    yield _gauge("entrepot_notifications", "Notifications that are not resolved, by name.", notices, "name")


def _series(session: Session) -> Iterator[Metric]:
    yield _gauge("entrepot_folding_backlog_points", "Points that wait to be folded into chunks.", series.tail(session))
    # By id: whoever may read metrics need not know which projects there are.
    rows = [((project,), seconds) for project, seconds in series.lag(session).items()]
    yield _gauge("entrepot_source_lag_seconds", "Since when a project's importers wrote nothing.", rows, "project")


def _gauge(name: str, documentation: str, rows: float | Rows, *labels: str) -> Metric:
    family = GaugeMetricFamily(name, documentation, labels=labels)
    for given, value in [((), rows)] if isinstance(rows, int | float) else rows:
        family.add_metric(given, value)
    return family
